// SPDX-License-Identifier: BSD-3-Clause
// An application of the usual kind: what it has to do with time and with failures is what the tests try.
'use strict';

// Computes a value once per time to live.
class Cache {
    constructor(redis, ttlMs) {
        Object.assign(this, {redis, ttlMs});
    }

    async get(key, compute) {
        const found = await this.redis.get(key);
        if (found !== null) return found;
        const value = await compute();
        await this.redis.set(key, value, 'PX', this.ttlMs);
        return value;
    }
}

// At most `limit` calls per window and user.
class RateLimiter {
    constructor(redis, limit, windowMs) {
        Object.assign(this, {redis, limit, windowMs});
    }

    async allows(user) {
        const n = await this.redis.incr(`rate:${user}`);
        if (n === 1) await this.redis.pexpire(`rate:${user}`, this.windowMs);
        return n <= this.limit;
    }
}

// Counts an order once, however often it is sent: the server may have executed it and its answer was lost.
const COUNT_ONCE = `if redis.call('SET', KEYS[1], 1, 'NX') then redis.call('INCRBY', KEYS[2], ARGV[1]) end
                    return redis.call('GET', KEYS[2])`;

async function charge(redis, order, amount, tries = 3) {
    for (let i = 1;; i++) {
        try {
            return Number(await redis.eval(COUNT_ONCE, 2, `order:${order}`, 'total', amount));
        } catch (error) {
            if (i === tries) throw error;
        }
    }
}

class Lock {
    constructor(redis, name, ttlMs) {
        Object.assign(this, {redis, name, ttlMs, token: Math.random().toString(36)});
    }

    async acquire() {
        return await this.redis.set(this.name, this.token, 'PX', this.ttlMs, 'NX') === 'OK';
    }

    // False: the lock had expired, and may be another's.
    async release() {
        return await this.redis.eval(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
                                      return 0`, 1, this.name, this.token) === 1;
    }
}

// Jobs that become due later, by the time of the server.
class DelayedQueue {
    constructor(redis) {
        this.redis = redis;
    }

    async add(job, delayMs) {
        const [s, us] = await this.redis.time();
        await this.redis.zadd('delayed', Number(s) * 1000 + Math.floor(us / 1000) + delayMs, job);
    }

    async takeDue() {
        return this.redis.eval(`local t = redis.call('TIME')
                                local now = t[1] * 1000 + math.floor(t[2] / 1000)
                                local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
                                for _, job in ipairs(due) do redis.call('ZREM', KEYS[1], job) end
                                return due`, 1, 'delayed');
    }
}

// Waits for a job: its text, or null after the timeout.
async function work(redis, timeoutS) {
    const got = await redis.blpop('jobs', timeoutS);
    return got && got[1];
}

module.exports = {Cache, RateLimiter, charge, Lock, DelayedQueue, work};
