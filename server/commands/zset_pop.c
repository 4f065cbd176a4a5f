/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_pop - taking the lowest or highest members out of sorted sets, waiting for them if need be.
 */
#include "server/commands/commands.h"
#include "server/commands/zset.h"
#include "server/exec/blocking.h"

/* The n members at one end, as ranks. */
static struct zset_span end_span(const struct entry *e, bool highest, size_t n) {
    size_t count = zset_count(e);

    return highest ? (struct zset_span){count - n, count} : (struct zset_span){0, n};
}

/* Answers with the n lowest or highest members, each with its score, and removes them. */
static void pop(struct call *x, struct ref *r, bool highest, size_t n, bool nested) {
    struct zset_span span = end_span(r->e, highest, n);
    struct zset_iter it;

    zset_iter_init(&it, r->e, highest ? span.to - 1 : 0, highest);
    while (n-- > 0 && zset_iter_next(&it)) {
        if (nested) reply_array(&x->r, 2);
        reply_bulk(&x->r, it.member.p, it.member.n);
        reply_double(&x->r, zset_iter_score(&it));
    }
    zset_remove_span(r->e, span);
    zset_removed(x, r, span.to - span.from, highest ? "zpopmax" : "zpopmin");
}

static void log_pop(struct call *x, const struct ref *r, bool highest, size_t n) {
    char text[NUM_I64_MAX];

    EFFECT(x, highest ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), r->key,
           slice_of(text, (size_t)num_format_u64(text, n)));
}

static size_t at_most(const struct ref *r, int64_t count) {
    size_t have = zset_count(r->e);

    return (uint64_t)count < have ? (size_t)count : have;
}

/* ---------------------------------------------------------------- ZPOPMIN, ZPOPMAX */

static int pop_one_key(struct call *x, bool highest) {
    bool nested = x->argc > 2 && x->r.resp > 2;
    int64_t count = 1;
    struct ref r;
    size_t n;

    if (x->argc > 3) return reply_err(x, ERR_SYNTAX);
    if (x->argc > 2 &&
        !arg_int_range(x, 2, 0, INT64_MAX, &count, "ERR value is out of range, must be positive"))
        return -1;
    if (!zset_for_writing(x, 1, &r)) return -1;
    n = r.e ? at_most(&r, count) : 0;
    reply_array(&x->r, nested ? n : 2 * n);
    if (n > 0) pop(x, &r, highest, n, nested);
    return 0;
}

static int cmd_zpopmin(struct call *x) {
    return pop_one_key(x, false);
}

static int cmd_zpopmax(struct call *x) {
    return pop_one_key(x, true);
}

/* ---------------------------------------------------------------- the first of several keys */

/* The first key of the arguments that holds something. False: another type, answered. */
static bool first_set(struct call *x, int first, int last, struct ref *r) {
    r->e = NULL;
    for (int i = first; i <= last && !r->e; i++)
        if (!zset_for_writing(x, i, r)) return false;
    return true;
}

static int pop_blocking(struct call *x, bool highest) {
    struct key_block wait = {
        .first = 1, .last = x->argc - 2, .type = TYPE_ZSET, .time_up = reply_null_array};
    struct ref r;

    if (!arg_timeout(x, x->argc - 1, &wait.deadline_us)) return -1;
    if (!first_set(x, wait.first, wait.last, &r)) return -1;
    if (!r.e) return block_on_keys(x, &wait);
    reply_array(&x->r, 3);
    reply_bulk(&x->r, r.key.p, r.key.n);
    pop(x, &r, highest, 1, false);
    EFFECT(x, highest ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), r.key);
    return 0;
}

static int cmd_bzpopmin(struct call *x) {
    return pop_blocking(x, false);
}

static int cmd_bzpopmax(struct call *x) {
    return pop_blocking(x, true);
}

/* ---------------------------------------------------------------- ZMPOP, BZMPOP */

struct mpop {
    int first, last; /* the keys among the arguments */
    bool highest;
    int64_t count;
};

/* The arguments from `numkeys` on. */
static bool parse_mpop(struct call *x, int numkeys, struct mpop *m) {
    int64_t keys;
    int i;

    if (!arg_int_range(x, numkeys, 1, INT64_MAX, &keys, "ERR numkeys should be greater than 0"))
        return false;
    *m = (struct mpop){.first = numkeys + 1};
    if (keys > x->argc - m->first - 1) goto bad;
    i = m->first + (int)keys;
    m->last = i - 1;
    m->highest = arg_is(x, i, "max");
    if (!m->highest && !arg_is(x, i, "min")) goto bad;
    while (++i < x->argc) {
        if (m->count || !arg_is(x, i, "count") || i + 1 == x->argc) goto bad;
        if (!arg_int_range(x, ++i, 1, INT64_MAX, &m->count, "ERR count should be greater than 0"))
            return false;
    }
    if (!m->count) m->count = 1;
    return true;
bad:
    reply_err(x, ERR_SYNTAX);
    return false;
}

static int mpop(struct call *x, const struct mpop *m, struct ref *r) {
    size_t n = at_most(r, m->count);

    reply_array(&x->r, 2);
    reply_bulk(&x->r, r->key.p, r->key.n);
    reply_array(&x->r, n);
    pop(x, r, m->highest, n, true);
    log_pop(x, r, m->highest, n);
    return 0;
}

static int cmd_zmpop(struct call *x) {
    struct mpop m;
    struct ref r;

    if (!parse_mpop(x, 1, &m) || !first_set(x, m.first, m.last, &r)) return -1;
    if (r.e) return mpop(x, &m, &r);
    reply_null_array(&x->r);
    return 0;
}

static int cmd_bzmpop(struct call *x) {
    struct key_block wait = {.type = TYPE_ZSET, .time_up = reply_null_array};
    struct mpop m;
    struct ref r;

    if (!parse_mpop(x, 2, &m) || !arg_timeout(x, 1, &wait.deadline_us)) return -1;
    if (!first_set(x, m.first, m.last, &r)) return -1;
    if (r.e) return mpop(x, &m, &r);
    wait.first = m.first;
    wait.last = m.last;
    return block_on_keys(x, &wait);
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE

/* clang-format off */
const struct command zset_pop_commands[] = {
    {"bzmpop", -5, W | CMD_BLOCKING | CMD_MOVABLE_KEYS, "sorted-set", {0, 0, 0}, cmd_bzmpop,
     "7.0.0", "Removes the lowest or highest members of the first sorted set that has any, and "
     "gives them; waits for one.",
     .grammar = "timeout:double numkeys:int key@0+ where(MIN|MAX) [COUNT=count:int]",
     .key_specs = "@2#0+1 RW access delete"},
    {"bzpopmax", -3, W | CMD_BLOCKING | CMD_FAST, "sorted-set", {1, -2, 1}, cmd_bzpopmax, "5.0.0",
     "Removes the highest member of the first sorted set that has any, and gives it; waits for "
     "one.",
     .grammar = "key@0+ timeout:double",
     .key_specs = "RW access delete"},
    {"bzpopmin", -3, W | CMD_BLOCKING | CMD_FAST, "sorted-set", {1, -2, 1}, cmd_bzpopmin, "5.0.0",
     "Removes the lowest member of the first sorted set that has any, and gives it; waits for "
     "one.",
     .grammar = "key@0+ timeout:double",
     .key_specs = "RW access delete"},
    {"zmpop", -4, W | CMD_MOVABLE_KEYS, "sorted-set", {0, 0, 0}, cmd_zmpop, "7.0.0",
     "Removes the lowest or highest members of the first sorted set that has any, and gives them.",
     .grammar = "numkeys:int key@0+ where(MIN|MAX) [COUNT=count:int]",
     .key_specs = "@1#0+1 RW access delete"},
    {"zpopmax", -2, W | CMD_FAST, "sorted-set", {1, 1, 1}, cmd_zpopmax, "5.0.0",
     "Removes the highest members of a sorted set and gives them.",
     .grammar = "key@0 [count:int]",
     .key_specs = "RW access delete"},
    {"zpopmin", -2, W | CMD_FAST, "sorted-set", {1, 1, 1}, cmd_zpopmin, "5.0.0",
     "Removes the lowest members of a sorted set and gives them.",
     .grammar = "key@0 [count:int]",
     .key_specs = "RW access delete"},
    {0},
};
/* clang-format on */
