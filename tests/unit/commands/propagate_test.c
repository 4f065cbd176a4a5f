/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What each write command propagates, seen by a sink that records and with no AOF: the command as
 * received, or commands with the same effect wherever and whenever they run again.
 */
#include "engine_help.h"

#include "protocol/encode.h"
#include "server/exec/keys.h"
#include "server/exec/replay.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct bytes recorded;
static bool recording;

/* Bare if it can be told from other arguments so. */
static void record_arg(const char *p, size_t n) {
    bool bare = n > 0;

    for (size_t i = 0; i < n; i++)
        if (p[i] <= ' ' || p[i] > '~' || strchr("\"\\;{}", p[i])) bare = false;
    if (bare)
        bytes_append(&recorded, p, n);
    else
        bytes_append_quoted(&recorded, slice_of(p, n));
}

/* One command in RESP; returns what follows it. */
static const char *record_command(const char *p) {
    long args = strtol(p + 1, (char **)&p, 10);

    cr_assert(args > 0);
    for (long i = 0; i < args; i++) {
        size_t n = (size_t)strtol(p + 3, (char **)&p, 10);

        if (i) bytes_append_char(&recorded, ' ');
        record_arg(p + 2, n);
        p += 2 + n;
    }
    return p + 2;
}

static void record(struct slice resp, const char *open, const char *close) {
    const char *p = resp.p;

    if (recorded.n) bytes_append_str(&recorded, "; ");
    bytes_append_str(&recorded, open);
    while (p < resp.p + resp.n) {
        if (p > resp.p) bytes_append_str(&recorded, "; ");
        p = record_command(p);
    }
    bytes_append_str(&recorded, close);
}

/* A unit of several commands stands in braces. */
static void on_unit(void *arg, const struct unit *u) {
    bool several = u->ncommands > 1;

    (void)arg;
    record(u->resp, several ? "{" : "", several ? "}" : "");
}

static void begin(void) {
    struct sink s = {.wants = &recording, .unit = on_unit};

    engine_begin();
    rng_seed(1);
    recording = false;
    propagate_to(&engine.propagation, &s);
}

static void end(void) {
    engine_end();
    bytes_release(&recorded);
}

TestSuite(propagate, .init = begin, .fini = end);

struct row {
    const char *before; /* sent first, parted by ';' */
    const char *command;
    const char *propagated; /* "=": as received; "": nothing */
};

/* clang-format off */
static const struct row rows[] = {
#include "propagate_rows.h"
};
/* clang-format on */

enum { ROWS = sizeof rows / sizeof *rows };

static void say_each(const char *lines) {
    char all[1024], *rest = all, *line;

    snprintf(all, sizeof all, "%s", lines);
    while ((line = strsep(&rest, ";"))) {
        line += strspn(line, " ");
        if (*line) engine_say(line);
    }
}

static const char *propagated_by(const struct row *r) {
    engine_say("FLUSHALL");
    say_each(r->before);
    bytes_clear(&recorded);
    recording = true;
    say_each(r->command);
    recording = false;
    return bytes_cstr(&recorded);
}

Test(propagate, every_row_is_as_the_table_says) {
    for (int i = 0; i < ROWS; i++) {
        const char *wanted = strcmp(rows[i].propagated, "=") ? rows[i].propagated : rows[i].command;

        cr_expect_str_eq(propagated_by(&rows[i]), wanted, "%s; %s: %s", rows[i].before,
                         rows[i].command, bytes_cstr(&recorded));
    }
}

static bool has_row(const char *name) {
    for (int i = 0; i < ROWS; i++) {
        const char *c = rows[i].command;
        size_t n = strcspn(c, " ;");

        if (strlen(name) == n && strncasecmp(name, c, n) == 0) return true;
    }
    return false;
}

/* Of a command with subcommands one row of any of them is enough for this test. */
static bool writes(const struct command_slot *c) {
    if (c->row->flags & CMD_WRITE) return true;
    for (unsigned i = 0; i < c->nsub; i++)
        if (c->sub[i].row->flags & CMD_WRITE) return true;
    return false;
}

Test(propagate, every_write_command_has_a_row) {
    for (unsigned i = 0; i < engine.commands.n; i++) {
        const struct command_slot *c = &engine.commands.slots[i];

        if (writes(c)) cr_expect(has_row(c->name), "'%s' has no row", c->name);
    }
}

Test(propagate, a_sink_that_wants_nothing_is_passed_over) {
    struct row r = {"", "SET k v", "="};

    cr_assert_str_eq(propagated_by(&r), "SET k v");
    bytes_clear(&recorded);
    engine_say("SET k w");
    engine_say("INCRBYFLOAT f 1.5");
    cr_assert_eq(recorded.n, 0);
    cr_assert_eq(engine.propagation.ncommands, 0);
}

/* While `before` is said, a member or field gets 10 ms, which are over then. RESTORE stands for
 * a result: its payload is not shown. */
static const struct row overdue_rows[] = {
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SADD s b", ""},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SADD s c", "="},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SADD s a b c",
     "{SADD s a b c; SPERSIST s MEMBERS 1 a}"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SADDEX s KEEPTTL MEMBERS 1 a",
     "{SADD s a; SPERSIST s MEMBERS 1 a}"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SADDEX s EXAT 2000000000 MEMBERS 1 a",
     "{SADD s a; SPEXPIREAT s 2000000000000 MEMBERS 1 a}"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SREM s a b", "SREM s b"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SREM s a", ""},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SEXPIREAT s 2000000000 MEMBERS 2 a b",
     "SPEXPIREAT s 2000000000000 MEMBERS 1 b"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SPERSIST s MEMBERS 2 a b", ""},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD t a", "SMOVE s t a", ""},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD t a", "SMOVE t s a",
     "{SMOVE t s a; SPERSIST s MEMBERS 1 a}"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SPOP s", "SREM s b"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SPOP s 1", "DEL s"},
    {"SADDEX s PX 10 MEMBERS 1 a", "SPOP s", ""},
    {"SADDEX s PX 10 MEMBERS 1 a", "SPOP s 2", ""},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "SUNIONSTORE d s", "RESTORE d"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b; SADD t a b", "SINTERSTORE d s t", "RESTORE d"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD t a b", "SDIFFSTORE d t s", "RESTORE d"},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD d x", "SUNIONSTORE d s", "DEL d"},
    {"SADDEX s PX 10 MEMBERS 1 a", "SUNIONSTORE d s", ""},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "ZUNIONSTORE d 1 s", "RESTORE d"},
    {"SADDEX s PX 10 MEMBERS 1 a; ZADD z 1 a", "ZINTERSTORE z 2 z s", "DEL z"},
    {"SADDEX s PX 10 MEMBERS 1 1; SADD s 2", "SORT s STORE d", "RESTORE d"},
    {"RPUSH l 1; HSETEX h1 PX 10 FIELDS 1 f 9", "SORT l BY nosort GET h*->f STORE d", "RESTORE d"},
    {"RPUSH l 1; HSETEX h1 EX 10 FIELDS 1 f 9", "SORT l BY nosort GET h*->f STORE d", "="},
    {"SADDEX s PX 10 MEMBERS 1 a; SADD s b", "COPY s t", "="},
};

Test(propagate, a_member_that_is_due_makes_no_difference_where_nothing_is) {
    engine_say("DEBUG SET-ACTIVE-EXPIRE 0");
    for (size_t i = 0; i < sizeof overdue_rows / sizeof *overdue_rows; i++) {
        const struct row *r = &overdue_rows[i];
        const char *wanted = strcmp(r->propagated, "=") ? r->propagated : r->command;
        char *rest;

        engine_say("FLUSHALL");
        say_each(r->before);
        clock_advance_ms(10);
        clock_refresh();
        bytes_clear(&recorded);
        recording = true;
        engine_say(r->command);
        recording = false;
        rest = strstr(bytes_cstr(&recorded), "RESTORE ");
        if (rest) rest[strlen("RESTORE d")] = '\0';
        cr_expect_str_eq(bytes_cstr(&recorded), wanted, "%s; %s: %s", r->before, r->command,
                         bytes_cstr(&recorded));
    }
}

/* Expiry that a look-up causes stands in the unit of the command that looked. */
Test(propagate, a_key_that_expires_under_a_command_is_removed_before_it) {
    engine_say("SET k v PX 10");
    clock_advance_ms(20);
    clock_refresh();
    recording = true;
    engine_say("GET k");
    cr_expect_str_eq(bytes_cstr(&recorded), "DEL k");
    bytes_clear(&recorded);
    engine_say("SET k v PX 10");
    clock_advance_ms(20);
    clock_refresh();
    bytes_clear(&recorded);
    engine_say("APPEND k w");
    cr_expect_str_eq(bytes_cstr(&recorded), "{DEL k; APPEND k w}");
}

static void replay(int argc, const struct slice *argv) {
    struct err e;

    cr_assert_eq(engine_replay(&engine, (size_t)argc, argv, &e), 0, "%s", e.text);
}

/* The AOF holds the DEL of what expired: a replay must not expire anything by itself. */
Test(propagate, what_runs_for_the_log_obeys_and_propagates_nothing) {
    struct slice set[] = {SLICE("SET"), SLICE("k"), SLICE("v"), SLICE("PXAT"), SLICE("5")};
    struct slice append[] = {SLICE("APPEND"), SLICE("k"), SLICE("w")};

    recording = true;
    engine_replay_begin(&engine);
    replay(5, set);
    replay(3, append);
    engine_replay_end(&engine);
    cr_expect_eq(recorded.n, 0);
    cr_expect_str_eq(engine_say("EXISTS k"), ":0\r\n");
    cr_expect_str_eq(bytes_cstr(&recorded), "DEL k", "its time is over for everybody else");
}

/* CONFIG SET appendonly no within a transaction: what came before it must not be kept, or it would
 * stand before a later write, after the snapshot with which the AOF begins again. */
Test(propagate, a_unit_that_no_sink_wants_any_more_is_dropped) {
    struct slice argv[] = {SLICE("SET"), SLICE("k"), SLICE("old")};

    recording = true;
    encode_command(propagate_begin(&engine.propagation, 0), 3, argv);
    recording = false;
    engine_say("SET k new");
    cr_expect_eq(engine.propagation.ncommands, 0);
    recording = true;
    engine_say("SET other v");
    cr_expect_str_eq(bytes_cstr(&recorded), "SET other v");
}
