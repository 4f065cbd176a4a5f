/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From bytes to executed commands: what stands before a handler, parking, blocking, replay.
 */
#include "conf/conf.h"
#include "exec_help.h"
#include "server/exec/acl.h"
#include "server/exec/blocking.h"
#include "server/exec/dispatch.h"
#include "server/exec/expire.h"
#include "server/exec/replay.h"
#include "server/exec/turn.h"

#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(dispatch, .init = exec_begin, .fini = exec_end);
TestSuite(parking, .init = exec_begin_logged, .fini = exec_end);

static struct slice filled(char *buf, size_t n) {
    memset(buf, 'v', n);
    return slice_of(buf, n);
}

Test(dispatch, a_pipeline_is_answered_in_order) {
    static const char text[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n5\r\n"
                               "INCR k\r\n\r\n"
                               "*2\r\n$3\r\nget\r\n$1\r\nk\r\n"
                               "NOSUCH a b\r\nGET\r\nPING\r\n";

    cr_assert_eq(feed(&one, text), sizeof text - 1);
    cr_assert_str_eq(output(&one),
                     "+OK\r\n:6\r\n$1\r\n6\r\n"
                     "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"
                     "-ERR wrong number of arguments for 'get' command\r\n+PONG\r\n");
}

Test(dispatch, a_pipeline_longer_than_a_group_is_answered_whole) {
    struct bytes in = {0}, want = {0};

    for (int i = 1; i <= 500; i++) {
        bytes_append_str(&in, i % 2 ? "INCR k\r\n" : "*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n");
        bytes_printf(&want, ":%d\r\n", i);
    }
    for (size_t cut = 0; cut < 60; cut++) {
        struct bytes got = {0};
        char *part = mem_dup(in.p, in.n - cut);
        size_t need, used = engine_feed(&engine, &one, part, in.n - cut, &need);

        mem_free(part);
        cr_assert_leq(used, in.n - cut);
        bytes_append(&got, in.p + used, in.n - used);
        cr_assert_eq(engine_feed(&engine, &one, got.p, got.n, &need), got.n);
        if (cut == 0) cr_assert_str_eq(output(&one), bytes_cstr(&want));
        output(&one);
        bytes_release(&got);
        say("SET k 0");
    }
    bytes_release(&in);
    bytes_release(&want);
}

Test(dispatch, subcommands_have_their_own_arity_and_errors) {
    cr_assert_str_eq(say("BOX OPEN"), "+PONG\r\n");
    cr_assert_str_eq(say("box shut"), "-ERR wrong number of arguments for 'box|shut' command\r\n");
    cr_assert_str_eq(say("box burn"), "-ERR unknown subcommand 'burn'. Try BOX HELP.\r\n");
    cr_assert_str_eq(say("box"), "-ERR wrong number of arguments for 'box' command\r\n");
}

Test(dispatch, an_unknown_command_is_repeated_up_to_128_bytes_and_so_are_its_arguments) {
    char n[201] = {0}, line[512], want[512];

    memset(n, 'n', 200);
    snprintf(line, sizeof line, "%s %.100s %.100s third", n, n, n);
    snprintf(want, sizeof want,
             "-ERR unknown command '%.128s', with args beginning with: '%.100s' '%.25s' \r\n", n, n,
             n);
    cr_assert_str_eq(say(line), want);
}

Test(dispatch, before_auth_only_what_is_allowed_runs) {
    acl_set_standard_password(&engine, SLICE("secret"));
    session_reset(&one);
    cr_assert_str_eq(say("GET k"), "-NOAUTH Authentication required.\r\n");
    cr_assert_str_eq(say("PING"), "+PONG\r\n");
    cr_assert_str_eq(say("GET"), "-ERR wrong number of arguments for 'get' command\r\n");
    feed(&one, "*11\r\n");
    cr_assert_str_eq(output(&one), "-ERR Protocol error: unauthenticated multibulk length\r\n");
    cr_assert_eq(closed, 1);
}

Test(dispatch, while_loading_only_what_is_allowed_runs) {
    engine.loading = true;
    cr_assert_str_eq(say("GET k"), "-LOADING Redis is loading the dataset in memory\r\n");
    cr_assert_str_eq(say("PING"), "+PONG\r\n");
}

Test(dispatch, a_protocol_error_ends_the_session_after_what_stood_before_it) {
    feed(&one, "PING\r\n*1\r\n:1\r\nPING\r\n");
    cr_assert_str_eq(output(&one), "+PONG\r\n-ERR Protocol error: expected '$', got ':'\r\n");
    cr_assert_eq(closed, 1);
    cr_assert_eq(feed(&one, "PING\r\n"), 0, "it takes no more input");
    cr_assert_str_eq(output(&one), "");
}

Test(dispatch, a_browser_is_cut_off) {
    feed(&one, "POST / HTTP/1.1\r\nSET k v\r\n");
    cr_assert_eq(closed, 1);
    cr_assert_str_eq(output(&one), "");
    cr_assert_eq(keyspace_count(&engine.ks), 0);
}

Test(dispatch, errors_are_counted_by_their_first_word) {
    say("FAIL");
    say("FAIL");
    say("NOSUCH");
    cr_assert_eq(engine.stats.error_replies, 3);
    cr_assert_eq(engine.nerrors, 2);
    cr_assert_str_eq(engine.errors[0].code, "CUSTOM");
    cr_assert_eq(engine.errors[0].count, 2);
    cr_assert_eq(command_lookup(&engine.commands, SLICE("fail"))->failed, 2);
    say("GET");
    cr_assert_eq(command_lookup(&engine.commands, SLICE("get"))->rejected, 1);
    cr_assert_eq(command_lookup(&engine.commands, SLICE("get"))->calls, 0);
    engine_reset_stats(&engine);
    cr_assert_eq(engine.nerrors, 0);
    cr_assert_eq(command_lookup(&engine.commands, SLICE("fail"))->failed, 0);
}

Test(dispatch, replies_can_be_turned_off_and_skipped) {
    one.flags |= SESSION_REPLY_OFF;
    cr_assert_str_eq(say("PING"), "");
    one.flags &= (uint16_t)~SESSION_REPLY_OFF;
    one.flags |= SESSION_REPLY_SKIP_NEXT;
    cr_assert_str_eq(say("BOX OPEN"), "+PONG\r\n", "the one that asked is not meant");
    cr_assert_str_eq(say("PING"), "");
    cr_assert_str_eq(say("PING"), "+PONG\r\n");
}

Test(dispatch, hits_and_misses_are_counted) {
    say("SET k v");
    say("GET k");
    say("GET none");
    cr_assert_eq(engine.stats.hits, 1);
    cr_assert_eq(engine.stats.misses, 1);
    cr_assert_eq(one.commands, 3);
    cr_assert_eq(engine.dirty, 1);
}

Test(dispatch, an_entry_past_its_time_is_gone_whoever_looks) {
    struct db *db = &engine.ks.dbs[0];
    uint64_t hash = hash_bytes("k", 1);

    clock_set_virtual(1000);
    db_set_string(db, SLICE("k"), hash, NULL, SLICE("v"), 1500, 0);
    cr_assert_str_eq(say("GET k"), "$1\r\nv\r\n");
    clock_advance_ms(500);
    cr_assert_str_eq(say("GET k"), "$-1\r\n");
    cr_assert_eq(engine.stats.expired, 1);
    cr_assert_eq(keyspace_count(&engine.ks), 0);
}

Test(dispatch, expiry_goes_through_all_that_is_due) {
    struct db *db = &engine.ks.dbs[3];

    clock_set_virtual(1000);
    for (uint64_t i = 0; i < 5000; i++) {
        struct slice key = slice_of(&i, sizeof i);

        db_set_string(db, key, hash_bytes(key.p, key.n), NULL, SLICE("v"), 1000 + (int64_t)i, 0);
    }
    clock_advance_ms(2499);
    while (expire_some(&engine, 100)) continue;
    cr_assert_eq(engine.stats.expired, 2500);
    cr_assert_eq(db->keys.count, 2500);
    engine.active_expire = false;
    clock_advance_ms(10000);
    cr_assert_not(expire_some(&engine, 100000));
    cr_assert_eq(db->keys.count, 2500);
}

/* ---------------------------------------------------------------- blocking */

Test(dispatch, a_blocked_session_takes_no_command_until_it_is_answered) {
    size_t used = feed(&one, "HOLD 0\r\nPING\r\n");

    cr_assert_eq(used, 8);
    cr_assert_eq(one.state, SESSION_BLOCKED);
    blocked_check_progress(&engine);
    cr_assert_str_eq(output(&one), "");
    cr_assert_str_eq((feed(&two, "PING\r\n"), output(&two)), "+PONG\r\n", "others go on");
    hold_is_over = true;
    blocked_check_progress(&engine);
    cr_assert_str_eq(output(&one), "+RELEASED\r\n");
    cr_assert_eq(one.state, SESSION_ACTIVE);
    blocked_resume(&engine);
    cr_assert_eq(resumed, 1);
    cr_assert_eq(woken, 1);
    cr_assert_eq(engine.nblocked, 0);
}

Test(dispatch, a_blocked_session_is_answered_when_its_time_is_up) {
    clock_set_virtual(1000);
    feed(&one, "HOLD 100\r\n");
    clock_advance_ms(99);
    blocked_check_time(&engine, clock_mono_us());
    cr_assert_str_eq(output(&one), "");
    clock_advance_ms(1);
    blocked_check_time(&engine, clock_mono_us());
    cr_assert_str_eq(output(&one), "+RELEASED\r\n");
}

Test(dispatch, a_session_that_goes_is_waited_for_no_more) {
    feed(&one, "HOLD 0\r\n");
    session_enter(&one, SESSION_CLOSING);
    session_end_closing(&engine);
    cr_assert_eq(engine.nblocked, 0);
    hold_is_over = true;
    blocked_check_progress(&engine);
    cr_assert_eq(woken, 0);
}

/* ---------------------------------------------------------------- parking */

/* More waits for the disk than the limit allows; the disk takes nothing. */
static void fill_log(void) {
    static char buf[1100000];
    struct slice pair[] = {SLICE("aof-buffer-limit"), SLICE("1mb")};
    struct bytes in = {0};

    cr_assert_eq(conf_set(engine.conf, pair, 1, false, NULL), 0);
    exec_stop_writes();
    bytes_printf(&in, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n", sizeof buf);
    bytes_append(&in, filled(buf, sizeof buf).p, sizeof buf);
    bytes_append_str(&in, "\r\n");
    cr_assert_eq(feed(&one, bytes_cstr(&in)), in.n, "the limit is looked at before a command");
    bytes_release(&in);
}

Test(parking, over_the_log_limit_writes_wait_unexecuted_and_reads_go_on) {
    fill_log();
    cr_assert_eq(feed(&one, "GET x\r\nSET k v\r\nGET x\r\n"), 7, "up to the write");
    cr_assert_eq(one.state, SESSION_PARKED);
    cr_assert_eq(engine.nparked, 1);
    cr_assert_str_eq((feed(&two, "GET k\r\n"), output(&two)), "$-1\r\n", "it was not executed");
    cr_assert_eq(feed(&two, "INCR n\r\n"), 0);
    cr_assert_eq(engine.nparked, 2);
    engine_on_log_progress(&engine);
    cr_assert_eq(one.state, SESSION_PARKED, "there is no room yet");
    exec_go_on();
    cr_assert_eq(one.state, SESSION_ACTIVE);
    cr_assert_eq(two.state, SESSION_ACTIVE);
    cr_assert_eq(resumed, 2);
    cr_assert_eq(engine.nparked, 0);
    cr_assert_eq(feed(&one, "SET k v\r\n"), 9);
}

Test(parking, what_stands_behind_a_parked_command_may_be_incomplete) {
    fill_log();
    output(&one);
    cr_assert_eq(feed(&one, "SET k v\r\n*2\r\n$3\r\nGET\r\n$1\r\n"), 0);
    cr_assert_eq(one.state, SESSION_PARKED);
    exec_go_on();
    cr_assert_eq(feed(&one, "SET k v\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), 29);
    cr_assert_str_eq(output(&one), "+OK\r\n$1\r\nv\r\n");
}

Test(parking, a_parked_session_that_goes_is_forgotten) {
    fill_log();
    feed(&one, "SET b 1\r\n");
    feed(&two, "SET c 1\r\n");
    cr_assert_eq(engine.nparked, 2);
    session_enter(&one, SESSION_CLOSING);
    session_end_closing(&engine);
    cr_assert_eq(engine.nparked, 1);
    exec_go_on();
    cr_assert_eq(resumed, 1);
    cr_assert_eq(two.state, SESSION_ACTIVE);
}

Test(parking, while_the_log_cannot_be_written_new_writes_are_refused) {
    uint64_t until = clock_real_ns() + UINT64_C(20000000000);

    exec_stop_writes();
    feed(&one, "SET a 1\r\n");
    engine_before_wait(&engine);
    while (!aof_refusal(engine.aof) && clock_real_ns() < until) engine_on_log_progress(&engine);
    feed(&two, "SET b 1\r\nGET c\r\n");
    cr_assert_str_eq(output(&two),
                     "-MISCONF Errors writing to the AOF file: No space left on device\r\n$-1\r\n");
    cr_assert_str_eq(sendable(&one), "", "what was executed is not answered yet");
    exec_go_on();
    cr_assert_str_eq(sendable(&one), "+OK\r\n");
}

/* ---------------------------------------------------------------- replay */

static int replay(const char *a, const char *b, const char *c) {
    struct slice argv[] = {slice_str(a), slice_str(b ? b : ""), slice_str(c ? c : "")};
    struct err e;

    return engine_replay(&engine, 1 + (size_t) !!b + (size_t) !!c, argv, &e);
}

Test(dispatch, a_pipeline_that_takes_long_goes_on_in_the_next_turn) {
    char in[] = "PING\r\nPING\r\n*1\r\n$4\r\nPI";
    size_t n = strlen(in), need, used;

    engine.slice_ns = 1;
    cr_assert_eq(used = engine_feed(&engine, &one, in, n, &need), 6, "one command a slice");
    cr_assert_eq(need, 0);
    cr_assert_eq(engine_feed(&engine, &one, in + used, n - used, &need), 6);
    cr_assert_str_eq(output(&one), "+PONG\r\n+PONG\r\n");
    used *= 2;
    cr_assert_eq(engine_feed(&engine, &one, in + used, n - used, &need), 0);
    cr_assert_gt(need, 0, "what is left is part of a command");
}

Test(dispatch, the_log_is_replayed_whatever_commands_are_called_now) {
    command_registry_rename(&engine.commands, "set", "put");
    command_registry_rename(&engine.commands, "incr", "");
    command_registry_seal(&engine.commands);
    engine_replay_begin(&engine);
    cr_assert_eq(replay("SET", "k", "5"), 0, "what the server logs by itself has the old names");
    cr_assert_eq(replay("Put", "k", "6"), 0, "what a client sent has the new ones");
    cr_assert_eq(replay("incr", "k", NULL), 0);
    engine_replay_end(&engine);
    cr_assert_str_eq(say("GET k"), "$1\r\n7\r\n");
    cr_assert(strstr(say("SET k 1"), "unknown command"), "clients know the new names only");
}

Test(dispatch, the_log_is_replayed_through_the_same_handlers) {
    engine_replay_begin(&engine);
    cr_assert_eq(replay("SET", "k", "5"), 0);
    cr_assert_eq(replay("INCR", "k", NULL), 0);
    cr_assert_eq(replay("SET", "text", "x"), 0);
    cr_assert_eq(replay("INCR", "text", NULL), 0,
                 "what failed then fails again: no reason to stop");
    cr_assert_eq(replay("NOSUCH", "k", NULL), -1);
    cr_assert_eq(replay("GET", NULL, NULL), -1);
    cr_assert_eq(replay("BOX", "BURN", NULL), -1);
    engine_replay_end(&engine);
    cr_assert_str_eq(say("GET k"), "$1\r\n6\r\n");
    cr_assert_eq(engine.propagation.ncommands, 0);
}

Test(dispatch, replay_does_not_expire) {
    struct db *db = &engine.ks.dbs[0];

    clock_set_virtual(5000);
    db_set_string(db, SLICE("k"), hash_bytes("k", 1), NULL, SLICE("1"), 1500, 0);
    engine_replay_begin(&engine);
    cr_assert_eq(replay("INCR", "k", NULL), 0);
    engine_replay_end(&engine);
    cr_assert_eq(engine.stats.expired, 0);
    cr_assert_eq(keyspace_count(&engine.ks), 1);
}
