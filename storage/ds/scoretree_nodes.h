/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scoretree_nodes - the nodes of a score tree, for scoretree*.c only.
 */
#ifndef STET_DS_SCORETREE_NODES_H
#define STET_DS_SCORETREE_NODES_H

#include "storage/ds/scoretree.h"

#include "storage/base/mem.h"

enum {
    LEAF_MAX = 124, /* a leaf of 1024 bytes */
    LEAF_MIN = LEAF_MAX / 4,
    INNER_MAX = 63, /* a node of 2024 bytes */
    INNER_MIN = INNER_MAX / 4,
    HEIGHT_MAX = 12,
    SHIFT_UNKNOWN = 38, /* of a leaf of one item: integers up to 1000 apart */
};

/* Child i holds count[i] items; the first of them is first[i], with the score score[i]. */
struct inner {
    uint32_t n;
    double score[INNER_MAX];
    struct scored *first[INNER_MAX];
    size_t count[INNER_MAX];
    void *child[INNER_MAX];
};

struct child {
    void *node;
    struct scored *first;
    size_t count;
};

/* ---------------------------------------------------------------- leaves */

static inline uint64_t hint_of(const struct scoretree_leaf *l, double score) {
    uint64_t u = score_sortable(score);

    if (u <= l->base) return 0;
    u = (u - l->base) >> l->shift;
    return u > 0xffff ? 0xffff : u;
}

static inline uint64_t slot_of(const struct scoretree_leaf *l, const struct scored *item) {
    return hint_of(l, item->score) << 48 | (uint64_t)(uintptr_t)item;
}

static inline struct scored *item_at(const struct scoretree_leaf *l, unsigned i) {
    return scoretree_slot_item(l->slot[i]);
}

/* Half of the scale is left to scores above the last one here. */
static inline void set_scale(struct scoretree_leaf *l) {
    uint64_t low = score_sortable(item_at(l, 0)->score);
    uint64_t span = score_sortable(item_at(l, l->n - 1u)->score) - low;
    unsigned bits = span ? 64 - (unsigned)__builtin_clzl(span) : 0;

    if (span) l->shift = (uint8_t)(bits > 15 ? bits - 15 : 0);
    l->base = low;
    for (unsigned i = 0; i < l->n; i++) l->slot[i] = slot_of(l, item_at(l, i));
}

static inline struct scoretree_leaf *leaf_new(struct scoretree *t, unsigned room) {
    size_t size = mem_good_size(sizeof(struct scoretree_leaf) + room * sizeof(uint64_t));
    struct scoretree_leaf *l = mem_alloc(size);

    *l = (struct scoretree_leaf){.cap = (uint16_t)((size - sizeof *l) / sizeof(uint64_t)),
                                 .shift = SHIFT_UNKNOWN};
    t->mem_bytes += size;
    return l;
}

static inline size_t leaf_bytes(const struct scoretree_leaf *l) {
    return sizeof *l + l->cap * sizeof(uint64_t);
}

static inline void leaf_free(struct scoretree *t, struct scoretree_leaf *l) {
    t->mem_bytes -= leaf_bytes(l);
    mem_free(l);
}

/* Links `l` after `left` (NULL: before all). */
static inline void leaf_link(struct scoretree *t, struct scoretree_leaf *left,
                             struct scoretree_leaf *l) {
    l->prev = left;
    l->next = left ? left->next : t->first;
    *(l->prev ? &l->prev->next : &t->first) = l;
    *(l->next ? &l->next->prev : &t->last) = l;
}

/* ---------------------------------------------------------------- inner nodes */

static inline struct inner *inner_new(struct scoretree *t) {
    struct inner *in = mem_alloc(sizeof *in);

    in->n = 0;
    t->mem_bytes += mem_good_size(sizeof *in);
    return in;
}

static inline void inner_free(struct scoretree *t, struct inner *in) {
    t->mem_bytes -= mem_good_size(sizeof *in);
    mem_free(in);
}

static inline void inner_set(struct inner *in, unsigned i, struct child c) {
    in->score[i] = c.first->score;
    in->first[i] = c.first;
    in->count[i] = c.count;
    in->child[i] = c.node;
}

static inline size_t inner_count(const struct inner *in) {
    size_t n = 0;

    for (unsigned i = 0; i < in->n; i++) n += in->count[i];
    return n;
}

#endif
