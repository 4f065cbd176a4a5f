/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_move - ZMOVE and BZMOVE: the lowest or highest members of a sorted set, or those between two
 * scores, go to another one. The form is that of Redis 8.12.
 *
 * Members keep their scores; one that is in the destination already gets the score that it had in
 * the source. The reply has members and scores in the order in which they were taken. A set that
 * would move to itself is left alone.
 *
 * What is logged is a ZADD and a ZREM, which every version of Redis knows.
 */
#include "server/commands/commands.h"
#include "server/commands/zset.h"
#include "server/exec/blocking.h"
#include "storage/base/mem.h"

struct move {
    bool highest, by_score;
    struct zset_scores scores;
    int64_t count; /* of MIN and MAX 1 unless it is given, of BYSCORE all */
};

/* Members outside of any set, in the order in which they are taken. */
struct taken {
    struct bytes text;
    struct zset_pair *v;
    size_t n;
};

/* ---------------------------------------------------------------- arguments */

/* [COUNT n] from argument `i` on. */
static bool parse_count(struct call *x, int i, struct move *m) {
    if (i == x->argc) return true;
    if (i + 2 != x->argc || !arg_is(x, i, "count")) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    return arg_int_range(x, i + 1, 1, INT64_MAX, &m->count, "ERR count should be greater than 0");
}

static bool parse_end(struct call *x, struct move *m) {
    *m = (struct move){.count = 1, .highest = arg_is(x, 3, "max")};
    if (m->highest || arg_is(x, 3, "min")) return true;
    reply_err(x, ERR_SYNTAX);
    return false;
}

static bool parse_scores(struct call *x, struct move *m) {
    *m = (struct move){.count = INT64_MAX, .by_score = true};
    if (x->argc < 6) {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    return arg_scores(x, 4, 5, &m->scores);
}

/* ---------------------------------------------------------------- moving */

static struct zset_span span_of(const struct entry *e, const struct move *m) {
    size_t have = zset_count(e), n;
    struct zset_span span = {0, have};

    if (m->by_score) span = zset_span_of_scores(e, &m->scores);
    if (span.to < span.from) span.to = span.from;
    n = span.to - span.from;
    if ((uint64_t)m->count < n) n = (size_t)m->count;
    if (m->highest)
        span.from = span.to - n;
    else
        span.to = span.from + n;
    return span;
}

static void take_copies(struct taken *t, const struct entry *e, struct zset_span span,
                        bool highest) {
    struct zset_iter it;
    size_t at = 0;

    *t = (struct taken){.n = span.to - span.from};
    t->v = mem_calloc(t->n * sizeof *t->v);
    bytes_room(&t->text, 1); /* not NULL for empty members */
    zset_iter_init(&it, e, highest ? span.to - 1 : span.from, highest);
    for (size_t i = 0; i < t->n && zset_iter_next(&it); i++) {
        t->v[i] = (struct zset_pair){zset_iter_score(&it), {NULL, it.member.n}};
        bytes_append(&t->text, it.member.p, it.member.n);
    }
    for (size_t i = 0; i < t->n; at += t->v[i++].member.n) t->v[i].member.p = t->text.p + at;
}

static void release(struct taken *t) {
    bytes_release(&t->text);
    mem_free(t->v);
}

static void log_move(struct call *x, struct slice from, struct slice to, const struct taken *t) {
    struct slice *argv = mem_alloc((2 * t->n + 2) * sizeof *argv);
    char(*scores)[NUM_DOUBLE_MAX] = mem_alloc(t->n * sizeof *scores);

    argv[0] = SLICE("ZADD");
    argv[1] = to;
    for (size_t i = 0; i < t->n; i++) {
        int n = num_format_double(scores[i], t->v[i].score);

        argv[2 + 2 * i] = slice_of(scores[i], (size_t)n);
        argv[3 + 2 * i] = t->v[i].member;
    }
    effect(x, (int)(2 * t->n + 2), argv);
    argv[0] = SLICE("ZREM");
    argv[1] = from;
    for (size_t i = 0; i < t->n; i++) argv[2 + i] = t->v[i].member;
    effect(x, (int)(t->n + 2), argv);
    mem_free(scores);
    mem_free(argv);
}

static void add_all(struct call *x, struct ref *to, const struct taken *t) {
    struct zset_rules rules = zset_rules(x);

    if (!to->e) {
        to->e = zset_new(to->key, t->v[0].member.n, &rules);
        db_add(to->db, to->e, to->hash);
        key_added(x, to);
    }
    for (size_t i = 0; i < t->n; i++) {
        struct zset_hit hit;

        if (zset_find(to->e, t->v[i].member, &hit))
            zset_rescore(to->e, t->v[i].member, t->v[i].score, &hit);
        else
            zset_add(to->e, t->v[i].member, t->v[i].score, &hit, &rules);
    }
    key_changed(x, to, EVENT_ZSET, "zadd");
}

static void carry_out(struct call *x, struct ref *from, struct ref *to, struct zset_span span,
                      bool highest) {
    struct taken t;

    take_copies(&t, from->e, span, highest);
    zset_reply_head(x, t.n, true);
    for (size_t i = 0; i < t.n; i++) zset_reply_member(x, t.v[i].member, t.v[i].score, true);
    add_all(x, to, &t);
    log_move(x, from->key, to->key, &t);
    zset_remove_span(from->e, span);
    zset_removed(x, from, t.n, "zrem");
    x->e->dirty--; /* as many changes as members */
    release(&t);
}

/* 1: moved; 0: there is nothing to move; -1: an error was answered. */
static int try_move(struct call *x, const struct move *m) {
    struct zset_span span;
    struct ref from, to;

    if (!zset_for_writing(x, 1, &from)) return -1;
    if (!zset_for_writing(x, 2, &to)) return -1;
    if (!from.e || slice_eq(from.key, to.key)) return 0;
    span = span_of(from.e, m);
    if (span.from == span.to) return 0;
    carry_out(x, &from, &to, span, m->highest);
    return 1;
}

static int cmd_zmove(struct call *x) {
    bool by_score = arg_is(x, 3, "byscore");
    struct move m;
    int rc;

    if (!(by_score ? parse_scores : parse_end)(x, &m)) return -1;
    if (!parse_count(x, by_score ? 6 : 4, &m)) return -1;
    rc = try_move(x, &m);
    if (rc == 0) reply_null_array(&x->r);
    return rc < 0 ? -1 : 0;
}

static int cmd_bzmove(struct call *x) {
    struct key_block wait = {.first = 1, .last = 1, .type = TYPE_ZSET, .time_up = reply_null_array};
    struct move m;
    int rc;

    if (!parse_end(x, &m) || !parse_count(x, 5, &m)) return -1;
    if (!arg_timeout(x, 4, &wait.deadline_us)) return -1;
    rc = try_move(x, &m);
    if (rc == 0 && slice_eq(x->argv[1], x->argv[2])) {
        reply_null_array(&x->r);
        return 0;
    }
    if (rc == 0) return block_on_keys(x, &wait);
    return rc < 0 ? -1 : 0;
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)

/* clang-format off */
const struct command zset_move_commands[] = {
    {"zmove", -4, W, "sorted-set", {1, 2, 1}, cmd_zmove, "8.12.0",
     "Moves members of a sorted set, with their scores, to another one.",
     .grammar = "source@0 destination@1 which(MIN|MAX|BYSCORE=range{min:double max:double}) "
                "[COUNT=count:int]",
     .key_specs = "@1..0 RW access delete; @2..0 RW update"},
    {"bzmove", -5, W | CMD_BLOCKING, "sorted-set", {1, 2, 1}, cmd_bzmove, "8.12.0",
     "Moves the lowest or highest members of a sorted set to another one, or waits for one.",
     .grammar = "source@0 destination@1 which(MIN|MAX) timeout:double [COUNT=count:int]",
     .key_specs = "@1..0 RW access delete; @2..0 RW update"},
    {0},
};
/* clang-format on */
