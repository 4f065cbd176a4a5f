# SPDX-License-Identifier: BSD-3-Clause
# An application of the usual kind: what it has to do with time and with failures is what the examples try.
require "redis"
require "securerandom"

# Computes a value once per time to live.
class Cache
  def initialize(redis, ttl_ms)
    @redis = redis
    @ttl_ms = ttl_ms
  end

  def get(key)
    found = @redis.get(key)
    return found if found

    yield.tap { |value| @redis.set(key, value, px: @ttl_ms) }
  end
end

# At most so many calls per window and user.
class RateLimiter
  def initialize(redis, limit, window_ms)
    @redis = redis
    @limit = limit
    @window_ms = window_ms
  end

  def allows?(user)
    n = @redis.incr("rate:#{user}")
    @redis.pexpire("rate:#{user}", @window_ms) if n == 1
    n <= @limit
  end
end

# The server may have executed an order and its answer was lost: it is counted once, however often it is sent.
module Charge
  COUNT_ONCE = <<~LUA.freeze
    if redis.call('SET', KEYS[1], 1, 'NX') then redis.call('INCRBY', KEYS[2], ARGV[1]) end
    return redis.call('GET', KEYS[2])
  LUA

  def self.call(redis, order, amount, tries: 3)
    redis.eval(COUNT_ONCE, keys: ["order:#{order}", "total"], argv: [amount]).to_i
  rescue Redis::BaseError
    tries -= 1
    tries.positive? ? retry : raise
  end
end

class Lock
  RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0".freeze

  def initialize(redis, name, ttl_ms)
    @redis = redis
    @name = name
    @ttl_ms = ttl_ms
    @token = SecureRandom.hex
  end

  def acquire
    @redis.set(@name, @token, px: @ttl_ms, nx: true)
  end

  # False: the lock had expired, and may be another's.
  def release
    @redis.eval(RELEASE, keys: [@name], argv: [@token]) == 1
  end
end

# Jobs that become due later, by the time of the server.
class DelayedQueue
  TAKE = <<~LUA.freeze
    local t = redis.call('TIME')
    local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
    for _, job in ipairs(due) do redis.call('ZREM', KEYS[1], job) end
    return due
  LUA

  def initialize(redis)
    @redis = redis
  end

  def add(job, delay_ms)
    s, us = @redis.time
    @redis.zadd("delayed", s * 1000 + us / 1000 + delay_ms, job)
  end

  def take_due
    @redis.eval(TAKE, keys: ["delayed"])
  end
end

# Waits for a job: its text, or nil after the timeout.
def work(redis, timeout_s)
  redis.blpop("jobs", timeout: timeout_s)&.last
end
