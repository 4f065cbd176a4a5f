<?php
// SPDX-License-Identifier: BSD-3-Clause
// An application of the usual kind: what it has to do with time and with failures is what the tests try.
declare(strict_types=1);

/**
 * As Laravel and others do: the server that the environment names. Without the option phpredis may connect again when
 * a reply does not come, and wait on the new connection for a reply to a command that it sent on the old one: 60
 * seconds here. The fault CLOSE AFTER has shown it.
 */
function client(): Redis
{
    $redis = new Redis();
    $redis->connect(getenv('REDIS_HOST'), (int) getenv('REDIS_PORT'));
    $redis->setOption(Redis::OPT_MAX_RETRIES, 0);
    return $redis;
}

/** Computes a value once per time to live. */
final class Cache
{
    public function __construct(private Redis $redis, private int $ttlMs)
    {
    }

    public function get(string $key, callable $compute): string
    {
        $found = $this->redis->get($key);
        if ($found === false) {
            $found = $compute();
            $this->redis->set($key, $found, ['px' => $this->ttlMs]);
        }
        return $found;
    }
}

/** At most so many calls per window and user. */
final class RateLimiter
{
    public function __construct(private Redis $redis, private int $limit, private int $windowMs)
    {
    }

    public function allows(string $user): bool
    {
        $n = $this->redis->incr("rate:$user");
        if ($n === 1) {
            $this->redis->pExpire("rate:$user", $this->windowMs);
        }
        return $n <= $this->limit;
    }
}

/** The server may have executed an order and its answer was lost: it is counted once, however often it is sent. */
const COUNT_ONCE = "if redis.call('SET', KEYS[1], 1, 'NX') then redis.call('INCRBY', KEYS[2], ARGV[1]) end
                    return redis.call('GET', KEYS[2])";

function charge(int $order, int $amount, int $tries = 3): int
{
    for ($i = 1;; $i++) {
        try {
            $redis = client();
            $total = $redis->eval(COUNT_ONCE, ["order:$order", 'total', $amount], 2);
            if ($total === false) {
                throw new RedisException((string) $redis->getLastError());
            }
            return (int) $total;
        } catch (RedisException $e) {
            if ($i === $tries) {
                throw $e;
            }
        }
    }
}

final class Lock
{
    private const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
    private string $token;

    public function __construct(private Redis $redis, private string $name, private int $ttlMs)
    {
        $this->token = bin2hex(random_bytes(8));
    }

    public function acquire(): bool
    {
        return $this->redis->set($this->name, $this->token, ['nx', 'px' => $this->ttlMs]) === true;
    }

    /** False: the lock had expired, and may be another's. */
    public function release(): bool
    {
        return $this->redis->eval(self::RELEASE, [$this->name, $this->token], 1) === 1;
    }
}

/** Jobs that become due later, by the time of the server. */
final class DelayedQueue
{
    private const TAKE = "local t = redis.call('TIME')
        local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', t[1] * 1000 + math.floor(t[2] / 1000))
        for _, job in ipairs(due) do redis.call('ZREM', KEYS[1], job) end
        return due";

    public function __construct(private Redis $redis)
    {
    }

    public function add(string $job, int $delayMs): void
    {
        [$s, $us] = $this->redis->time();
        $this->redis->zAdd('delayed', (int) $s * 1000 + intdiv((int) $us, 1000) + $delayMs, $job);
    }

    public function takeDue(): array
    {
        return $this->redis->eval(self::TAKE, ['delayed'], 1);
    }
}

/** Waits for a job: its text, or null after the timeout. */
function work(int $timeoutS): ?string
{
    $redis = client();
    $redis->setOption(Redis::OPT_READ_TIMEOUT, -1);
    return $redis->blPop(['jobs'], $timeoutS)[1] ?? null;
}
