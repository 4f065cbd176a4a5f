/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clients that wait for keys. TAKE waits until one of its keys is there, answers with its value and
 * deletes it.
 */
#include "exec_help.h"
#include "server/exec/blocking.h"
#include "server/exec/keys.h"
#include "server/exec/replay.h"
#include "server/exec/turn.h"

#include <criterion/criterion.h>

TestSuite(blocking, .init = exec_begin, .fini = exec_end);

Test(blocking, who_waits_is_served_by_the_command_that_makes_the_key) {
    cr_assert_eq(feed(&one, "TAKE a k 0\r\nGET x\r\n"), 12);
    cr_assert_str_eq(output(&one), "");
    cr_assert_eq(engine.nblocked, 1);
    feed(&two, "SET other 1\r\n");
    cr_assert_eq(one.state, SESSION_BLOCKED);
    feed(&two, "SET k v\r\nGET k\r\n");
    cr_assert_str_eq(output(&one), "$1\r\nv\r\n");
    cr_assert_str_eq(output(&two), "+OK\r\n+OK\r\n$-1\r\n", "before the next command");
    cr_assert_eq(resumed, 0, "not in the middle of another client's input");
    engine_before_wait(&engine);
    cr_assert_eq(resumed, 1);
    cr_assert_eq(engine.nblocked, 0);
    cr_assert_eq(engine.interests.n, 0);
}

Test(blocking, the_first_to_come_is_the_first_served) {
    struct session three;

    session_init(&three, &engine, one.ops);
    feed(&one, "TAKE k 0\r\n");
    feed(&two, "TAKE k 0\r\n");
    cr_assert_eq(engine.nblocked, 2);
    feed(&three, "SET k 1\r\n");
    cr_assert_str_eq(output(&one), "$1\r\n1\r\n");
    cr_assert_str_eq(output(&two), "");
    feed(&three, "SET k 2\r\n");
    cr_assert_str_eq(output(&two), "$1\r\n2\r\n");
    output(&three);
    session_release(&three);
}

Test(blocking, a_key_named_twice_is_waited_for_once) {
    feed(&one, "TAKE k k k 0\r\n");
    cr_assert_eq(one.blocked->nwaits, 1);
    feed(&two, "SET k v\r\n");
    cr_assert_str_eq(output(&one), "$1\r\nv\r\n");
    cr_assert_eq(engine.interests.n, 0);
}

Test(blocking, a_change_of_everything_concerns_every_waiting_client) {
    feed(&one, "TAKE k 0\r\n");
    db_set_string(&engine.ks.dbs[0], SLICE("k"), hash_bytes("k", 1), NULL, SLICE("v"), -1, 0);
    all_touched(&engine);
    blocking_serve(&engine);
    cr_assert_str_eq(output(&one), "$1\r\nv\r\n");
    feed(&one, "TAKE k 0\r\n");
    feed(&two, "CLEAR\r\n");
    cr_assert_eq(one.state, SESSION_BLOCKED, "there is nothing to take");
}

Test(blocking, its_time_is_up) {
    clock_set_virtual(1000);
    feed(&one, "TAKE k 0.05\r\n");
    feed(&two, "TAKE k 0.001\r\n");
    cr_assert_eq(blocked_next_deadline(&engine), clock_mono_us() + 1000);
    clock_advance_ms(1);
    blocked_check_time(&engine, clock_mono_us());
    cr_assert_str_eq(output(&two), "*-1\r\n");
    cr_assert_str_eq(output(&one), "");
    clock_advance_ms(49);
    blocked_check_time(&engine, clock_mono_us());
    cr_assert_str_eq(output(&one), "*-1\r\n");
    cr_assert_eq(engine.interests.n, 0);
    cr_assert_eq(blocked_next_deadline(&engine), 0);
}

Test(blocking, bad_timeouts_are_refused) {
    cr_assert_str_eq(say("TAKE k -1"), "-ERR timeout is negative\r\n");
    cr_assert_str_eq(say("TAKE k x"), "-ERR timeout is not a float or out of range\r\n");
    cr_assert_str_eq(say("TAKE k 1e30"), "-ERR timeout is out of range\r\n");
}

Test(blocking, a_client_that_goes_is_not_served) {
    feed(&one, "TAKE k 0\r\n");
    session_enter(&one, SESSION_CLOSING);
    session_end_closing(&engine);
    cr_assert_eq(engine.nblocked, 0);
    feed(&two, "SET k v\r\nGET k\r\n");
    cr_assert_str_eq(output(&two), "+OK\r\n$1\r\nv\r\n");
}

Test(blocking, an_error_ends_the_waiting) {
    feed(&one, "TAKE k 0\r\n");
    unblock(one.blocked, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    cr_assert_str_eq(output(&one), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    cr_assert_eq(one.state, SESSION_ACTIVE);
}

TestSuite(blocking_logged, .init = exec_begin_logged, .fini = exec_end);

Test(blocking_logged, the_answer_waits_for_what_it_took_to_be_safe) {
    exec_stop_writes();
    feed(&one, "TAKE k 0\r\n");
    feed(&two, "SET k v\r\n");
    engine_before_wait(&engine);
    cr_assert_str_eq(sendable(&one), "");
    cr_assert_gt(one.out.end, one.out.head);
    exec_go_on();
    cr_assert_str_eq(sendable(&one), "$1\r\nv\r\n");
}

Test(blocking_logged, nothing_waits_while_the_log_is_read_back) {
    struct slice argv[] = {SLICE("TAKE"), SLICE("k"), SLICE("0")};
    struct err e;

    engine_replay_begin(&engine);
    cr_assert_eq(engine_replay(&engine, 3, argv, &e), 0);
    engine_replay_end(&engine);
    cr_assert_eq(engine.nblocked, 0);
}

/* ---------------------------------------------------------------- the second event of a turn */

Test(blocking, one_that_waits_again_in_the_same_turn_is_resumed_once) {
    feed(&one, "TAKE k 0\r\n");
    feed(&two, "SET k 1\r\n");
    feed(&one, "TAKE l 0\r\n");
    feed(&two, "SET l 2\r\n");
    cr_assert_str_eq(output(&one), "$1\r\n1\r\n$1\r\n2\r\n");
    engine_before_wait(&engine);
    cr_assert_eq(resumed, 1);
    cr_assert(list_empty(&engine.resuming));
}

Test(blocking, one_that_waits_again_is_not_resumed_before_it_is_served) {
    feed(&one, "TAKE k 0\r\n");
    feed(&two, "SET k 1\r\n");
    feed(&one, "TAKE l 0\r\n");
    engine_before_wait(&engine);
    cr_assert_eq(resumed, 0);
    cr_assert_eq(one.state, SESSION_BLOCKED);
    feed(&two, "SET l 2\r\n");
    engine_before_wait(&engine);
    cr_assert_eq(resumed, 1);
}

/* What is told while the first is served closes the next one, or the first itself. */
Test(blocking, a_client_that_is_closed_while_others_are_served_is_passed_over) {
    struct session three;

    session_init(&three, &engine, one.ops);
    feed(&one, "TAKE k 0\r\n");
    feed(&two, "TAKE k 0\r\n");
    exec_tell(&two);
    close_on_wake = &two;
    feed(&three, "SET k 1\r\n");
    cr_assert_str_eq(output(&one), "$1\r\n1\r\n");
    cr_assert_eq(two.state, SESSION_CLOSING);
    feed(&three, "SET k 2\r\nGET k\r\n");
    cr_assert_str_eq(output(&three), "+OK\r\n+OK\r\n$1\r\n2\r\n", "nobody took it");
    cr_assert_eq(engine.nblocked, 0);
    session_release(&three);
}

Test(blocking, a_client_may_be_closed_by_what_its_own_serving_tells_it) {
    feed(&one, "TAKE k 0\r\n");
    exec_tell(&one);
    close_on_wake = &one;
    feed(&two, "SET k 1\r\nGET k\r\n");
    cr_assert_eq(one.state, SESSION_CLOSING);
    cr_assert_eq(engine.nblocked, 0);
    engine_before_wait(&engine);
    cr_assert_eq(resumed, 0);
}

Test(blocking, a_parked_client_that_is_closed_is_not_resumed) {
    pause_begin(&engine.pause, PAUSE_BY_CLIENT, PAUSE_WRITES,
                clock_mono_us() + UINT64_C(1000000000));
    feed(&one, "SET k 1\r\n");
    feed(&two, "SET k 2\r\n");
    cr_assert_eq(one.state, SESSION_PARKED);
    session_enter(&one, SESSION_CLOSING);
    engine_unpause(&engine, PAUSE_BY_CLIENT);
    engine_before_wait(&engine);
    cr_assert_eq(resumed, 1);
    cr_assert_eq(two.state, SESSION_ACTIVE);
    cr_assert_eq(engine.nparked, 0);
}

Test(blocking, what_a_closing_client_is_told_goes_nowhere) {
    exec_tell(&one);
    session_enter(&one, SESSION_CLOSING);
    feed(&two, "SET k 1\r\n");
    cr_assert_str_eq(output(&one), "");
    cr_assert_str_eq(output(&two), "+OK\r\n");
}
