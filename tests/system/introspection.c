/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a server tells of itself over the wire, and holding clients back, with several connections.
 */
#include <criterion/criterion.h>
#include <stdio.h>
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

    cr_assert_str_eq(ask_info(c, "paused_reason"), "none");
    EXPECT(c, "+OK", "CLIENT PAUSE 60000 WRITE");
    cr_assert_str_eq(ask_info(c, "paused_reason"), "client_pause");
    cr_assert_str_eq(ask_info(c, "paused_actions"), "write");
    cr_assert_gt(ask_info_int(c, "paused_timeout_milliseconds"), 0);
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

Test(introspection, the_slow_log_hides_users_and_what_acl_is_told_of_them) {
    redisContext *c = ask_open(server_run("--slowlog-log-slower-than", "0", NULL));
    const char *got;

    EXPECT(c, "+OK", "ACL SETUSER hidden >hidden ~hidden (+get ~hidden)");
    ask(c, "ACL GETUSER hidden");
    EXPECT(c, ":1", "ACL DELUSER hidden");
    EXPECT(c, "+OK", "CONFIG SET masteruser hidden masterauth hidden");
    got = ask(c, "SLOWLOG GET -1");
    cr_assert(!strstr(got, "hidden"), "%s", got);
    cr_assert(strstr(got, "[$ACL $GETUSER $(redacted)]"), "%s", got);
    cr_assert(strstr(got, "[$ACL $DELUSER $(redacted)]"), "%s", got);
}

Test(introspection, info_counts_keys_that_are_waited_for_or_watched) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *a = ask_open(s), *b = ask_open(s), *w = ask_open(s);

    EXPECT(c, "+OK", "XGROUP CREATE s g $ MKSTREAM");
    ask_send(a, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    ask_send(b, "BLPOP l m n 0");
    ask_wait_info(c, "blocked_clients", "2");
    cr_assert_eq(ask_info_int(c, "total_blocking_keys"), 4);
    cr_assert_eq(ask_info_int(c, "total_blocking_keys_on_nokey"), 1);
    EXPECT(w, "+OK", "WATCH k l");
    cr_assert_eq(ask_info_int(c, "watching_clients"), 1);
    cr_assert_eq(ask_info_int(c, "total_watched_keys"), 2);
    EXPECT(w, "+OK", "UNWATCH");
    EXPECT(c, ":1", "RPUSH l x");
    EXPECT(c, ":1", "XGROUP DESTROY s g");
    ask_wait_info(c, "blocked_clients", "0");
    cr_assert_eq(ask_info_int(c, "total_blocking_keys"), 0);
    cr_assert_eq(ask_info_int(c, "total_blocking_keys_on_nokey"), 0);
    cr_assert_eq(ask_info_int(c, "watching_clients"), 0);
    cr_assert_eq(ask_info_int(c, "total_watched_keys"), 0);
}

Test(introspection, command_list_names_subcommands) {
    redisContext *c = ask_open(server_run(NULL, NULL));
    const char *got = ask(c, "COMMAND LIST");

    cr_assert(strstr(got, " $client|list "));
    cr_assert(strstr(got, " $client "));
}

Test(introspection, a_master_without_replicas) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "+OK", "REPLICAOF NO ONE");
    EXPECT(c, "+OK", "SLAVEOF no one");
    EXPECT(c, "-ERR Invalid master port", "REPLICAOF no two");
    EXPECT(c, "-ERR Invalid master port", "REPLICAOF 127.0.0.1 65536");
    EXPECT(c, "[$master :0 []]", "ROLE");
}

Test(introspection, a_selector_in_a_selector_is_refused) {
    redisContext *c = ask_open(server_run(NULL, NULL));

    EXPECT(c, "-ERR Error in ACL SETUSER modifier '(+ping (+select (+del )': Syntax error",
           "ACL SETUSER u on (+ping (+select (+del ) ) )");
    EXPECT(c, "-ERR Unmatched parenthesis in acl selector starting at '(+ping'.",
           "ACL SETUSER u on (+ping (+select");
    EXPECT(c, "(nil)", "ACL GETUSER u");
}

Test(introspection, info_says_what_the_loop_and_the_commands_took) {
    redisContext *c = ask_open(server_run("--enable-debug-command", "yes", NULL));
    long long loop, commands;

    EXPECT(c, "+OK", "DEBUG POPULATE 10000");
    loop = ask_info_int(c, "eventloop_duration_sum");
    commands = ask_info_int(c, "eventloop_duration_cmd_sum");
    cr_assert_gt(loop, 0);
    cr_assert_gt(commands, 0);
    EXPECT(c, "+OK", "DEBUG POPULATE 20000");
    cr_assert_gt(ask_info_int(c, "eventloop_duration_sum"), loop);
    cr_assert_gt(ask_info_int(c, "eventloop_duration_cmd_sum"), commands);
}

Test(introspection, a_blocked_command_that_ends_with_an_error_has_failed) {
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s), *blocked = ask_open(s);
    char id[32];

    snprintf(id, sizeof id, "%s", ask(blocked, "CLIENT ID") + 1);
    ask_send(blocked, "BLPOP k 0");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":1", "CLIENT UNBLOCK %s ERROR", id);
    cr_assert(strstr(ask_info(c, "cmdstat_blpop"), "calls=1,"));
    cr_assert(strstr(ask_info(c, "cmdstat_blpop"), "failed_calls=1"));
    EXPECT_PREFIX(c, "$count=1", "ECHO %s", ask_info(c, "errorstat_UNBLOCKED"));
    ask_next(blocked);
    ask_send(blocked, "BLPOP k 0");
    ask_wait_info(c, "blocked_clients", "1");
    EXPECT(c, ":1", "CLIENT UNBLOCK %s", id);
    cr_assert(strstr(ask_info(c, "cmdstat_blpop"), "calls=2,"));
    cr_assert(strstr(ask_info(c, "cmdstat_blpop"), "failed_calls=1"));
}
