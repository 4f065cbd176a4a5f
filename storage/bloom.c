/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/bloom.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

#include <math.h>

enum { FORMAT = 1, WORD_BITS = 64, LEAST_ERROR_LOG2 = -60 };

static const double MOST_BITS = 0x1p60;

/* ---------------------------------------------------------------- shapes */

/* The error of layer `at` of a filter. */
static double error_of(double first, unsigned at) {
    double error = ldexp(first, -(int)at);

    return error < ldexp(1, LEAST_ERROR_LOG2) ? ldexp(1, LEAST_ERROR_LOG2) : error;
}

/* Above 0, however small the shape's is: a filter with an error of 0 is damaged to its readers. */
static double first_error(const struct bloom_shape *shape) {
    double error = shape->expansion ? shape->error / 2 : shape->error;

    return error > 0 ? error : shape->error;
}

/* 0: more than there can be. */
static uint64_t bits_for(uint64_t capacity, double error) {
    double bits = ceil((double)capacity * -log(error) / (M_LN2 * M_LN2));

    if (capacity > BLOOM_CAPACITY_MAX || !(bits < MOST_BITS)) return 0;
    if (bits < 1) return WORD_BITS;
    return ((uint64_t)bits + WORD_BITS - 1) / WORD_BITS * WORD_BITS;
}

static unsigned hashes_for(double error) {
    double n = ceil(-log2(error));

    return n < 1 ? 1 : (unsigned)n;
}

uint64_t bloom_first_bytes(const struct bloom_shape *shape) {
    uint64_t bits = bits_for(shape->capacity, error_of(first_error(shape), 0));

    return bits ? bits / 8 : UINT64_MAX;
}

/* ---------------------------------------------------------------- layers */

static void add_layer(struct bloom *b, uint64_t capacity, uint64_t bits, unsigned hashes) {
    b->layers = mem_realloc(b->layers, (b->n + 1) * sizeof *b->layers);
    b->layers[b->n++] = (struct bloom_layer){
        .capacity = capacity, .bits = bits, .hashes = hashes, .data = mem_calloc(bits / 8)};
}

struct bloom *bloom_new(const struct bloom_shape *shape) {
    struct bloom *b = mem_calloc(sizeof *b);
    double error = first_error(shape);

    b->error = error;
    b->expansion = shape->expansion;
    error = error_of(error, 0);
    add_layer(b, shape->capacity, bits_for(shape->capacity, error), hashes_for(error));
    return b;
}

void bloom_free(struct bloom *b) {
    for (unsigned i = 0; i < b->n; i++) mem_free(b->layers[i].data);
    mem_free(b->layers);
    mem_free(b);
}

uint64_t bloom_bytes(const struct bloom *b) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < b->n; i++) sum += b->layers[i].bits / 8;
    return sum;
}

uint64_t bloom_items(const struct bloom *b) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < b->n; i++) sum += b->layers[i].items;
    return sum;
}

uint64_t bloom_capacity(const struct bloom *b) {
    uint64_t sum = 0;

    for (unsigned i = 0; i < b->n; i++) sum += b->layers[i].capacity;
    return sum;
}

static enum bloom_added grow(struct bloom *b, uint64_t limit) {
    const struct bloom_layer *last = &b->layers[b->n - 1];
    double error = error_of(b->error, b->n);
    uint64_t capacity, bits;

    if (!b->expansion) return BLOOM_FULL;
    if (b->n == BLOOM_LAYERS_MAX) return BLOOM_LAYERS;
    if (__builtin_mul_overflow(last->capacity, (uint64_t)b->expansion, &capacity))
        return BLOOM_LARGE;
    bits = bits_for(capacity, error);
    if (!bits || bloom_bytes(b) + bits / 8 > limit) return BLOOM_LARGE;
    add_layer(b, capacity, bits, hashes_for(error));
    return BLOOM_ADDED;
}

/* ---------------------------------------------------------------- items */

struct xxh3_wide bloom_hash(struct slice item) {
    return xxh3_wide(item.p, item.n);
}

/* The places of an item's bits, one after the other. */
struct places {
    uint64_t at, step, bits;
};

static struct places places_of(const struct bloom_layer *l, struct xxh3_wide hash) {
    return (struct places){hash.low, hash.high, l->bits};
}

static uint64_t next_place(struct places *p) {
    uint64_t place = (uint64_t)((__uint128_t)p->at * p->bits >> 64);

    p->at += p->step;
    return place;
}

static bool layer_has(const struct bloom_layer *l, struct xxh3_wide hash) {
    struct places p = places_of(l, hash);

    for (unsigned i = 0; i < l->hashes; i++) {
        uint64_t place = next_place(&p);

        if (!(l->data[place / 8] & 1u << place % 8)) return false;
    }
    return true;
}

bool bloom_has(const struct bloom *b, struct xxh3_wide hash) {
    for (unsigned i = b->n; i-- > 0;)
        if (layer_has(&b->layers[i], hash)) return true;
    return false;
}

enum bloom_added bloom_add(struct bloom *b, struct xxh3_wide hash, uint64_t limit) {
    struct bloom_layer *l = &b->layers[b->n - 1];
    struct places p;

    if (bloom_has(b, hash)) return BLOOM_THERE;
    if (l->items >= l->capacity) {
        enum bloom_added grown = grow(b, limit);

        if (grown != BLOOM_ADDED) return grown;
        l = &b->layers[b->n - 1];
    }
    p = places_of(l, hash);
    for (unsigned i = 0; i < l->hashes; i++) {
        uint64_t place = next_place(&p);

        l->data[place / 8] |= (uint8_t)(1u << place % 8);
    }
    l->items++;
    return BLOOM_ADDED;
}

/* ---------------------------------------------------------------- as a sketch */

static void drop(void *s) {
    bloom_free(s);
}

/* format | error | expansion | layers | a layer: capacity, items, bits, hashes */
static void put_head(const void *s, struct bytes *out) {
    const struct bloom *b = s;

    sketch_put(out, FORMAT);
    sketch_put_double(out, b->error);
    sketch_put(out, b->expansion);
    sketch_put(out, b->n);
    for (unsigned i = 0; i < b->n; i++) {
        const struct bloom_layer *l = &b->layers[i];

        sketch_put(out, l->capacity);
        sketch_put(out, l->items);
        sketch_put(out, l->bits);
        sketch_put(out, l->hashes);
    }
}

/* Takes bytes of *left. */
static bool take_layer(struct sketch_head *h, struct bloom *b, uint64_t *left) {
    uint64_t capacity = sketch_take(h), items = sketch_take(h), bits = sketch_take(h),
             hashes = sketch_take(h);

    if (h->bad || capacity == 0 || capacity > BLOOM_CAPACITY_MAX || items > capacity || bits == 0 ||
        bits % WORD_BITS != 0 || bits / 8 > *left || hashes == 0 || hashes > BLOOM_HASHES_MAX)
        return false;
    *left -= bits / 8;
    add_layer(b, capacity, bits, (unsigned)hashes);
    b->layers[b->n - 1].items = items;
    return true;
}

static void *make(struct slice head, uint64_t limit) {
    struct sketch_head h = {.left = head};
    uint64_t format = sketch_take(&h), expansion, n;
    double error = sketch_take_double(&h);
    struct bloom *b;

    expansion = sketch_take(&h);
    n = sketch_take(&h);
    if (h.bad || format != FORMAT || !(error > 0 && error < 1) || n == 0 || n > BLOOM_LAYERS_MAX ||
        expansion > BLOOM_EXPANSION_MAX)
        return NULL;
    b = mem_calloc(sizeof *b);
    b->error = error;
    b->expansion = (uint32_t)expansion;
    while (n > 0 && take_layer(&h, b, &limit)) n--;
    if (n == 0 && sketch_head_done(&h)) return b;
    bloom_free(b);
    return NULL;
}

static uint64_t body(const void *s) {
    return bloom_bytes(s);
}

static struct slice at(const void *s, uint64_t offset) {
    const struct bloom *b = s;
    unsigned i = 0;

    for (; offset >= b->layers[i].bits / 8; i++) {
        offset -= b->layers[i].bits / 8;
        CHECK(i + 1 < b->n);
    }
    return slice_of(b->layers[i].data + offset, b->layers[i].bits / 8 - offset);
}

static size_t mem(const void *s) {
    const struct bloom *b = s;
    size_t sum = mem_good_size(sizeof *b) + mem_good_size(b->n * sizeof *b->layers);

    for (unsigned i = 0; i < b->n; i++) sum += mem_good_size(b->layers[i].bits / 8);
    return sum;
}

static size_t effort(const void *s) {
    return 2 + ((const struct bloom *)s)->n;
}

const struct sketch_ops bloom_sketch = {drop, put_head, make, body, at, mem, effort};
