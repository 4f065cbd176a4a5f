// SPDX-License-Identifier: BSD-3-Clause
// A server for this file; time stands still unless a test moves it, and no test sleeps.
import Redis from 'ioredis';
import { start } from 'stet';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import app from './app.cjs';

const { Cache, RateLimiter, charge, Lock, DelayedQueue, work } = app;
let server, redis;

beforeAll(async () => { server = await start(); });
afterAll(() => server.stop());
beforeEach(async () => {
    await server.reset();
    await server.test('CLOCK', 'FREEZE');
    redis = new Redis(server.url);
});
afterEach(() => redis.disconnect());

const advance = (ms) => server.test('CLOCK', 'ADVANCE', ms);

test('the cache computes again once the time to live is over', async () => {
    const cache = new Cache(redis, 60000);
    let computed = 0;
    const compute = () => `v${++computed}`;
    expect(await cache.get('k', compute)).toBe('v1');
    await advance(59999);
    expect(await cache.get('k', compute)).toBe('v1');
    await advance(1);
    expect(await cache.get('k', compute)).toBe('v2');
});

test('the rate limiter allows so many calls per window', async () => {
    const limiter = new RateLimiter(redis, 2, 1000);
    expect([await limiter.allows('a'), await limiter.allows('a'), await limiter.allows('a')]).toEqual([true, true, false]);
    expect(await limiter.allows('b')).toBe(true);
    await advance(1000);
    expect(await limiter.allows('a')).toBe(true);
});

test('a charge whose answer is lost is counted once', async () => {
    await server.test('FAULT', 'ADD', 'NAME', 'lost', 'COMMAND', 'eval', 'TIMES', 1, 'CLOSE', 'AFTER');
    expect(await charge(redis, 7, 100)).toBe(100);
    expect(await server.call('GET', 'total')).toBe('100');
    expect((await server.test('FAULT', 'LIST'))[0].slice(-2)).toEqual(['hits', 1]);
});

test('ioredis itself sends a command again: a plain INCR is counted twice', async () => {
    await server.test('FAULT', 'ADD', 'COMMAND', 'incr', 'TIMES', 1, 'CLOSE', 'AFTER');
    expect(await redis.incr('n')).toBe(2);
});

test('a charge that the server refuses is tried again', async () => {
    await server.test('FAULT', 'ADD', 'COMMAND', 'eval', 'TIMES', 2, 'ERROR', 'BUSY try later');
    expect(await charge(redis, 7, 100)).toBe(100);
    await server.test('FAULT', 'ADD', 'COMMAND', 'eval', 'TIMES', 3, 'ERROR', 'BUSY try later');
    await expect(charge(redis, 8, 100)).rejects.toThrow('BUSY try later');
});

test('a lock that has expired is not released by its former holder', async () => {
    const a = new Lock(redis, 'lock', 1000), b = new Lock(redis, 'lock', 1000);
    expect(await a.acquire()).toBe(true);
    expect(await b.acquire()).toBe(false);
    await advance(1000);
    expect(await b.acquire()).toBe(true);
    expect(await a.release()).toBe(false);
    expect(await b.release()).toBe(true);
});

test('a job comes out once its delay is over', async () => {
    const queue = new DelayedQueue(redis);
    await queue.add('mail', 24 * 3600 * 1000);
    await queue.add('ping', 1000);
    expect(await queue.takeDue()).toEqual([]);
    await advance(1000);
    expect(await queue.takeDue()).toEqual(['ping']);
    await advance(24 * 3600 * 1000);
    expect(await queue.takeDue()).toEqual(['mail']);
});

test('a worker waits until there is a job', async () => {
    const worker = redis.duplicate();
    const job = work(worker, 0);
    await server.test('WAIT', 'BLOCKED', 'jobs');
    await redis.rpush('jobs', 'one');
    expect(await job).toBe('one');
    worker.disconnect();
});

test('a worker gives up after its timeout', async () => {
    const worker = redis.duplicate();
    const job = work(worker, 30);
    await server.test('WAIT', 'BLOCKED', 'jobs');
    await advance(30000);
    expect(await job).toBe(null);
    worker.disconnect();
});
