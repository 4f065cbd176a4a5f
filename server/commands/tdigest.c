/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tdigest - t-digests: TDIGEST.* of Redis' module.
 */
#include "storage/tdigest.h"

#include "server/commands/commands.h"
#include "server/commands/sketch.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <math.h>

#define ERR_MISSING     "T-Digest: key does not exist"
#define ERR_COMPRESSION "T-Digest: compression parameter needs to be a positive integer up to 32768"
#define ERR_LARGE       "T-Digest: overflow detected"

/* ---------------------------------------------------------------- arguments */

static bool arg_number(struct call *x, int i, const char *bad, double *v) {
    if (num_parse_double(x->argv[i].p, x->argv[i].n, v)) return true;
    reply_err(x, bad);
    return false;
}

static bool arg_compression(struct call *x, int i, int64_t *compression) {
    return arg_int_range(x, i, 1, TDIGEST_COMPRESSION_MAX, compression, ERR_COMPRESSION);
}

/* Arguments 2 and on are such numbers. */
static bool check_numbers(struct call *x, double min, double max, const char *no_number,
                          const char *outside) {
    for (int i = 2; i < x->argc; i++) {
        double v;

        if (!arg_number(x, i, no_number, &v)) return false;
        if (!(v >= min && v <= max)) return reply_err(x, outside) == 0;
    }
    return true;
}

static double number(const struct call *x, int i) {
    double v = 0;

    num_parse_double(x->argv[i].p, x->argv[i].n, &v);
    return v;
}

/* ---------------------------------------------------------------- changing */

static int cmd_create(struct call *x) {
    int64_t compression = TDIGEST_COMPRESSION;
    struct tdigest *t;
    struct ref r;

    if (x->argc != 2 && x->argc != 4)
        return reply_err(x, "ERR wrong number of arguments for 'tdigest.create' command");
    if (x->argc == 4 && !arg_is(x, 2, "COMPRESSION")) return reply_err(x, ERR_SYNTAX);
    if (x->argc == 4 && !arg_compression(x, 3, &compression)) return -1;
    if (!find_sketch(x, TYPE_TDIGEST, &r, &t)) return -1;
    if (t) return reply_err(x, "T-Digest: key already exists");
    put_sketch(x, &r, TYPE_TDIGEST, tdigest_new((uint32_t)compression));
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

static int cmd_reset(struct call *x) {
    struct tdigest *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TDIGEST, ERR_MISSING, &r, &t)) return -1;
    if (t->weight > 0) {
        tdigest_clear(t);
        sketch_changed(x, &r);
    }
    reply_ok(&x->r);
    return 0;
}

static int cmd_add(struct call *x) {
    static const char bad[] = "T-Digest: error parsing val parameter";
    struct tdigest *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TDIGEST, ERR_MISSING, &r, &t)) return -1;
    if (!check_numbers(x, -__DBL_MAX__, __DBL_MAX__, bad, bad)) return -1;
    if (t->weight > TDIGEST_WEIGHT_MAX - (uint64_t)x->argc) return reply_err(x, ERR_LARGE);
    for (int i = 2; i < x->argc; i++) tdigest_add(t, number(x, i), 1);
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- TDIGEST.MERGE */

struct merging {
    int n;               /* sources, from argument 3 on */
    int64_t compression; /* 0: the largest of those that are merged */
    bool override;
};

static bool parse_merging(struct call *x, struct merging *m) {
    int64_t n;

    *m = (struct merging){0};
    if (!arg_int_range(x, 2, INT64_MIN, INT64_MAX, &n, "T-Digest: error parsing numkeys"))
        return false;
    if (n <= 0) return reply_err(x, "T-Digest: numkeys needs to be a positive integer") == 0;
    if (n > x->argc - 3)
        return reply_err(x, "ERR wrong number of arguments for 'tdigest.merge' command") == 0;
    m->n = (int)n;
    for (int i = 3 + m->n; i < x->argc; i++) {
        if (arg_is(x, i, "OVERRIDE")) {
            m->override = true;
        } else if (arg_is(x, i, "COMPRESSION") && i + 1 < x->argc) {
            if (!arg_compression(x, ++i, &m->compression)) return false;
        } else {
            reply_err(x, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* *all: the sources, after the destination if its numbers stay. */
static bool find_merged(struct call *x, const struct merging *m, const struct tdigest **all,
                        int *n) {
    for (int i = 0; i < m->n; i++) {
        struct ref r = lookup_read(x, 3 + i);

        if (!check_type(x, &r, TYPE_TDIGEST)) return false;
        if (!r.e) return reply_err(x, ERR_MISSING) == 0;
        all[(*n)++] = tdigest_of(r.e);
    }
    return true;
}

static uint32_t largest_compression(const struct tdigest *const *all, int n) {
    uint32_t most = 0;

    for (int i = 0; i < n; i++)
        if (all[i]->compression > most) most = all[i]->compression;
    return most;
}

/* Of all that are merged. One that is named often counts often; writes wait for the end. */
static uint64_t numbers_of(const struct tdigest *const *all, int n) {
    uint64_t sum = 0;

    for (int i = 0; i < n; i++) sum += 1 + all[i]->merged + all[i]->added;
    return sum;
}

/* All of them together, aside: others are served meanwhile. NULL: too many numbers. */
static struct tdigest *sum_of(struct call *x, const struct tdigest *const *all, int n,
                              uint32_t compression) {
    struct tdigest *sum = tdigest_new(compression);
    bool good = true;

    for (int i = 0; good && i < n; i++) {
        good = tdigest_add_all(sum, all[i]);
        call_breathe_by(x, 1 + all[i]->merged + all[i]->added);
    }
    if (good) return sum;
    tdigest_free(sum);
    return NULL;
}

static int merge(struct call *x, const struct merging *m, const struct tdigest **all) {
    struct tdigest *to, *sum;
    struct ref r;
    int n = 0;

    if (!find_sketch(x, TYPE_TDIGEST, &r, &to)) return -1;
    if (to && !m->override) all[n++] = to;
    if (!find_merged(x, m, all, &n) || !sketch_affords(x, 1, numbers_of(all, n))) return -1;
    sum =
        sum_of(x, all, n, m->compression ? (uint32_t)m->compression : largest_compression(all, n));
    if (!sum) return reply_err(x, ERR_LARGE);
    put_sketch(x, &r, TYPE_TDIGEST, sum);
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

static int cmd_merge(struct call *x) {
    const struct tdigest **all;
    struct merging m;
    int rc;

    if (!parse_merging(x, &m)) return -1;
    all = mem_alloc(((size_t)m.n + 1) * sizeof(*all));
    rc = merge(x, &m, all);
    mem_free(all);
    return rc;
}

/* ---------------------------------------------------------------- estimates */

/* Replies with an estimate of each argument from 2 on; the digest is not empty in `each`. */
static int estimate(struct call *x,
                    void (*each)(struct call *x, const struct tdigest_view *v, double arg)) {
    struct tdigest_view v;
    struct tdigest *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TDIGEST, ERR_MISSING, &r, &t)) return -1;
    tdigest_look(t, &v);
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        each(x, &v, number(x, i));
        call_breathe(x);
    }
    tdigest_view_release(&v);
    return 0;
}

static void reply_quantile(struct call *x, const struct tdigest_view *v, double q) {
    reply_double(&x->r, v->n ? tdigest_at(v, q * (double)v->t->weight) : NAN);
}

static int cmd_quantile(struct call *x) {
    if (!check_numbers(x, 0, 1, "T-Digest: error parsing quantile",
                       "T-Digest: quantile should be in [0,1]"))
        return -1;
    return estimate(x, reply_quantile);
}

static void reply_cdf(struct call *x, const struct tdigest_view *v, double at) {
    reply_double(&x->r, v->n ? tdigest_below(v, at) / (double)v->t->weight : NAN);
}

static int cmd_cdf(struct call *x) {
    static const char bad[] = "T-Digest: error parsing cdf";

    return check_numbers(x, -INFINITY, INFINITY, bad, bad) ? estimate(x, reply_cdf) : -1;
}

enum { RANK_NONE = -2, RANK_OUTSIDE = -1 };

/* A number that was added is no further than the last place. */
static void reply_place(struct call *x, const struct tdigest_view *v, double place) {
    int64_t last = (int64_t)v->t->weight - 1, n = (int64_t)place;

    reply_int(&x->r, n < last ? n : last);
}

static void reply_rank(struct call *x, const struct tdigest_view *v, double at) {
    if (v->n == 0)
        reply_int(&x->r, RANK_NONE);
    else if (at < v->t->min)
        reply_int(&x->r, RANK_OUTSIDE);
    else if (at > v->t->max)
        reply_int(&x->r, (int64_t)v->t->weight);
    else
        reply_place(x, v, tdigest_below(v, at));
}

static void reply_revrank(struct call *x, const struct tdigest_view *v, double at) {
    if (v->n == 0)
        reply_int(&x->r, RANK_NONE);
    else if (at > v->t->max)
        reply_int(&x->r, RANK_OUTSIDE);
    else if (at < v->t->min)
        reply_int(&x->r, (int64_t)v->t->weight);
    else
        reply_place(x, v, (double)v->t->weight - tdigest_below(v, at));
}

static bool check_values(struct call *x) {
    static const char bad[] = "T-Digest: error parsing value";

    return check_numbers(x, -INFINITY, INFINITY, bad, bad);
}

static int cmd_rank(struct call *x) {
    return check_values(x) ? estimate(x, reply_rank) : -1;
}

static int cmd_revrank(struct call *x) {
    return check_values(x) ? estimate(x, reply_revrank) : -1;
}

static void reply_byrank(struct call *x, const struct tdigest_view *v, double rank) {
    if (v->n == 0)
        reply_double(&x->r, NAN);
    else if (rank >= (double)v->t->weight)
        reply_double(&x->r, INFINITY);
    else
        reply_double(&x->r, tdigest_at(v, rank));
}

static void reply_byrevrank(struct call *x, const struct tdigest_view *v, double rank) {
    if (v->n == 0)
        reply_double(&x->r, NAN);
    else if (rank >= (double)v->t->weight)
        reply_double(&x->r, -INFINITY);
    else
        reply_double(&x->r, tdigest_at(v, (double)v->t->weight - 1 - rank));
}

static bool check_ranks(struct call *x) {
    for (int i = 2; i < x->argc; i++) {
        int64_t rank;

        if (!arg_int_range(x, i, INT64_MIN, INT64_MAX, &rank, "T-Digest: error parsing rank"))
            return false;
        if (rank < 0) return reply_err(x, "T-Digest: rank needs to be non negative") == 0;
    }
    return true;
}

static int cmd_byrank(struct call *x) {
    return check_ranks(x) ? estimate(x, reply_byrank) : -1;
}

static int cmd_byrevrank(struct call *x) {
    return check_ranks(x) ? estimate(x, reply_byrevrank) : -1;
}

static int cmd_min(struct call *x) {
    struct tdigest *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TDIGEST, ERR_MISSING, &r, &t)) return -1;
    reply_double(&x->r, t->weight ? t->min : NAN);
    return 0;
}

static int cmd_max(struct call *x) {
    struct tdigest *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TDIGEST, ERR_MISSING, &r, &t)) return -1;
    reply_double(&x->r, t->weight ? t->max : NAN);
    return 0;
}

static bool arg_cut(struct call *x, int i, const char *bad, double *cut) {
    if (!arg_number(x, i, bad, cut)) return false;
    if (*cut >= 0 && *cut <= 1) return true;
    reply_err(x, "T-Digest: low_cut_percentile and high_cut_percentile should be in [0,1]");
    return false;
}

static int cmd_trimmed_mean(struct call *x) {
    struct tdigest_view v;
    struct tdigest *t;
    double low, high;
    struct ref r;

    if (!arg_cut(x, 2, "T-Digest: error parsing low_cut_percentile", &low) ||
        !arg_cut(x, 3, "T-Digest: error parsing high_cut_percentile", &high))
        return -1;
    if (low >= high)
        return reply_err(x, "T-Digest: low_cut_percentile should be lower than "
                            "high_cut_percentile");
    if (!need_sketch(x, TYPE_TDIGEST, ERR_MISSING, &r, &t)) return -1;
    tdigest_look(t, &v);
    reply_double(&x->r, tdigest_mean(&v, low * (double)t->weight, high * (double)t->weight));
    tdigest_view_release(&v);
    return 0;
}

static int cmd_info(struct call *x) {
    struct tdigest *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TDIGEST, ERR_MISSING, &r, &t)) return -1;
    reply_map(&x->r, 9);
    info_field(x, "Compression", t->compression);
    info_field(x, "Capacity", t->cap);
    info_field(x, "Merged nodes", t->merged);
    info_field(x, "Unmerged nodes", t->added);
    info_field(x, "Merged weight", t->merged_weight);
    info_field(x, "Unmerged weight", t->weight - t->merged_weight);
    info_field(x, "Observations", t->weight);
    info_field(x, "Total compressions", t->compressions);
    info_field(x, "Memory usage", tdigest_sketch.mem(t));
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE | CMD_DENYOOM
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command tdigest_commands[] = {
    {"tdigest.add", -3, W, "tdigest", {1, 1, 1}, cmd_add, "8.0.0",
     "Adds numbers to a t-digest.",
     .grammar = "key@0 value:double+",
     .key_specs = "RW insert"},
    {"tdigest.byrank", -3, R, "tdigest", {1, 1, 1}, cmd_byrank, "8.0.0",
     "Estimates the numbers at ranks, counted from the smallest one.",
     .grammar = "key@0 rank:int+"},
    {"tdigest.byrevrank", -3, R, "tdigest", {1, 1, 1}, cmd_byrevrank, "8.0.0",
     "Estimates the numbers at ranks, counted from the largest one.",
     .grammar = "key@0 rank:int+"},
    {"tdigest.cdf", -3, R, "tdigest", {1, 1, 1}, cmd_cdf, "8.0.0",
     "Estimates which part of the numbers is below given ones.",
     .grammar = "key@0 value:double+"},
    {"tdigest.create", -2, W | F, "tdigest", {1, 1, 1}, cmd_create, "8.0.0",
     "Makes an empty t-digest.",
     .grammar = "key@0 [COMPRESSION=compression:int]",
     .key_specs = "RW insert"},
    {"tdigest.info", 2, R | F, "tdigest", {1, 1, 1}, cmd_info, "8.0.0",
     "Tells how a t-digest is kept.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"tdigest.max", 2, R | F, "tdigest", {1, 1, 1}, cmd_max, "8.0.0",
     "Gives the largest number that was added to a t-digest.",
     .grammar = "key@0"},
    {"tdigest.merge", -4, W, "tdigest", {1, 1, 1}, cmd_merge, "8.0.0",
     "Adds t-digests to another one, which is made if there is none.",
     .grammar = "destination@0 numkeys:int source@1+ [COMPRESSION=compression:int] [OVERRIDE]",
     .key_specs = "@1..0 RW insert update; @2#0+1 RO access"},
    {"tdigest.min", 2, R | F, "tdigest", {1, 1, 1}, cmd_min, "8.0.0",
     "Gives the smallest number that was added to a t-digest.",
     .grammar = "key@0"},
    {"tdigest.quantile", -3, R, "tdigest", {1, 1, 1}, cmd_quantile, "8.0.0",
     "Estimates the numbers that given parts of all are below.",
     .grammar = "key@0 quantile:double+"},
    {"tdigest.rank", -3, R, "tdigest", {1, 1, 1}, cmd_rank, "8.0.0",
     "Estimates how many numbers are below given ones.",
     .grammar = "key@0 value:double+"},
    {"tdigest.reset", 2, CMD_WRITE | F, "tdigest", {1, 1, 1}, cmd_reset, "8.0.0",
     "Empties a t-digest.",
     .grammar = "key@0",
     .key_specs = "RW delete"},
    {"tdigest.revrank", -3, R, "tdigest", {1, 1, 1}, cmd_revrank, "8.0.0",
     "Estimates how many numbers are above given ones.",
     .grammar = "key@0 value:double+"},
    {"tdigest.trimmed_mean", 4, R, "tdigest", {1, 1, 1}, cmd_trimmed_mean, "8.0.0",
     "Estimates the mean of the numbers between two quantiles.",
     .grammar = "key@0 low-cut:double high-cut:double"},
    {0},
};
/* clang-format on */
