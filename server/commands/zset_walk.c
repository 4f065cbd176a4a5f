/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_walk - random members and scans: ZRANDMEMBER, ZSCAN.
 */
#include "protocol/encode.h"
#include "server/commands/commands.h"
#include "server/commands/scan_options.h"
#include "server/commands/zset.h"
#include "server/exec/breathe.h"

/* ---------------------------------------------------------------- ZRANDMEMBER */

struct answer {
    struct call *x;
    bool scores;
    const struct entry *e;
};

static void answer_visit(struct slice member, double score, void *arg) {
    const struct answer *a = arg;

    zset_reply_member(a->x, member, score, a->scores);
    call_breathe(a->x);
}

static void pick_members(size_t n, void *arg) {
    struct answer *a = arg;

    zset_pick(a->e, n, answer_visit, a);
}

static int random_members(struct call *x) {
    struct answer a = {x, x->argc > 3, NULL};
    uint64_t from = x->r.out->end;
    size_t n, have;
    int64_t count;
    struct ref r;

    if (!arg_random_count(x, 2, &count)) return -1;
    if (x->argc > 4 || (a.scores && !arg_is(x, 3, "withscores"))) return reply_err(x, ERR_SYNTAX);
    if (a.scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2))
        return reply_err(x, "ERR value is out of range");
    if (!zset_for_reading(x, 1, &r)) return -1;
    have = r.e ? zset_count(r.e) : 0;
    n = (size_t)(count < 0 ? -count : count);
    if (have == 0 || (count > 0 && n > have)) n = have;
    zset_reply_head(x, n, a.scores);
    if (n == 0) return 0;
    a.e = r.e;
    if (count < 0) return reply_picks(x, from, n, pick_members, &a);
    zset_sample(r.e, n, answer_visit, &a);
    return 0;
}

static int cmd_zrandmember(struct call *x) {
    struct answer a = {x, false, NULL};
    struct ref r;

    if (x->argc > 2) return random_members(x);
    if (!zset_for_reading(x, 1, &r)) return -1;
    if (r.e)
        zset_pick(r.e, 1, answer_visit, &a);
    else
        reply_null(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- ZSCAN */

static void scan_visit(struct slice member, double score, void *arg) {
    char text[NUM_DOUBLE_MAX];
    struct scan_walk *w = arg;

    if (!scan_item(w, member)) return;
    scan_found(w, member);
    if (!w->o.novalues) scan_found(w, slice_of(text, (size_t)num_format_double(text, score)));
}

static uint64_t scan_step(const struct entry *e, uint64_t cursor, struct scan_walk *w) {
    return zset_scan(e, cursor, scan_visit, w);
}

static int cmd_zscan(struct call *x) {
    return scan_value(x, TYPE_ZSET, SCAN_NOSCORES, scan_step);
}

/* ---------------------------------------------------------------- rows */

#define R CMD_READONLY

/* clang-format off */
const struct command zset_walk_commands[] = {
    {"zrandmember", -2, R, "sorted-set", {1, 1, 1}, cmd_zrandmember, "6.2.0",
     "Gives any members of a sorted set.",
     .grammar = "key@0 [options{count:int [WITHSCORES]}]",
     .tips = "nondeterministic_output"},
    {"zscan", -3, R, "sorted-set", {1, 1, 1}, cmd_zscan, "2.8.0",
     "Walks over the members of a sorted set, some at a time.",
     .grammar = "key@0 cursor:int [MATCH=pattern:pattern] [COUNT=count:int]",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
