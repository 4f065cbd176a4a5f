<?php
// SPDX-License-Identifier: BSD-3-Clause
declare(strict_types=1);

namespace Stet\PHPUnit;

use PHPUnit\Event\Test\PreparationStarted;
use PHPUnit\Event\Test\PreparationStartedSubscriber;
use PHPUnit\Runner\Extension\Extension as PhpUnitExtension;
use PHPUnit\Runner\Extension\Facade;
use PHPUnit\Runner\Extension\ParameterCollection;
use PHPUnit\TextUI\Configuration\Configuration;
use Stet\Server;

/**
 * For PHPUnit 10 and later: <extensions><bootstrap class="Stet\PHPUnit\Extension"/></extensions>
 * One server for the run, reset before each test. Debian 12 has PHPUnit 9, so that this class has only been
 * checked for its syntax; Hooks is what the tests of this project run.
 */
final class Extension implements PhpUnitExtension
{
    public function bootstrap(Configuration $configuration, Facade $facade, ParameterCollection $parameters): void
    {
        Environment::set(Server::shared());
        $facade->registerSubscriber(new class () implements PreparationStartedSubscriber {
            public function notify(PreparationStarted $event): void
            {
                Server::shared()->reset();
            }
        });
    }
}
