/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scoretree_build - score trees as a whole: laid out in one go, released, checked.
 */
#include "storage/base/check.h"
#include "storage/ds/scoretree_nodes.h"

static void node_free(struct scoretree *t, void *node, unsigned height) {
    struct inner *in = node;

    if (height == 0) {
        leaf_free(t, node);
        return;
    }
    for (unsigned i = 0; i < in->n; i++) node_free(t, in->child[i], height - 1);
    inner_free(t, in);
}

void scoretree_release(struct scoretree *t) {
    if (t->root) node_free(t, t->root, t->height);
    *t = (struct scoretree){0};
}

/* Puts parents over n nodes; returns how many, which stand in `nodes` afterwards. */
static size_t build_level(struct scoretree *t, struct child *nodes, size_t n) {
    size_t parents = (n + INNER_MAX - 1) / INNER_MAX, from = 0;

    for (size_t k = 0; k < parents; k++) {
        size_t to = n * (k + 1) / parents;
        struct inner *in = inner_new(t);

        for (; from < to; from++) inner_set(in, in->n++, nodes[from]);
        nodes[k] = (struct child){in, in->first[0], inner_count(in)};
    }
    return parents;
}

void scoretree_build(struct scoretree *t, struct scored *const *items, size_t n,
                     const struct pace *pace) {
    size_t leaves = (n + LEAF_MAX - 1) / LEAF_MAX, from = 0;
    struct child *nodes;

    CHECK(!t->root);
    if (n == 0) return;
    nodes = mem_alloc(leaves * sizeof *nodes);
    for (size_t k = 0; k < leaves; k++) {
        size_t to = n * (k + 1) / leaves;
        struct scoretree_leaf *l = leaf_new(t, (unsigned)(to - from));

        nodes[k] = (struct child){l, items[from], to - from};
        for (; from < to; from++) l->slot[l->n++] = (uint64_t)(uintptr_t)items[from];
        set_scale(l);
        leaf_link(t, t->last, l);
        pace_step(pace, l->n);
    }
    for (; leaves > 1; t->height++) leaves = build_level(t, nodes, leaves);
    t->root = nodes[0].node;
    t->count = n;
    mem_free(nodes);
}

/* ---------------------------------------------------------------- checking */

static size_t check_node(const struct scoretree *t, const void *node, unsigned height,
                         const struct scored *first, const struct scored **last) {
    const struct scoretree_leaf *l = node;
    const struct inner *in = node;
    size_t n = 0;

    if (height == 0) {
        CHECK(l->n > 0 && l->n <= l->cap && l->cap <= LEAF_MAX);
        CHECK(!first || item_at(l, 0) == first);
        for (unsigned i = 0; i < l->n; i++) {
            CHECK(!*last || scored_cmp(*last, item_at(l, i)) < 0);
            CHECK(l->slot[i] == slot_of(l, item_at(l, i)));
            *last = item_at(l, i);
        }
        return l->n;
    }
    CHECK(in->n > 0 && in->n <= INNER_MAX && (!first || in->first[0] == first));
    for (unsigned i = 0; i < in->n; i++) {
        CHECK(in->score[i] == in->first[i]->score);
        CHECK(check_node(t, in->child[i], height - 1, in->first[i], last) == in->count[i]);
        n += in->count[i];
    }
    return n;
}

void scoretree_check(const struct scoretree *t) {
    const struct scored *last = NULL;
    size_t n = 0;

    CHECK(!t->root == !t->count && !t->first == !t->count && !t->last == !t->count);
    if (t->root) CHECK(check_node(t, t->root, t->height, NULL, &last) == t->count);
    for (const struct scoretree_leaf *l = t->first; l; l = l->next) {
        CHECK((l->prev ? l->prev->next : t->first) == l);
        n += l->n;
    }
    CHECK(n == t->count);
}
