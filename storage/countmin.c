/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/countmin.h"

#include "storage/base/mem.h"

#include <endian.h>
#include <math.h>

enum { FORMAT = 1 };

bool countmin_shape(double error, double chance, uint64_t *width, uint32_t *depth) {
    double w = ceil(2 / error), d = ceil(-log2(chance));

    if (!(w <= (double)COUNTMIN_WIDTH_MAX)) return false;
    *width = (uint64_t)w;
    *depth = d < 1 ? 1 : (uint32_t)d; /* 1074 at the most */
    return true;
}

struct countmin *countmin_new(uint64_t width, uint32_t depth) {
    struct countmin *c = mem_calloc(sizeof *c);

    c->width = width;
    c->depth = depth;
    c->cells = mem_calloc(countmin_bytes(width, depth));
    return c;
}

void countmin_free(struct countmin *c) {
    mem_free(c->cells);
    mem_free(c);
}

struct xxh3_wide countmin_hash(struct slice item) {
    return xxh3_wide(item.p, item.n);
}

/* The cell of an item in a row. */
static uint32_t *cell_of(const struct countmin *c, struct xxh3_wide hash, uint32_t row) {
    uint64_t at = hash.low + row * hash.high;

    return c->cells + row * c->width + (uint64_t)((__uint128_t)at * c->width >> 64);
}

uint32_t countmin_query(const struct countmin *c, struct xxh3_wide hash) {
    uint32_t least = COUNTMIN_MOST;

    for (uint32_t row = 0; row < c->depth; row++) {
        uint32_t v = le32toh(*cell_of(c, hash, row));

        if (v < least) least = v;
    }
    return least;
}

uint32_t countmin_add(struct countmin *c, struct xxh3_wide hash, uint64_t n) {
    uint32_t least = COUNTMIN_MOST;

    for (uint32_t row = 0; row < c->depth; row++) {
        uint32_t *cell = cell_of(c, hash, row), v = le32toh(*cell);

        v = n < COUNTMIN_MOST - v ? v + (uint32_t)n : COUNTMIN_MOST;
        *cell = htole32(v);
        if (v < least) least = v;
    }
    c->count = n < INT64_MAX - c->count ? c->count + n : INT64_MAX;
    return least;
}

uint64_t countmin_cell(const struct countmin *c, uint64_t at) {
    return le32toh(c->cells[at]);
}

void countmin_set_cell(struct countmin *c, uint64_t at, uint32_t v) {
    c->cells[at] = htole32(v);
}

/* ---------------------------------------------------------------- as a sketch */

static void drop(void *s) {
    countmin_free(s);
}

/* format | width | depth | count */
static void put_head(const void *s, struct bytes *out) {
    const struct countmin *c = s;

    sketch_put(out, FORMAT);
    sketch_put(out, c->width);
    sketch_put(out, c->depth);
    sketch_put(out, c->count);
}

static void *make(struct slice head, uint64_t limit) {
    struct sketch_head h = {.left = head};
    uint64_t format = sketch_take(&h), width = sketch_take(&h), depth = sketch_take(&h),
             count = sketch_take(&h);
    struct countmin *c;

    if (!sketch_head_done(&h) || format != FORMAT || width == 0 || width > COUNTMIN_WIDTH_MAX ||
        depth == 0 || depth > COUNTMIN_DEPTH_MAX || count > INT64_MAX ||
        countmin_bytes(width, (uint32_t)depth) > limit)
        return NULL;
    c = countmin_new(width, (uint32_t)depth);
    c->count = count;
    return c;
}

static uint64_t body(const void *s) {
    const struct countmin *c = s;

    return countmin_bytes(c->width, c->depth);
}

static struct slice at(const void *s, uint64_t offset) {
    const struct countmin *c = s;

    return slice_of((const char *)c->cells + offset, body(s) - offset);
}

static size_t mem(const void *s) {
    return mem_good_size(sizeof(struct countmin)) + mem_good_size(body(s));
}

static size_t effort(const void *s) {
    (void)s;
    return 2;
}

const struct sketch_ops countmin_sketch = {drop, put_head, make, body, at, mem, effort};
