/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bloom - scaling Bloom filters: whether something was added before, never wrongly "no".
 *
 * A filter is a list of layers (P. S. Almeida and others, "Scalable Bloom Filters", 2007). A layer
 * has room for `capacity` items; when the last one is full, the next has `expansion` times as
 * much, and half the error, so that the errors of all layers together stay below the one asked for.
 * A filter that does not scale has one layer.
 *
 * A layer for n items with an error of e has n * -ln(e) / ln(2)^2 bits, and an item sets
 * ceil(-log2(e)) of them. Their places come from the two halves of a hash of 128 bits, the second
 * one added to the first again and again (A. Kirsch and M. Mitzenmacher, "Less Hashing, Same
 * Performance: Building a Better Bloom Filter", 2006). Errors below 2^-60 are taken for 2^-60.
 *
 * Not here: texts of errors, and limits that a client sees.
 */
#ifndef STET_STORAGE_BLOOM_H
#define STET_STORAGE_BLOOM_H

#include "storage/base/xxh3.h"
#include "storage/sketch.h"

enum { BLOOM_LAYERS_MAX = 255, BLOOM_HASHES_MAX = 64, BLOOM_EXPANSION_MAX = 32768 };

#define BLOOM_CAPACITY_MAX (UINT64_C(1) << 50)

struct bloom_layer {
    uint64_t capacity, items;
    uint64_t bits;   /* a multiple of 64 */
    unsigned hashes; /* bits that an item sets */
    uint8_t *data;
};

struct bloom {
    struct bloom_layer *layers;
    unsigned n;
    uint32_t expansion; /* 0: the filter does not scale */
    double error;       /* of the first layer */
};

struct bloom_shape {
    double error; /* above 0, below 1 */
    uint64_t capacity;
    uint32_t expansion;
};

static inline struct bloom *bloom_of(const struct entry *e) {
    return entry_object(e);
}

/* Bytes of the first layer of a new filter; UINT64_MAX: more than there can be. */
uint64_t bloom_first_bytes(const struct bloom_shape *shape);

/* bloom_first_bytes() must have been looked at. */
struct bloom *bloom_new(const struct bloom_shape *shape);
void bloom_free(struct bloom *b);

uint64_t bloom_bytes(const struct bloom *b); /* of all layers */
uint64_t bloom_items(const struct bloom *b);
uint64_t bloom_capacity(const struct bloom *b);

struct xxh3_wide bloom_hash(struct slice item);
bool bloom_has(const struct bloom *b, struct xxh3_wide hash);

enum bloom_added {
    BLOOM_THERE, /* it was there, or seems so */
    BLOOM_ADDED,
    BLOOM_FULL,   /* and does not scale */
    BLOOM_LAYERS, /* another layer would be one too many */
    BLOOM_LARGE,  /* with another layer the filter would have more than `limit` bytes */
};

/* Changes nothing unless it answers BLOOM_ADDED. */
enum bloom_added bloom_add(struct bloom *b, struct xxh3_wide hash, uint64_t limit);

extern const struct sketch_ops bloom_sketch;

#endif
