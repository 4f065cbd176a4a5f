<?php
/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cluster client of Debian's php-redis. Arguments: the ports. Silent if all is well. */

function is($got, $want, $what) {
    if ($got !== $want) {
        fwrite(STDERR, "$what: got " . json_encode($got) . ", want " . json_encode($want) . "\n");
        exit(1);
    }
}

$ports = array_slice($argv, 1);
$r = new RedisCluster(null, array_map(fn($p) => "127.0.0.1:$p", $ports), 5, 5);
is(count($r->_masters()), count($ports) > 1 ? 3 : 1, 'masters');
for ($i = 0; $i < 200; $i++) $r->set("k$i", "$i");
for ($i = 0; $i < 200; $i++) is($r->get("k$i"), "$i", 'get');
is($r->mset(['{t}1' => '1', '{t}2' => '2']), true, 'mset');
is($r->mget(['{t}1', '{t}2']), ['1', '2'], 'mget');
is($r->multi()->incr('k0')->incr('k0')->exec(), [1, 2], 'a transaction');
is($r->eval("return redis.call('get', KEYS[1])", ['k5'], 1), '5', 'a script');
$n = 0;
foreach ($r->_masters() as $m) $n += $r->dbSize($m);
is($n, 202, 'dbsize');
is($r->hset('h', 'f', 'v'), 1, 'hset');
is($r->hgetall('h'), ['f' => 'v'], 'hgetall');
if (count($ports) > 1) {
    $slot = $r->cluster("127.0.0.1:$ports[0]", 'keyslot', 'foo');
    $admin = new Redis();
    $admin->connect('127.0.0.1', (int)$ports[0]);
    $r->set('foo', 'bar');
    foreach (array_slice($ports, 0, 3) as $p) {
        is($admin->rawCommand('TEST', 'CLUSTER', 'MOVE', $slot, $p), true, 'move');
        is($r->get('foo'), 'bar', 'after a move');
    }
    $admin->rawCommand('TEST', 'CLUSTER', 'ASK', $slot, $ports[0]);
    is($r->set('{foo}new', 'x'), true, 'asked for');
    is($r->get('{foo}new'), 'x', 'asked for');
}
