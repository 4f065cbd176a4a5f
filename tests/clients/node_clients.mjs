// SPDX-License-Identifier: BSD-3-Clause
// The ordinary use of the npm packages ioredis and redis. Arguments: the port, the directory that
// has node_modules. Silent if all is well. $STET_TLS: over TLS, with the certificates of this
// directory.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const port = Number(process.argv[2]);
const dir = process.env.STET_TLS;
const tls = dir && {
    ca: readFileSync(dir + '/ca.crt'),
    cert: readFileSync(dir + '/client.crt'),
    key: readFileSync(dir + '/client.key'),
};
const require = createRequire(process.argv[3] + '/');

async function ioredis() {
    const Redis = require('ioredis');
    const at = tls ? { port, tls } : { port };
    const r = new Redis(at), waits = new Redis(at);
    await r.flushall();
    assert.equal(await r.set('s', 'v', 'EX', 100), 'OK');
    assert.deepEqual(await r.mget('s', 'none'), ['v', null]);
    assert.equal(await r.rpush('l', 'a', 'b'), 2);
    assert.deepEqual(await r.lrange('l', 0, -1), ['a', 'b']);
    assert.equal(await r.hset('h', { a: 1, b: 'x' }), 2);
    assert.deepEqual(await r.hgetall('h'), { a: '1', b: 'x' });
    assert.equal(await r.sadd('S', 1, 2), 2);
    assert.equal(await r.zadd('z', 1, 'a', 2.5, 'b'), 2);
    assert.deepEqual(await r.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1', 'b', '2.5']);
    const id = await r.xadd('x', '*', 'f', 'v');
    assert.deepEqual(await r.xread('STREAMS', 'x', '0'), [['x', [[id, ['f', 'v']]]]]);
    assert.deepEqual(await r.multi().set('t', 1).incr('t').exec(), [[null, 'OK'], [null, 2]]);
    const popped = waits.blpop('queue', 5);
    while (!/blocked_clients:1/.test(await r.info('clients'))) ;
    await r.lpush('queue', 'job');
    assert.deepEqual(await popped, ['queue', 'job']);
    const keys = [];
    for await (const some of r.scanStream({ count: 100 })) keys.push(...some);
    assert.equal(keys.length, await r.dbsize());
    assert.deepEqual(await r.pipeline().get('s').llen('l').exec(), [[null, 'v'], [null, 2]]);
    assert.equal(await r.acl('SETUSER', 'app', 'on', '>secret', '~app:*', '+@all'), 'OK');
    const app = new Redis({ ...at, username: 'app', password: 'secret' });
    assert.equal(await app.set('app:k', 'v'), 'OK');
    await assert.rejects(app.get('k'), /^ReplyError: NOPERM No permissions to access a key/);
    app.disconnect();
    r.disconnect();
    waits.disconnect();
}

// Every JSON command that the package has a function for.
async function json(c) {
    const doc = { a: 1, b: [1, 2, 3], s: 'x', t: true, o: { a: 2.5 } };
    assert.equal(await c.json.set('j', '$', doc), 'OK');
    assert.equal(await c.json.set('j', '$', 1, { NX: true }), null);
    assert.deepEqual(await c.json.get('j'), doc);
    assert.deepEqual(await c.json.get('j', { path: '$..a' }), [1, 2.5]);
    assert.deepEqual(await c.json.get('j', { path: ['$.a', '$.b'] }), { '$.a': [1], '$.b': [[1, 2, 3]] });
    assert.deepEqual(await c.json.mGet(['j', 'none'], '$.a'), [[1], null]);
    assert.equal(await c.json.mSet([{ key: 'j1', path: '$', value: { x: 1 } }]), 'OK');
    assert.equal(await c.json.merge('j1', '$', { x: null, y: { z: 1 } }), 'OK');
    assert.deepEqual(await c.json.get('j1'), { y: { z: 1 } });
    assert.deepEqual(await c.json.type('j', { path: '$.a' }), ['integer']);
    assert.equal(await c.json.type('j'), 'object');
    assert.deepEqual(await c.json.numIncrBy('j', '$..a', 2), [3, 4.5]);
    assert.deepEqual(await c.json.numMultBy('j', '$.*', 2), [6, null, null, null, null]);
    assert.deepEqual(await c.json.strAppend('j', 'yz', { path: '$.s' }), [3]);
    assert.deepEqual(await c.json.strLen('j', { path: '$.s' }), [3]);
    assert.deepEqual(await c.json.toggle('j', '$.t'), [0]);
    assert.deepEqual(await c.json.arrAppend('j', '$.b', 4, { n: 1 }), [5]);
    assert.deepEqual(await c.json.arrIndex('j', '$.b', 3, { range: { start: 0, stop: 5 } }), [2]);
    assert.deepEqual(await c.json.arrInsert('j', '$.b', 0, 0), [6]);
    assert.deepEqual(await c.json.arrLen('j', { path: '$.b' }), [6]);
    assert.deepEqual(await c.json.arrPop('j', { path: '$.b' }), [{ n: 1 }]);
    assert.equal(await c.json.arrPop('j', { path: '.b', index: 0 }), 0);
    assert.deepEqual(await c.json.arrTrim('j', '$.b', 0, 1), [2]);
    assert.deepEqual(await c.json.objKeys('j', { path: '$.o' }), [['a']]);
    assert.deepEqual(await c.json.objLen('j', { path: '$.o' }), [1]);
    assert.ok(await c.json.debugMemory('j') > 0);
    assert.equal(await c.json.clear('j', { path: '$.b' }), 1);
    assert.equal(await c.json.del('j', { path: '$.s' }), 1);
    assert.equal(await c.json.forget('j', { path: '$.t' }), 1);
    assert.deepEqual(await c.json.get('j'), { a: 6, b: [], o: { a: 4.5 } });
}

async function nodeRedis(RESP) {
    const { createClient } = require('redis');
    const socket = tls ? { port, tls: true, ...tls } : { port };
    const c = await createClient({ socket, RESP }).connect();
    await c.flushAll();
    await c.set('s', 'v', { expiration: { type: 'EX', value: 100 } });
    assert.equal(await c.get('s'), 'v');
    await c.hSet('h', { a: '1', b: '2' });
    assert.deepEqual({ ...(await c.hGetAll('h')) }, { a: '1', b: '2' });
    await c.zAdd('z', [{ score: 1, value: 'a' }, { score: 2.5, value: 'b' }]);
    assert.deepEqual(await c.zRangeWithScores('z', 0, -1),
                     [{ value: 'a', score: 1 }, { value: 'b', score: 2.5 }]);
    assert.equal(await c.zScore('z', 'b'), 2.5);
    await c.sAdd('S', ['x', 'y']);
    assert.deepEqual((await c.sMembers('S')).sort(), ['x', 'y']);
    const id = await c.xAdd('x', '*', { f: 'v' });
    assert.equal((await c.xRange('x', '-', '+'))[0].id, id);
    assert.deepEqual(await c.multi().set('t', '1').incr('t').exec(), ['OK', 2]);
    assert.equal(await c.lPush('l', ['a', 'b']), 2);
    assert.deepEqual(await c.lPopCount('l', 5), ['b', 'a']);
    await json(c);
    await c.aclSetUser('app', ['on', '>secret', '~app:*', '+@all']);
    const app = createClient({ socket, RESP, username: 'app', password: 'secret' });
    app.on('error', () => {}); // its connection ends with its user
    await app.connect();
    assert.equal(await app.aclWhoAmI(), 'app');
    assert.deepEqual((await c.aclGetUser('app')).flags, ['on', 'sanitize-payload']);
    await assert.rejects(app.get('k'), /NOPERM No permissions to access a key/);
    assert.equal(await c.aclDelUser('app'), 1);
    app.destroy();
    c.destroy();
}

await ioredis();
await nodeRedis(2);
await nodeRedis(3);
