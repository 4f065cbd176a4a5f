/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_walk - fields that nobody has named: HRANDFIELD, HSCAN.
 */
#include "server/commands/commands.h"
#include "server/commands/hash.h"
#include "server/commands/scan_options.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- HRANDFIELD */

struct answer {
    struct call *x;
    bool values;
};

static void answer_visit(const struct hash_item *item, void *arg) {
    const struct answer *a = arg;
    struct reply *r = &a->x->r;

    if (a->values && r->resp > 2) reply_array(r, 2);
    reply_value(r, item->field);
    if (a->values) reply_value(r, item->value);
}

static int random_fields(struct call *x) {
    struct answer a = {x, x->argc > 3};
    int64_t count, now_ms = hash_now(x);
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
    if (count < 0)
        hash_pick(r.e, now_ms, n, answer_visit, &a);
    else
        hash_sample(r.e, now_ms, n, answer_visit, &a);
    return 0;
}

static int cmd_hrandfield(struct call *x) {
    struct hash_item item;
    struct ref r;

    if (x->argc > 2) return random_fields(x);
    if (!hash_for_reading(x, &r)) return -1;
    if (r.e && hash_random(r.e, hash_now(x), &item))
        reply_value(&x->r, item.field);
    else
        reply_null(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- HSCAN */

struct scan {
    const struct scan_options *o;
    struct hash_item *found;
    size_t n, cap, seen;
};

static void scan_visit(const struct hash_item *item, void *arg) {
    struct scan *s = arg;
    char text[NUM_I64_MAX];

    s->seen++;
    if (!scan_matches(s->o, lp_value_text(item->field, text))) return;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->found = mem_realloc(s->found, s->cap * sizeof *s->found);
    }
    s->found[s->n++] = *item;
}

static int cmd_hscan(struct call *x) {
    struct scan_options o;
    struct scan s = {.o = &o};
    uint64_t cursor, steps;
    struct ref r;

    if (!scan_parse_cursor(x, 2, &o.cursor) || !hash_for_reading(x, &r)) return -1;
    if (!r.e) {
        scan_reply(x, 0, 0);
        return 0;
    }
    if (!scan_parse_options(x, 3, SCAN_NOVALUES, &o)) return -1;
    cursor = o.cursor;
    steps = scan_steps(&o);
    do {
        cursor = hash_scan(r.e, cursor, hash_now(x), scan_visit, &s);
    } while (cursor && steps-- > 0 && s.seen < (uint64_t)o.count);
    scan_reply(x, cursor, o.novalues ? s.n : s.n * 2);
    for (size_t i = 0; i < s.n; i++) {
        reply_value(&x->r, s.found[i].field);
        if (!o.novalues) reply_value(&x->r, s.found[i].value);
    }
    mem_free(s.found);
    return 0;
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
