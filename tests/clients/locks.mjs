// SPDX-License-Identifier: BSD-3-Clause
// Locks of redlock and limits of rate-limiter-flexible. Arguments: port, folder with node_modules.
// Silent if all is well.
import assert from "node:assert";
import { createRequire } from "node:module";

const require = createRequire(process.argv[3] + "/");
const Redis = require("ioredis");
const Redlock = require("redlock").default ?? require("redlock");
const { RateLimiterRedis, RateLimiterQueue, BurstyRateLimiter } = require("rate-limiter-flexible");
const redis = new Redis(Number(process.argv[2]));
const wait = (ms) => new Promise((r) => setTimeout(r, ms));

async function locks() {
  const once = new Redlock([redis], { retryCount: 0 });
  const patient = new Redlock([redis], { retryCount: 50, retryDelay: 20, retryJitter: 5 });
  const acquire = (l, keys, ms) => (l.acquire ? l.acquire(keys, ms) : l.lock(keys, ms));
  const release = (lock) => (lock.release ? lock.release() : lock.unlock());
  const first = await acquire(once, ["lock:a", "lock:b"], 1000);
  await assert.rejects(acquire(once, ["lock:b"], 1000));
  const longer = await first.extend(2000);
  assert.ok((await redis.pttl("lock:a")) > 1000);
  const second = acquire(patient, ["lock:b"], 1000);
  await wait(50);
  await release(longer ?? first);
  await release(await second);
  assert.equal(await redis.exists("lock:a", "lock:b"), 0);
  await acquire(once, ["lock:short"], 40);
  await release(await acquire(patient, ["lock:short"], 1000)); // the first one ran out
  let inside = 0, most = 0;
  await Promise.all(Array.from({ length: 20 }, async () => {
    const lock = await acquire(patient, ["lock:c"], 2000);
    most = Math.max(most, ++inside);
    await wait(1);
    inside--;
    await release(lock);
  }));
  assert.equal(most, 1);
}

async function limits() {
  const limiter = new RateLimiterRedis({ storeClient: redis, points: 5, duration: 1, blockDuration: 2 });
  for (let left = 4; left >= 0; left--)
    assert.equal((await limiter.consume("user")).remainingPoints, left);
  await assert.rejects(limiter.consume("user"), (e) => e.msBeforeNext > 1000);
  assert.ok((await limiter.get("user")).consumedPoints > 5);
  await limiter.delete("user");
  assert.equal((await limiter.consume("user", 2)).remainingPoints, 3);
  assert.equal((await limiter.reward("user", 1)).remainingPoints, 4);
  assert.equal((await limiter.penalty("user", 2)).consumedPoints, 3);
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => limiter.consume("crowd")));
  assert.equal(results.filter((r) => r.status === "fulfilled").length, 5);
  const window = new RateLimiterRedis({ storeClient: redis, points: 2, duration: 1, keyPrefix: "w" });
  await window.consume("x", 2);
  await wait(1050);
  assert.equal((await window.consume("x")).remainingPoints, 1);
  const bursty = new BurstyRateLimiter(
    new RateLimiterRedis({ storeClient: redis, points: 1, duration: 10, keyPrefix: "slow" }),
    new RateLimiterRedis({ storeClient: redis, points: 2, duration: 10, keyPrefix: "burst" }));
  for (let i = 0; i < 3; i++) await bursty.consume("y");
  await assert.rejects(bursty.consume("y"));
  const queue = new RateLimiterQueue(
    new RateLimiterRedis({ storeClient: redis, points: 2, duration: 1, keyPrefix: "queue" }));
  const began = Date.now();
  for (let i = 0; i < 3; i++) await queue.removeTokens(1, "z");
  assert.ok(Date.now() - began >= 300);
}

await locks();
await limits();
redis.disconnect();
