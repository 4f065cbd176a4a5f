/* SPDX-License-Identifier: BSD-3-Clause
 *
 * topk - the items that came most often, about, in bounded memory.
 *
 * J. Gong and others, "HeavyKeeper: An Accurate Algorithm for Finding Top-k Elephant Flows", 2018.
 * An item has one bucket in each of `depth` rows of `width`: a fingerprint and a count. An item
 * that meets another one's fingerprint takes 1 from its count with a chance of decay^count, and
 * takes the bucket over when that is 0. The k items with the largest counts stand by name in a heap
 * whose first one is the least.
 *
 * Chance comes from a generator whose state is part of the value, and all arithmetic is exact or
 * rounded as IEEE 754 says, so every process that gets the same items does the same.
 *
 * Invariants: heap[i]->count <= heap[2i+1]->count and heap[2i+2]->count; `names` has the
 * items of the heap.
 * Not here: texts of errors.
 */
#ifndef STET_STORAGE_TOPK_H
#define STET_STORAGE_TOPK_H

#include "storage/base/xxh3.h"
#include "storage/ds/table.h"
#include "storage/sketch.h"

enum {
    TOPK_K_MAX = 100000,
    TOPK_DEPTH_MAX = 64,
    TOPK_STEP_MAX = 100000, /* that one item is counted by at a time */
};

#define TOPK_WIDTH_MAX (UINT64_C(1) << 40)

struct topk_bucket {
    uint32_t print, count; /* little endian; count 0: the bucket is free */
};

struct topk_item {
    uint32_t count, at; /* heap[at] is the item */
    size_t name_n;
    char name[];
};

enum { TOPK_POWERS = 256 };

struct topk {
    uint32_t k, depth;
    uint64_t width;
    double decay;
    uint64_t chance; /* state of the generator */
    struct topk_bucket *buckets;
    struct topk_item **heap; /* room for k */
    uint32_t n;
    struct table names;         /* finds the items of the heap */
    size_t item_bytes;          /* of all items */
    double powers[TOPK_POWERS]; /* of decay */
};

static inline struct topk *topk_of(const struct entry *e) {
    return entry_object(e);
}

/* Bytes of buckets and heap, items left out. */
static inline uint64_t topk_bytes(uint32_t k, uint64_t width, uint32_t depth) {
    return width * depth * sizeof(struct topk_bucket) + k * sizeof(struct topk_item *);
}

struct topk *topk_new(uint32_t k, uint64_t width, uint32_t depth, double decay);
void topk_free(struct topk *t);

static inline struct slice topk_name(const struct topk_item *it) {
    return slice_of(it->name, it->name_n);
}

/* Counts an item `n` times, up to TOPK_STEP_MAX. An item that had to leave the heap for it, which
 * the caller frees, or NULL. */
struct topk_item *topk_add(struct topk *t, struct slice item, uint32_t n);

/* The item if it is among the k. */
const struct topk_item *topk_find(const struct topk *t, struct slice item);

/* About how often it came. */
uint32_t topk_count(const struct topk *t, struct slice item);

/* The items by their places in the heap, the one with the largest count first, those with the same
 * count by name. `out` has room for n. */
void topk_sorted(const struct topk *t, const struct topk_item **out);

extern const struct sketch_ops topk_sketch;

#endif
