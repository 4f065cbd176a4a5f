/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cuckoo - cuckoo filters: CF.* of Redis' module.
 *
 * One command moves MOVES fingerprints at the most: what it adds after that needs a free place at
 * once or another layer. So a long CF.INSERT into a full filter does not hold up other clients.
 */
#include "storage/cuckoo.h"

#include "server/commands/commands.h"
#include "server/commands/sketch.h"
#include "server/exec/breathe.h"
#include "server/exec/propagate.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

enum {
    DEFAULT_CAPACITY = 1024,
    DEFAULT_BUCKET = 2,
    DEFAULT_MOVES = 20,
    DEFAULT_EXPANSION = 1,
    MOVES = 1 << 20,
};

#define ERR_FULL "Filter is full"

/* ---------------------------------------------------------------- arguments */

struct options {
    struct cuckoo_shape shape;
    bool nocreate;
};

static void options_init(struct options *o) {
    *o = (struct options){
        .shape = {DEFAULT_CAPACITY, DEFAULT_BUCKET, DEFAULT_MOVES, DEFAULT_EXPANSION}};
}

static bool arg_capacity(struct call *x, int i, uint64_t *capacity) {
    int64_t n;

    if (num_parse_i64(x->argv[i].p, x->argv[i].n, &n) && n > 0 && n <= INT64_MAX / 2) {
        *capacity = (uint64_t)n;
        return true;
    }
    reply_err(x, "Bad capacity");
    return false;
}

static bool arg_u32(struct call *x, int i, const char *name, int64_t min, int64_t max,
                    uint32_t *out) {
    int64_t n;

    if (num_parse_i64(x->argv[i].p, x->argv[i].n, &n) && n >= min && n <= max) {
        *out = (uint32_t)n;
        return true;
    }
    reply_errf(x, "ERR %s: value must be an integer between %lld and %lld, inclusive", name,
               (long long)min, (long long)max);
    return false;
}

static bool take_option(struct call *x, int *i, struct cuckoo_shape *shape) {
    if (*i + 1 < x->argc && arg_is(x, *i, "BUCKETSIZE"))
        return arg_u32(x, ++*i, "BUCKETSIZE", 1, CUCKOO_BUCKET_MAX, &shape->bucket_size);
    if (*i + 1 < x->argc && arg_is(x, *i, "MAXITERATIONS"))
        return arg_u32(x, ++*i, "MAXITERATIONS", 1, CUCKOO_MOVES_MAX, &shape->max_moves);
    if (*i + 1 < x->argc && arg_is(x, *i, "EXPANSION"))
        return arg_u32(x, ++*i, "EXPANSION", 0, CUCKOO_EXPANSION_MAX, &shape->expansion);
    reply_err(x, ERR_ARGUMENT);
    return false;
}

/* Such a filter may be made. */
static bool check_shape(struct call *x, const struct cuckoo_shape *shape) {
    if (shape->capacity < 2 * (uint64_t)shape->bucket_size)
        return reply_err(x, "Capacity must be at least (BucketSize * 2)") == 0;
    if (cuckoo_first_bytes(shape) <= sketch_limit(x)) return true;
    reply_err(x, "ERR operation exceeds cuckoo filter memory limit");
    return false;
}

/* ---------------------------------------------------------------- CF.RESERVE */

static int cmd_reserve(struct call *x) {
    struct options o;
    struct cuckoo *c;
    struct ref r;

    options_init(&o);
    if (!arg_capacity(x, 2, &o.shape.capacity)) return -1;
    for (int i = 3; i < x->argc; i++)
        if (!take_option(x, &i, &o.shape)) return -1;
    if (!find_sketch(x, TYPE_CUCKOO, &r, &c)) return -1;
    if (c) return reply_err(x, ERR_ITEM_EXISTS);
    if (!check_shape(x, &o.shape)) return -1;
    put_sketch(x, &r, TYPE_CUCKOO, cuckoo_new(&o.shape));
    sketch_changed(x, &r);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- adding */

enum added { ADDED, THERE, FULL };

/* The filter at argument 1, made if it is missing. */
static bool find_or_make(struct call *x, const struct options *o, struct ref *r, struct cuckoo **c,
                         bool *made) {
    if (!find_sketch(x, TYPE_CUCKOO, r, c)) return false;
    *made = !*c;
    if (*c) return true;
    if (o->nocreate) return reply_err(x, ERR_NOT_FOUND) == 0;
    if (!check_shape(x, &o->shape)) return false;
    *c = cuckoo_new(&o->shape);
    put_sketch(x, r, TYPE_CUCKOO, *c);
    return true;
}

static enum added add_item(struct cuckoo *c, struct slice item, bool if_new,
                           struct cuckoo_means *means) {
    uint64_t hash = cuckoo_hash(item);

    if (if_new && cuckoo_has(c, hash)) return THERE;
    return cuckoo_add(c, hash, means) ? ADDED : FULL;
}

static int add_one(struct call *x, bool if_new) {
    struct cuckoo_means means = {sketch_limit(x), MOVES};
    struct options o;
    struct cuckoo *c;
    enum added added;
    struct ref r;
    bool made;

    options_init(&o);
    if (!find_or_make(x, &o, &r, &c, &made)) return -1;
    added = add_item(c, x->argv[2], if_new, &means);
    if (made || added == ADDED) sketch_changed(x, &r);
    if (added == FULL) return reply_err(x, ERR_FULL);
    reply_bool(&x->r, added == ADDED);
    return 0;
}

static int cmd_add(struct call *x) {
    return add_one(x, false);
}

static int cmd_addnx(struct call *x) {
    return add_one(x, true);
}

/* Of one item: a look at two buckets of each layer. */
static uint64_t cost_of(const struct cuckoo *c) {
    return c->n * (1 + c->bucket_size / 16);
}

/* Adds the items from argument `from` on; one that finds no place is answered with -1. The log and
 * replicas have no limit of memory: they get the items that found one. */
static int add_many(struct call *x, int from, const struct options *o, bool if_new) {
    struct cuckoo_means means = {sketch_limit(x), MOVES};
    struct slice *kept = NULL; /* the command without what found no place */
    struct cuckoo *c;
    int n = from;
    bool changed;
    struct ref r;

    if (!find_or_make(x, o, &r, &c, &changed) || !sketch_affords(x, x->argc - from, cost_of(c)))
        return -1;
    kept = mem_dup(x->argv, (size_t)x->argc * sizeof *kept);
    reply_array(&x->r, (size_t)(x->argc - from));
    for (int i = from; i < x->argc; i++) {
        enum added added = add_item(c, x->argv[i], if_new, &means);

        changed = changed || added == ADDED;
        if (added == FULL) {
            reply_int(&x->r, -1);
            continue;
        }
        reply_bool(&x->r, added == ADDED);
        kept[n++] = x->argv[i];
    }
    if (changed) sketch_changed(x, &r);
    if (changed && n < x->argc) effect(x, n, kept);
    mem_free(kept);
    return 0;
}

static int insert(struct call *x, bool if_new) {
    int items = find_word(x, "ITEMS");
    struct options o;

    options_init(&o);
    for (int i = 2; i < items; i++) {
        if (arg_is(x, i, "NOCREATE")) {
            o.nocreate = true;
        } else if (i + 1 < items && arg_is(x, i, "CAPACITY")) {
            if (!arg_capacity(x, ++i, &o.shape.capacity)) return -1;
        } else {
            return reply_err(x, ERR_ARGUMENT);
        }
    }
    if (items + 1 >= x->argc)
        return reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    return add_many(x, items + 1, &o, if_new);
}

static int cmd_insert(struct call *x) {
    return insert(x, false);
}

static int cmd_insertnx(struct call *x) {
    return insert(x, true);
}

/* ---------------------------------------------------------------- asking, taking out */

static int cmd_exists(struct call *x) {
    struct cuckoo *c;
    struct ref r;

    if (!find_sketch(x, TYPE_CUCKOO, &r, &c)) return -1;
    reply_bool(&x->r, c && cuckoo_has(c, cuckoo_hash(x->argv[2])));
    return 0;
}

static int cmd_mexists(struct call *x) {
    struct cuckoo *c;
    struct ref r;

    if (!find_sketch(x, TYPE_CUCKOO, &r, &c)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_bool(&x->r, c && cuckoo_has(c, cuckoo_hash(x->argv[i])));
        call_breathe_by(x, c ? c->n : 1);
    }
    return 0;
}

static int cmd_count(struct call *x) {
    struct cuckoo *c;
    struct ref r;

    if (!find_sketch(x, TYPE_CUCKOO, &r, &c)) return -1;
    reply_int(&x->r, c ? (int64_t)cuckoo_count(c, cuckoo_hash(x->argv[2])) : 0);
    return 0;
}

static int cmd_del(struct call *x) {
    struct cuckoo *c;
    bool deleted;
    struct ref r;

    if (!need_sketch(x, TYPE_CUCKOO, "Not found", &r, &c)) return -1;
    deleted = cuckoo_delete(c, cuckoo_hash(x->argv[2]));
    if (deleted) sketch_changed(x, &r);
    reply_bool(&x->r, deleted);
    return 0;
}

static int cmd_info(struct call *x) {
    struct cuckoo *c;
    struct ref r;

    if (!need_sketch(x, TYPE_CUCKOO, ERR_NOT_FOUND, &r, &c)) return -1;
    reply_map(&x->r, 8);
    info_field(x, "Size", cuckoo_sketch.mem(c));
    info_field(x, "Number of buckets", cuckoo_buckets(c));
    info_field(x, "Number of filters", c->n);
    info_field(x, "Number of items inserted", c->items);
    info_field(x, "Number of items deleted", c->deleted);
    info_field(x, "Bucket size", c->bucket_size);
    info_field(x, "Expansion rate", c->expansion);
    info_field(x, "Max iterations", c->max_moves);
    return 0;
}

/* ---------------------------------------------------------------- moving */

static int cmd_scandump(struct call *x) {
    return sketch_scandump(x, TYPE_CUCKOO);
}

static int cmd_loadchunk(struct call *x) {
    return sketch_loadchunk(x, TYPE_CUCKOO);
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE | CMD_DENYOOM
#define R CMD_READONLY
#define F CMD_FAST

#define INSERT_GRAMMAR "key@0 [CAPACITY=capacity:int] [NOCREATE] ITEMS=item+"

/* clang-format off */
const struct command cuckoo_commands[] = {
    {"cf.add", 3, W | F, "cf", {1, 1, 1}, cmd_add, "8.0.0",
     "Adds an item to a cuckoo filter, which is made if there is none.",
     .grammar = "key@0 item",
     .key_specs = "RW insert"},
    {"cf.addnx", 3, W | F, "cf", {1, 1, 1}, cmd_addnx, "8.0.0",
     "Adds an item to a cuckoo filter unless it seems to be there.",
     .grammar = "key@0 item",
     .key_specs = "RW insert"},
    {"cf.count", 3, R | F, "cf", {1, 1, 1}, cmd_count, "8.0.0",
     "Estimates how often an item is in a cuckoo filter.",
     .grammar = "key@0 item"},
    {"cf.del", 3, CMD_WRITE | F, "cf", {1, 1, 1}, cmd_del, "8.0.0",
     "Takes an item out of a cuckoo filter once.",
     .grammar = "key@0 item",
     .key_specs = "RW delete"},
    {"cf.exists", 3, R | F, "cf", {1, 1, 1}, cmd_exists, "8.0.0",
     "Tells whether an item may be in a cuckoo filter.",
     .grammar = "key@0 item"},
    {"cf.info", 2, R | F, "cf", {1, 1, 1}, cmd_info, "8.0.0",
     "Tells how a cuckoo filter is kept.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"cf.insert", -4, W, "cf", {1, 1, 1}, cmd_insert, "8.0.0",
     "Adds items to a cuckoo filter; says how it is made if there is none.",
     .grammar = INSERT_GRAMMAR,
     .key_specs = "RW insert"},
    {"cf.insertnx", -4, W, "cf", {1, 1, 1}, cmd_insertnx, "8.0.0",
     "Adds items to a cuckoo filter that do not seem to be there.",
     .grammar = INSERT_GRAMMAR,
     .key_specs = "RW insert"},
    {"cf.loadchunk", 4, W, "cf", {1, 1, 1}, cmd_loadchunk, "8.0.0",
     "Takes a piece of a cuckoo filter that CF.SCANDUMP gave.",
     .grammar = "key@0 iterator:int data",
     .key_specs = "RW insert update"},
    {"cf.mexists", -3, R, "cf", {1, 1, 1}, cmd_mexists, "8.0.0",
     "Tells of several items whether they may be in a cuckoo filter.",
     .grammar = "key@0 item+"},
    {"cf.reserve", -3, W | F, "cf", {1, 1, 1}, cmd_reserve, "8.0.0",
     "Makes an empty cuckoo filter.",
     .grammar = "key@0 capacity:int [BUCKETSIZE=bucket-size:int] [MAXITERATIONS=moves:int] "
                "[EXPANSION=expansion:int]",
     .key_specs = "RW insert"},
    {"cf.scandump", 3, R, "cf", {1, 1, 1}, cmd_scandump, "8.0.0",
     "Gives a cuckoo filter piece by piece.",
     .grammar = "key@0 iterator:int"},
    {0},
};
/* clang-format on */
