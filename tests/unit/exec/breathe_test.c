/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A command that takes long: what is done for other clients within it, what waits for its end, and
 * what it must not be disturbed by. LONG looks its key up and breathes at each step; BOTH looks up
 * a second one afterwards; MAKE breathes and then stores a key.
 */
#include "exec_help.h"
#include "server/exec/breathe.h"
#include "server/exec/keys.h"
#include "server/exec/turn.h"

#include <criterion/criterion.h>

enum { STEPS = 4 };
#define LONG_REPLY "*4\r\n:0\r\n:0\r\n:0\r\n:0\r\n"

static unsigned within;           /* how often others were served */
static void (*meanwhile)(void);   /* what happens the first time */
static const char *during;        /* is fed to session two before that */
static size_t taken;              /* how much of it was used up */
static char heard[1024];          /* what session two was answered by then */
static uint64_t busy_ns, step_ns; /* how long the first time, and a step of LONG, last */

static void spin(uint64_t ns) {
    uint64_t until = clock_real_ns() + ns;

    while (clock_real_ns() < until) continue;
}

static int cmd_long(struct call *x) {
    struct ref r = lookup_read(x, 1);

    reply_array(&x->r, STEPS);
    for (int i = 0; i < STEPS; i++) {
        spin(step_ns);
        call_breathe(x);
        reply_int(&x->r, r.e != NULL);
    }
    return 0;
}

static int cmd_both(struct call *x) {
    lookup_read(x, 1);
    for (int i = 0; i < STEPS; i++) call_breathe(x);
    lookup_read(x, 2);
    reply_ok(&x->r);
    return 0;
}

static int cmd_make(struct call *x) {
    struct ref r;

    for (int i = 0; i < STEPS; i++) call_breathe(x);
    r = lookup_write(x, 1);
    r.e = db_set_string(r.db, r.key, r.hash, r.e, SLICE("made"), ENTRY_NO_EXPIRE, 0);
    key_changed(x, &r, EVENT_STRING, "set");
    within = 0;
    for (int i = 0; i < STEPS; i++) call_breathe(x); /* too late: something has changed */
    reply_ok(&x->r);
    return 0;
}

static int cmd_end_one(struct call *x) {
    one.ops->close(&one, false);
    reply_ok(&x->r);
    return 0;
}

static const struct command more[] = {
    {"long", 2, CMD_READONLY, "test", {1, 1, 1}, cmd_long, "1.0.0", "Takes long."},
    {"both", 3, CMD_READONLY, "test", {1, 2, 1}, cmd_both, "1.0.0", "Looks at two."},
    {"make", 2, CMD_WRITE, "test", {1, 1, 1}, cmd_make, "1.0.0", "Stores.", .key_specs = "OW"},
    {"endone", 1, CMD_ADMIN, "test", {0}, cmd_end_one, "1.0.0", "Ends session one."},
    {"hear", 1, CMD_PUBSUB, "test", {0}, cmd_end_one, "1.0.0", "Is never run here."},
    {0},
};

static void add_more(struct command_registry *r) {
    command_registry_add(r, more);
}

static void serve_within(void *arg, struct engine *e) {
    (void)arg;
    (void)e;
    if (within++ > 0) return;
    engine.slice_ns = 0; /* for the pipeline of session two */
    if (during) taken = feed(&two, during);
    if (meanwhile) meanwhile();
    snprintf(heard, sizeof heard, "%s", output(&two));
    engine.slice_ns = 1;
    spin(busy_ns);
}

static void short_slices(void) {
    engine.slice_ns = 1;
    engine.breath.limit = 1;
    engine.hooks.serve_within = serve_within;
}

static void begin(void) {
    exec_begin_with(add_more);
    short_slices();
}

static void begin_logged(void) {
    exec_begin_logged_with(add_more);
    short_slices();
}

TestSuite(breathe, .init = begin, .fini = exec_end);
TestSuite(breathe_logged, .init = begin_logged, .fini = exec_end);

/* ---------------------------------------------------------------- what runs within, what waits */

Test(breathe, reads_are_answered_within_and_writes_wait) {
    say("SET k v");
    during = "GET k\r\nPING\r\nINCR n\r\nPING\r\n";
    cr_assert_str_eq(say("LONG none"), LONG_REPLY);
    cr_assert_str_eq(heard, "$1\r\nv\r\n+PONG\r\n");
    cr_assert_eq(taken, strlen("GET k\r\nPING\r\n"));
    cr_assert_eq(two.state, SESSION_PARKED);
    cr_assert_eq(engine.nparked, 1);
    engine_before_wait(&engine);
    cr_assert_eq(two.state, SESSION_ACTIVE);
    cr_assert_eq(resumed, 1);
    engine.slice_ns = 0;
    feed(&two, during + taken);
    cr_assert_str_eq(output(&two), ":1\r\n+PONG\r\n");
}

Test(breathe, what_is_not_about_data_waits_too) {
    static const char *const waits[] = {"ENDONE\r\n", "HEAR\r\n", "TAKE k 0\r\n", "HOLD 0\r\n",
                                        "BOX SHUT k\r\n"};

    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        within = 0;
        during = waits[i];
        say("LONG k");
        cr_assert_eq(taken, 0, "%s", waits[i]);
        engine_before_wait(&engine);
        cr_assert_eq(two.state, SESSION_ACTIVE);
    }
}

Test(breathe, what_would_be_refused_is_refused_at_once) {
    during = "SET k\r\nNOSUCH\r\n";
    say("LONG k");
    cr_assert_eq(taken, strlen(during));
    cr_assert(strstr(heard, "wrong number of arguments for 'set'"));
}

Test(breathe, without_a_slice_others_wait) {
    engine.slice_ns = 0;
    cr_assert_str_eq(say("LONG k"), LONG_REPLY);
    cr_assert_eq(within, 0);
}

Test(breathe, others_get_half_of_the_time_at_the_most) {
    step_ns = 5 * 1000 * 1000;
    say("LONG k");
    cr_assert_gt(within, 1);
    within = 0;
    busy_ns = 400 * 1000 * 1000;
    say("LONG k");
    cr_assert_eq(within, 1, "the command has had less than that since");
}

Test(breathe, a_second_long_command_within_is_executed_at_a_stretch) {
    during = "LONG k\r\nGET k\r\n";
    say("LONG k");
    cr_assert_str_eq(heard, LONG_REPLY "$-1\r\n");
    cr_assert_leq(within, STEPS);
    cr_assert_eq(two.state, SESSION_ACTIVE);
}

Test(breathe, a_transaction_is_queued_within_and_executed_afterwards) {
    during = "MULTI\r\nSET k v\r\nGET k\r\nEXEC\r\nPING\r\n";
    say("LONG k");
    cr_assert_str_eq(heard, "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    cr_assert_eq(two.state, SESSION_PARKED);
    engine_before_wait(&engine);
    engine.slice_ns = 0;
    feed(&two, during + taken);
    cr_assert_str_eq(output(&two), "*2\r\n+OK\r\n$1\r\nv\r\n+PONG\r\n");
}

Test(breathe, nothing_comes_into_a_transaction) {
    say("MULTI");
    say("LONG k");
    cr_assert_str_eq(say("EXEC"), "*1\r\n" LONG_REPLY);
    cr_assert_eq(within, 0);
}

Test(breathe, a_pipeline_goes_on_after_its_long_command) {
    engine.slice_ns = 1;
    cr_assert_eq(feed(&one, "LONG k\r\nGET k\r\n"), strlen("LONG k\r\n"), "others come first");
    cr_assert_eq(feed(&one, "GET k\r\n"), strlen("GET k\r\n"));
    cr_assert_str_eq(output(&one), LONG_REPLY "$-1\r\n");
}

Test(breathe, a_pause_of_writes_goes_on_after_it) {
    pause_begin(&engine.pause, PAUSE_BY_CLIENT, PAUSE_WRITES, UINT64_MAX);
    during = "GET k\r\nHEAR\r\n";
    say("LONG k");
    cr_assert_eq(two.state, SESSION_PARKED);
    cr_assert_eq(engine.pause.mode, PAUSE_WRITES);
    engine_before_wait(&engine);
    cr_assert_eq(two.state, SESSION_ACTIVE, "the pause does not hold it");
    feed(&two, "SET k v\r\n");
    cr_assert_eq(two.state, SESSION_PARKED);
    engine_before_wait(&engine);
    cr_assert_eq(two.state, SESSION_PARKED);
    engine_unpause(&engine, PAUSE_BY_CLIENT);
    engine_before_wait(&engine);
    cr_assert_eq(two.state, SESSION_ACTIVE);
}

static void end_of_failover(void) {
    engine_unpause(&engine, PAUSE_FOR_FAILOVER);
}

static void begin_of_shutdown(void) {
    pause_begin(&engine.pause, PAUSE_FOR_SHUTDOWN, PAUSE_WRITES, PAUSE_FOR_EVER);
}

/* The link to a master tells of the end of a failover; a write that waited meanwhile goes on. */
Test(breathe, a_pause_that_ends_within_has_ended) {
    pause_begin(&engine.pause, PAUSE_FOR_FAILOVER, PAUSE_WRITES, PAUSE_FOR_EVER);
    feed(&two, "SET k v\r\n");
    cr_assert_eq(two.state, SESSION_PARKED);
    meanwhile = end_of_failover;
    say("LONG k");
    cr_assert_eq(engine.pause.mode, PAUSE_NONE);
    cr_assert_eq(engine.pause.of[PAUSE_FOR_FAILOVER].mode, PAUSE_NONE);
    engine_before_wait(&engine);
    cr_assert_eq(two.state, SESSION_ACTIVE);
}

Test(breathe, a_pause_that_begins_within_goes_on_after_it) {
    meanwhile = begin_of_shutdown;
    during = "HEAR\r\n";
    say("LONG k");
    cr_assert_eq(taken, 0, "the long command goes on");
    cr_assert_eq(engine.pause.mode, PAUSE_WRITES);
    engine_before_wait(&engine);
    cr_assert_eq(engine.pause.mode, PAUSE_WRITES);
}

/* ---------------------------------------------------------------- time */

static void expire_k(int64_t ms) {
    struct slice key = SLICE("k");
    uint64_t hash = hash_bytes(key.p, key.n);
    struct db *db = &engine.ks.dbs[0];

    db_set_expire(db, db_find(db, key, hash), hash, clock_wall_ms() + ms);
}

static void later(void) {
    clock_advance_ms(1000);
    feed(&two, "GET k\r\n");
}

Test(breathe, a_key_whose_time_is_over_is_not_there_but_stays) {
    clock_set_virtual(1000000);
    clock_refresh();
    say("SET k v");
    expire_k(500);
    meanwhile = later;
    cr_assert_str_eq(say("LONG k"), "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n");
    cr_assert_str_eq(heard, "$-1\r\n");
    cr_assert_eq(keyspace_count(&engine.ks), 1);
    cr_assert_str_eq(say("GET k"), "$-1\r\n");
    cr_assert_eq(keyspace_count(&engine.ks), 0);
}

Test(breathe, only_its_own_time_is_counted) {
    struct command_slot *cmd = command_lookup(&engine.commands, SLICE("long"));

    busy_ns = 300 * 1000 * 1000;
    say("LONG k");
    cr_assert_eq(cmd->calls, 1);
    cr_assert_lt(cmd->ns, busy_ns);
}

/* ---------------------------------------------------------------- what is told */

#define MISSED(key)                                                                                \
    ">4\r\n$8\r\npmessage\r\n$12\r\n__keyevent@*\r\n$22\r\n__keyevent@0__:keymiss\r\n$1\r\n" key   \
    "\r\n"

Test(breathe, what_its_client_is_told_follows_its_reply_in_order) {
    exec_tell(&one);
    exec_events("EAm");
    output(&one);
    during = "GET b\r\n";
    feed(&one, "BOTH a c\r\n");
    cr_assert_str_eq(output(&one), "+OK\r\n" MISSED("a") MISSED("b") MISSED("c"));
}

Test(breathe, what_another_client_is_told_by_it_is_not_lost) {
    exec_tell(&two);
    exec_events("EAm");
    output(&two);
    say("BOTH a c");
    cr_assert_str_eq(heard, MISSED("a"));
    cr_assert_str_eq(output(&two), MISSED("c"));
}

/* ---------------------------------------------------------------- the end of its client */

static void end_one(void) {
    one.ops->close(&one, false);
    feed(&two, "GET k\r\n");
    cr_assert_eq(one.state, SESSION_CLOSING);
    cr_assert(!list_empty(&one.closing), "it is not taken apart within its command");
}

Test(breathe, its_client_may_be_gone) {
    exec_tell(&one);
    exec_events("EAm");
    meanwhile = end_one;
    feed(&one, "BOTH a c\r\nPING\r\n");
    cr_assert_str_eq(heard, "$-1\r\n");
    cr_assert_eq(one.state, SESSION_CLOSING);
    engine_before_wait(&engine);
    cr_assert_null(one.subscriber);
    cr_assert_str_eq((feed(&two, "PING\r\n"), output(&two)), "+PONG\r\n");
}

/* ---------------------------------------------------------------- writes, and the AOF */

Test(breathe, a_write_breathes_until_it_changes_something) {
    during = "GET k\r\nSET k mine\r\n";
    cr_assert_str_eq(say("MAKE k"), "+OK\r\n");
    cr_assert_eq(within, 0);
    cr_assert_str_eq(heard, "$-1\r\n");
    cr_assert_str_eq(say("GET k"), "$4\r\nmade\r\n");
}

Test(breathe_logged, a_key_that_it_found_expired_is_logged_as_such) {
    uint64_t before;

    say("SET k v");
    expire_k(-1000);
    engine_before_wait(&engine);
    before = aof_appended(engine.aof);
    during = "GET k\r\n";
    say("LONG k");
    cr_assert_str_eq(heard, "$-1\r\n");
    cr_assert_gt(aof_appended(engine.aof), before);
    cr_assert_eq(keyspace_count(&engine.ks), 0);
}

Test(breathe_logged, replies_within_wait_for_the_disk_as_ever) {
    exec_stop_syncs();
    say("SET k v");
    during = "GET other\r\n";
    say("LONG none");
    cr_assert_str_eq(heard, "$-1\r\n");
    cr_assert_eq(two.ngates, 0);
    within = 0;
    during = "GET k\r\n";
    say("LONG none");
    cr_assert_eq(two.ngates, 1, "its key is not safe yet");
    exec_go_on();
}
