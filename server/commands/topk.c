/* SPDX-License-Identifier: BSD-3-Clause
 *
 * topk - lists of the items that came most often: TOPK.* of Redis' module.
 */
#include "storage/topk.h"

#include "server/commands/commands.h"
#include "server/commands/sketch.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

enum {
    DEFAULT_WIDTH = 8,
    DEFAULT_DEPTH = 7,
    STEP_COST_MOST = 16, /* counting an item n times costs no more than counting it so often */
};

static const double DEFAULT_DECAY = 0.9;

#define ERR_MISSING "TopK: key does not exist"
#define ERR_STEP                                                                                   \
    "TopK: increment must be an integer greater or equal to 1 and smaller or equal to 100000"

/* ---------------------------------------------------------------- TOPK.RESERVE */

static bool arg_decay(struct call *x, int i, double *decay) {
    if (num_parse_double(x->argv[i].p, x->argv[i].n, decay) && *decay > 0 && *decay <= 1)
        return true;
    reply_err(x, "TopK: invalid decay value. must be '<= 1' & '> 0'");
    return false;
}

static int cmd_reserve(struct call *x) {
    int64_t k, width = DEFAULT_WIDTH, depth = DEFAULT_DEPTH;
    double decay = DEFAULT_DECAY;
    struct topk *t;
    struct ref r;

    if (x->argc != 3 && x->argc != 6)
        return reply_err(x, "ERR wrong number of arguments for 'topk.reserve' command");
    if (!arg_int_range(x, 2, 1, TOPK_K_MAX, &k, "TopK: invalid k")) return -1;
    if (x->argc == 6 &&
        (!arg_int_range(x, 3, 1, (int64_t)TOPK_WIDTH_MAX, &width, "TopK: invalid width") ||
         !arg_int_range(x, 4, 1, TOPK_DEPTH_MAX, &depth, "TopK: invalid depth") ||
         !arg_decay(x, 5, &decay)))
        return -1;
    if (!find_sketch(x, TYPE_TOPK, &r, &t)) return -1;
    if (t) return reply_err(x, "TopK: key already exists");
    if (topk_bytes((uint32_t)k, (uint64_t)width, (uint32_t)depth) > sketch_limit(x))
        return reply_err(x, "TopK: the list exceeds the memory limit (proto-max-bulk-len)");
    put_sketch(x, &r, TYPE_TOPK, topk_new((uint32_t)k, (uint64_t)width, (uint32_t)depth, decay));
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- counting */

static void add_item(struct call *x, struct topk *t, struct slice item, uint32_t n) {
    struct topk_item *out = topk_add(t, item, n);

    if (out)
        reply_bulk(&x->r, out->name, out->name_n);
    else
        reply_null(&x->r);
    mem_free(out);
}

/* Of an item that is counted once. */
static uint64_t cost_of(const struct topk *t) {
    return UINT64_C(8) * t->depth;
}

static int cmd_add(struct call *x) {
    struct topk *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TOPK, ERR_MISSING, &r, &t)) return -1;
    if (!sketch_affords(x, x->argc - 2, cost_of(t))) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) add_item(x, t, x->argv[i], 1);
    sketch_changed(x, &r);
    return 0;
}

static int cmd_incrby(struct call *x) {
    struct topk *t;
    struct ref r;
    int64_t n, most = 1;

    if (x->argc % 2 != 0)
        return reply_err(x, "ERR wrong number of arguments for 'topk.incrby' command");
    if (!need_sketch(x, TYPE_TOPK, ERR_MISSING, &r, &t)) return -1;
    for (int i = 3; i < x->argc; i += 2) {
        if (!arg_int_range(x, i, 1, TOPK_STEP_MAX, &n, ERR_STEP)) return -1;
        if (n > most) most = n;
    }
    if (most > STEP_COST_MOST) most = STEP_COST_MOST;
    if (!sketch_affords(x, (x->argc - 2) / 2, cost_of(t) * (uint64_t)most)) return -1;
    reply_array(&x->r, (size_t)(x->argc - 2) / 2);
    for (int i = 2; i < x->argc; i += 2) {
        num_parse_i64(x->argv[i + 1].p, x->argv[i + 1].n, &n);
        add_item(x, t, x->argv[i], (uint32_t)n);
    }
    sketch_changed(x, &r);
    return 0;
}

/* ---------------------------------------------------------------- asking */

static int cmd_query(struct call *x) {
    struct topk *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TOPK, ERR_MISSING, &r, &t)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_bool(&x->r, topk_find(t, x->argv[i]) != NULL);
        call_breathe(x);
    }
    return 0;
}

static int cmd_count(struct call *x) {
    struct topk *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TOPK, ERR_MISSING, &r, &t)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_int(&x->r, topk_count(t, x->argv[i]));
        call_breathe(x);
    }
    return 0;
}

static int cmd_list(struct call *x) {
    const struct topk_item **items;
    bool counts = x->argc == 3;
    struct topk *t;
    struct ref r;

    if (x->argc > 3) return reply_err(x, "ERR wrong number of arguments for 'topk.list' command");
    if (counts && !arg_is(x, 2, "WITHCOUNT")) return reply_err(x, "WITHCOUNT keyword expected");
    if (!need_sketch(x, TYPE_TOPK, ERR_MISSING, &r, &t)) return -1;
    items = mem_alloc((t->n + 1) * sizeof(*items));
    topk_sorted(t, items);
    reply_array(&x->r, (size_t)t->n * (counts ? 2 : 1));
    for (uint32_t i = 0; i < t->n; i++) {
        reply_bulk(&x->r, items[i]->name, items[i]->name_n);
        if (counts) reply_int(&x->r, items[i]->count);
        call_breathe(x);
    }
    mem_free(items);
    return 0;
}

static int cmd_info(struct call *x) {
    struct topk *t;
    struct ref r;

    if (!need_sketch(x, TYPE_TOPK, ERR_MISSING, &r, &t)) return -1;
    reply_map(&x->r, 4);
    info_field(x, "k", t->k);
    info_field(x, "width", t->width);
    info_field(x, "depth", t->depth);
    reply_simple(&x->r, "decay");
    reply_double(&x->r, t->decay);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE | CMD_DENYOOM
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command topk_commands[] = {
    {"topk.add", -3, W, "topk", {1, 1, 1}, cmd_add, "8.0.0",
     "Counts items; gives those that are no longer among the most frequent for it.",
     .grammar = "key@0 item+",
     .key_specs = "RW access update"},
    {"topk.count", -3, R, "topk", {1, 1, 1}, cmd_count, "8.0.0",
     "Estimates how often items came.",
     .grammar = "key@0 item+"},
    {"topk.incrby", -4, W, "topk", {1, 1, 1}, cmd_incrby, "8.0.0",
     "Counts items several times; gives those that are no longer among the most frequent for it.",
     .grammar = "key@0 items{item increment:int}+",
     .key_specs = "RW access update"},
    {"topk.info", 2, R | F, "topk", {1, 1, 1}, cmd_info, "8.0.0",
     "Tells how a list of the most frequent items is kept.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"topk.list", -2, R, "topk", {1, 1, 1}, cmd_list, "8.0.0",
     "Gives the most frequent items.",
     .grammar = "key@0 [WITHCOUNT]"},
    {"topk.query", -3, R, "topk", {1, 1, 1}, cmd_query, "8.0.0",
     "Tells whether items are among the most frequent ones.",
     .grammar = "key@0 item+"},
    {"topk.reserve", -3, W | F, "topk", {1, 1, 1}, cmd_reserve, "8.0.0",
     "Makes an empty list of the most frequent items.",
     .grammar = "key@0 k:int [shape{width:int depth:int decay:double}]",
     .key_specs = "RW insert"},
    {0},
};
/* clang-format on */
