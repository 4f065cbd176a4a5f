/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scoretree - the order of a sorted set: items by score, and by member where scores are equal.
 *
 * Design. A counted B+-tree. Inner nodes keep the score and the address of the first item below
 * each child, and how many items are below it, so a rank is found on the way. Leaves keep slots of
 * 8 bytes, know their neighbours, and grow by size class up to LEAF_MAX, so that they are nearly
 * full. A million items cost 9 to 11 bytes each here, beside the items themselves.
 *
 *   slot: | 63 hint 48 | 47 address 0 |
 *
 * The hint is the score as 16 bits on the leaf's own scale (`base`, `shift`), cut off at both ends.
 * It never falls where scores rise, so where hints differ the items are not read; a search in a
 * leaf touches the one or two items it ends at. The scale is set anew when a leaf is split.
 *
 * Items are the caller's; the tree reads their score and member, and writes only the score, in
 * scoretree_rescore(). Scores are not NaN; 0 and -0 are equal. Members are distinct.
 */
#ifndef STET_DS_SCORETREE_H
#define STET_DS_SCORETREE_H

#include "storage/base/bytes.h"
#include "storage/base/pace.h"
#include "storage/base/varint.h"

#include <stdint.h>

/* A member and its score in one allocation. */
struct scored {
    double score;
    char data[]; /* varint length, bytes */
};

static inline struct slice scored_member(const struct scored *s) {
    uint64_t n = (uint8_t)s->data[0];

    if (__builtin_expect(n < 128, 1)) return (struct slice){s->data + 1, n};
    return (struct slice){varint_get(s->data, &n), n};
}

struct scored *scored_new(struct slice member, double score);
size_t scored_mem(const struct scored *s); /* bytes of the allocation */

/* By score, then by member. */
int scored_cmp(const struct scored *a, const struct scored *b);

/* The score as a number that grows with it. */
static inline uint64_t score_sortable(double score) {
    int64_t bits;

    score += 0.0; /* -0 */
    memcpy(&bits, &score, sizeof bits);
    return (uint64_t)bits ^ ((uint64_t)(bits >> 63) | UINT64_C(1) << 63);
}

struct scoretree_leaf {
    struct scoretree_leaf *prev, *next;
    uint64_t base; /* the scale of hints: (sortable score - base) >> shift */
    uint16_t n, cap;
    uint8_t shift;
    uint64_t slot[];
};

struct scoretree {
    void *root; /* NULL while empty; a leaf if height is 0 */
    struct scoretree_leaf *first, *last;
    unsigned height;
    size_t count, mem_bytes;
};

/* All zero is an empty tree. Frees the nodes, not the items. */
void scoretree_release(struct scoretree *t);

/* Fills an empty tree with n items that are in order already. */
void scoretree_build(struct scoretree *t, struct scored *const *items, size_t n,
                     const struct pace *pace);

void scoretree_insert(struct scoretree *t, struct scored *item);
void scoretree_remove(struct scoretree *t, const struct scored *item);

/* Gives an item of the tree another score and the place that goes with it. */
void scoretree_rescore(struct scoretree *t, struct scored *item, double score);

/* Takes n items out from the one with this rank on, and hands each to `gone`. */
void scoretree_remove_range(struct scoretree *t, size_t rank, size_t n,
                            void (*gone)(struct scored *item, void *arg), void *arg);

/* ---------------------------------------------------------------- ranks */

/* A point between items. */
struct score_bound {
    enum score_bound_kind {
        BOUND_SCORE,  /* by score alone */
        BOUND_MEMBER, /* by member alone: for trees where all scores are equal */
        BOUND_ITEM,   /* by both */
    } kind;
    bool behind; /* after items equal to it, not before them */
    double score;
    struct slice member;
};

/* How many items lie in front of the bound. */
size_t scoretree_rank(const struct scoretree *t, const struct score_bound *b);

/* ---------------------------------------------------------------- places */

struct scoretree_place {
    const struct scoretree_leaf *leaf; /* NULL: none */
    unsigned i;
};

/* The place of a rank below t->count. Good until the tree changes. */
struct scoretree_place scoretree_at(const struct scoretree *t, size_t rank);

static inline struct scored *scoretree_slot_item(uint64_t slot) {
    return (struct scored *)(uintptr_t)(slot & ((UINT64_C(1) << 48) - 1));
}

static inline struct scored *scoretree_item(struct scoretree_place p) {
    return scoretree_slot_item(p.leaf->slot[p.i]);
}

static inline struct scoretree_place scoretree_next(struct scoretree_place p) {
    if (p.i + 1 < p.leaf->n) return (struct scoretree_place){p.leaf, p.i + 1};
    return (struct scoretree_place){p.leaf->next, 0};
}

static inline struct scoretree_place scoretree_prev(struct scoretree_place p) {
    if (p.i > 0) return (struct scoretree_place){p.leaf, p.i - 1};
    p.leaf = p.leaf->prev;
    return (struct scoretree_place){p.leaf, p.leaf ? p.leaf->n - 1u : 0};
}

/* For tests: CHECKs everything that must hold within the tree. */
void scoretree_check(const struct scoretree *t);

#endif
