/* SPDX-License-Identifier: BSD-3-Clause
 *
 * idtree - an ordered map from 128-bit numbers to addresses: what a stream keeps its nodes and its
 * pending entries in.
 *
 * A B+-tree. Leaves are sorted runs of up to 63 slots (1536 bytes) and know their neighbours; inner
 * nodes have up to 63 children. Ids mostly come in ascending order: one above the last goes to the
 * last leaf without a search, and a full last leaf is not split but followed by a new one, so that
 * a tree that is only appended to is full. A tree of one leaf takes just the slots it needs.
 *
 * A removal that leaves a node a quarter full joins it with a neighbour if both fit into one.
 *
 * Values are the caller's. A place is good until the tree changes.
 */
#ifndef STET_DS_IDTREE_H
#define STET_DS_IDTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct idtree_key {
    uint64_t hi, lo;
};

struct idtree_slot {
    struct idtree_key key;
    void *value;
};

struct idtree_leaf {
    struct idtree_leaf *prev, *next;
    uint32_t n, cap;
    struct idtree_slot slot[];
};

struct idtree {
    void *root; /* NULL: empty; a leaf if height is 0 */
    struct idtree_leaf *first, *last;
    size_t count, mem_bytes;
    unsigned height;
};

static inline int idtree_cmp(struct idtree_key a, struct idtree_key b) {
    if (a.hi != b.hi) return a.hi < b.hi ? -1 : 1;
    return a.lo < b.lo ? -1 : a.lo > b.lo;
}

/* All zero is an empty tree. `free_value` (may be NULL) gets every value. */
void idtree_release(struct idtree *t, void (*free_value)(void *value));

/* Where the value of a key stands, NULL if the key is not there. */
void **idtree_find(const struct idtree *t, struct idtree_key key);

/* The same, but adds the key with the value NULL if it is not there. */
void **idtree_put(struct idtree *t, struct idtree_key key, bool *is_new);

/* Takes a key out; returns its value, NULL if it was not there. */
void *idtree_remove(struct idtree *t, struct idtree_key key);

/* ---------------------------------------------------------------- in order */

struct idtree_place {
    struct idtree_leaf *leaf; /* NULL: no such place */
    uint32_t i;
};

/* The first key that is not below `key`; the last that is not above it. */
struct idtree_place idtree_seek(const struct idtree *t, struct idtree_key key);
struct idtree_place idtree_seek_back(const struct idtree *t, struct idtree_key key);

static inline struct idtree_place idtree_first(const struct idtree *t) {
    return (struct idtree_place){t->first, 0};
}

static inline struct idtree_place idtree_last(const struct idtree *t) {
    return (struct idtree_place){t->last, t->last ? t->last->n - 1 : 0};
}

static inline struct idtree_slot *idtree_at(struct idtree_place p) {
    return &p.leaf->slot[p.i];
}

static inline struct idtree_place idtree_next(struct idtree_place p) {
    if (p.i + 1 < p.leaf->n) return (struct idtree_place){p.leaf, p.i + 1};
    return (struct idtree_place){p.leaf->next, 0};
}

static inline struct idtree_place idtree_prev(struct idtree_place p) {
    if (p.i > 0) return (struct idtree_place){p.leaf, p.i - 1};
    p.leaf = p.leaf->prev;
    return (struct idtree_place){p.leaf, p.leaf ? p.leaf->n - 1 : 0};
}

#endif
