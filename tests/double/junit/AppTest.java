// SPDX-License-Identifier: BSD-3-Clause
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import stet.Connection;
import stet.ReplyException;
import stet.Stet;
import stet.StetExtension;

/** The extension starts a server and resets it before each test. Time stands still unless a test moves it. */
@ExtendWith(StetExtension.class)
class AppTest {
    private Stet stet;
    private Connection redis;

    @BeforeEach
    void connect(Stet server) {
        stet = server;
        stet.test("CLOCK", "FREEZE");
        redis = new Connection(stet.host(), stet.port());
    }

    @AfterEach
    void disconnect() {
        redis.close();
    }

    private void advance(long ms) {
        stet.test("CLOCK", "ADVANCE", ms);
    }

    @Test
    void theCacheComputesAgainOnceTheTimeToLiveIsOver() {
        App.Cache cache = new App.Cache(redis, 60000);
        AtomicInteger n = new AtomicInteger();
        Supplier<String> compute = () -> "v" + n.incrementAndGet();
        assertEquals("v1", cache.get("k", compute));
        advance(59999);
        assertEquals("v1", cache.get("k", compute));
        advance(1);
        assertEquals("v2", cache.get("k", compute));
    }

    @Test
    void theRateLimiterAllowsSoManyCallsPerWindow() {
        App.RateLimiter limiter = new App.RateLimiter(redis, 2, 1000);
        assertTrue(limiter.allows("a"));
        assertTrue(limiter.allows("a"));
        assertFalse(limiter.allows("a"));
        assertTrue(limiter.allows("b"));
        advance(1000);
        assertTrue(limiter.allows("a"));
    }

    @Test
    void aChargeWhoseAnswerIsLostIsCountedOnce() {
        stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 1, "CLOSE", "AFTER");
        assertEquals(100, App.charge(stet.host(), stet.port(), 7, 100));
        assertEquals("100", stet.call("GET", "total"));
    }

    @Test
    void aChargeThatTheServerRefusesIsTriedAgain() {
        stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 2, "ERROR", "BUSY try later");
        assertEquals(100, App.charge(stet.host(), stet.port(), 7, 100));
        stet.test("FAULT", "ADD", "COMMAND", "eval", "TIMES", 3, "ERROR", "BUSY try later");
        Exception e = assertThrows(ReplyException.class, () -> App.charge(stet.host(), stet.port(), 8, 100));
        assertEquals("BUSY try later", e.getMessage());
    }

    @Test
    void aLockThatHasExpiredIsNotReleasedByItsFormerHolder() {
        App.Lock a = new App.Lock(redis, "lock", 1000);
        App.Lock b = new App.Lock(redis, "lock", 1000);
        assertTrue(a.acquire());
        assertFalse(b.acquire());
        advance(1000);
        assertTrue(b.acquire());
        assertFalse(a.release());
        assertTrue(b.release());
    }

    @Test
    void aJobComesOutOnceItsDelayIsOver() {
        App.DelayedQueue queue = new App.DelayedQueue(redis);
        queue.add("mail", 24 * 3600 * 1000);
        queue.add("ping", 1000);
        assertEquals(List.of(), queue.takeDue());
        advance(1000);
        assertEquals(List.of("ping"), queue.takeDue());
        advance(24 * 3600 * 1000);
        assertEquals(List.of("mail"), queue.takeDue());
    }

    @Test
    void aWorkerWaitsUntilThereIsAJob() {
        CompletableFuture<String> job = CompletableFuture.supplyAsync(() -> App.work(redis, 0));
        stet.test("WAIT", "BLOCKED", "jobs");
        stet.call("RPUSH", "jobs", "one");
        assertEquals("one", job.join());
    }

    @Test
    void aWorkerGivesUpAfterItsTimeout() {
        CompletableFuture<String> job = CompletableFuture.supplyAsync(() -> App.work(redis, 30));
        stet.test("WAIT", "BLOCKED", "jobs");
        advance(30000);
        assertNull(job.join());
    }
}
