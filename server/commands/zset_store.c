/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_store - unions, intersections and differences of sorted sets and sets.
 *
 * The result is collected by zset_build, whichever way it goes afterwards: to the client, or under
 * a key. Sources are taken in ascending order of size, as Redis does: the last digits of a sum
 * depend on the order of adding.
 */
#include "server/commands/commands.h"
#include "server/commands/repeats.h"
#include "server/commands/zset_source.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <math.h>
#include <stdlib.h>

enum operation { UNION, INTERSECTION, DIFFERENCE };

enum aggregate { SUM, MIN, MAX, COUNT }; /* COUNT: the sum of the weights */

/* What a command's name says already. */
enum { STORING = 1 << 0, COUNTING = 1 << 1 };

struct combination {
    struct call *x;
    enum operation op;
    unsigned how;
    enum aggregate aggregate;
    bool with_scores;
    int64_t limit; /* of ZINTERCARD, 0: none */
    struct zset_source *v;
    int n;

    struct zset_build result;
    size_t counted; /* instead of a result */
};

/* ---------------------------------------------------------------- the arguments */

static bool bad_syntax(struct call *x) {
    reply_err(x, ERR_SYNTAX);
    return false;
}

static bool parse_weights(struct call *x, int i, struct combination *c) {
    for (int k = 0; k < c->n; k++) {
        struct slice s = x->argv[i + k];

        if (num_parse_double(s.p, s.n, &c->v[k].weight)) continue;
        reply_err(x, "ERR weight value is not a float");
        return false;
    }
    return true;
}

static bool parse_aggregate(struct call *x, int i, struct combination *c) {
    if (arg_is(x, i, "sum"))
        c->aggregate = SUM;
    else if (arg_is(x, i, "min"))
        c->aggregate = MIN;
    else if (arg_is(x, i, "max"))
        c->aggregate = MAX;
    else if (arg_is(x, i, "count"))
        c->aggregate = COUNT;
    else
        return bad_syntax(x);
    return true;
}

static bool parse_options(struct call *x, int i, struct combination *c) {
    bool weighted = c->op != DIFFERENCE && !(c->how & COUNTING);

    while (i < x->argc) {
        int more = x->argc - i - 1;

        if (weighted && more >= c->n && arg_is(x, i, "weights")) {
            if (!parse_weights(x, i + 1, c)) return false;
            i += 1 + c->n;
        } else if (weighted && more >= 1 && arg_is(x, i, "aggregate")) {
            if (!parse_aggregate(x, i + 1, c)) return false;
            i += 2;
        } else if (c->how == 0 && arg_is(x, i, "withscores")) {
            c->with_scores = true;
            i++;
        } else if (c->how & COUNTING && more >= 1 && arg_is(x, i, "limit")) {
            if (!arg_int_range(x, i + 1, 0, INT64_MAX, &c->limit, "ERR LIMIT can't be negative"))
                return false;
            i += 2;
        } else {
            return bad_syntax(x);
        }
    }
    return true;
}

/* Everything from the number of keys on. Sources are to be freed whatever comes of it. */
static bool parse(struct call *x, int numkeys, struct combination *c) {
    int64_t n;

    if (!arg_int(x, numkeys, &n)) return false;
    if (n < 1) {
        reply_errf(x, "ERR at least 1 input key is needed for '%s' command", x->cmd->name);
        return false;
    }
    if (n > x->argc - numkeys - 1) return bad_syntax(x);
    c->v = mem_alloc((size_t)n * sizeof *c->v);
    for (c->n = 0; c->n < n; c->n++)
        if (!zset_source_open(x, numkeys + 1 + c->n, &c->v[c->n])) return false;
    return parse_options(x, numkeys + 1 + c->n, c);
}

/* ---------------------------------------------------------------- computing */

static int by_count(const void *a, const void *b) {
    const struct zset_source *x = a, *y = b;

    if (x->count != y->count) return x->count < y->count ? -1 : 1;
    return x->place - y->place;
}

/* What is no number counts as 0: infinity x 0, the sum of both infinities. */
static double weigh(const struct combination *c, const struct zset_source *s, double score) {
    score = c->aggregate == COUNT ? s->weight : score * s->weight;
    return isnan(score) ? 0 : score;
}

static double join(enum aggregate how, double a, double b) {
    switch (how) {
    case SUM:
    case COUNT: a += b; return isnan(a) ? 0 : a;
    case MIN: return b < a ? b : a;
    default: return b > a ? b : a;
    }
}

struct walk {
    struct combination *c;
    int at; /* the source that is gone through */
};

static void unite(struct slice member, double score, void *arg) {
    struct walk *w = arg;
    struct combination *c = w->c;
    double *sum;

    call_breathe(c->x);
    score = weigh(c, &c->v[w->at], score);
    sum = zset_build_slot(&c->result, member, score);
    if (sum) *sum = join(c->aggregate, *sum, score);
}

static void copy_weighed(struct slice member, double score, void *arg) {
    struct walk *w = arg;

    call_breathe(w->c->x);
    zset_build_add(&w->c->result, member, weigh(w->c, &w->c->v[w->at], score));
}

static void unite_all(struct combination *c) {
    struct walk w = {c, 0};

    while (w.at < c->n && c->v[w.at].count == 0) w.at++;
    if (w.at == c->n) return;
    if (w.at == c->n - 1) {
        zset_source_each(&c->v[w.at], copy_weighed, &w); /* nothing comes twice */
        return;
    }
    for (; w.at < c->n; w.at++) zset_source_each(&c->v[w.at], unite, &w);
}

static void intersect(struct slice member, double score, void *arg) {
    struct combination *c = arg;

    if (c->limit && c->counted >= (uint64_t)c->limit) return;
    call_breathe_by(c->x, (size_t)c->n);
    score = weigh(c, &c->v[0], score);
    for (int i = 1; i < c->n; i++) {
        double other;

        if (!zset_source_find(&c->v[i], member, &other)) return;
        /* As Redis: only the first weighed score that is no number becomes 0 by itself. */
        score = join(c->aggregate, score,
                     c->aggregate == COUNT ? c->v[i].weight : other * c->v[i].weight);
    }
    if (c->how & COUNTING)
        c->counted++;
    else
        zset_build_add(&c->result, member, score);
}

static void subtract(struct slice member, double score, void *arg) {
    struct combination *c = arg;

    call_breathe_by(c->x, (size_t)c->n);
    for (int i = 1; i < c->n; i++)
        if (zset_source_find(&c->v[i], member, &(double){0})) return;
    zset_build_add(&c->result, member, score);
}

/* Whether a source that comes again changes nothing. A sum counts it again, and a weight can make
 * scores that are no numbers. */
static bool may_drop(const struct combination *c) {
    if (c->op == DIFFERENCE || c->how & COUNTING) return true;
    if (c->aggregate == SUM || c->aggregate == COUNT) return false;
    for (int i = 0; i < c->n; i++)
        if (c->v[i].weight != 1) return false;
    return true;
}

static void drop_repeats(struct combination *c) {
    int n = c->op == DIFFERENCE; /* the first one of a difference is another matter */
    struct repeats r;

    if (!may_drop(c)) return;
    repeats_init(&r, (size_t)c->n);
    for (int i = n; i < c->n; i++)
        if (!repeats_has(&r, c->v[i].e)) c->v[n++] = c->v[i];
    c->n = n;
    repeats_release(&r);
}

static void compute(struct combination *c) {
    drop_repeats(c);
    if (c->op == DIFFERENCE) {
        zset_source_each(&c->v[0], subtract, c);
        return;
    }
    qsort(c->v, (size_t)c->n, sizeof *c->v, by_count);
    if (c->op == UNION)
        unite_all(c);
    else if (c->v[0].count > 0)
        zset_source_each(&c->v[0], intersect, c);
}

/* About how many members the result has. */
static size_t expected(const struct combination *c) {
    size_t n = c->v[0].count;

    for (int i = 1; i < c->n; i++) {
        size_t k = c->v[i].count;

        if (c->op == UNION ? k > n : c->op == INTERSECTION && k < n) n = k;
    }
    return n;
}

static void reply_result(struct call *x, struct combination *c) {
    zset_build_sort(&c->result);
    zset_reply_head(x, c->result.n, c->with_scores);
    for (size_t i = 0; i < c->result.n; i++) {
        const struct scored *item = c->result.v[i].item;

        zset_reply_member(x, scored_member(item), item->score, c->with_scores);
        call_breathe(x);
    }
}

/* Whether a source is a set with members that are due. */
static bool any_due(const struct combination *c) {
    for (int i = 0; i < c->n; i++)
        if (zset_source_is_due(&c->v[i])) return true;
    return false;
}

static void store_result(struct combination *c, const char *event) {
    bool told = any_due(c); /* nothing is due where the command is read back */

    zset_store_built(c->x, 1, &c->result, event);
    if (told) {
        struct ref r = lookup_quiet(c->x, 1);

        log_stored(c->x, &r);
    }
}

static int combine(struct call *x, enum operation op, unsigned how, const char *event) {
    struct combination c = {.x = x, .op = op, .how = how};
    int rc = -1;

    if (!parse(x, how & STORING ? 2 : 1, &c)) goto out;
    zset_build_init(&c.result, how & COUNTING ? 0 : expected(&c));
    c.result.pace = call_pace(x);
    compute(&c);
    if (how & STORING)
        store_result(&c, event);
    else if (how & COUNTING)
        reply_int(&x->r, (int64_t)c.counted);
    else
        reply_result(x, &c);
    zset_build_release(&c.result);
    rc = 0;
out:
    mem_free(c.v);
    return rc;
}

static int cmd_zunion(struct call *x) {
    return combine(x, UNION, 0, NULL);
}

static int cmd_zinter(struct call *x) {
    return combine(x, INTERSECTION, 0, NULL);
}

static int cmd_zdiff(struct call *x) {
    return combine(x, DIFFERENCE, 0, NULL);
}

static int cmd_zintercard(struct call *x) {
    return combine(x, INTERSECTION, COUNTING, NULL);
}

static int cmd_zunionstore(struct call *x) {
    return combine(x, UNION, STORING, "zunionstore");
}

static int cmd_zinterstore(struct call *x) {
    return combine(x, INTERSECTION, STORING, "zinterstore");
}

static int cmd_zdiffstore(struct call *x) {
    return combine(x, DIFFERENCE, STORING, "zdiffstore");
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS)
#define R (CMD_READONLY | CMD_MOVABLE_KEYS)

/* clang-format off */
const struct command zset_store_commands[] = {
    {"zdiff", -3, R, "sorted-set", {0, 0, 0}, cmd_zdiff, "6.2.0",
     "Gives what is in the first sorted set and in none of the others.",
     .grammar = "numkeys:int key@0+ [WITHSCORES]",
     .key_specs = "@1#0+1 RO access"},
    {"zdiffstore", -4, W, "sorted-set", {1, 1, 1}, cmd_zdiffstore, "6.2.0",
     "Stores what is in the first sorted set and in none of the others.",
     .grammar = "destination@0 numkeys:int key@1+",
     .key_specs = "@1..0 OW update; @2#0+1 RO access"},
    {"zinter", -3, R, "sorted-set", {0, 0, 0}, cmd_zinter, "6.2.0",
     "Gives what is in every one of several sorted sets.",
     .grammar = "numkeys:int key@0+ [WEIGHTS=weight:int+] [AGGREGATE=aggregate(SUM|MIN|MAX)] "
                "[WITHSCORES]",
     .key_specs = "@1#0+1 RO access"},
    {"zintercard", -3, R, "sorted-set", {0, 0, 0}, cmd_zintercard, "7.0.0",
     "Counts what is in every one of several sorted sets.",
     .grammar = "numkeys:int key@0+ [LIMIT=limit:int]",
     .key_specs = "@1#0+1 RO access"},
    {"zinterstore", -4, W, "sorted-set", {1, 1, 1}, cmd_zinterstore, "2.0.0",
     "Stores what is in every one of several sorted sets.",
     .grammar = "destination@0 numkeys:int key@1+ [WEIGHTS=weight:int+] "
                "[AGGREGATE=aggregate(SUM|MIN|MAX)]",
     .key_specs = "@1..0 OW update; @2#0+1 RO access"},
    {"zunion", -3, R, "sorted-set", {0, 0, 0}, cmd_zunion, "6.2.0",
     "Gives what is in any of several sorted sets.",
     .grammar = "numkeys:int key@0+ [WEIGHTS=weight:int+] [AGGREGATE=aggregate(SUM|MIN|MAX)] "
                "[WITHSCORES]",
     .key_specs = "@1#0+1 RO access"},
    {"zunionstore", -4, W, "sorted-set", {1, 1, 1}, cmd_zunionstore, "2.0.0",
     "Stores what is in any of several sorted sets.",
     .grammar = "destination@0 numkeys:int key@1+ [WEIGHTS=weight:int+] "
                "[AGGREGATE=aggregate(SUM|MIN|MAX)]",
     .key_specs = "@1..0 OW update; @2#0+1 RO access"},
    {0},
};
/* clang-format on */
