/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scan - walking over the keys: KEYS, SCAN, RANDOMKEY.
 *
 * The table must not change while it is walked over, so entries are collected first; those found
 * expired are removed afterwards.
 */
#include "server/commands/commands.h"
#include "server/commands/node_keys.h"
#include "server/commands/scan_options.h"
#include "server/commands/support.h"
#include "server/exec/breathe.h"
#include "server/exec/expire.h"
#include "storage/base/mem.h"

struct found {
    struct entry **v;
    size_t n, cap;
};

static void found_add(struct found *f, struct entry *e) {
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = mem_realloc(f->v, f->cap * sizeof *f->v);
    }
    f->v[f->n++] = e;
}

static void reply_keys(struct call *x, const struct found *f) {
    for (size_t i = 0; i < f->n; i++) {
        struct slice key = entry_key(f->v[i]);

        reply_bulk(&x->r, key.p, key.n);
        call_breathe(x);
    }
}

static bool is_overdue(const struct call *x, const struct entry *e) {
    return e->flags & ENTRY_EXPIRES && entry_expire(e) <= x->now_ms && !call_sees_due(x);
}

/* ---------------------------------------------------------------- KEYS */

struct keys_walk {
    struct call *x;
    struct slice pattern;
    bool all;
    struct found found;
};

static void keys_visit(void *entry, void *arg) {
    struct keys_walk *w = arg;

    call_breathe(w->x);
    if ((w->all || glob_match(w->pattern, entry_key(entry), false)) && !is_overdue(w->x, entry) &&
        !cluster_hides(w->x, entry_key(entry)))
        found_add(&w->found, entry);
}

static int cmd_keys(struct call *x) {
    struct keys_walk w = {x, x->argv[1], slice_eq(x->argv[1], SLICE("*")), {0}};

    table_each(&x->db->keys, keys_visit, &w);
    reply_array(&x->r, w.found.n);
    reply_keys(x, &w.found);
    mem_free(w.found.v);
    return 0;
}

/* ---------------------------------------------------------------- SCAN */

static void scan_visit(void *entry, void *arg) {
    found_add(arg, entry);
}

/* Whether the entry is to be returned; removes it if its time is up. */
static bool scan_wants(struct call *x, const struct scan_options *o, const struct entry *e) {
    struct slice key = entry_key(e);

    if (!scan_matches(o, key) || cluster_hides(x, key)) return false;
    if (is_overdue(x, e)) {
        lookup(x, x->db, key, false);
        return false;
    }
    return !o->type.p || slice_is(o->type, type_ops_of(e->type)->name);
}

static int cmd_scan(struct call *x) {
    struct scan_options o;
    struct found f = {0};
    uint64_t cursor, steps;
    size_t kept = 0;

    if (!scan_parse_cursor(x, 1, &o.cursor) || !scan_parse_options(x, 2, SCAN_TYPE, &o)) return -1;
    cursor = o.cursor;
    steps = scan_steps(&o);
    do {
        cursor = table_scan(&x->db->keys, cursor, scan_visit, &f);
    } while (cursor && steps-- > 0 && f.n < (uint64_t)o.count);
    for (size_t i = 0; i < f.n; i++)
        if (scan_wants(x, &o, f.v[i])) f.v[kept++] = f.v[i];
    f.n = kept;
    scan_reply(x, cursor, f.n);
    reply_keys(x, &f);
    mem_free(f.v);
    return 0;
}

/* ---------------------------------------------------------------- RANDOMKEY */

enum { RANDOM_TRIES = 100 };

static struct entry *random_entry(struct call *x) {
    return cluster_hides_some(x->e) ? node_random(x) : table_random(&x->db->keys);
}

/* An overdue key is removed by the look-up and another one is taken. While clients are paused, and
 * on a replica, it stays: after some tries it is the answer, as in Redis. */
static int cmd_randomkey(struct call *x) {
    int tries = RANDOM_TRIES;
    struct entry *e;
    struct slice key;

    while ((e = random_entry(x)) && is_overdue(x, e)) {
        lookup(x, x->db, entry_key(e), false);
        if (!expire_removes(x->e) && --tries == 0) break;
    }
    if (!e) {
        reply_null(&x->r);
        return 0;
    }
    key = entry_key(e);
    reply_bulk(&x->r, key.p, key.n);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define R (CMD_READONLY | CMD_KEYSPACE_CAT | CMD_WHOLE_KEYSPACE)

/* clang-format off */
const struct command scan_commands[] = {
    {"keys", 2, R | CMD_DANGEROUS, "generic", {0, 0, 0}, cmd_keys, "1.0.0",
     "Gives all keys that match a pattern.",
     .grammar = "pattern:pattern",
     .tips = "request_policy:all_shards nondeterministic_output_order"},
    {"randomkey", 1, R, "generic", {0, 0, 0}, cmd_randomkey, "1.0.0", "Gives any one of the keys.",
     .tips = "request_policy:all_shards response_policy:special nondeterministic_output"},
    {"scan", -2, R, "generic", {0, 0, 0}, cmd_scan, "2.8.0", "Walks over the keys, some at a time.",
     .grammar = "cursor:int [MATCH=pattern:pattern] [COUNT=count:int] [TYPE=type^6.0.0]",
     .tips = "nondeterministic_output request_policy:special response_policy:special"},
    {0},
};
/* clang-format on */
