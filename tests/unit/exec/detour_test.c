/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a command passes only in some servers: guards and a detour; output that is held back.
 */
#include "exec_help.h"

#include "server/exec/turn.h"

#include <criterion/criterion.h>

TestSuite(detour, .init = exec_begin, .fini = exec_end);
TestSuite(held_output, .init = exec_begin_logged, .fini = exec_end);

/* ---------------------------------------------------------------- guards */

static const char *no_writes(void *arg, struct call *x) {
    return x->cmd->row->flags & CMD_WRITE ? arg : NULL;
}

static void guard(const char *text) {
    guard_add(&engine, &(struct guard){no_writes, (void *)text});
}

Test(detour, a_guard_refuses_in_its_own_words) {
    guard("NO writes");
    cr_assert_str_eq(say("SET k v"), "-NO writes\r\n");
    cr_assert_str_eq(say("GET k"), "$-1\r\n");
    cr_assert_str_eq(say("SET k"), "-ERR wrong number of arguments for 'set' command\r\n",
                     "what is always checked comes first");
}

Test(detour, the_first_of_several_guards_answers) {
    guard("ONE");
    guard("TWO");
    cr_assert_str_eq(say("SET k v"), "-ONE\r\n");
}

Test(detour, what_a_guard_refuses_aborts_the_transaction) {
    guard("NO writes");
    say("MULTI");
    cr_assert_str_eq(say("SET k v"), "-NO writes\r\n");
    cr_assert_str_eq(say("EXEC"),
                     "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

/* ---------------------------------------------------------------- the detour */

static struct {
    enum detour_way way;
    unsigned before, after, answered;
    bool knew, waited;
    uint64_t from, answer_from;
} seen;

static enum detour_way before(void *arg, struct call *x, uint64_t *from) {
    (void)arg;
    (void)from;
    seen.before++;
    seen.knew = x->cmd != NULL;
    if (seen.way == DETOUR_DONE) reply_err(x, "ERR detoured");
    if (seen.way == DETOUR_LATER) session_enter(x->s, SESSION_PARKED);
    return seen.way;
}

static void after(void *arg, struct call *x, uint64_t from) {
    (void)arg;
    seen.after++;
    seen.from = from;
    seen.waited = x->waits;
}

static void answered(void *arg, struct session *s, uint64_t from) {
    (void)arg;
    (void)s;
    seen.answered++;
    seen.answer_from = from;
}

static void take_detour(enum detour_way way) {
    seen.way = way;
    seen.before = seen.after = seen.answered = 0;
    if (!engine.detours.detour.before)
        detour_set(&engine,
                   &(struct detour){.before = before, .after = after, .answered = answered});
    detour_want(&engine, true);
}

Test(detour, it_is_asked_only_while_it_wants_to_be) {
    take_detour(DETOUR_NONE);
    cr_assert_str_eq(say("PING"), "+PONG\r\n");
    cr_assert_eq(seen.before, 1);
    cr_assert_eq(seen.after, 1);
    detour_want(&engine, false);
    say("PING");
    cr_assert_eq(seen.before, 1);
}

Test(detour, it_sees_unknown_and_refused_commands_too) {
    take_detour(DETOUR_NONE);
    say("NOSUCH");
    cr_assert_not(seen.knew);
    cr_assert_eq(seen.after, 1);
    say("GET");
    cr_assert(seen.knew);
    cr_assert_eq(seen.after, 2);
}

Test(detour, what_it_has_dealt_with_is_not_executed) {
    take_detour(DETOUR_DONE);
    cr_assert_str_eq(say("SET k v"), "-ERR detoured\r\n");
    detour_want(&engine, false);
    cr_assert_str_eq(say("GET k"), "$-1\r\n");
}

Test(detour, what_comes_later_is_neither_used_up_nor_executed) {
    take_detour(DETOUR_LATER);
    cr_assert_eq(feed(&one, "SET k v\r\nPING\r\n"), 0);
    cr_assert_eq(one.state, SESSION_PARKED);
    cr_assert_str_eq(output(&one), "");
    cr_assert_eq(seen.after, 0);
    take_detour(DETOUR_NONE);
    session_enter(&one, SESSION_ACTIVE);
    cr_assert_eq(feed(&one, "SET k v\r\nPING\r\n"), 15);
    cr_assert_str_eq(output(&one), "+OK\r\n+PONG\r\n");
}

Test(detour, the_retries_of_a_blocked_command_are_its_own) {
    take_detour(DETOUR_NONE);
    feed(&one, "TAKE k 0\r\n");
    cr_assert(seen.waited);
    feed(&two, "SET k v\r\n");
    engine_before_wait(&engine);
    cr_assert_str_eq(output(&one), "$1\r\nv\r\n");
    cr_assert_eq(seen.before, 2);
}

Test(detour, a_reply_of_its_own_begins_where_it_is_told) {
    uint64_t end = one.out.end;

    take_detour(DETOUR_DONE);
    say("PING");
    cr_assert_eq(seen.from, end);
    cr_assert_gt(one.out.end, end);
}

Test(detour, a_reply_of_its_own_is_not_sent_to_a_silent_client) {
    take_detour(DETOUR_DONE);
    one.flags |= SESSION_REPLY_OFF;
    cr_assert_str_eq(say("PING"), "");
}

Test(detour, it_hears_of_the_answers_of_blocked_clients) {
    uint64_t end;

    take_detour(DETOUR_NONE);
    feed(&one, "TAKE k 0\r\n");
    end = one.out.end;
    cr_assert_eq(seen.answered, 0);
    feed(&two, "SET k v\r\n");
    engine_before_wait(&engine);
    cr_assert_eq(seen.answered, 1);
    cr_assert_eq(seen.answer_from, end);
    feed(&one, "TAKE k 0\r\n");
    unblock(one.blocked, NULL);
    cr_assert_eq(seen.answered, 2);
}

Test(detour, a_busy_server_takes_none) {
    take_detour(DETOUR_DONE);
    engine_set_busy(&engine, BUSY_SCRIPT);
    say("PING");
    cr_assert_eq(seen.before, 0);
    engine_set_busy(&engine, BUSY_NOT);
    say("PING");
    cr_assert_eq(seen.before, 1);
}

/* ---------------------------------------------------------------- output that is held back */

Test(held_output, it_leaves_up_to_an_offset_that_moves) {
    uint64_t from;

    feed(&one, "PING\r\n");
    from = one.out.end;
    session_hold_back(&one, from);
    feed(&one, "PING\r\n");
    cr_assert_str_eq(sendable(&one), "+PONG\r\n");
    session_hold_until(&one, from + 3);
    cr_assert_str_eq(sendable(&one), "+PONG\r\n+PO");
    session_hold_until(&one, UINT64_MAX);
    cr_assert_str_eq(sendable(&one), "+PONG\r\n+PONG\r\n");
}

Test(held_output, letting_it_go_opens_no_gate_of_the_log) {
    exec_stop_writes();
    session_hold_back(&one, one.out.end);
    feed(&one, "SET k v\r\n");
    session_hold_until(&one, UINT64_MAX);
    cr_assert_str_eq(sendable(&one), "", "the reply waits for its write");
    exec_go_on();
    cr_assert_str_eq(sendable(&one), "+OK\r\n");
}

Test(held_output, other_positions_do_not_let_it_go) {
    session_hold_back(&one, one.out.end);
    feed(&one, "PING\r\n");
    session_gates_anew(&one, 0);
    cr_assert_str_eq(sendable(&one), "");
    session_hold_until(&one, UINT64_MAX);
    cr_assert_str_eq(sendable(&one), "+PONG\r\n");
}
