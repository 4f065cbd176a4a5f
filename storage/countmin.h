/* SPDX-License-Identifier: BSD-3-Clause
 *
 * countmin - count-min sketches: how often something was counted, at least that often.
 *
 * G. Cormode and S. Muthukrishnan, "An Improved Data Stream Summary: The Count-Min Sketch and its
 * Applications", 2005. An item has one cell in each of `depth` rows of `width` cells; its count is
 * the least of these. Cells stop at COUNTMIN_MOST. Not here: texts of errors.
 */
#ifndef STET_STORAGE_COUNTMIN_H
#define STET_STORAGE_COUNTMIN_H

#include "storage/base/xxh3.h"
#include "storage/sketch.h"

enum { COUNTMIN_DEPTH_MAX = 4096 };

#define COUNTMIN_WIDTH_MAX (UINT64_C(1) << 40)
#define COUNTMIN_MOST      UINT32_MAX

struct countmin {
    uint64_t width;
    uint32_t depth;
    uint64_t count;  /* of all that was counted */
    uint32_t *cells; /* row by row; little endian */
};

static inline struct countmin *countmin_of(const struct entry *e) {
    return entry_object(e);
}

/* Width and depth for counts that are too large by `error` of all that is counted at the most, but
 * for a part `chance` of the items. False: larger than there can be. */
bool countmin_shape(double error, double chance, uint64_t *width, uint32_t *depth);

/* Bytes of the cells. */
static inline uint64_t countmin_bytes(uint64_t width, uint32_t depth) {
    return width * depth * sizeof(uint32_t);
}

struct countmin *countmin_new(uint64_t width, uint32_t depth);
void countmin_free(struct countmin *c);

struct xxh3_wide countmin_hash(struct slice item);
uint32_t countmin_query(const struct countmin *c, struct xxh3_wide hash);

/* The item's count afterwards; COUNTMIN_MOST: a cell has reached that. */
uint32_t countmin_add(struct countmin *c, struct xxh3_wide hash, uint64_t n);

uint64_t countmin_cell(const struct countmin *c, uint64_t at);
void countmin_set_cell(struct countmin *c, uint64_t at, uint32_t v);

extern const struct sketch_ops countmin_sketch;

#endif
