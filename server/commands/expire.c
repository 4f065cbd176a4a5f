/* SPDX-License-Identifier: BSD-3-Clause
 *
 * expire - times to live: setting, asking, removing. Logged as PEXPIREAT, or as the deletion where
 * the time is already over.
 */
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "storage/base/num.h"

/* ---------------------------------------------------------------- setting */

enum { IF_NONE = 1, IF_SOME = 2, IF_LATER = 4, IF_EARLIER = 8 };

/* EXPIRE's conditions, from argument 3 on. */
static bool parse_conditions(struct call *x, unsigned *set) {
    *set = 0;
    for (int i = 3; i < x->argc; i++) {
        if (arg_is(x, i, "nx")) {
            *set |= IF_NONE;
        } else if (arg_is(x, i, "xx")) {
            *set |= IF_SOME;
        } else if (arg_is(x, i, "gt")) {
            *set |= IF_LATER;
        } else if (arg_is(x, i, "lt")) {
            *set |= IF_EARLIER;
        } else {
            int n = x->argv[i].n < 512 ? (int)x->argv[i].n : 512;

            reply_errf(x, "ERR Unsupported option %.*s", n, x->argv[i].p);
            return false;
        }
    }
    if (*set & IF_NONE && *set & ~(unsigned)IF_NONE) {
        reply_err(x, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (*set & IF_LATER && *set & IF_EARLIER) {
        reply_err(x, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* A time that may lie in the past, but not outside of 64 bits of milliseconds. */
static bool parse_when(struct call *x, bool seconds, bool relative, int64_t *when_ms) {
    if (!arg_int(x, 2, when_ms)) return false;
    if ((seconds && __builtin_mul_overflow(*when_ms, 1000, when_ms)) ||
        (relative && __builtin_add_overflow(*when_ms, x->now_ms, when_ms))) {
        reply_bad_expire(x);
        return false;
    }
    return true;
}

static bool conditions_hold(unsigned set, int64_t now_ms, int64_t when_ms) {
    bool has = now_ms != ENTRY_NO_EXPIRE;

    if (set & IF_NONE && has) return false;
    if (set & IF_SOME && !has) return false;
    if (set & IF_LATER && (!has || when_ms <= now_ms)) return false;
    return !(set & IF_EARLIER && has && when_ms >= now_ms);
}

static int expire(struct call *x, bool seconds, bool relative) {
    char text[NUM_I64_MAX];
    unsigned conditions;
    int64_t when_ms;
    struct ref r;

    if (!parse_conditions(x, &conditions) || !parse_when(x, seconds, relative, &when_ms)) return -1;
    r = lookup_write(x, 1);
    if (!r.e || !conditions_hold(conditions, entry_expire(r.e), when_ms)) {
        reply_int(&x->r, 0);
        return 0;
    }
    if (when_ms <= x->now_ms && !call_keeps_due(x)) {
        delete_overdue(x, &r);
    } else {
        if (when_ms < 0) when_ms = 0; /* of an AOF: over, but not "no time" */
        r.e = db_set_expire(r.db, r.e, r.hash, when_ms);
        key_changed(x, &r, EVENT_GENERIC, "expire");
        if (seconds || relative) {
            struct word_edit edits[] = {
                {0, SLICE("PEXPIREAT")},
                {2, slice_of(text, (size_t)num_format_i64(text, when_ms))},
            };

            effect_edited(x, edits, 2, (struct slice){0});
        }
    }
    reply_int(&x->r, 1);
    return 0;
}

static int cmd_expire(struct call *x) {
    return expire(x, true, true);
}

static int cmd_pexpire(struct call *x) {
    return expire(x, false, true);
}

static int cmd_expireat(struct call *x) {
    return expire(x, true, false);
}

static int cmd_pexpireat(struct call *x) {
    return expire(x, false, false);
}

static int cmd_persist(struct call *x) {
    struct ref r = lookup_write(x, 1);
    bool had = r.e && r.e->flags & ENTRY_EXPIRES;

    if (had) {
        r.e = db_set_expire(r.db, r.e, r.hash, ENTRY_NO_EXPIRE);
        key_changed(x, &r, EVENT_GENERIC, "persist");
    }
    reply_int(&x->r, had);
    return 0;
}

/* ---------------------------------------------------------------- asking */

/* -2: no such key; -1: no time to live. */
static int reply_time(struct call *x, bool seconds, bool absolute) {
    struct ref r = peek(x, 1);
    int64_t v;

    if (!r.e || !(r.e->flags & ENTRY_EXPIRES)) {
        reply_int(&x->r, r.e ? -1 : -2);
        return 0;
    }
    v = entry_expire(r.e);
    if (!absolute) v = v > x->now_ms ? v - x->now_ms : 0;
    reply_int(&x->r, seconds ? v / 1000 + (v % 1000 >= 500) : v);
    return 0;
}

static int cmd_ttl(struct call *x) {
    return reply_time(x, true, false);
}

static int cmd_pttl(struct call *x) {
    return reply_time(x, false, false);
}

static int cmd_expiretime(struct call *x) {
    return reply_time(x, true, true);
}

static int cmd_pexpiretime(struct call *x) {
    return reply_time(x, false, true);
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_KEYSPACE_CAT | CMD_FAST)
#define R (CMD_READONLY | CMD_KEYSPACE_CAT | CMD_FAST)

/* clang-format off */
const struct command expire_commands[] = {
    {"expire", -3, W, "generic", {1, 1, 1}, cmd_expire, "1.0.0",
     "Sets a key's time to live in seconds.",
     .grammar = "key@0 seconds:int [condition(NX|XX|GT|LT)^7.0.0]",
     .key_specs = "RW update"},
    {"expireat", -3, W, "generic", {1, 1, 1}, cmd_expireat, "1.2.0",
     "Sets the Unix time in seconds at which a key ends.",
     .grammar = "key@0 unix-time-seconds:time [condition(NX|XX|GT|LT)^7.0.0]",
     .key_specs = "RW update"},
    {"expiretime", 2, R, "generic", {1, 1, 1}, cmd_expiretime, "7.0.0",
     "Tells the Unix time in seconds at which a key ends.",
     .grammar = "key@0"},
    {"persist", 2, W, "generic", {1, 1, 1}, cmd_persist, "2.2.0",
     "Removes a key's time to live.",
     .grammar = "key@0",
     .key_specs = "RW update"},
    {"pexpire", -3, W, "generic", {1, 1, 1}, cmd_pexpire, "2.6.0",
     "Sets a key's time to live in milliseconds.",
     .grammar = "key@0 milliseconds:int [condition(NX|XX|GT|LT)^7.0.0]",
     .key_specs = "RW update"},
    {"pexpireat", -3, W, "generic", {1, 1, 1}, cmd_pexpireat, "2.6.0",
     "Sets the Unix time in milliseconds at which a key ends.",
     .grammar = "key@0 unix-time-milliseconds:time [condition(NX|XX|GT|LT)^7.0.0]",
     .key_specs = "RW update"},
    {"pexpiretime", 2, R, "generic", {1, 1, 1}, cmd_pexpiretime, "7.0.0",
     "Tells the Unix time in milliseconds at which a key ends.",
     .grammar = "key@0"},
    {"pttl", 2, R, "generic", {1, 1, 1}, cmd_pttl, "2.6.0",
     "Tells how many milliseconds a key has to live.",
     .grammar = "key@0",
     .tips = "nondeterministic_output"},
    {"ttl", 2, R, "generic", {1, 1, 1}, cmd_ttl, "1.0.0",
     "Tells how many seconds a key has to live.",
     .grammar = "key@0",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
