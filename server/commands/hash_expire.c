/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_expire - times to live of fields: setting, asking, removing. Logged as HPEXPIREAT, or as
 * HDEL where the time is already over.
 */
#include "server/commands/commands.h"
#include "server/commands/hash.h"
#include "server/commands/hash_fields.h"

/* ---------------------------------------------------------------- setting */

enum { IF_ALWAYS, IF_NONE, IF_SOME, IF_LATER, IF_EARLIER };

/* The condition at argument 3, if there is one. */
static int parse_condition(const struct call *x) {
    static const char *const words[] = {NULL, "nx", "xx", "gt", "lt"};

    for (int i = IF_NONE; i <= IF_EARLIER; i++)
        if (arg_is(x, 3, words[i])) return i;
    return IF_ALWAYS;
}

/* `had` is the field's time so far, 0: none, which counts as later than any. */
static bool condition_holds(int condition, int64_t had, int64_t when_ms) {
    switch (condition) {
    case IF_NONE: return had == 0;
    case IF_SOME: return had != 0;
    case IF_LATER: return had != 0 && when_ms > had;
    case IF_EARLIER: return had == 0 || when_ms < had;
    default: return true;
    }
}

/* What HEXPIRE says of each field. */
enum { NO_FIELD = -2, NOT_MET = 0, TIME_SET = 1, FIELD_DELETED = 2 };

static int expire_field(struct call *x, struct hash_edit *h, struct slice field, int condition,
                        int64_t when_ms) {
    struct hash_item item;

    if (!h->r.e || !hash_get(h->r.e, field, hash_now(x), &item)) return NO_FIELD;
    if (!condition_holds(condition, item.expire_ms, when_ms)) return NOT_MET;
    if (hash_is_over(x, when_ms)) {
        hash_delete(h->r.e, field, hash_now(x));
        return FIELD_DELETED;
    }
    hash_set_expire(h->r.e, field, when_ms);
    return TIME_SET;
}

static int expire_fields(struct call *x, bool seconds, bool relative) {
    struct field_list changed = {0};
    struct fields f;
    struct hash_edit h;
    int64_t when_ms;
    int condition;

    if (!hash_open(x, &h) || !hash_arg_time(x, 2, seconds, relative, &when_ms)) return -1;
    condition = parse_condition(x);
    if (!parse_fields(x, condition ? 4 : 3, "ERR Parameter `numFields` should be greater than 0",
                      &f))
        return -1;
    if (h.r.e) hash_allow_times(h.r.e);
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        int did = expire_field(x, &h, x->argv[i], condition, when_ms);

        if (did == TIME_SET || did == FIELD_DELETED) field_list_add(&changed, x->argv[i]);
        reply_int(&x->r, did);
    }
    hash_log_time(x, &h, &changed, when_ms);
    hash_close(x, &h, changed.n, hash_is_over(x, when_ms) ? "hdel" : "hexpire");
    field_list_release(&changed);
    return 0;
}

static int cmd_hexpire(struct call *x) {
    return expire_fields(x, true, true);
}

static int cmd_hpexpire(struct call *x) {
    return expire_fields(x, false, true);
}

static int cmd_hexpireat(struct call *x) {
    return expire_fields(x, true, false);
}

static int cmd_hpexpireat(struct call *x) {
    return expire_fields(x, false, false);
}

/* ---------------------------------------------------------------- removing */

static int cmd_hpersist(struct call *x) {
    struct field_list changed = {0};
    struct fields f;
    struct hash_edit h;

    if (!hash_open(x, &h) || !parse_fields(x, 2, NULL, &f)) return -1;
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        struct hash_item item;

        if (!h.r.e || !hash_get(h.r.e, x->argv[i], hash_now(x), &item)) {
            reply_int(&x->r, -2);
        } else if (item.expire_ms == 0) {
            reply_int(&x->r, -1);
        } else {
            hash_set_expire(h.r.e, x->argv[i], 0);
            field_list_add(&changed, x->argv[i]);
            reply_int(&x->r, 1);
        }
    }
    hash_log_persist(x, &h, &changed);
    hash_close(x, &h, changed.n, "hpersist");
    field_list_release(&changed);
    return 0;
}

/* ---------------------------------------------------------------- asking */

/* -2: no such field; -1: no time. Absolute seconds are rounded up, as those left are. */
static int reply_times(struct call *x, bool seconds, bool absolute) {
    struct fields f;
    struct ref r;

    if (!hash_for_reading(x, &r) || !parse_fields(x, 2, NULL, &f)) return -1;
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        struct hash_item item;
        int64_t ms;

        if (!r.e || !hash_get(r.e, x->argv[i], hash_now(x), &item)) {
            reply_int(&x->r, -2);
            continue;
        }
        ms = absolute ? item.expire_ms : item.expire_ms - x->now_ms;
        reply_int(&x->r, item.expire_ms == 0 ? -1 : seconds ? (ms + 999) / 1000 : ms);
    }
    return 0;
}

static int cmd_httl(struct call *x) {
    return reply_times(x, true, false);
}

static int cmd_hpttl(struct call *x) {
    return reply_times(x, false, false);
}

static int cmd_hexpiretime(struct call *x) {
    return reply_times(x, true, true);
}

static int cmd_hpexpiretime(struct call *x) {
    return reply_times(x, false, true);
}

/* ---------------------------------------------------------------- rows */

#define W      (CMD_WRITE | CMD_DENYOOM | CMD_FAST)
#define R      (CMD_READONLY | CMD_FAST)
#define FIELDS "FIELDS=fields{numfields:int field+}"

/* clang-format off */
const struct command hash_expire_commands[] = {
    {"hexpire", -6, W, "hash", {1, 1, 1}, cmd_hexpire, "7.4.0",
     "Gives fields of a hash a time to live in seconds.",
     .grammar = "key@0 seconds:int [condition(NX|XX|GT|LT)] " FIELDS,
     .key_specs = "RW update"},
    {"hexpireat", -6, W, "hash", {1, 1, 1}, cmd_hexpireat, "7.4.0",
     "Sets the time, in seconds since 1970, at which fields of a hash are over.",
     .grammar = "key@0 unix-time-seconds:time [condition(NX|XX|GT|LT)] " FIELDS,
     .key_specs = "RW update"},
    {"hexpiretime", -5, R, "hash", {1, 1, 1}, cmd_hexpiretime, "7.4.0",
     "Gives the time, in seconds since 1970, at which fields of a hash are over.",
     .grammar = "key@0 " FIELDS},
    {"hpersist", -5, CMD_WRITE | CMD_FAST, "hash", {1, 1, 1}, cmd_hpersist, "7.4.0",
     "Removes the times to live of fields of a hash.",
     .grammar = "key@0 " FIELDS,
     .key_specs = "RW update"},
    {"hpexpire", -6, W, "hash", {1, 1, 1}, cmd_hpexpire, "7.4.0",
     "Gives fields of a hash a time to live in milliseconds.",
     .grammar = "key@0 milliseconds:int [condition(NX|XX|GT|LT)] " FIELDS,
     .key_specs = "RW update"},
    {"hpexpireat", -6, W, "hash", {1, 1, 1}, cmd_hpexpireat, "7.4.0",
     "Sets the time, in milliseconds since 1970, at which fields of a hash are over.",
     .grammar = "key@0 unix-time-milliseconds:time [condition(NX|XX|GT|LT)] " FIELDS,
     .key_specs = "RW update"},
    {"hpexpiretime", -5, R, "hash", {1, 1, 1}, cmd_hpexpiretime, "7.4.0",
     "Gives the time, in milliseconds since 1970, at which fields of a hash are over.",
     .grammar = "key@0 " FIELDS},
    {"hpttl", -5, R, "hash", {1, 1, 1}, cmd_hpttl, "7.4.0",
     "Gives the milliseconds that fields of a hash still have.",
     .grammar = "key@0 " FIELDS},
    {"httl", -5, R, "hash", {1, 1, 1}, cmd_httl, "7.4.0",
     "Gives the seconds that fields of a hash still have.",
     .grammar = "key@0 " FIELDS},
    {0},
};
/* clang-format on */
