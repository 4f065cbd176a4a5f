/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/heap.h"

#include "storage/base/mem.h"

static void put(struct heap *h, size_t i, struct heap_node *node) {
    h->v[i] = node;
    node->at = i + 1;
}

static void sift_up(struct heap *h, size_t i) {
    struct heap_node *node = h->v[i];

    for (; i > 0 && h->v[(i - 1) / 2]->due > node->due; i = (i - 1) / 2)
        put(h, i, h->v[(i - 1) / 2]);
    put(h, i, node);
}

static void sift_down(struct heap *h, size_t i) {
    struct heap_node *node = h->v[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->n) break;
        if (child + 1 < h->n && h->v[child + 1]->due < h->v[child]->due) child++;
        if (h->v[child]->due >= node->due) break;
        put(h, i, h->v[child]);
        i = child;
    }
    put(h, i, node);
}

void heap_set(struct heap *h, struct heap_node *node, uint64_t due) {
    node->due = due;
    if (!node->at) {
        if (h->n == h->cap) {
            h->cap = h->cap ? h->cap * 2 : 16;
            h->v = mem_realloc(h->v, h->cap * sizeof(struct heap_node *));
        }
        put(h, h->n++, node);
    }
    sift_up(h, node->at - 1);
    sift_down(h, node->at - 1);
}

void heap_remove(struct heap *h, struct heap_node *node) {
    size_t i = node->at;

    if (!i--) return;
    node->at = 0;
    h->n--;
    if (i == h->n) return;
    put(h, i, h->v[h->n]);
    sift_up(h, i);
    sift_down(h, h->v[i]->at - 1);
}

void heap_release(struct heap *h) {
    mem_free(h->v);
    *h = (struct heap){0};
}
