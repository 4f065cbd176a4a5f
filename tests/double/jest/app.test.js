// SPDX-License-Identifier: BSD-3-Clause
// One server for all files, by the global set-up of package.json. The application is that of ../vitest.
const Redis = require('ioredis');
const {connect} = require('stet');
const {Cache, work} = require('./app.cjs');

const server = connect();
let redis;

beforeEach(async () => {
    await server.reset();
    await server.test('CLOCK', 'FREEZE');
    redis = new Redis(server.url);
});
afterEach(() => redis.disconnect());
afterAll(() => server.disconnect());

test('the cache computes again once the time to live is over', async () => {
    const cache = new Cache(redis, 60000);
    let computed = 0;
    const compute = () => `v${++computed}`;
    expect(await cache.get('k', compute)).toBe('v1');
    await server.test('CLOCK', 'ADVANCE', 60000);
    expect(await cache.get('k', compute)).toBe('v2');
});

test('a worker waits until there is a job', async () => {
    const worker = redis.duplicate();
    const job = work(worker, 0);
    await server.test('WAIT', 'BLOCKED', 'jobs');
    await redis.rpush('jobs', 'one');
    expect(await job).toBe('one');
    worker.disconnect();
});
