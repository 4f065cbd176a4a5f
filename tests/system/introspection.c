/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a server tells of itself over the wire, and holding clients back, with several connections.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/server.h"

TestSuite(introspection, .fini = kit_end);

Test(introspection, a_monitor_sees_the_commands_of_all) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *m = ask_open(s);

    EXPECT(m, "+OK", "MONITOR");
    EXPECT(c, "+OK", "SET k %b", "a\0\"b", (size_t)4);
    cr_assert(strstr(ask_next(m), "] \"SET\" \"k\" \"a\\x00\\\"b\""));
    EXPECT(c, "+OK", "MULTI");
    EXPECT(c, "+QUEUED", "INCR n");
    EXPECT(c, "[:1]", "EXEC");
    cr_assert(strstr(ask_next(m), "\"MULTI\""));
    cr_assert(strstr(ask_next(m), "\"INCR\" \"n\""));
    cr_assert(strstr(ask_next(m), "\"EXEC\""));
    EXPECT(c, ":2", "EVAL %s 0", "return redis.call('incr','n')");
    cr_assert(strstr(ask_next(m), "\"EVAL\" \"return"), "the script comes before its commands");
    cr_assert(strstr(ask_next(m), " [0 lua] \"incr\" \"n\""));
    cr_assert(strstr(ask(c, "CLIENT LIST"), "flags=O "));
    EXPECT(m, "+RESET", "RESET");
    EXPECT(c, "$2", "GET n");
    EXPECT(m, "$2", "GET n");
}

Test(introspection, slow_commands_are_remembered) {
    struct server *s =
        server_run("--save", "", "--enable-debug-command", "yes", "--slowlog-log-slower-than",
                   "20000", "--latency-monitor-threshold", "20", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, "+OK", "CLIENT SETNAME me");
    EXPECT(c, "+OK", "DEBUG SLEEP 0.03");
    EXPECT(c, ":1", "SLOWLOG LEN");
    cr_assert(strstr(ask(c, "SLOWLOG GET"), "[$DEBUG $SLEEP $0.03] $127.0.0.1:"));
    EXPECT_PREFIX(c, "[[$command :", "LATENCY LATEST");
}

static bool has_parked(void *c) {
    return ask_info_int(c, "blocked_clients") == 1;
}

Test(introspection, writers_are_held_back_for_a_while) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s), *w = ask_open(s);

    EXPECT(c, "+OK", "CLIENT PAUSE 60000 WRITE");
    redisAppendCommand(w, "SET k v");
    ask_send(w, "GET k");
    cr_assert(kit_wait(has_parked, c, 60));
    EXPECT(c, "(nil)", "GET k");
    EXPECT(c, "+OK", "CLIENT UNPAUSE");
    EXPECT_NEXT(w, "+OK");
    EXPECT_NEXT(w, "$v");
    EXPECT(c, "+OK", "CLIENT PAUSE 50");
    EXPECT(c, "$v", "GET k");
}

Test(introspection, nobody_waits_for_replicas_longer_than_asked) {
    struct server *s = server_run("--save", "", NULL);
    redisContext *c = ask_open(s);

    EXPECT(c, ":0", "WAIT 1 20");
    EXPECT(c, ":0", "WAIT 0 0");
    EXPECT(c, "[$master :0 []]", "ROLE");
}
