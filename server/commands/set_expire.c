/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_expire - times to live of members: setting, asking, removing (part_expire.c); SADDEX.
 */
#include "server/commands/commands.h"
#include "server/commands/set.h"

const struct part_kind set_parts = {
    .type = TYPE_SET,
    .events = EVENT_SET,
    .word = "members",
    .upper = "MEMBERS",
    .title = "Members",
    .width = 1,
    .if_none = "mnx",
    .if_all = "mxx",
    .del = SLICE("SREM"),
    .expireat = SLICE("SPEXPIREAT"),
    .persist = SLICE("SPERSIST"),
    .del_event = "srem",
    .expire_event = "sexpire",
    .persist_event = "spersist",
    .len = set_len,
    .next_due = set_next_due,
    .find = set_get_expire,
    .remove = set_remove,
    .set_expire = set_set_expire,
};

/* ---------------------------------------------------------------- commands */

static int cmd_sexpire(struct call *x) {
    return parts_expire(x, &set_parts, PART_SECONDS | PART_RELATIVE);
}

static int cmd_spexpire(struct call *x) {
    return parts_expire(x, &set_parts, PART_RELATIVE);
}

static int cmd_sexpireat(struct call *x) {
    return parts_expire(x, &set_parts, PART_SECONDS);
}

static int cmd_spexpireat(struct call *x) {
    return parts_expire(x, &set_parts, PART_MS);
}

static int cmd_spersist(struct call *x) {
    return parts_persist(x, &set_parts);
}

static int cmd_sttl(struct call *x) {
    return parts_ttl(x, &set_parts, PART_SECONDS | PART_RELATIVE);
}

static int cmd_spttl(struct call *x) {
    return parts_ttl(x, &set_parts, PART_RELATIVE);
}

static int cmd_sexpiretime(struct call *x) {
    return parts_ttl(x, &set_parts, PART_SECONDS);
}

static int cmd_spexpiretime(struct call *x) {
    return parts_ttl(x, &set_parts, PART_MS);
}

/* ---------------------------------------------------------------- SADDEX */

/* What adding a member, and giving it the time that the command says, did. */
struct addition {
    struct part_list added, timed, persisted;
    struct part_list due; /* of the added ones, those which were there and due */
};

/* A member that was there loses its time, unless the command says what becomes of it. */
static void add_member(struct part_edit *h, const struct time_option *o, struct slice member,
                       const struct set_rules *rules, struct addition *a) {
    int64_t had = 0;
    bool is_new = !set_get_expire(h->r.e, member, rules->now_ms, &had);

    if (is_new) {
        set_add(h->r.e, member, rules);
        part_list_add(&a->added, member);
    }
    if (o->mode == TIME_SET) {
        set_set_expire(h->r.e, member, o->when_ms);
        part_list_add(&a->timed, member);
    } else if (o->mode == TIME_NONE && had) {
        set_set_expire(h->r.e, member, 0);
        part_list_add(&a->persisted, member);
    }
}

/* Logged as SADD of the new ones, and SPEXPIREAT or SPERSIST of those whose time changed. */
static void log_addition(struct call *x, struct part_edit *h, const struct addition *a,
                         int64_t when_ms) {
    struct slice head[] = {SLICE("SADD"), h->r.key};
    const char *events[] = {a->added.n ? "sadd" : NULL, a->timed.n ? "sexpire" : NULL,
                            a->persisted.n ? "spersist" : NULL};
    uint64_t n = a->timed.n ? a->timed.n : a->added.n + a->persisted.n;
    bool told = false;

    parts_log(x, head, 2, &a->added);
    parts_log_time(x, h, &a->timed, when_ms);
    parts_log_persist(x, h, &a->persisted);
    if (a->timed.n == 0) parts_log_persist(x, h, &a->due);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        if (!events[i]) continue;
        if (told)
            key_event(x, &h->r, EVENT_SET, events[i]);
        else
            parts_close(x, h, n, events[i]);
        told = true;
    }
    if (!told) parts_close(x, h, 0, NULL);
}

static void add_members(struct call *x, struct part_edit *h, const struct part_setex *o) {
    struct set_rules rules = set_rules(x);
    struct addition a = {0};

    set_note_due(x, h, o->parts.first, o->parts.n, &a.due);
    set_make_ready(x, &h->r, x->argv[o->parts.first], (size_t)o->parts.n, &rules);
    for (int i = 0; i < o->parts.n; i++)
        add_member(h, &o->time, setex_part(x, h, o, i), &rules, &a);
    log_addition(x, h, &a, o->time.when_ms);
    part_list_release(&a.added);
    part_list_release(&a.timed);
    part_list_release(&a.persisted);
    part_list_release(&a.due);
}

static int cmd_saddex(struct call *x) {
    return parts_setex(x, &set_parts, add_members);
}

/* ---------------------------------------------------------------- rows */

#define W       (CMD_WRITE | CMD_DENYOOM | CMD_FAST)
#define R       (CMD_READONLY | CMD_FAST)
#define MEMBERS "MEMBERS=members{nummembers:int member+}"

/* clang-format off */
const struct command set_expire_commands[] = {
    {"saddex", -5, W, "set", {1, 1, 1}, cmd_saddex, "8.12.0",
     "Adds members to a set together with their time to live.",
     .grammar = "key@0 [condition(MNX|MXX)] [expiration(" PART_TIMES "|KEEPTTL)] " MEMBERS,
     .key_specs = "RW update"},
    {"sexpire", -6, W, "set", {1, 1, 1}, cmd_sexpire, "8.12.0",
     "Gives members of a set a time to live in seconds.",
     .grammar = "key@0 seconds:int [condition(NX|XX|GT|LT)] " MEMBERS,
     .key_specs = "RW update"},
    {"sexpireat", -6, W, "set", {1, 1, 1}, cmd_sexpireat, "8.12.0",
     "Sets the time, in seconds since 1970, at which members of a set are over.",
     .grammar = "key@0 unix-time-seconds:time [condition(NX|XX|GT|LT)] " MEMBERS,
     .key_specs = "RW update"},
    {"sexpiretime", -5, R, "set", {1, 1, 1}, cmd_sexpiretime, "8.12.0",
     "Gives the time, in seconds since 1970, at which members of a set are over.",
     .grammar = "key@0 " MEMBERS},
    {"spersist", -5, CMD_WRITE | CMD_FAST, "set", {1, 1, 1}, cmd_spersist, "8.12.0",
     "Removes the times to live of members of a set.",
     .grammar = "key@0 " MEMBERS,
     .key_specs = "RW update"},
    {"spexpire", -6, W, "set", {1, 1, 1}, cmd_spexpire, "8.12.0",
     "Gives members of a set a time to live in milliseconds.",
     .grammar = "key@0 milliseconds:int [condition(NX|XX|GT|LT)] " MEMBERS,
     .key_specs = "RW update"},
    {"spexpireat", -6, W, "set", {1, 1, 1}, cmd_spexpireat, "8.12.0",
     "Sets the time, in milliseconds since 1970, at which members of a set are over.",
     .grammar = "key@0 unix-time-milliseconds:time [condition(NX|XX|GT|LT)] " MEMBERS,
     .key_specs = "RW update"},
    {"spexpiretime", -5, R, "set", {1, 1, 1}, cmd_spexpiretime, "8.12.0",
     "Gives the time, in milliseconds since 1970, at which members of a set are over.",
     .grammar = "key@0 " MEMBERS},
    {"spttl", -5, R, "set", {1, 1, 1}, cmd_spttl, "8.12.0",
     "Gives the milliseconds that members of a set still have.",
     .grammar = "key@0 " MEMBERS},
    {"sttl", -5, R, "set", {1, 1, 1}, cmd_sttl, "8.12.0",
     "Gives the seconds that members of a set still have.",
     .grammar = "key@0 " MEMBERS},
    {0},
};
/* clang-format on */
