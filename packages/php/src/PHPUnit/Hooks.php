<?php
// SPDX-License-Identifier: BSD-3-Clause
declare(strict_types=1);

namespace Stet\PHPUnit;

use PHPUnit\Runner\BeforeFirstTestHook;
use PHPUnit\Runner\BeforeTestHook;
use Stet\Server;

/**
 * For PHPUnit 8 and 9: <extensions><extension class="Stet\PHPUnit\Hooks"/></extensions>
 * One server for the run, reset before each test. PHPUnit 10 and later: see Extension.
 */
final class Hooks implements BeforeFirstTestHook, BeforeTestHook
{
    public function executeBeforeFirstTest(): void
    {
        Environment::set(Server::shared());
    }

    public function executeBeforeTest(string $test): void
    {
        Server::shared()->reset();
    }
}
