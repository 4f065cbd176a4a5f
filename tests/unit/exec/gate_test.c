/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which replies wait for the disk, and for how long.
 */
#include "exec_help.h"
#include "server/exec/session.h"
#include "server/exec/turn.h"
#include "storage/base/hash.h"

#include <criterion/criterion.h>

TestSuite(gate, .init = exec_begin_logged, .fini = exec_end);
TestSuite(gate_off, .init = exec_begin, .fini = exec_end);

static uint64_t hash_of(const char *key) {
    return hash_bytes(key, strlen(key));
}

Test(gate, a_changed_key_raises_the_need_until_it_is_safe) {
    struct gate *g = &engine.gate;
    uint64_t at;

    cr_assert_eq(gate_need(g, hash_of("k")), 0);
    exec_stop_writes();
    feed(&one, "SET k v\r\n");
    at = aof_appended(engine.aof);
    cr_assert_eq(gate_need(g, hash_of("k")), at);
    cr_assert_eq(gate_need(g, hash_of("other")), 0, "nobody else waits");
    engine_before_wait(&engine);
    at = aof_appended(engine.aof);
    cr_assert_eq(gate_need(g, hash_of("k")), at, "handed over is not safe");
    engine_before_wait(&engine);
    cr_assert_eq(gate_need(g, hash_of("k")), at, "nor does it become safe by asking");
    feed(&one, "SET later v\r\n");
    cr_assert_geq(gate_need(g, hash_of("later")), aof_appended(engine.aof));
    cr_assert_leq(gate_need(g, hash_of("k")), at, "the older one need not wait for the newer");
    exec_go_on();
    cr_assert_eq(gate_need(g, hash_of("k")), 0);
    cr_assert_eq(gate_need(g, hash_of("later")), 0);
}

Test(gate, many_changed_keys_are_all_remembered_and_few_others_suspected) {
    char key[32];
    unsigned suspected = 0;

    exec_stop_writes();
    feed(&one, "SET first v\r\n");
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        gate_changed(&engine.gate, hash_of(key));
        if (i == 20000) engine_before_wait(&engine);
    }
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        cr_assert_neq(gate_need(&engine.gate, hash_of(key)), 0, "%s", key);
        snprintf(key, sizeof key, "other%d", i);
        suspected += gate_need(&engine.gate, hash_of(key)) != 0;
    }
    cr_assert_lt(suspected, 50000u / 10000, "%u false positives", suspected);
    exec_go_on();
    cr_assert_eq(gate_need(&engine.gate, hash_of("key1")), 0);
}

Test(gate, a_change_of_everything_concerns_every_key) {
    exec_stop_writes();
    feed(&one, "CLEAR\r\n");
    cr_assert_eq(gate_need(&engine.gate, hash_of("any")), aof_appended(engine.aof));
    exec_go_on();
    cr_assert_eq(gate_need(&engine.gate, hash_of("any")), 0);
}

/* A transaction changes everything before its effects are in the log. */
Test(gate, a_change_of_everything_in_a_transaction_waits_for_the_transaction) {
    uint64_t before;

    exec_stop_writes();
    feed(&one, "SET k v\r\n");
    before = aof_appended(engine.aof);
    feed(&one, "MULTI\r\nCLEAR\r\nSET other v\r\nEXEC\r\n");
    cr_assert_gt(aof_appended(engine.aof), before);
    cr_assert_eq(gate_need(&engine.gate, hash_of("any")), aof_appended(engine.aof));
    feed(&two, "GET k\r\n");
    cr_assert_str_eq(sendable(&two), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), "$-1\r\n");
    cr_assert_eq(gate_need(&engine.gate, hash_of("any")), 0);
}

Test(gate, a_transaction_of_nothing_but_a_change_of_everything_is_waited_for) {
    feed(&one, "SET k v\r\n");
    exec_go_on();
    exec_stop_writes();
    feed(&one, "MULTI\r\nCLEAR\r\nEXEC\r\n");
    feed(&two, "GET k\r\n");
    cr_assert_str_eq(sendable(&two), "", "all that was appended before it is safe");
    engine_before_wait(&engine);
    engine_on_log_progress(&engine);
    cr_assert_str_eq(sendable(&two), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), "$-1\r\n");
}

Test(gate, a_later_change_does_not_prolong_an_older_change_of_everything) {
    uint64_t at;

    exec_stop_writes();
    feed(&one, "SET k v\r\nCLEAR\r\n");
    engine_before_wait(&engine);
    at = aof_appended(engine.aof);
    feed(&one, "SET later v\r\n");
    cr_assert_leq(gate_need(&engine.gate, hash_of("any")), at);
    cr_assert_geq(gate_need(&engine.gate, hash_of("later")), aof_appended(engine.aof));
    exec_go_on();
    cr_assert_not(engine.gate.active);
}

static void set_policy(enum aof_fsync policy) {
    struct aof_options o = {.names = {".", "adir", "log", "dump.rdb"},
                            .policy = policy,
                            .checksum = true,
                            .load_truncated = true};

    aof_set_options(engine.aof, &o);
    gate_take_level(&engine.gate);
}

static void let_writes_through(void) {
    uint64_t until = clock_real_ns() + UINT64_C(60000000000);

    while (aof_safe(engine.aof, AOF_LEVEL_WRITTEN) < aof_appended(engine.aof)) {
        cr_assert_lt(clock_real_ns(), until, "the log makes progress");
        engine_before_wait(&engine);
    }
    engine_on_log_progress(&engine);
}

Test(gate, with_a_stronger_policy_every_key_counts_as_changed) {
    exec_stop_syncs();
    set_policy(AOF_FSYNC_NO);
    feed(&one, "SET k v\r\n");
    let_writes_through();
    cr_assert_eq(gate_need(&engine.gate, hash_of("k")), 0, "it is written");
    cr_assert_lt(aof_safe(engine.aof, AOF_LEVEL_SYNCED), aof_appended(engine.aof));
    set_policy(AOF_FSYNC_ALWAYS);
    cr_assert_eq(gate_need(&engine.gate, hash_of("k")), aof_appended(engine.aof));
    feed(&two, "GET k\r\n");
    cr_assert_str_eq(sendable(&two), "");
    engine_before_wait(&engine);
    engine_on_log_progress(&engine);
    cr_assert_str_eq(sendable(&two), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), "$1\r\nv\r\n");
    cr_assert_eq(gate_need(&engine.gate, hash_of("k")), 0);
}

Test(gate, a_stronger_policy_with_everything_safe_holds_nothing) {
    feed(&one, "SET k v\r\n");
    exec_go_on();
    set_policy(AOF_FSYNC_NO);
    set_policy(AOF_FSYNC_ALWAYS);
    cr_assert_eq(gate_need(&engine.gate, hash_of("k")), 0);
}

/* CONFIG SET in a transaction takes the level in the middle of it. */
Test(gate, taking_the_level_forgets_no_change) {
    gate_changed(&engine.gate, hash_of("k"));
    gate_take_level(&engine.gate);
    cr_assert(engine.gate.active, "its effect is still to come");
}

Test(gate, the_writers_own_reply_waits) {
    exec_stop_writes();
    feed(&one, "PING\r\nSET k v\r\nPING\r\n");
    cr_assert_str_eq(sendable(&one), "+PONG\r\n", "what stands before it may go");
    exec_go_on();
    cr_assert_str_eq(sendable(&one), "+PONG\r\n+OK\r\n+PONG\r\n");
}

Test(gate, who_reads_a_change_waits_for_it_and_who_does_not_goes) {
    exec_stop_writes();
    feed(&one, "SET k v\r\n");
    feed(&two, "GET other\r\nPING\r\nGET k\r\nPING\r\n");
    cr_assert_str_eq(sendable(&two), "$-1\r\n+PONG\r\n");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), "$-1\r\n+PONG\r\n$1\r\nv\r\n+PONG\r\n");
}

Test(gate, reading_the_whole_keyspace_waits_for_everything) {
    exec_stop_writes();
    feed(&one, "SET k v\r\n");
    feed(&two, "ALL\r\n");
    cr_assert_str_eq(sendable(&two), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), "+PONG\r\n");
}

Test(gate, a_failed_command_on_a_changed_key_waits_too) {
    exec_stop_writes();
    feed(&one, "SET k text\r\n");
    feed(&two, "INCR k\r\n");
    cr_assert_str_eq(sendable(&two), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), "-" ERR_NOT_INT "\r\n");
}

Test(gate, a_reply_that_is_not_sent_closes_nothing) {
    exec_stop_writes();
    one.flags |= SESSION_REPLY_OFF;
    feed(&one, "SET k v\r\n");
    one.flags &= (uint16_t)~SESSION_REPLY_OFF;
    feed(&one, "PING\r\n");
    cr_assert_str_eq(sendable(&one), "+PONG\r\n");
    exec_go_on();
}

Test(gate, gates_open_in_order_and_partly) {
    uint64_t at = aof_appended(engine.aof);

    feed(&one, "PING\r\n");
    session_add_gate(&one, one.out.end - 7, at, AOF_LEVEL_SYNCED);
    feed(&one, "PING\r\n");
    session_add_gate(&one, one.out.end - 7, UINT64_MAX, AOF_LEVEL_SYNCED);
    feed(&one, "PING\r\n");
    exec_go_on();
    cr_assert_str_eq(sendable(&one), "+PONG\r\n");
    cr_assert_eq(one.ngates, 1, "the one that is open is forgotten");
    out_consume(&one.out, 7);
    cr_assert_str_eq(sendable(&one), "");
}

Test(gate, equal_and_lower_positions_behind_a_gate_need_none_of_their_own) {
    feed(&one, "PING\r\n");
    session_add_gate(&one, 0, 500000, AOF_LEVEL_SYNCED);
    feed(&one, "PING\r\n");
    session_add_gate(&one, 7, 500000, AOF_LEVEL_SYNCED);
    session_add_gate(&one, 7, 400000, AOF_LEVEL_SYNCED);
    cr_assert_eq(one.ngates, 1);
    session_add_gate(&one, 7, 600000, AOF_LEVEL_SYNCED);
    cr_assert_eq(one.ngates, 2);
    session_add_gate(&one, one.out.end, 700000, AOF_LEVEL_SYNCED);
    cr_assert_eq(one.ngates, 2, "nothing stands behind it");
}

Test(gate_off, without_a_log_nothing_waits) {
    feed(&one, "SET k v\r\nGET k\r\nALL\r\n");
    cr_assert_str_eq(sendable(&one), "+OK\r\n$1\r\nv\r\n+PONG\r\n");
    cr_assert_eq(gate_need(&engine.gate, hash_of("k")), 0);
    cr_assert_not(engine.gate.active);
}
