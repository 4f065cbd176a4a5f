# SPDX-License-Identifier: BSD-3-Clause
"""app - an application of the usual kind: what it has to do with time and with failures is what the tests try."""
import uuid

import redis


class Cache:
    """Computes a value once per time to live."""

    def __init__(self, client, ttl_ms):
        self.client, self.ttl_ms = client, ttl_ms

    def get(self, key, compute):
        found = self.client.get(key)
        if found is None:
            found = compute()
            self.client.set(key, found, px=self.ttl_ms)
        return found


class RateLimiter:
    """At most `limit` calls per window and user."""

    def __init__(self, client, limit, window_ms):
        self.client, self.limit, self.window_ms = client, limit, window_ms

    def allows(self, user):
        n = self.client.incr("rate:" + user)
        if n == 1:
            self.client.pexpire("rate:" + user, self.window_ms)
        return n <= self.limit


# The server may have executed an order and its answer was lost: it is counted once, however often it is sent.
COUNT_ONCE = """if redis.call('SET', KEYS[1], 1, 'NX') then redis.call('INCRBY', KEYS[2], ARGV[1]) end
                return redis.call('GET', KEYS[2])"""


def charge(client, order, amount, tries=3):
    for i in range(tries):
        try:
            return int(client.eval(COUNT_ONCE, 2, "order:%s" % order, "total", amount))
        except redis.RedisError:
            if i == tries - 1:
                raise


class Lock:
    RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

    def __init__(self, client, name, ttl_ms):
        self.client, self.name, self.ttl_ms, self.token = client, name, ttl_ms, uuid.uuid4().hex

    def acquire(self):
        return self.client.set(self.name, self.token, px=self.ttl_ms, nx=True) is True

    def release(self):
        """False: the lock had expired, and may be another's."""
        return self.client.eval(self.RELEASE, 1, self.name, self.token) == 1


class DelayedQueue:
    """Jobs that become due later, by the time of the server."""

    TAKE = """local t = redis.call('TIME')
              local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
              for _, job in ipairs(due) do redis.call('ZREM', KEYS[1], job) end
              return due"""

    def __init__(self, client):
        self.client = client

    def add(self, job, delay_ms):
        s, us = self.client.time()
        self.client.zadd("delayed", {job: s * 1000 + us // 1000 + delay_ms})

    def take_due(self):
        return self.client.eval(self.TAKE, 1, "delayed")


def work(client, timeout_s):
    """Waits for a job: its text, or None after the timeout."""
    got = client.blpop("jobs", timeout_s)
    return got and got[1]
