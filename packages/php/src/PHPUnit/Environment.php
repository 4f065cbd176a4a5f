<?php
// SPDX-License-Identifier: BSD-3-Clause
declare(strict_types=1);

namespace Stet\PHPUnit;

use Stet\Server;

/** Where applications look for their server: REDIS_HOST, REDIS_PORT, REDIS_URL, as Laravel and Symfony do. */
final class Environment
{
    public static function set(Server $server): void
    {
        $values = ['REDIS_HOST' => $server->host, 'REDIS_PORT' => (string) $server->port, 'REDIS_URL' => $server->url()];
        foreach ($values as $name => $value) {
            putenv("$name=$value");
            $_ENV[$name] = $_SERVER[$name] = $value;
        }
    }
}
