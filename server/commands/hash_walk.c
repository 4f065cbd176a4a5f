/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_walk - random fields and scans: HRANDFIELD, HSCAN.
 */
#include "server/commands/commands.h"
#include "server/commands/hash.h"
#include "server/commands/scan_options.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- HRANDFIELD */

struct answer {
    struct call *x;
    bool values;
    const struct entry *e;
};

static void answer_visit(const struct hash_item *item, void *arg) {
    const struct answer *a = arg;
    struct reply *r = &a->x->r;

    if (a->values && r->resp > 2) reply_array(r, 2);
    reply_value(r, item->field);
    if (a->values) reply_value(r, item->value);
    call_breathe(a->x);
}

static void pick_fields(size_t n, void *arg) {
    struct answer *a = arg;

    hash_pick(a->e, parts_now(a->x), n, answer_visit, a);
}

static int random_fields(struct call *x) {
    struct answer a = {x, x->argc > 3, NULL};
    uint64_t from = x->r.out->end;
    int64_t count, now_ms = parts_now(x);
    size_t n, len;
    struct ref r;

    if (!arg_random_count(x, 2, &count)) return -1;
    if (x->argc > 4 || (x->argc == 4 && !arg_is(x, 3, "withvalues")))
        return reply_err(x, ERR_SYNTAX);
    if (a.values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2))
        return reply_err(x, "ERR value is out of range");
    if (!hash_for_reading(x, &r)) return -1;
    len = r.e ? hash_len_at(r.e, now_ms) : 0;
    n = (size_t)(count < 0 ? -count : count);
    if (len == 0 || (count > 0 && n > len)) n = len;
    reply_array(&x->r, a.values && x->r.resp == 2 ? n * 2 : n);
    if (n == 0) return 0;
    a.e = r.e;
    if (count < 0) return reply_picks(x, from, n, pick_fields, &a);
    hash_sample(r.e, now_ms, n, answer_visit, &a);
    return 0;
}

static int cmd_hrandfield(struct call *x) {
    struct hash_item item;
    struct ref r;

    if (x->argc > 2) return random_fields(x);
    if (!hash_for_reading(x, &r)) return -1;
    if (r.e && hash_random(r.e, parts_now(x), &item))
        reply_value(&x->r, item.field);
    else
        reply_null(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- HSCAN */

static void scan_visit(const struct hash_item *item, void *arg) {
    struct scan_walk *w = arg;
    char text[NUM_I64_MAX];

    if (!scan_item(w, lp_value_text(item->field, text))) return;
    scan_found(w, lp_value_text(item->field, text));
    if (!w->o.novalues) scan_found(w, lp_value_text(item->value, text));
}

static uint64_t scan_step(const struct entry *e, uint64_t cursor, struct scan_walk *w) {
    return hash_scan(e, cursor, parts_now(w->x), scan_visit, w);
}

static int cmd_hscan(struct call *x) {
    return scan_value(x, TYPE_HASH, SCAN_NOVALUES, scan_step);
}

/* ---------------------------------------------------------------- rows */

#define R CMD_READONLY

/* clang-format off */
const struct command hash_walk_commands[] = {
    {"hrandfield", -2, R, "hash", {1, 1, 1}, cmd_hrandfield, "6.2.0",
     "Gives any fields of a hash, with their values if asked for.",
     .grammar = "key@0 [options{count:int [WITHVALUES]}]",
     .tips = "nondeterministic_output"},
    {"hscan", -3, R, "hash", {1, 1, 1}, cmd_hscan, "2.8.0",
     "Walks over the fields of a hash, some at a time.",
     .grammar = "key@0 cursor:int [MATCH=pattern:pattern] [COUNT=count:int] [NOVALUES]",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
