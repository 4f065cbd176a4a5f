/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command TEST without network, loop and application, on a clock that only moves when told to.
 */
#include "server/double/double.h"

#include "../admin/admin_help.h"
#include "conf/conf.h"
#include "server/exec/dispatch.h"
#include "server/exec/turn.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

#define NOON INT64_C(1750000000000)

static struct help *h;
static struct test_double *d;
static int crashes;
static enum double_crash crashed;
static uint64_t timer_us;

static void set_timer(void *arg, struct engine *e, uint64_t due_us) {
    (void)arg;
    (void)e;
    timer_us = due_us;
}

static int crash(void *arg, enum double_crash how, uint64_t bytes, struct err *e) {
    (void)arg;
    (void)bytes;
    crashes++;
    crashed = how;
    return err_set(e, ENOSYS, "not in a unit test");
}

static void begin(void) {
    h = help_new("--enable-test-commands yes --maxmemory 1gb");
    clock_set_virtual(NOON);
    double_register(&h->e.commands);
    command_registry_seal(&h->e.commands);
    d = double_new(&h->e, &(struct double_app){.set_timer = set_timer, .crash = crash});
    double_started(d);
}

static void end(void) {
    io_fault_reset();
    clock_set_real();
    help_free(h);
    double_free(d);
}

TestSuite(double_, .init = begin, .fini = end);

static void turn(void) {
    double_before_wait(d);
    engine_before_wait(&h->e);
}

static const char *ask(const char *words) {
    return help_ask(&h->a, words);
}

/* The reply to a command that is answered between commands. */
static const char *ask_and_turn(const char *words) {
    cr_assert_str_eq(ask(words), "");
    turn();
    return help_heard(&h->a);
}

static size_t feed(struct help_client *c, const char *text) {
    char copy[200];
    size_t need;

    snprintf(copy, sizeof copy, "%s", text);
    return engine_feed(&h->e, &c->s, copy, strlen(copy), &need);
}

/* ---------------------------------------------------------------- the clock */

Test(double_, advancing_lets_each_thing_happen_at_its_time) {
    ask("SET k v PX 2000");
    help_ask(&h->b, "BLPOP q 1");
    cr_assert_str_eq(ask_and_turn("TEST CLOCK ADVANCE 1500"),
                     "*8|$7|expired|:0|$6|fields|:0|$9|timed-out|:1|$7|unix-ms|:1750000001500|");
    cr_assert_str_eq(help_heard(&h->b), "*-1|");
    cr_assert_str_eq(ask("PTTL k"), ":500|");
    cr_assert_str_eq(ask_and_turn("TEST CLOCK ADVANCE 500"),
                     "*8|$7|expired|:1|$6|fields|:0|$9|timed-out|:0|$7|unix-ms|:1750000002000|");
}

Test(double_, a_day_in_which_nothing_may_expire_is_one_step) {
    uint64_t began = clock_real_ns();

    ask("SET k v PX 1");
    h->e.active_expire = false;
    ask_and_turn("TEST CLOCK ADVANCE 86400000");
    cr_assert_lt(clock_real_ns() - began, UINT64_C(20000000000), "not a step for each ms");
    cr_assert_eq(h->e.ks.dbs[0].keys.count, 1);
}

Test(double_, the_wall_clock_can_be_set_back_and_durations_do_not_notice) {
    uint64_t mono = clock_mono_us();

    cr_assert_str_eq(ask("TEST CLOCK SET 5000"), "+OK|");
    cr_assert_eq(clock_wall_ms(), 5000);
    cr_assert_eq(clock_mono_us(), mono);
}

/* ---------------------------------------------------------------- faults */

Test(double_, a_fault_that_is_used_up_costs_nothing_any_more) {
    ask("TEST FAULT ADD COMMAND get TIMES 1 ERROR ERR_no");
    cr_assert(h->e.odd & ODD_DETOUR);
    cr_assert_str_eq(ask("GET k"), "-ERR_no|");
    cr_assert_str_eq(ask("GET k"), "$-1|");
    cr_assert_str_eq(ask("TEST FAULT CLEAR"), ":1|");
    turn();
    cr_assert_not(h->e.odd & ODD_DETOUR);
}

Test(double_, a_delayed_command_is_not_executed_before_its_time) {
    ask("TEST FAULT ADD COMMAND incr DELAY 100");
    cr_assert_eq(feed(&h->b, "INCR n\r\n"), 0, "it stays in the input");
    turn();
    cr_assert_eq(timer_us, clock_mono_us() + 100000);
    clock_advance_ms(99);
    turn();
    cr_assert_eq(h->b.resumed, 0);
    clock_advance_ms(1);
    turn();
    cr_assert_eq(h->b.resumed, 1);
    cr_assert_eq(feed(&h->b, "INCR n\r\n"), 8);
    cr_assert_str_eq(help_heard(&h->b), ":1|");
}

Test(double_, an_executed_command_can_lose_its_answer) {
    ask("TEST FAULT ADD COMMAND incr CLOSE AFTER");
    feed(&h->b, "PING\r\nINCR n\r\n");
    cr_assert(h->b.closes_after);
    cr_assert_str_eq(help_heard(&h->b), "+PONG|");
    cr_assert_str_eq(ask("GET n"), "$1|1|");
}

Test(double_, a_reply_in_parts_leaves_part_by_part) {
    ask("SET k 0123456789");
    ask("TEST FAULT ADD COMMAND get SLICE 6 10");
    feed(&h->b, "GET k\r\n");
    cr_assert_eq(help_sendable(&h->b), 0);
    turn();
    cr_assert_eq(help_sendable(&h->b), 6);
    clock_advance_ms(10);
    turn();
    cr_assert_eq(help_sendable(&h->b), 12);
    clock_advance_ms(10);
    turn();
    cr_assert_eq(help_sendable(&h->b), 17);
}

Test(double_, the_reply_of_a_blocked_command_is_dropped_once_it_is_there) {
    ask("TEST FAULT ADD COMMAND blpop DROP");
    help_ask(&h->b, "BLPOP q 0");
    ask("RPUSH q job");
    turn();
    turn();
    cr_assert_str_eq(help_heard(&h->b), "");
    cr_assert_str_eq(ask("LLEN q"), ":0|");
    cr_assert_eq(h->b.s.state, SESSION_ACTIVE);
    feed(&h->b, "PING\r\n");
    cr_assert_eq(help_sendable(&h->b), strlen("+PONG\r\n"), "nothing is held any more");
}

/* ---------------------------------------------------------------- modes, fixtures, reset */

Test(double_, a_mode_refuses_and_test_itself_is_left_alone) {
    ask("TEST MODE LOADING");
    cr_assert_str_eq(ask("GET k"), "-LOADING Redis is loading the dataset in memory|");
    cr_assert_str_eq(ask("TEST MODE NORMAL"), "+OK|");
    cr_assert_str_eq(ask("GET k"), "$-1|");
}

static const char *restored(const char *words) {
    const char *got = ask(words);

    for (int i = 0; i < 5000 && !got[0]; i++) { /* a copy may still be made */
        usleep(1000);
        turn();
        got = help_heard(&h->a);
    }
    return got;
}

Test(double_, a_snapshot_is_not_changed_by_what_came_from_it) {
    ask("RPUSH l 1 2 3");
    ask("SET s v EX 100");
    cr_assert_str_eq(ask("TEST SNAPSHOT base"), ":2|");
    for (int i = 0; i < 4; i++) {
        ask("RPUSH l 4");
        ask("DEL s");
        ask("SET other 1");
        cr_assert_str_eq(restored("TEST RESTORE base"), ":2|");
        cr_assert_str_eq(ask("LLEN l"), ":3|");
        cr_assert_str_eq(ask("TTL s"), ":100|");
    }
    cr_assert_str_eq(ask("TEST DROP base"), ":1|");
    cr_assert_str_eq(ask("TEST RESTORE base"), "-ERR no such snapshot|");
}

Test(double_, reset_takes_back_what_was_set) {
    ask("CONFIG SET maxmemory 5mb");
    ask("TEST FAULT ADD COMMAND get HANG");
    ask("TEST MODE READONLY");
    ask("TEST DISK FULL");
    cr_assert_str_eq(ask("TEST RESET"), "+OK|");
    cr_assert_eq(h->e.v->maxmemory, UINT64_C(1) << 30);
    cr_assert_str_eq(ask("SET k v"), "+OK|");
    cr_assert_str_eq(ask("GET k"), "$1|v|");
    cr_assert_gt(clock_wall_ms(), NOON, "the clock is the system's");
}

/* ---------------------------------------------------------------- waiting, the crash */

Test(double_, waiting_for_a_blocked_client_ends_when_there_is_one) {
    cr_assert_str_eq(ask_and_turn("TEST WAIT BLOCKED q"), "");
    help_ask(&h->b, "BLPOP q 0");
    turn();
    cr_assert_str_eq(help_heard(&h->a), ":1|");
}

Test(double_, a_crash_comes_once_its_answer_is_out) {
    cr_assert_str_eq(ask_and_turn("TEST CRASH SYNCED"), "+OK|");
    cr_assert_eq(crashes, 0);
    turn();
    cr_assert_eq(crashes, 1);
    cr_assert_eq(crashed, CRASH_SYNCED);
    turn();
    cr_assert_eq(crashes, 1);
}
