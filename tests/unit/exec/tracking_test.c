/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Client-side caching: which clients are notified of which change, when, and what that waits for.
 */
#include "conf/conf.h"
#include "exec_help.h"
#include "server/exec/keys.h"
#include "server/exec/notify.h"
#include "server/exec/pubsub.h"
#include "server/exec/session.h"
#include "server/exec/tracking.h"
#include "server/exec/turn.h"

#include <criterion/criterion.h>

static void begin(void) {
    exec_begin();
    one.resp = two.resp = 3;
}

static void begin_logged(void) {
    exec_begin_logged();
    one.resp = two.resp = 3;
}

TestSuite(tracking, .init = begin, .fini = exec_end);

#define INVALID(key, n) ">2\r\n$10\r\ninvalidate\r\n*1\r\n$" #n "\r\n" key "\r\n"

static void track(struct session *s, unsigned options, const char *prefix) {
    struct slice p = slice_str(prefix ? prefix : "");

    tracking_begin(s, options, NULL, &p, prefix != NULL);
}

/* What session two is told once the loop has had its turn. */
static const char *told(void) {
    engine_before_wait(&engine);
    return output(&two);
}

static const char *two_says(const char *input) {
    feed(&two, input);
    return output(&two);
}

Test(tracking, who_has_read_a_key_is_told_once) {
    track(&two, 0, NULL);
    two_says("GET k\r\nGET k\r\n");
    cr_assert_eq(engine.tracking->nitems, 1);
    say("SET other 1");
    cr_assert_str_eq(told(), "");
    say("SET k 1");
    say("SET k 2");
    cr_assert_str_eq(told(), INVALID("k", 1));
    cr_assert_eq(engine.tracking->keys.count, 0);
}

Test(tracking, writing_is_not_reading) {
    track(&two, 0, NULL);
    two_says("SET k 1\r\nINCR n\r\n");
    cr_assert_eq(engine.tracking->keys.count, 0);
}

Test(tracking, ones_own_change_is_told_behind_the_reply_or_not_at_all) {
    track(&two, 0, NULL);
    two_says("GET k\r\n");
    cr_assert_str_eq(two_says("SET k 1\r\n"), "+OK\r\n" INVALID("k", 1));
    track(&two, TRACKING_NOLOOP, NULL);
    two_says("GET k\r\n");
    cr_assert_str_eq(two_says("SET k 1\r\n"), "+OK\r\n");
}

Test(tracking, opting_in_and_out_is_for_one_command) {
    track(&two, TRACKING_OPTIN, NULL);
    two_says("GET a\r\n");
    two.tracker->options |= TRACKING_CACHING;
    two_says("GET b\r\nGET c\r\n");
    cr_assert_eq(engine.tracking->keys.count, 1);
    two.tracker->options |= TRACKING_CACHING;
    two_says("MULTI\r\nGET d\r\nGET e\r\nEXEC\r\nGET f\r\n");
    cr_assert_eq(engine.tracking->keys.count, 3, "a transaction is one");
    tracking_end(&two);
    track(&two, TRACKING_OPTOUT, NULL);
    two.tracker->options |= TRACKING_CACHING;
    two_says("GET g\r\nGET h\r\n");
    cr_assert_eq(engine.tracking->keys.count, 4);
}

Test(tracking, prefixes_are_told_together_and_sorted) {
    track(&two, TRACKING_BCAST, "a");
    two_says("GET x\r\n");
    cr_assert_eq(engine.tracking->keys.count, 0, "nothing is remembered");
    feed(&one, "SET a2 1\r\nSET x 1\r\nSET a1 1\r\nSET a2 2\r\n");
    cr_assert_str_eq(told(), ">2\r\n$10\r\ninvalidate\r\n*2\r\n$2\r\na1\r\n$2\r\na2\r\n");
    cr_assert_str_eq(told(), "");
    track(&two, TRACKING_BCAST | TRACKING_NOLOOP, "b");
    two_says("SET b1 1\r\n");
    cr_assert_str_eq(told(), "");
}

Test(tracking, emptying_the_data_concerns_everybody) {
    track(&two, 0, NULL);
    two_says("GET k\r\n");
    say("CLEAR");
    cr_assert_str_eq(told(), ">2\r\n$10\r\ninvalidate\r\n_\r\n");
    cr_assert_eq(engine.tracking->nitems, 0);
}

Test(tracking, another_connection_may_be_told_instead) {
    pubsub_subscribe(&one, PUBSUB_CHANNEL, SLICE("__redis__:invalidate"));
    one.resp = 2;
    tracking_begin(&two, 0, &one, NULL, 0);
    two_says("GET k\r\n");
    two_says("SET k 1\r\n");
    cr_assert_str_eq(output(&one),
                     "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
    two_says("GET k\r\n");
    session_enter(&one, SESSION_CLOSING);
    cr_assert_str_eq(two_says("SET k 1\r\n"),
                     "+OK\r\n>2\r\n$21\r\ntracking-redir-broken\r\n:1\r\n");
    cr_assert(two.tracker->options & TRACKING_BROKEN);
}

Test(tracking, more_keys_than_allowed_are_forgotten_aloud) {
    struct slice pair[] = {SLICE("tracking-table-max-keys"), SLICE("2")};
    struct err err;

    cr_assert_eq(conf_set(engine.conf, pair, 1, true, &err), 0);
    track(&two, 0, NULL);
    two_says("GET a\r\nGET b\r\n");
    cr_assert(strstr(two_says("GET c\r\n"), "invalidate"));
    cr_assert_eq(engine.tracking->keys.count, 2);
}

Test(tracking, who_ends_leaves_nothing_that_is_told) {
    track(&two, 0, NULL);
    two_says("GET k\r\n");
    session_enter(&two, SESSION_CLOSING);
    say("SET k 1");
    cr_assert_str_eq(output(&two), "");
    cr_assert_eq(engine.tracking->nitems, 0);
    cr_assert_eq(engine.tracking->ntrackers, 0);
    track(&one, TRACKING_BCAST, "a");
    say("SET a 1");
    session_enter(&one, SESSION_CLOSING);
    session_end_closing(&engine);
    cr_assert_eq(engine.tracking->prefixes.count, 0);
}

TestSuite(tracking_logged, .init = begin_logged, .fini = exec_end);

/* The second client hears of a change of k when that stands in the log, and not before. */
static void is_told_once_written(void) {
    exec_stop_writes();
    feed(&one, "SET k 1\r\n");
    engine_before_wait(&engine);
    cr_assert_str_eq(sendable(&two), "");
    exec_go_on();
    cr_assert_str_eq(sendable(&two), INVALID("k", 1));
}

Test(tracking_logged, what_is_told_waits_for_the_change) {
    track(&two, 0, NULL);
    two_says("GET k\r\n");
    is_told_once_written();
}

Test(tracking_logged, so_does_what_is_told_by_prefix) {
    track(&two, TRACKING_BCAST, "k");
    is_told_once_written();
}

Test(tracking, every_prefix_of_a_key_is_told_and_no_other) {
    static const char *const prefixes[] = {"",   "a", "aa",       "aaa", "aab",
                                           "ab", "b", "aaaaaaaa", "aaz"};
    char want[256];

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct slice text = slice_str(prefixes[i]);
        bool fits = strncmp("aaab", prefixes[i], text.n) == 0;

        two.resp = 3;
        /* The others are of a client that is told nothing. */
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
            struct slice other = slice_str(prefixes[k]);

            tracking_begin(&one, TRACKING_BCAST, NULL, &other, 1);
        }
        tracking_begin(&two, TRACKING_BCAST, NULL, &text, 1);
        say("SET aaab 1");
        engine_before_wait(&engine);
        snprintf(want, sizeof want, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$4\r\naaab\r\n");
        cr_assert_str_eq(output(&two), fits ? want : "", "'%s'", prefixes[i]);
        tracking_end(&one);
        tracking_end(&two);
        cr_assert_eq(engine.tracking->prefixes.count, 0);
    }
}

Test(tracking, a_prefix_that_goes_in_the_turn_of_a_change_is_not_told) {
    track(&two, TRACKING_BCAST, "a");
    say("SET a 1");
    tracking_end(&two);
    engine_before_wait(&engine);
    cr_assert_str_eq(output(&two), "");
}

/* ---------------------------------------------------------------- another protocol */

/* Changes a key, then the protocol, as SET and HELLO in one transaction do. */
static int cmd_turn(struct call *x) {
    struct ref r = lookup_write(x, 1);

    r.e = db_set_string(r.db, r.key, r.hash, r.e, SLICE("v"), ENTRY_NO_EXPIRE, 0);
    key_changed(x, &r, EVENT_STRING, "set");
    reply_ok(&x->r);
    x->s->resp = x->s->resp == 2 ? 3 : 2;
    return 0;
}

static void add_turn(struct command_registry *r) {
    static const struct command rows[] = {
        {"turn", 2, CMD_WRITE, "test", {1, 1, 1}, cmd_turn, "1.0.0", "Turns.", .key_specs = "RW"},
        {0},
    };

    command_registry_add(r, rows);
}

static void begin_turning(void) {
    exec_begin_with(add_turn);
    one.resp = two.resp = 3;
}

TestSuite(tracking_turning, .init = begin_turning, .fini = exec_end);

Test(tracking_turning, ones_own_change_is_told_as_the_protocol_is_after_the_command) {
    track(&two, 0, NULL);
    two_says("GET k\r\n");
    cr_assert_str_eq(two_says("TURN k\r\n"), "+OK\r\n", "RESP2 has no place for it");
    two.resp = 3;
    two_says("GET k\r\n");
    two.resp = 2;
    cr_assert_str_eq(two_says("TURN k\r\n"), "+OK\r\n" INVALID("k", 1));
}
