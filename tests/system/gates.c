/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What readers wait for: nothing is shown that a power cut could take back.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(gates, .fini = kit_end);

/* A server whose syncs take long, with one key that is synced. */
static struct server *run_slow_disk(const char *policy) {
    struct server *s;

    setenv("STET_IO_FAULT", "sync:delay=400", 1);
    s = server_run("--appendonly", "yes", "--appendfsync", policy, NULL);
    unsetenv("STET_IO_FAULT");
    return s;
}

struct calls {
    redisContext *c;
    const char *field;
    int n;
};

static bool were_called(void *arg) {
    const struct calls *w = arg;
    int n = 0;

    return sscanf(ask_info(w->c, w->field), "calls=%d", &n) == 1 && n >= w->n;
}

/* Waits until a command was executed so often, whether its reply has left or not. */
static void wait_calls(redisContext *c, const char *field, int n) {
    struct calls w = {c, field, n};

    cr_assert(kit_wait(were_called, &w, 60), "%s: no %d calls", field, n);
}

/* Another client reads the key, and what was appended by then is synced when it has its reply. */
static void reads_what_is_synced(struct server *s, redisContext *info, const char *want) {
    long long appended = ask_info_int(info, "aof_appended_position");

    EXPECT(ask_open(s), want, "GET k");
    cr_assert_geq(ask_info_int(info, "aof_synced_position"), appended);
}

/* Sends what changes everything, then has another client read a key as soon as that was done. */
static void reader_waits(const char *const *lines, size_t n, const char *want) {
    struct server *s = run_slow_disk("always");
    redisContext *writer = ask_open(s), *info = ask_open(s);

    EXPECT(writer, "+OK", "SET k 1");
    for (size_t i = 0; i < n; i++) redisAppendCommand(writer, lines[i]);
    ask_send(writer, "SET marker 1");
    wait_calls(info, "cmdstat_set", 2);
    reads_what_is_synced(s, info, want);
}

Test(gates, a_reader_waits_for_whole_keyspace_commands_of_a_transaction) {
    static const char *const flush[] = {"MULTI", "FLUSHALL", "EXEC"};
    static const char *const swap[] = {"MULTI", "SWAPDB 0 1", "EXEC"};

    static const char *const script[] = {"EVAL redis.call(\"FLUSHALL\") 0"};

    STET_ONLY();
    reader_waits(flush, 3, "(nil)");
    reader_waits(swap, 3, "(nil)");
    reader_waits(script, 1, "(nil)");
}

Test(gates, with_a_stronger_policy_readers_and_config_set_wait_for_what_is_not_synced) {
    struct server *s = run_slow_disk("no");
    redisContext *writer = ask_open(s), *info = ask_open(s);
    long long appended;

    STET_ONLY();
    EXPECT(writer, "+OK", "SET k 1");
    appended = ask_info_int(info, "aof_appended_position");
    cr_assert_lt(ask_info_int(info, "aof_synced_position"), appended);
    redisAppendCommand(writer, "CONFIG SET appendfsync always");
    ask_send(writer, "PING");
    wait_calls(info, "cmdstat_config|set", 1);
    reads_what_is_synced(s, info, "$1");
    EXPECT_NEXT(writer, "+OK");
    EXPECT_NEXT(writer, "+PONG");
}

Test(gates, config_set_of_a_stronger_policy_answers_when_all_is_synced) {
    struct server *s = run_slow_disk("everysec");
    redisContext *c = ask_open(s), *info = ask_open(s);
    long long appended;

    STET_ONLY();
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "SET k 1");
    EXPECT(c, "+QUEUED", "CONFIG SET appendfsync always");
    EXPECT(c, "[+OK +OK]", "EXEC");
    appended = ask_info_int(info, "aof_appended_position");
    cr_assert_geq(ask_info_int(info, "aof_synced_position"), appended);
}
