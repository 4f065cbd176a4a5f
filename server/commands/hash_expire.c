/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_expire - times to live of fields: setting, asking, removing (part_expire.c).
 */
#include "server/commands/commands.h"
#include "server/commands/hash.h"

static bool find_field(const struct entry *e, struct slice field, int64_t now_ms,
                       int64_t *expire_ms) {
    struct hash_item item;

    if (!hash_get(e, field, now_ms, &item)) return false;
    *expire_ms = item.expire_ms;
    return true;
}

const struct part_kind hash_parts = {
    .type = TYPE_HASH,
    .events = EVENT_HASH,
    .word = "fields",
    .upper = "FIELDS",
    .title = "Fields",
    .width = 2,
    .if_none = "fnx",
    .if_all = "fxx",
    .about_key = true,
    .del = SLICE("HDEL"),
    .expireat = SLICE("HPEXPIREAT"),
    .persist = SLICE("HPERSIST"),
    .del_event = "hdel",
    .expire_event = "hexpire",
    .persist_event = "hpersist",
    .len = hash_len,
    .next_due = hash_next_due,
    .find = find_field,
    .remove = hash_delete,
    .set_expire = hash_set_expire,
    .allow_times = hash_allow_times,
};

/* ---------------------------------------------------------------- commands */

static int cmd_hexpire(struct call *x) {
    return parts_expire(x, &hash_parts, PART_SECONDS | PART_RELATIVE);
}

static int cmd_hpexpire(struct call *x) {
    return parts_expire(x, &hash_parts, PART_RELATIVE);
}

static int cmd_hexpireat(struct call *x) {
    return parts_expire(x, &hash_parts, PART_SECONDS);
}

static int cmd_hpexpireat(struct call *x) {
    return parts_expire(x, &hash_parts, PART_MS);
}

static int cmd_hpersist(struct call *x) {
    return parts_persist(x, &hash_parts);
}

static int cmd_httl(struct call *x) {
    return parts_ttl(x, &hash_parts, PART_SECONDS | PART_RELATIVE);
}

static int cmd_hpttl(struct call *x) {
    return parts_ttl(x, &hash_parts, PART_RELATIVE);
}

static int cmd_hexpiretime(struct call *x) {
    return parts_ttl(x, &hash_parts, PART_SECONDS);
}

static int cmd_hpexpiretime(struct call *x) {
    return parts_ttl(x, &hash_parts, PART_MS);
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
