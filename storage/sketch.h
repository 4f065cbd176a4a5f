/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sketch - what the probabilistic types have in common: values that summarise what they were given
 * in bounded memory (filters, counters, quantiles).
 *
 * A sketch is told as a head, a few numbers that give it its shape, and a body, a run of bytes that
 * stands in one or more pieces. Snapshots, DUMP, COPY, SCANDUMP and digests know nothing else of
 * it. Any body holds; what has to be checked stands in the head.
 *
 * The same commands in the same order make the same sketch in every process: hash functions have
 * fixed seeds, and nothing is random. So clients that choose items can make them collide.
 */
#ifndef STET_STORAGE_SKETCH_H
#define STET_STORAGE_SKETCH_H

#include "storage/base/bytes.h"
#include "storage/entry.h"

struct sketch_ops {
    void (*drop)(void *s);
    void (*head)(const void *s, struct bytes *out);
    /* A sketch of that shape with a body of zeros. NULL: the head does not hold, or the body would
     * have more than `limit` bytes. */
    void *(*make)(struct slice head, uint64_t limit);
    uint64_t (*body)(const void *s); /* bytes */
    /* The piece of the body that has the byte `offset`, from there on. */
    struct slice (*at)(const void *s, uint64_t offset);
    size_t (*mem)(const void *s);    /* bytes of all allocations */
    size_t (*effort)(const void *s); /* how many there are */
};

/* The operations of a type that is a sketch. */
const struct sketch_ops *sketch_ops_of(enum type_id id);

/* Overwrites bytes of the body; they must fit. */
void sketch_write(enum type_id id, void *s, uint64_t offset, struct slice data);

/* ---------------------------------------------------------------- numbers of a head */

void sketch_put(struct bytes *out, uint64_t v);
void sketch_put_double(struct bytes *out, double v);

/* What is left of a head; `bad`: something was asked for that is not there. */
struct sketch_head {
    struct slice left;
    bool bad;
};

uint64_t sketch_take(struct sketch_head *h);
double sketch_take_double(struct sketch_head *h);

/* The head was read to its end, and all was there. */
static inline bool sketch_head_done(const struct sketch_head *h) {
    return !h->bad && h->left.n == 0;
}

extern const struct type_ops bloom_type_ops;
extern const struct type_ops cuckoo_type_ops;
extern const struct type_ops countmin_type_ops;
extern const struct type_ops topk_type_ops;
extern const struct type_ops tdigest_type_ops;

#endif
