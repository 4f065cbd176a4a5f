/* SPDX-License-Identifier: BSD-3-Clause
 *
 * heap - an intrusive binary heap of deadlines, the earliest first. The caller chooses the unit of
 * `due`.
 */
#ifndef STET_BASE_HEAP_H
#define STET_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t due;
    size_t at; /* place in the heap + 1; 0: not in it */
};

/* All-zero: empty, usable. */
struct heap {
    struct heap_node **v;
    size_t n, cap;
};

#define heap_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline struct heap_node *heap_first(const struct heap *h) {
    return h->n ? h->v[0] : NULL;
}

/* Puts the node in, or moves it if it is in already. */
void heap_set(struct heap *h, struct heap_node *node, uint64_t due);
void heap_remove(struct heap *h, struct heap_node *node); /* one that is not in is fine */
void heap_release(struct heap *h);

#endif
