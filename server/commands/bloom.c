/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bloom - Bloom filters: BF.* of Redis' module.
 *
 * A command on several items stops at the first one that the filter cannot take; its reply then
 * ends with that error, and the items before it are added.
 */
#include "storage/bloom.h"

#include "server/commands/commands.h"
#include "server/commands/sketch.h"
#include "server/exec/breathe.h"
#include "server/exec/propagate.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

enum { DEFAULT_CAPACITY = 100, DEFAULT_EXPANSION = 2 };

static const double DEFAULT_ERROR = 0.01;

/* By enum bloom_added; the rows of what is no error are NULL. */
static const char *const refusals[] = {
    [BLOOM_THERE] = NULL,
    [BLOOM_ADDED] = NULL,
    [BLOOM_FULL] = "ERR non scaling filter is full",
    [BLOOM_LAYERS] = "ERR bloom object reached max number of filters",
    [BLOOM_LARGE] = "ERR operation exceeds bloom object memory limit",
};

/* ---------------------------------------------------------------- arguments */

struct options {
    struct bloom_shape shape;
    bool expands, fixed; /* EXPANSION, NONSCALING */
    bool shaped;         /* CAPACITY or ERROR */
    bool nocreate;
};

static bool arg_error_rate(struct call *x, int i, double *error) {
    if (!num_parse_double(x->argv[i].p, x->argv[i].n, error)) {
        reply_err(x, "ERR bad error rate");
        return false;
    }
    if (*error > 0 && *error < 1) return true;
    reply_err(x, "ERR (0 < error rate range < 1)");
    return false;
}

static bool arg_capacity(struct call *x, int i, uint64_t *capacity) {
    int64_t n;

    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, &n)) {
        reply_err(x, "ERR bad capacity");
        return false;
    }
    *capacity = (uint64_t)n;
    if (n > 0) return true;
    reply_err(x, "ERR (capacity should be larger than 0)");
    return false;
}

static bool arg_expansion(struct call *x, int i, uint32_t *expansion) {
    int64_t n;

    if (!num_parse_i64(x->argv[i].p, x->argv[i].n, &n) || n > BLOOM_EXPANSION_MAX) {
        reply_err(x, "ERR bad expansion");
        return false;
    }
    *expansion = (uint32_t)n;
    if (n > 0) return true;
    reply_err(x, "ERR expansion should be greater or equal to 1");
    return false;
}

/* An option that BF.RESERVE has too; *i is its last argument afterwards. False, with an error:
 * another word, or a bad value. */
static bool take_option(struct call *x, int *i, int end, struct options *o) {
    if (arg_is(x, *i, "NONSCALING")) return o->fixed = true;
    if (arg_is(x, *i, "EXPANSION") && *i + 1 < end) {
        o->expands = true;
        return arg_expansion(x, ++*i, &o->shape.expansion);
    }
    reply_err(x, ERR_ARGUMENT);
    return false;
}

static bool take_insert_option(struct call *x, int *i, int end, struct options *o) {
    if (arg_is(x, *i, "NOCREATE")) return o->nocreate = true;
    if (*i + 1 < end && arg_is(x, *i, "CAPACITY")) {
        o->shaped = true;
        return arg_capacity(x, ++*i, &o->shape.capacity);
    }
    if (*i + 1 < end && arg_is(x, *i, "ERROR")) {
        o->shaped = true;
        return arg_error_rate(x, ++*i, &o->shape.error);
    }
    return take_option(x, i, end, o);
}

static void options_init(struct options *o) {
    *o = (struct options){.shape = {DEFAULT_ERROR, DEFAULT_CAPACITY, DEFAULT_EXPANSION}};
}

/* The options do not contradict each other. */
static bool options_fit(struct call *x, struct options *o) {
    const char *bad = NULL;

    if (o->fixed && o->expands)
        bad = "Nonscaling filters cannot expand";
    else if (o->nocreate && o->shaped)
        bad = "ERR NOCREATE cannot be used together with CAPACITY or ERROR";
    if (bad) return reply_err(x, bad) == 0;
    if (o->fixed) o->shape.expansion = 0;
    return true;
}

/* Such a filter may be made. */
static bool check_shape(struct call *x, const struct bloom_shape *shape) {
    if (bloom_first_bytes(shape) <= sketch_limit(x)) return true;
    reply_err(x, refusals[BLOOM_LARGE]);
    return false;
}

/* ---------------------------------------------------------------- BF.RESERVE */

static int cmd_reserve(struct call *x) {
    struct options o;
    struct bloom *b;
    struct ref r;

    options_init(&o);
    if (!arg_error_rate(x, 2, &o.shape.error) || !arg_capacity(x, 3, &o.shape.capacity)) return -1;
    for (int i = 4; i < x->argc; i++)
        if (!take_option(x, &i, x->argc, &o)) return -1;
    if (!options_fit(x, &o) || !find_sketch(x, TYPE_BLOOM, &r, &b)) return -1;
    if (b) return reply_err(x, ERR_ITEM_EXISTS);
    if (!check_shape(x, &o.shape)) return -1;
    put_sketch(x, &r, TYPE_BLOOM, bloom_new(&o.shape));
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- adding */

/* The filter at argument 1, made if it is missing. */
static bool find_or_make(struct call *x, const struct options *o, struct ref *r, struct bloom **b,
                         bool *made) {
    if (!find_sketch(x, TYPE_BLOOM, r, b)) return false;
    *made = !*b;
    if (*b) return true;
    if (o->nocreate) return reply_err(x, ERR_NOT_FOUND) == 0;
    if (!check_shape(x, &o->shape)) return false;
    *b = bloom_new(&o->shape);
    put_sketch(x, r, TYPE_BLOOM, *b);
    return true;
}

static int add_one(struct call *x, const struct options *o) {
    enum bloom_added added;
    struct bloom *b;
    struct ref r;
    bool made;

    if (!find_or_make(x, o, &r, &b, &made)) return -1;
    added = bloom_add(b, bloom_hash(x->argv[2]), sketch_limit(x));
    if (made || added == BLOOM_ADDED) sketch_changed(x, &r);
    if (refusals[added]) return reply_err(x, refusals[added]);
    reply_bool(&x->r, added == BLOOM_ADDED);
    return 0;
}

static void reply_added(struct call *x, const uint8_t *added, int n) {
    reply_array(&x->r, (size_t)n);
    for (int i = 0; i < n; i++) {
        const char *bad = refusals[added[i]];

        if (bad)
            reply_error_text(&x->r, bad, strlen(bad));
        else
            reply_bool(&x->r, added[i] == BLOOM_ADDED);
    }
}

/* Adds the items from argument `from` on. The log and replicas have no limit of memory: they get
 * those before the one that is refused. */
static int add_many(struct call *x, int from, const struct options *o) {
    uint8_t *added = NULL; /* enum bloom_added, of each item */
    struct bloom *b;
    struct ref r;
    bool changed;
    int n = 0;

    if (!find_or_make(x, o, &r, &b, &changed) || !sketch_affords(x, x->argc - from, b->n))
        return -1;
    added = mem_alloc((size_t)(x->argc - from));
    for (int i = from; i < x->argc; i++) {
        added[n] = (uint8_t)bloom_add(b, bloom_hash(x->argv[i]), sketch_limit(x));
        changed = changed || added[n] == BLOOM_ADDED;
        if (refusals[added[n++]]) break;
    }
    if (changed) sketch_changed(x, &r);
    if (changed && refusals[added[n - 1]]) effect(x, from + n - 1, x->argv);
    reply_added(x, added, n);
    mem_free(added);
    return 0;
}

static int cmd_add(struct call *x) {
    struct options o;

    options_init(&o);
    return add_one(x, &o);
}

static int cmd_madd(struct call *x) {
    struct options o;

    options_init(&o);
    return add_many(x, 2, &o);
}

static int cmd_insert(struct call *x) {
    int items = find_word(x, "ITEMS");
    struct options o;

    options_init(&o);
    for (int i = 2; i < items; i++)
        if (!take_insert_option(x, &i, items, &o)) return -1;
    if (items + 1 >= x->argc)
        return reply_err(x, "ERR wrong number of arguments for 'bf.insert' command");
    return options_fit(x, &o) ? add_many(x, items + 1, &o) : -1;
}

/* ---------------------------------------------------------------- asking */

static int cmd_exists(struct call *x) {
    struct bloom *b;
    struct ref r;

    if (!find_sketch(x, TYPE_BLOOM, &r, &b)) return -1;
    reply_bool(&x->r, b && bloom_has(b, bloom_hash(x->argv[2])));
    return 0;
}

static int cmd_mexists(struct call *x) {
    struct bloom *b;
    struct ref r;

    if (!find_sketch(x, TYPE_BLOOM, &r, &b)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_bool(&x->r, b && bloom_has(b, bloom_hash(x->argv[i])));
        call_breathe_by(x, b ? b->n : 1);
    }
    return 0;
}

static int cmd_card(struct call *x) {
    struct bloom *b;
    struct ref r;

    if (!find_sketch(x, TYPE_BLOOM, &r, &b)) return -1;
    reply_int(&x->r, b ? (int64_t)bloom_items(b) : 0);
    return 0;
}

/* ---------------------------------------------------------------- BF.INFO */

enum { FIELDS = 5 };

static const struct {
    const char *word, *name;
} fields[FIELDS] = {{"CAPACITY", "Capacity"},
                    {"SIZE", "Size"},
                    {"FILTERS", "Number of filters"},
                    {"ITEMS", "Number of items inserted"},
                    {"EXPANSION", "Expansion rate"}};

static void reply_field(struct call *x, const struct ref *r, int field) {
    const struct bloom *b = bloom_of(r->e);
    const uint64_t values[FIELDS] = {bloom_capacity(b), bloom_sketch.mem(b), b->n, bloom_items(b),
                                     b->expansion};

    if (values[field] == 0 && b->expansion == 0 && field == FIELDS - 1)
        reply_null(&x->r); /* it does not scale */
    else
        reply_int(&x->r, (int64_t)values[field]);
}

static int info_one(struct call *x, const struct ref *r) {
    for (int i = 0; i < FIELDS; i++) {
        if (!arg_is(x, 2, fields[i].word)) continue;
        reply_array(&x->r, 1);
        reply_field(x, r, i);
        return 0;
    }
    return reply_err(x, "ERR Invalid information value");
}

static int cmd_info(struct call *x) {
    struct bloom *b;
    struct ref r;

    if (x->argc > 3) return reply_err(x, "ERR wrong number of arguments for 'bf.info' command");
    if (!need_sketch(x, TYPE_BLOOM, ERR_NOT_FOUND, &r, &b)) return -1;
    if (x->argc == 3) return info_one(x, &r);
    reply_map(&x->r, FIELDS);
    for (int i = 0; i < FIELDS; i++) {
        reply_simple(&x->r, fields[i].name);
        reply_field(x, &r, i);
    }
    return 0;
}

/* ---------------------------------------------------------------- moving */

static int cmd_scandump(struct call *x) {
    return sketch_scandump(x, TYPE_BLOOM);
}

static int cmd_loadchunk(struct call *x) {
    return sketch_loadchunk(x, TYPE_BLOOM);
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE | CMD_DENYOOM
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command bloom_commands[] = {
    {"bf.add", 3, W | F, "bf", {1, 1, 1}, cmd_add, "8.0.0",
     "Adds an item to a Bloom filter, which is made if there is none.",
     .grammar = "key@0 item",
     .key_specs = "RW insert"},
    {"bf.card", 2, R | F, "bf", {1, 1, 1}, cmd_card, "8.0.0",
     "Counts the items that were added to a Bloom filter.",
     .grammar = "key@0"},
    {"bf.exists", 3, R | F, "bf", {1, 1, 1}, cmd_exists, "8.0.0",
     "Tells whether an item may be in a Bloom filter.",
     .grammar = "key@0 item"},
    {"bf.info", -2, R | F, "bf", {1, 1, 1}, cmd_info, "8.0.0",
     "Tells how a Bloom filter is kept.",
     .grammar = "key@0 [field(CAPACITY|SIZE|FILTERS|ITEMS|EXPANSION)]",
     .key_specs = "RO"},
    {"bf.insert", -4, W, "bf", {1, 1, 1}, cmd_insert, "8.0.0",
     "Adds items to a Bloom filter; says how it is made if there is none.",
     .grammar = "key@0 [CAPACITY=capacity:int] [ERROR=error:double] [EXPANSION=expansion:int] "
                "[NOCREATE] [NONSCALING] ITEMS=item+",
     .key_specs = "RW insert"},
    {"bf.loadchunk", 4, W, "bf", {1, 1, 1}, cmd_loadchunk, "8.0.0",
     "Takes a piece of a Bloom filter that BF.SCANDUMP gave.",
     .grammar = "key@0 iterator:int data",
     .key_specs = "RW insert update"},
    {"bf.madd", -3, W, "bf", {1, 1, 1}, cmd_madd, "8.0.0",
     "Adds items to a Bloom filter, which is made if there is none.",
     .grammar = "key@0 item+",
     .key_specs = "RW insert"},
    {"bf.mexists", -3, R, "bf", {1, 1, 1}, cmd_mexists, "8.0.0",
     "Tells of several items whether they may be in a Bloom filter.",
     .grammar = "key@0 item+"},
    {"bf.reserve", -4, W | F, "bf", {1, 1, 1}, cmd_reserve, "8.0.0",
     "Makes an empty Bloom filter.",
     .grammar = "key@0 error-rate:double capacity:int [EXPANSION=expansion:int] [NONSCALING]",
     .key_specs = "RW insert"},
    {"bf.scandump", 3, R, "bf", {1, 1, 1}, cmd_scandump, "8.0.0",
     "Gives a Bloom filter piece by piece.",
     .grammar = "key@0 iterator:int"},
    {0},
};
/* clang-format on */
