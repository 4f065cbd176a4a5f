/* SPDX-License-Identifier: BSD-3-Clause
 *
 * More than one engine in a process, and sessions that move from one to another.
 */
#include "exec_help.h"

#include "server/exec/acl.h"
#include "server/exec/monitor.h"
#include "server/exec/pubsub.h"
#include "server/exec/tracking.h"
#include "server/exec/turn.h"

#include <criterion/criterion.h>

static struct engine *guest;

static void begin(void) {
    exec_begin();
    guest = exec_guest();
}

static void end(void) {
    if (one.e == guest) session_move(&one, &engine);
    if (two.e == guest) session_move(&two, &engine);
    exec_guest_end(guest);
    exec_end();
}

TestSuite(guest, .init = begin, .fini = end);

Test(guest, engines_of_a_process_are_all_met_from_each_of_them) {
    unsigned n = 0;

    engine_each (e, &engine) n += e == &engine ? 1 : 10;
    cr_expect_eq(n, 11);
    n = 0;
    engine_each (e, guest) n += e == &engine ? 1 : 10;
    cr_expect_eq(n, 11);
    cr_expect(engine_is_guest(guest));
    cr_expect_not(engine_is_guest(&engine));
}

Test(guest, data_is_not_shared) {
    say("SET k first");
    session_move(&one, guest);
    cr_expect_str_eq(say("GET k"), "$-1\r\n");
    say("SET k second");
    cr_expect_eq(feed(&two, "GET k\r\n"), 7);
    cr_expect_str_eq(output(&two), "$5\r\nfirst\r\n");
    session_move(&one, &engine);
    cr_expect_str_eq(say("GET k"), "$5\r\nfirst\r\n");
}

Test(guest, a_session_that_moves_leaves_everything_there) {
    one.resp = 3;
    pubsub_subscribe(&one, PUBSUB_CHANNEL, SLICE("news"));
    monitor_begin(&one);
    say("WATCH k");
    session_move(&one, guest);
    cr_expect_eq(pubsub_publish(&engine, PUBSUB_CHANNEL, SLICE("news"), SLICE("x")), 0);
    cr_expect_eq(engine.nmonitors, 0);
    cr_expect_not(multi_watches(&one));
    cr_expect_eq(engine.nsessions, 1);
    cr_expect_eq(guest->nsessions, 1);
    feed(&two, "SET k 1\r\n");
    cr_expect_str_eq(output(&one), "");
}

Test(guest, a_blocked_session_waits_no_longer_once_it_has_moved) {
    cr_assert_eq(feed(&one, "TAKE list 0\r\n"), 13);
    cr_assert_eq(one.state, SESSION_BLOCKED);
    session_move(&one, guest);
    cr_expect_eq(one.state, SESSION_ACTIVE);
    cr_expect_eq(engine.nblocked, 0);
    feed(&two, "SET list x\r\n");
    engine_before_wait(&engine);
    engine_before_wait(guest);
    cr_expect_str_eq(output(&one), "");
    cr_expect_str_eq(say("GET list"), "$-1\r\n");
}

Test(guest, a_command_wakes_only_clients_of_its_engine) {
    session_move(&two, guest);
    feed(&one, "TAKE list 0\r\n");
    feed(&two, "SET list x\r\n");
    engine_before_wait(&engine);
    engine_before_wait(guest);
    cr_expect_eq(one.state, SESSION_BLOCKED);
    blocked_forget(&one);
    session_enter(&one, SESSION_ACTIVE);
}

Test(guest, the_sessions_of_a_deleted_user_end_in_all_engines) {
    struct bytes why = {0};
    struct slice rules[] = {SLICE("on"), SLICE("nopass"), SLICE("+@all"), SLICE("~*")};

    cr_assert_eq(acl_set_user(&engine, SLICE("ada"), rules, 4, &why), 0);
    session_move(&one, guest);
    one.user = acl_find(guest, SLICE("ada"));
    cr_assert_not_null(one.user);
    cr_expect(acl_delete_user(&engine, SLICE("ada")));
    cr_expect_eq(one.state, SESSION_CLOSING);
    cr_expect_eq(one.user, engine.acl->nobody);
    session_end_closing(guest);
    session_release(&one);
    session_init(&one, &engine, two.ops);
}

Test(guest, figures_are_its_own) {
    uint64_t before = engine.stats.commands;

    session_move(&one, guest);
    say("PING");
    say("FAIL");
    cr_expect_eq(guest->stats.commands, 2);
    cr_expect_eq(guest->stats.error_replies, 1);
    cr_expect_eq(engine.stats.commands, before);
    cr_expect_eq(command_lookup(&engine.commands, SLICE("ping"))->calls, 0);
    cr_expect_eq(command_lookup(&guest->commands, SLICE("ping"))->calls, 1);
}
