/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_fields - HGETEX, HSETEX and HGETDEL.
 */
#include "server/commands/commands.h"
#include "server/commands/hash.h"

/* ---------------------------------------------------------------- HGETEX, HGETDEL */

static void reply_item(struct call *x, bool found, const struct hash_item *item) {
    if (found)
        reply_value(&x->r, item->value);
    else
        reply_null(&x->r);
}

/* Does to a field that was just read what HGETEX is told to; true if that is a change. */
static bool touch_field(struct call *x, struct part_edit *h, const struct time_option *o,
                        const struct hash_item *item, struct slice field) {
    if (o->mode == TIME_PERSIST && item->expire_ms) {
        hash_set_expire(h->r.e, field, 0);
        return true;
    }
    if (o->mode != TIME_SET) return false;
    if (part_is_over(x, o->when_ms))
        hash_delete(h->r.e, field, parts_now(x));
    else
        hash_set_expire(h->r.e, field, o->when_ms);
    return true;
}

static int cmd_hgetex(struct call *x) {
    struct time_option o = {TIME_NONE, 0};
    struct part_list changed = {0};
    struct part_args f;
    struct part_edit h;
    int i = 2, is_option;

    if (!hash_open(x, &h)) return -1;
    is_option = parse_time_option(x, &i, "persist", TIME_PERSIST, &o);
    if (is_option < 0 || !parse_parts(x, &hash_parts, i + is_option, false, &f)) return -1;
    if (h.r.e && o.mode == TIME_SET) hash_allow_times(h.r.e);
    reply_array(&x->r, (size_t)f.n);
    for (i = f.first; i < f.first + f.n; i++) {
        struct hash_item item;
        bool found = h.r.e && hash_get(h.r.e, x->argv[i], parts_now(x), &item);

        reply_item(x, found, &item);
        if (found && touch_field(x, &h, &o, &item, x->argv[i])) part_list_add(&changed, x->argv[i]);
    }
    if (o.mode == TIME_PERSIST)
        parts_log_persist(x, &h, &changed);
    else if (o.mode == TIME_SET)
        parts_log_time(x, &h, &changed, o.when_ms);
    hash_close(x, &h, changed.n,
               o.mode == TIME_PERSIST       ? "hpersist"
               : part_is_over(x, o.when_ms) ? "hdel"
                                            : "hexpire");
    part_list_release(&changed);
    return 0;
}

static int cmd_hgetdel(struct call *x) {
    struct part_list deleted = {0};
    struct part_args f;
    struct part_edit h;

    if (!hash_open(x, &h) || !parse_parts(x, &hash_parts, 2, false, &f)) return -1;
    reply_array(&x->r, (size_t)f.n);
    for (int i = f.first; i < f.first + f.n; i++) {
        struct hash_item item;
        bool found = h.r.e && hash_get(h.r.e, x->argv[i], parts_now(x), &item);

        reply_item(x, found, &item);
        if (!found) continue;
        hash_delete(h.r.e, x->argv[i], parts_now(x));
        part_list_add(&deleted, x->argv[i]);
    }
    parts_log_delete(x, &h, &deleted);
    hash_close(x, &h, deleted.n, "hdel");
    part_list_release(&deleted);
    return 0;
}

/* ---------------------------------------------------------------- HSETEX */

/* Logged as HSET, and HPEXPIREAT of those that have a time then. */
static void set_pairs(struct call *x, struct part_edit *h, const struct part_setex *o) {
    struct slice head[2] = {SLICE("HSET"), h->r.key};
    struct part_list pairs = {(struct slice *)&x->argv[o->parts.first], (size_t)o->parts.n * 2, 0};
    struct hash_rules rules = hash_rules(x);
    struct part_list timed = {0};

    hash_make(x, h);
    parts_log(x, head, 2, &pairs);
    for (int i = 0; i < o->parts.n; i++) {
        struct slice field = setex_part(x, h, o, i);
        struct part_list kept = {&field, 1, 0};
        struct hash_item item;

        hash_set(h->r.e, field, x->argv[o->parts.first + 2 * i + 1], o->time.mode == TIME_KEEP,
                 &rules);
        if (o->time.mode == TIME_SET) {
            hash_set_expire(h->r.e, field, o->time.when_ms);
            part_list_add(&timed, field);
        } else if (o->time.mode == TIME_KEEP && hash_get(h->r.e, field, rules.now_ms, &item) &&
                   item.expire_ms) {
            parts_log_time(x, h, &kept, item.expire_ms);
        }
    }
    parts_log_time(x, h, &timed, o->time.when_ms);
    hash_close(x, h, (uint64_t)o->parts.n, "hset");
    if (timed.n) key_event(x, &h->r, EVENT_HASH, "hexpire");
    part_list_release(&timed);
}

static int cmd_hsetex(struct call *x) {
    return parts_setex(x, &hash_parts, set_pairs);
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command hash_fields_commands[] = {
    {"hgetdel", -5, CMD_WRITE | CMD_FAST, "hash", {1, 1, 1}, cmd_hgetdel, "8.0.0",
     "Gives the values of fields and removes these.",
     .grammar = "key@0 FIELDS=fields{numfields:int field+}",
     .key_specs = "RW access delete"},
    {"hgetex", -5, CMD_WRITE | CMD_FAST, "hash", {1, 1, 1}, cmd_hgetex, "8.0.0",
     "Gives the values of fields and sets or removes their time to live.",
     .grammar = "key@0 [expiration(" PART_TIMES "|PERSIST)] FIELDS=fields{numfields:int field+}",
     .key_specs = "RW access update"},
    {"hsetex", -6, CMD_WRITE | CMD_DENYOOM | CMD_FAST, "hash", {1, 1, 1}, cmd_hsetex, "8.0.0",
     "Stores values in fields of a hash together with their time to live.",
     .grammar = "key@0 [condition(FNX|FXX)] [expiration(" PART_TIMES "|KEEPTTL)] "
                "FIELDS=fields{numfields:int data{field value}+}",
     .key_specs = "RW update"},
    {0},
};
/* clang-format on */
