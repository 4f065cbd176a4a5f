<?php
// SPDX-License-Identifier: BSD-3-Clause
// Sessions of PHP kept by php-redis, with its locks. Argument: port. Silent if all is well.
ini_set('session.use_cookies', '0');
ini_set('session.use_only_cookies', '0');
ini_set('session.cache_limiter', '');
ini_set('session.save_handler', 'redis');
ini_set('session.save_path', "tcp://127.0.0.1:{$argv[1]}?prefix=php:&timeout=2");
ini_set('session.gc_maxlifetime', '300');
ini_set('redis.session.locking_enabled', '1');
ini_set('redis.session.lock_wait_time', '2000');
ini_set('redis.session.lock_retries', '5');
ob_start();

function check($is, $what) {
    if (!$is) {
        fwrite(STDERR, "$what\n");
        exit(1);
    }
}

$redis = new Redis();
$redis->connect('127.0.0.1', (int)$argv[1]);

session_id('first');
check(session_start(), 'a session starts');
$_SESSION['who'] = "Ada \0 L.";
$_SESSION['list'] = [1, 2.5, ['a' => null]];
check($redis->keys('*LOCK*') === ['php:first_LOCK'], 'a session is locked: ' . implode(' ', $redis->keys('*')));
session_write_close();
check(count($redis->keys('*LOCK*')) == 0, 'its lock goes away');
$ttl = $redis->ttl('php:first');
check($ttl > 290 && $ttl <= 300, "it lives as long as it is told, not $ttl");

session_id('second');
session_start();
check($_SESSION === [], 'another session is empty');
session_write_close();

session_id('first');
session_start();
check($_SESSION === ['who' => "Ada \0 L.", 'list' => [1, 2.5, ['a' => null]]], 'it comes back');
session_regenerate_id(true);
$id = session_id();
session_write_close();
check($redis->exists('php:first') == 0 && $redis->exists("php:$id") == 1, 'it gets another name');

session_id($id);
session_start();
session_destroy();
check($redis->exists("php:$id") == 0, 'it goes away');
