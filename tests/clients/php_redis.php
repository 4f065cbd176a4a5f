<?php
/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ordinary use of Debian's php-redis. Argument: the port. Silent if all is well. $STET_TLS: over
 * TLS, with the certificates of this directory. */

/* A connection of its own. */
function open() {
    global $argv;
    $r = new Redis();
    $dir = getenv('STET_TLS');
    if ($dir)
        $r->connect('tls://127.0.0.1', (int)$argv[1], 0, null, 0, 0, ['stream' => [
            'cafile' => "$dir/ca.crt", 'local_cert' => "$dir/client.crt",
            'local_pk' => "$dir/client.key", 'peer_name' => 'localhost']]);
    else
        $r->connect('127.0.0.1', (int)$argv[1]);
    return $r;
}

function is($got, $want, $what) {
    if ($got !== $want) {
        fwrite(STDERR, "$what: got " . json_encode($got) . ", want " . json_encode($want) . "\n");
        exit(1);
    }
}

$r = open();
$r->flushAll();
is($r->set('s', 'v', ['nx', 'ex' => 100]), true, 'set');
is($r->get('s'), 'v', 'get');
is($r->ttl('s') > 90, true, 'ttl');
is($r->incrByFloat('n', 1.5), 1.5, 'incrbyfloat');
is($r->rPush('l', 'a', 'b', 'c'), 3, 'rpush');
is($r->lRange('l', 0, -1), ['a', 'b', 'c'], 'lrange');
is($r->blPop(['none', 'l'], 1), ['l', 'a'], 'blpop');
is($r->rpoplpush('l', 'm'), 'c', 'rpoplpush');
is($r->hMSet('h', ['a' => 1, 'b' => 2]), true, 'hmset');
is($r->hGetAll('h'), ['a' => '1', 'b' => '2'], 'hgetall');
is($r->hIncrBy('h', 'a', 4), 5, 'hincrby');
is($r->sAdd('S', 'x', 'y'), 2, 'sadd');
is($r->sIsMember('S', 'x'), true, 'sismember');
is($r->sInter('S', 'S'), ['x', 'y'], 'sinter');
is($r->zAdd('z', 1, 'a', 2.5, 'b'), 2, 'zadd');
is($r->zRange('z', 0, -1, true), ['a' => 1.0, 'b' => 2.5], 'zrange');
is($r->zRangeByScore('z', '(1', '+inf'), ['b'], 'zrangebyscore');
is($r->zIncrBy('z', 2, 'a'), 3.0, 'zincrby');
$id = $r->xAdd('x', '*', ['f' => 'v']);
is($r->xRange('x', '-', '+'), [$id => ['f' => 'v']], 'xrange');
is($r->xGroup('CREATE', 'x', 'g', '0'), true, 'xgroup');
is($r->xReadGroup('g', 'c', ['x' => '>']), ['x' => [$id => ['f' => 'v']]], 'xreadgroup');
is($r->xAck('x', 'g', [$id]), 1, 'xack');
is((bool)$r->pfAdd('p', ['a', 'b']), true, 'pfadd');
is($r->geoAdd('g', 13.361389, 38.115556, 'Palermo'), 1, 'geoadd');
is($r->multi()->set('t', '1')->incr('t')->exec(), [true, 2], 'multi');
is($r->sort('S', ['alpha' => true, 'sort' => 'desc']), ['y', 'x'], 'sort');
$it = null;
$seen = [];
while ($keys = $r->scan($it, '*', 1000)) $seen = array_merge($seen, $keys);
is(count($seen), $r->dbSize(), 'scan');
$it = null;
is($r->hScan('h', $it), ['a' => '5', 'b' => '2'], 'hscan');
