// SPDX-License-Identifier: BSD-3-Clause
import java.io.UncheckedIOException;
import java.util.List;
import java.util.UUID;
import java.util.function.Supplier;
import stet.Connection;
import stet.ReplyException;

/**
 * An application of the usual kind: what it has to do with time and with failures is what the tests try. Its client
 * is the one of stet, as Debian has none; any other client does as well.
 */
final class App {
    private App() {
    }

    /** Computes a value once per time to live. */
    static final class Cache {
        private final Connection redis;
        private final int ttlMs;

        Cache(Connection redis, int ttlMs) {
            this.redis = redis;
            this.ttlMs = ttlMs;
        }

        String get(String key, Supplier<String> compute) {
            Object found = redis.call("GET", key);
            if (found != null) {
                return (String) found;
            }
            String value = compute.get();
            redis.call("SET", key, value, "PX", ttlMs);
            return value;
        }
    }

    /** At most so many calls per window and user. */
    static final class RateLimiter {
        private final Connection redis;
        private final long limit;
        private final int windowMs;

        RateLimiter(Connection redis, long limit, int windowMs) {
            this.redis = redis;
            this.limit = limit;
            this.windowMs = windowMs;
        }

        boolean allows(String user) {
            long n = (Long) redis.call("INCR", "rate:" + user);
            if (n == 1) {
                redis.call("PEXPIRE", "rate:" + user, windowMs);
            }
            return n <= limit;
        }
    }

    /** The server may have executed an order and its answer was lost: counted once, however often it is sent. */
    private static final String COUNT_ONCE =
        "if redis.call('SET', KEYS[1], 1, 'NX') then redis.call('INCRBY', KEYS[2], ARGV[1]) end "
        + "return redis.call('GET', KEYS[2])";

    static int charge(String host, int port, int order, int amount) {
        for (int i = 1;; i++) {
            try (Connection redis = new Connection(host, port)) {
                return Integer.parseInt((String) redis.call("EVAL", COUNT_ONCE, 2, "order:" + order, "total", amount));
            } catch (UncheckedIOException | ReplyException e) {
                if (i == 3) {
                    throw e;
                }
            }
        }
    }

    static final class Lock {
        private static final String RELEASE =
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
        private final Connection redis;
        private final String name;
        private final int ttlMs;
        private final String token = UUID.randomUUID().toString();

        Lock(Connection redis, String name, int ttlMs) {
            this.redis = redis;
            this.name = name;
            this.ttlMs = ttlMs;
        }

        boolean acquire() {
            return redis.call("SET", name, token, "PX", ttlMs, "NX") != null;
        }

        /** False: the lock had expired, and may be another's. */
        boolean release() {
            return redis.call("EVAL", RELEASE, 1, name, token).equals(1L);
        }
    }

    /** Jobs that become due later, by the time of the server. */
    static final class DelayedQueue {
        private static final String NOW =
            "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) ";
        private static final String ADD = NOW + "return redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])";
        private static final String TAKE = NOW + "local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now) "
            + "for _, job in ipairs(due) do redis.call('ZREM', KEYS[1], job) end return due";
        private final Connection redis;

        DelayedQueue(Connection redis) {
            this.redis = redis;
        }

        void add(String job, long delayMs) {
            redis.call("EVAL", ADD, 1, "delayed", job, delayMs);
        }

        Object takeDue() {
            return redis.call("EVAL", TAKE, 1, "delayed");
        }
    }

    /** Waits for a job: its text, or null after the timeout. */
    static String work(Connection redis, int timeoutS) {
        List<?> got = (List<?>) redis.call("BLPOP", "jobs", timeoutS);
        return got == null ? null : (String) got.get(1);
    }
}
