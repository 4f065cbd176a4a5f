/* SPDX-License-Identifier: BSD-3-Clause
 *
 * countmin - count-min sketches: CMS.* of Redis' module.
 */
#include "storage/countmin.h"

#include "server/commands/commands.h"
#include "server/commands/sketch.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#define ERR_MISSING "CMS: key does not exist"
#define ERR_EXISTS  "CMS: key already exists"
#define ERR_NUMBER  "CMS: Cannot parse number"

/* ---------------------------------------------------------------- CMS.INITBYDIM, CMS.INITBYPROB */

static int init(struct call *x, uint64_t width, uint32_t depth) {
    struct countmin *c;
    struct ref r;

    if (!find_sketch(x, TYPE_COUNTMIN, &r, &c)) return -1;
    if (c) return reply_err(x, ERR_EXISTS);
    if (countmin_bytes(width, depth) > sketch_limit(x))
        return reply_err(x, "CMS: the sketch exceeds the memory limit (proto-max-bulk-len)");
    put_sketch(x, &r, TYPE_COUNTMIN, countmin_new(width, depth));
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

static int cmd_initbydim(struct call *x) {
    int64_t width, depth;

    if (!arg_int_range(x, 2, 1, (int64_t)COUNTMIN_WIDTH_MAX, &width, "CMS: invalid width") ||
        !arg_int_range(x, 3, 1, COUNTMIN_DEPTH_MAX, &depth, "CMS: invalid depth"))
        return -1;
    return init(x, (uint64_t)width, (uint32_t)depth);
}

/* A number above 0 and below 1. */
static bool arg_part(struct call *x, int i, const char *bad, double *out) {
    if (num_parse_double(x->argv[i].p, x->argv[i].n, out) && *out > 0 && *out < 1) return true;
    reply_err(x, bad);
    return false;
}

static int cmd_initbyprob(struct call *x) {
    double error, chance;
    uint64_t width;
    uint32_t depth;

    if (!arg_part(x, 2, "CMS: invalid overestimation value", &error) ||
        !arg_part(x, 3, "CMS: invalid prob value", &chance))
        return -1;
    if (!countmin_shape(error, chance, &width, &depth))
        return reply_err(x, "CMS: invalid overestimation value");
    return init(x, width, depth);
}

/* ---------------------------------------------------------------- counting */

static bool check_increments(struct call *x) {
    for (int i = 3; i < x->argc; i += 2) {
        int64_t n;

        if (!arg_int_range(x, i, INT64_MIN, INT64_MAX, &n, ERR_NUMBER)) return false;
        if (n < 0) return reply_err(x, "CMS: Number cannot be negative") == 0;
    }
    return true;
}

/* A count that a cell cannot hold is answered with an error in its place. */
static int cmd_incrby(struct call *x) {
    static const char overflow[] = "CMS: INCRBY overflow";
    struct countmin *c;
    struct ref r;

    if (x->argc % 2 != 0)
        return reply_err(x, "ERR wrong number of arguments for 'cms.incrby' command");
    if (!need_sketch(x, TYPE_COUNTMIN, ERR_MISSING, &r, &c) || !check_increments(x)) return -1;
    if (!sketch_affords(x, (x->argc - 2) / 2, UINT64_C(3) * c->depth)) return -1;
    reply_array(&x->r, (size_t)(x->argc - 2) / 2);
    for (int i = 2; i < x->argc; i += 2) {
        int64_t n = 0;
        uint32_t v;

        num_parse_i64(x->argv[i + 1].p, x->argv[i + 1].n, &n);
        v = countmin_add(c, countmin_hash(x->argv[i]), (uint64_t)n);
        if (v == COUNTMIN_MOST)
            reply_error_text(&x->r, overflow, sizeof overflow - 1);
        else
            reply_int(&x->r, v);
    }
    sketch_changed(x, &r);
    return 0;
}

static int cmd_query(struct call *x) {
    struct countmin *c;
    struct ref r;

    if (!need_sketch(x, TYPE_COUNTMIN, ERR_MISSING, &r, &c)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_int(&x->r, countmin_query(c, countmin_hash(x->argv[i])));
        call_breathe_by(x, 1 + c->depth / 8);
    }
    return 0;
}

static int cmd_info(struct call *x) {
    struct countmin *c;
    struct ref r;

    if (!need_sketch(x, TYPE_COUNTMIN, ERR_MISSING, &r, &c)) return -1;
    reply_map(&x->r, 3);
    info_field(x, "width", c->width);
    info_field(x, "depth", c->depth);
    info_field(x, "count", c->count);
    return 0;
}

/* ---------------------------------------------------------------- CMS.MERGE */

struct source {
    const struct countmin *c;
    int64_t weight;
};

/* Argument 2 is the number of sources, which follow; then WEIGHTS and as many numbers. */
static bool count_sources(struct call *x, int64_t *n) {
    if (!arg_int_range(x, 2, INT64_MIN, INT64_MAX, n, "CMS: invalid numkeys")) return false;
    if (*n <= 0 || *n > x->argc - 3)
        return reply_err(x, "CMS: Number of keys must be positive and agree with the keys") == 0;
    if (x->argc == 3 + *n) return true;
    if (x->argc == 4 + 2 * *n && arg_is(x, 3 + (int)*n, "WEIGHTS")) return true;
    reply_err(x, "CMS: wrong number of keys/weights");
    return false;
}

static bool find_sources(struct call *x, const struct countmin *to, struct source *from, int n) {
    for (int i = 0; i < n; i++) {
        struct ref r = lookup_read(x, 3 + i);

        if (!check_type(x, &r, TYPE_COUNTMIN)) return false;
        if (!r.e) return reply_err(x, ERR_MISSING) == 0;
        from[i] = (struct source){countmin_of(r.e), 1};
        if (from[i].c->width != to->width || from[i].c->depth != to->depth)
            return reply_err(x, "CMS: width/depth is not equal") == 0;
        if (x->argc > 3 + n && !arg_int_range(x, 4 + n + i, INT64_MIN, INT64_MAX, &from[i].weight,
                                              "CMS: invalid weight value"))
            return false;
    }
    return true;
}

/* The weighted sum of one number of each; false: it is below 0 or above `most`. */
static bool add_product(int64_t *sum, uint64_t v, int64_t weight) {
    int64_t product;

    return !__builtin_mul_overflow((int64_t)v, weight, &product) &&
           !__builtin_add_overflow(*sum, product, sum);
}

static bool sum_cell(const struct source *from, int n, uint64_t at, uint32_t *v) {
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        if (!add_product(&sum, countmin_cell(from[i].c, at), from[i].weight)) return false;
    *v = (uint32_t)sum;
    return sum >= 0 && sum <= COUNTMIN_MOST;
}

static bool sum_counts(const struct source *from, int n, uint64_t *count) {
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        if (!add_product(&sum, from[i].c->count, from[i].weight)) return false;
    *count = (uint64_t)sum;
    return sum >= 0;
}

/* The sum of the sources, aside: others are served meanwhile. NULL: a cell overflows. */
static struct countmin *sum_of(struct call *x, const struct source *from, int n) {
    struct countmin *sum = countmin_new(from[0].c->width, from[0].c->depth);
    bool good = sum_counts(from, n, &sum->count);

    for (uint64_t at = 0; good && at < sum->width * sum->depth; at++) {
        uint32_t v;

        good = sum_cell(from, n, at, &v);
        if (good && v) countmin_set_cell(sum, at, v);
        call_breathe_by(x, 1 + (size_t)n / 8);
    }
    if (good) return sum;
    countmin_free(sum);
    return NULL;
}

static int merge(struct call *x, struct source *from, int n) {
    struct countmin *to, *sum;
    struct ref r;

    if (!need_sketch(x, TYPE_COUNTMIN, ERR_MISSING, &r, &to) || !find_sources(x, to, from, n))
        return -1;
    sum = sum_of(x, from, n);
    if (!sum) return reply_err(x, "CMS: MERGE overflow");
    put_sketch(x, &r, TYPE_COUNTMIN, sum);
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

static int cmd_merge(struct call *x) {
    struct source *from;
    int64_t n;
    int rc;

    if (!count_sources(x, &n)) return -1;
    from = mem_alloc((size_t)n * sizeof *from);
    rc = merge(x, from, (int)n);
    mem_free(from);
    return rc;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE | CMD_DENYOOM
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command countmin_commands[] = {
    {"cms.incrby", -4, W, "cms", {1, 1, 1}, cmd_incrby, "8.0.0",
     "Counts items in a count-min sketch.",
     .grammar = "key@0 items{item increment:int}+",
     .key_specs = "RW access update"},
    {"cms.info", 2, R | F, "cms", {1, 1, 1}, cmd_info, "8.0.0",
     "Tells how a count-min sketch is kept.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"cms.initbydim", 4, W | F, "cms", {1, 1, 1}, cmd_initbydim, "8.0.0",
     "Makes a count-min sketch of so many columns and rows.",
     .grammar = "key@0 width:int depth:int",
     .key_specs = "RW insert"},
    {"cms.initbyprob", 4, W | F, "cms", {1, 1, 1}, cmd_initbyprob, "8.0.0",
     "Makes a count-min sketch that overestimates so much at the most.",
     .grammar = "key@0 error:double probability:double",
     .key_specs = "RW insert"},
    {"cms.merge", -4, W, "cms", {1, 1, 1}, cmd_merge, "8.0.0",
     "Stores the weighted sum of count-min sketches in another one.",
     .grammar = "destination@0 numkeys:int source@1+ [WEIGHTS=weight:int+]",
     .key_specs = "@1..0 RW update; @2#0+1 RO access"},
    {"cms.query", -3, R, "cms", {1, 1, 1}, cmd_query, "8.0.0",
     "Estimates how often items were counted.",
     .grammar = "key@0 item+"},
    {0},
};
/* clang-format on */
