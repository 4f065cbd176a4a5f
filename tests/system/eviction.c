/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What happens at maxmemory: which keys are evicted under which policy, and which figures show it.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(eviction, .fini = kit_end);

/* n strings of a kilobyte, from "<prefix>0" on; `ttl_s` 0: without a time to live, below 0: rising.
 */
static void fill(redisContext *c, const char *prefix, int n, int ttl_s) {
    char value[1000];
    redisReply *r;

    memset(value, 'x', sizeof value);
    for (int i = 0; i < n; i++) {
        if (ttl_s == 0)
            redisAppendCommand(c, "SET %s%d %b", prefix, i, value, sizeof value);
        else
            redisAppendCommand(c, "SET %s%d %b EX %d", prefix, i, value, sizeof value,
                               ttl_s > 0 ? ttl_s : 1000 + i);
    }
    for (int i = 0; i < n; i++) {
        cr_assert_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        freeReplyObject(r);
    }
}

/* Room for about n more of them. */
static void limit(redisContext *c, int n) {
    char text[32];

    snprintf(text, sizeof text, "%lld", ask_info_int(c, "used_memory") + n * 1150LL);
    EXPECT(c, "+OK", "CONFIG SET maxmemory %s", text);
}

static long long is_within_limit(redisContext *c) {
    return ask_info_int(c, "used_memory") <= ask_info_int(c, "maxmemory") + 65536;
}

#define OOM "-OOM command not allowed when used memory > 'maxmemory'."

Test(eviction, without_a_policy_what_needs_memory_is_refused) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "SET a 1");
    EXPECT(c, "+OK", "CONFIG SET maxmemory 1");
    EXPECT(c, OOM, "SET b 1");
    EXPECT(c, OOM, "LPUSH l 1");
    EXPECT(c, "$1", "GET a");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, OOM, "SET b 1");
    EXPECT_PREFIX(c, "-EXECABORT", "EXEC");
    EXPECT_PREFIX(c, "-OOM", "EVAL %s 0", "return redis.call('set', 'x', 1)");
    EXPECT(c, ":1", "DEL a");
    EXPECT(c, "+OK", "CONFIG SET maxmemory 0");
    EXPECT(c, "+OK", "SET b 1");
}

Test(eviction, the_limit_holds_and_the_log_says_who_went) {
    struct server *s = server_run(ASK_AOF, NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy allkeys-lru");
    limit(c, 2000);
    fill(c, "k", 6000, 0);
    cr_assert(is_within_limit(c));
    cr_assert_geq(ask_info_int(c, "evicted_keys"), 2000);
    EXPECT(c, ":1", "EXISTS k5999");
    EXPECT(c, "+OK", "CONFIG SET maxmemory 0");
    ask_through_restarts(s, c);
}

Test(eviction, keys_in_use_stay) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    int kept = 0;

    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy allkeys-lru");
    limit(c, 2000);
    fill(c, "hot", 500, 0);
    for (int round = 0; round < 40; round++) {
        char prefix[16];

        snprintf(prefix, sizeof prefix, "cold%d-", round);
        for (int i = 0; i < 500; i++) ask(c, "GET hot%d", i);
        fill(c, prefix, 200, 0);
    }
    for (int i = 0; i < 500; i++) kept += strcmp(ask(c, "EXISTS hot%d", i), ":1") == 0;
    cr_assert_geq(kept, 450, "%d", kept);
}

/* Reading the old keys does not keep them. */
Test(eviction, keys_that_were_changed_stay) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    int kept = 0;

    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy allkeys-lrm");
    fill(c, "read", 1000, 0);
    fill(c, "changed", 500, 0);
    ask_send(c, "BLPOP none 1.1");
    EXPECT_NEXT(c, "(nil)");
    for (int i = 0; i < 500; i++) ask(c, "SETRANGE changed%d 5 y", i);
    for (int i = 0; i < 1000; i++) ask(c, "GET read%d", i);
    limit(c, 0);
    fill(c, "new", 700, 0);
    for (int i = 0; i < 500; i++) kept += strcmp(ask(c, "EXISTS changed%d", i), ":1") == 0;
    cr_assert_geq(kept, 450, "%d", kept);
    EXPECT_PREFIX(c, ":", "OBJECT IDLETIME changed0");
}

Test(eviction, often_used_keys_stay) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    int kept = 0;

    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy allkeys-lfu");
    limit(c, 1500);
    fill(c, "hot", 200, 0);
    for (int round = 0; round < 30; round++)
        for (int i = 0; i < 200; i++) ask(c, "GET hot%d", i);
    fill(c, "cold", 8000, 0);
    for (int i = 0; i < 200; i++) kept += strcmp(ask(c, "EXISTS hot%d", i), ":1") == 0;
    cr_assert_geq(kept, 190, "%d", kept);
}

Test(eviction, volatile_policies_leave_the_others_alone) {
    static const char *const policies[] = {"volatile-lru", "volatile-lfu", "volatile-random",
                                           "volatile-ttl"};
    redisContext *c = ask_open(server_run(NULL, NULL));

    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        EXPECT(c, "+OK", "FLUSHALL");
        EXPECT(c, "+OK", "CONFIG SET maxmemory 0 maxmemory-policy %s", policies[i]);
        fill(c, "stays", 500, 0);
        limit(c, 1000);
        fill(c, "goes", 3000, 10000);
        cr_assert(is_within_limit(c));
        for (int k = 0; k < 500; k++) EXPECT(c, ":1", "EXISTS stays%d", k);
        fill(c, "more", 2000, 0);
        for (int k = 0; k < 100; k++) ask(c, "SETRANGE big%d 100000 x", k);
        EXPECT(c, OOM, "SET one-more 1");
        EXPECT(c, ":0", "EXISTS goes2999");
    }
}

Test(eviction, volatile_ttl_takes_what_is_due_next) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    int early = 0, late = 0;

    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy volatile-ttl");
    fill(c, "k", 4000, -1);
    EXPECT(c, "+OK", "CONFIG SET maxmemory-eviction-tenacity 100");
    limit(c, -2000);
    EXPECT(c, "+OK", "SET x 1");
    for (int i = 0; i < 1500; i++) early += strcmp(ask(c, "EXISTS k%d", i), ":1") == 0;
    for (int i = 2500; i < 4000; i++) late += strcmp(ask(c, "EXISTS k%d", i), ":1") == 0;
    cr_assert_leq(early, 15, "%d", early);
    cr_assert_eq(late, 1500, "%d", late);
}

Test(eviction, watchers_and_subscribers_are_told) {
    struct server *s = server_run("--notify-keyspace-events", "Ee", NULL);
    redisContext *c = ask_open(s), *sub = ask_open(s), *other = ask_open(s);

    EXPECT(sub, "[$psubscribe $__keyevent@0__:* :1]", "PSUBSCRIBE __keyevent@0__:*");
    EXPECT(c, "+OK", "SET only 1");
    EXPECT(c, "+OK", "WATCH only");
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "PING");
    EXPECT(other, "+OK", "CONFIG SET maxmemory-policy allkeys-random maxmemory 1");
    EXPECT_NEXT(sub, "[$pmessage $__keyevent@0__:* $__keyevent@0__:evicted $only]");
    EXPECT(c, "(nil)", "EXEC");
    EXPECT(c, OOM, "SET x 1");
    EXPECT(c, ":0", "DBSIZE");
}

Test(eviction, a_lower_limit_is_reached_without_being_asked) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "CONFIG SET maxmemory-policy allkeys-lru lazyfree-lazy-eviction yes");
    fill(c, "k", 5000, 0);
    limit(c, -3000);
    ask_wait_info_min(c, "evicted_keys", 2000);
    ask_wait_info(c, "current_eviction_exceeded_time", "0");
    cr_assert(is_within_limit(c));
}

/* ---------------------------------------------------------------- clients */

/* A client whose input takes two megabytes. */
static redisContext *greedy(struct server *s) {
    redisContext *c = ask_open(s);
    static char part[2 << 20];

    redisAppendFormattedCommand(c, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9000000\r\n", 30);
    for (int done = 0; !done;) redisBufferWrite(c, &done);
    redisAppendFormattedCommand(c, part, sizeof part);
    signal(SIGPIPE, SIG_IGN); /* it may be closed before all is written */
    for (int done = 0; !done;)
        if (redisBufferWrite(c, &done) != REDIS_OK) break;
    return c;
}

Test(eviction, the_client_that_holds_most_has_to_go) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *kept, *gone;

    EXPECT(c, "+OK", "CLIENT NO-EVICT on");
    kept = ask_open(s);
    EXPECT(kept, "+PONG", "PING");
    gone = greedy(s);
    EXPECT(c, "+OK", "CONFIG SET maxmemory-clients 1mb");
    ask_wait_info(c, "evicted_clients", "1");
    cr_assert_str_eq(ask_next(gone), "(closed)");
    EXPECT(kept, "+PONG", "PING");
    greedy(s);
    ask_wait_info(c, "evicted_clients", "2");
    EXPECT(c, "+OK", "CONFIG SET maxmemory-clients 0");
    EXPECT(kept, "+PONG", "PING");
}
