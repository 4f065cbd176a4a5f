/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tdigest - t-digests: quantiles of many numbers, best at both ends.
 *
 * T. Dunning and O. Ertl, "Computing Extremely Accurate Quantiles Using t-Digests", 2019. A node
 * is the mean of `weight` numbers that are near each other. New numbers are nodes of weight 1 after
 * the merged ones; when there is no more room, all are sorted and neighbours merged as long as
 * they span at most 2 * pi * sqrt(q * (1 - q)) / compression of all numbers, q being where they
 * stand among these (the paper's scale function k1). Numbers are finite.
 *
 * A node of weight 1 is a number that was added, and stands for itself; between heavier ones the
 * estimates go in straight lines. So as long as nothing was merged, answers are exact.
 *
 * All arithmetic is rounded as IEEE 754 says: the same numbers in the same order make the same
 * digest everywhere. Estimates look at a sorted view and change nothing.
 */
#ifndef STET_STORAGE_TDIGEST_H
#define STET_STORAGE_TDIGEST_H

#include "storage/sketch.h"

enum { TDIGEST_COMPRESSION = 100 /* where nothing is said */, TDIGEST_COMPRESSION_MAX = 32768 };

#define TDIGEST_WEIGHT_MAX (UINT64_C(1) << 53)

struct tdigest_node {
    double mean;
    uint64_t weight;
};

struct tdigest {
    uint32_t compression;
    uint32_t merged, added; /* nodes: those that were merged, in order, then new ones */
    uint32_t cap;           /* tdigest_capacity() */
    uint64_t weight;        /* of all */
    uint64_t merged_weight, compressions;
    double min, max; /* if there is something */
    struct tdigest_node *nodes;
};

static inline struct tdigest *tdigest_of(const struct entry *e) {
    return entry_object(e);
}

static inline uint32_t tdigest_capacity(uint32_t compression) {
    return 6 * compression + 10;
}

struct tdigest *tdigest_new(uint32_t compression);
void tdigest_free(struct tdigest *t);
void tdigest_clear(struct tdigest *t);

/* False: there are TDIGEST_WEIGHT_MAX numbers. */
bool tdigest_add(struct tdigest *t, double v, uint64_t weight);

/* Adds all that `from` holds; the same for the result. */
bool tdigest_add_all(struct tdigest *t, const struct tdigest *from);

/* ---------------------------------------------------------------- estimates */

/* All nodes in order, with the weight before each. */
struct tdigest_view {
    const struct tdigest *t;
    struct tdigest_node *nodes;
    uint64_t *before;
    uint32_t n;
};

void tdigest_look(const struct tdigest *t, struct tdigest_view *v);
void tdigest_view_release(struct tdigest_view *v);

/* There must be something. The number at a place 0..weight in the order of all. */
double tdigest_at(const struct tdigest_view *v, double place);

/* How many numbers are below x, those equal to it counted half: 0..weight. */
double tdigest_below(const struct tdigest_view *v, double x);

/* The mean of the numbers between two places. */
double tdigest_mean(const struct tdigest_view *v, double from, double to);

extern const struct sketch_ops tdigest_sketch;

#endif
