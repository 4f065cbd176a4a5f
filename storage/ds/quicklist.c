/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/quicklist.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

#include <lzf.h>

enum {
    COUNT_LIMIT_BYTES = 8192, /* a node limited by its count does not grow beyond this either */
    PACK_MIN_BYTES = 48,      /* shorter nodes are not worth compressing */
    PACK_MIN_GAIN = 8,
    FRONT_BYTES = 1024, /* of the short node at the front, at the most */
};

struct ql_packed {
    uint32_t n;
    uint8_t data[];
};

static inline struct ql_node *node_at(const struct quicklist *q, uint32_t i) {
    return &q->v[q->first + i];
}

static size_t bytes_limit(const struct ql_limits *lim) {
    return (size_t)2048 << (lim->fill < -5 ? 5 : -lim->fill);
}

bool ql_is_half(const struct ql_limits *lim, size_t bytes, size_t count) {
    if (lim->fill < 0) return bytes <= bytes_limit(lim) / 2;
    return count <= (size_t)lim->fill / 2;
}

bool ql_exceeds(const struct ql_limits *lim, size_t bytes, size_t count) {
    int64_t fill = lim->fill;

    if (fill < 0) return bytes > bytes_limit(lim);
    return count > (size_t)(fill ? fill : 1) || bytes > COUNT_LIMIT_BYTES;
}

/* ---------------------------------------------------------------- compression */

static void pack(struct ql_node *node) {
    size_t n = lp_bytes(node->p), room = n - PACK_MIN_GAIN;
    struct ql_packed *to;
    unsigned got;

    if (n < PACK_MIN_BYTES) return;
    to = mem_alloc(sizeof *to + room);
    got = lzf_compress(node->p, (unsigned)n, to->data, (unsigned)room);
    if (!got) {
        mem_free(to);
        return;
    }
    to->n = got;
    lp_free(node->p);
    node->p = mem_realloc(to, sizeof *to + got);
    node->packed = (uint32_t)n;
}

static struct listpack *unpacked(const struct ql_node *node) {
    const struct ql_packed *from = node->p;
    struct listpack *lp = mem_alloc(mem_good_size(node->packed));

    CHECK(lzf_decompress(from->data, from->n, lp, node->packed) == node->packed);
    return lp;
}

/* The node's listpack, to be changed. */
static struct listpack **open_node(struct ql_node *node) {
    if (node->packed) {
        struct listpack *lp = unpacked(node);

        mem_free(node->p);
        node->p = lp;
        node->packed = 0;
    }
    return (struct listpack **)&node->p;
}

static void settle_node(struct quicklist *q, const struct ql_limits *lim, int64_t i) {
    struct ql_node *node;

    if (i < 0 || i >= q->n) return;
    node = node_at(q, (uint32_t)i);
    if (lim->depth == 0 || i < lim->depth || i >= (int64_t)q->n - lim->depth)
        open_node(node);
    else if (!node->packed)
        pack(node);
}

/* After a change at node i: it and its neighbours, and the nodes on both sides of the border
 * between what is compressed and what is not. */
static void settle(struct quicklist *q, const struct ql_limits *lim, int64_t i) {
    if (lim->depth == 0) return;
    for (int64_t k = -1; k <= 1; k++) settle_node(q, lim, i + k);
    for (int64_t k = -1; k <= 0; k++) {
        settle_node(q, lim, lim->depth + k);
        settle_node(q, lim, (int64_t)q->n - 1 - lim->depth - k);
    }
}

/* ---------------------------------------------------------------- the array of nodes */

/* Moves the nodes to the middle of a new array. */
static void relocate(struct quicklist *q, uint32_t cap) {
    struct ql_node *v = mem_alloc(cap * sizeof *v);
    uint32_t first = (cap - q->n) / 2;

    if (q->n) memcpy(v + first, node_at(q, 0), q->n * sizeof *v);
    mem_free(q->v);
    q->v = v;
    q->cap = cap;
    q->first = first;
}

/* Makes room for a node at i, which is to be filled in. */
static struct ql_node *add_node(struct quicklist *q, uint32_t i) {
    if (i == 0 && q->n > 0 && q->first > 0) {
        q->first--;
    } else {
        if (q->first + q->n == q->cap || (i == 0 && q->n > 0)) relocate(q, q->n + q->n / 2 + 4);
        memmove(node_at(q, i + 1), node_at(q, i), (q->n - i) * sizeof *q->v);
    }
    q->n++;
    *node_at(q, i) = (struct ql_node){0};
    return node_at(q, i);
}

static void remove_nodes(struct quicklist *q, uint32_t i, uint32_t n) {
    for (uint32_t k = i; k < i + n; k++) mem_free(node_at(q, k)->p);
    if (i == 0)
        q->first += n;
    else
        memmove(node_at(q, i), node_at(q, i + n), (q->n - i - n) * sizeof *q->v);
    q->n -= n;
    if (q->n == 0) {
        mem_free(q->v);
        *q = (struct quicklist){0};
    } else if (q->cap > 16 && q->n < q->cap / 4) {
        relocate(q, q->n * 2);
    }
}

static struct ql_node *add_listpack(struct quicklist *q, uint32_t i, struct listpack *lp) {
    struct ql_node *node = add_node(q, i);

    node->p = lp;
    node->count = (uint32_t)lp_count(lp);
    return node;
}

/* The node that holds element `index`, which becomes the index within it. */
static uint32_t locate(const struct quicklist *q, size_t *index) {
    uint32_t i;

    if (*index < q->count / 2) {
        for (i = 0; *index >= node_at(q, i)->count; i++) *index -= node_at(q, i)->count;
    } else {
        size_t left = q->count - *index; /* elements from there to the end */

        for (i = q->n - 1; left > node_at(q, i)->count; i--) left -= node_at(q, i)->count;
        *index = node_at(q, i)->count - left;
    }
    return i;
}

static size_t node_bytes(const struct ql_node *node) {
    return node->packed ? node->packed : lp_bytes(node->p);
}

/* ---------------------------------------------------------------- life */

void ql_release(struct quicklist *q) {
    if (q->n) remove_nodes(q, 0, q->n);
    *q = (struct quicklist){0};
}

void ql_copy(struct quicklist *to, const struct quicklist *from, const struct pace *pace) {
    *to = (struct quicklist){.n = from->n, .cap = from->n, .count = from->count};
    to->v = mem_alloc((from->n ? from->n : 1) * sizeof *to->v);
    for (uint32_t i = 0; i < from->n; i++) {
        struct ql_node *node = node_at(from, i);
        const struct ql_packed *packed = node->p;

        to->v[i] = *node;
        to->v[i].p = node->packed ? mem_dup(packed, sizeof *packed + packed->n) : lp_copy(node->p);
        pace_step(pace, 1 + node_bytes(node) / PACE_BYTES);
    }
}

void ql_append_node(struct quicklist *q, const struct ql_limits *lim, struct listpack *lp) {
    q->count += add_listpack(q, q->n, lp)->count;
    settle(q, lim, q->n - 1);
}

const struct listpack *ql_node_listpack(const struct ql_node *node, struct listpack **scratch) {
    if (!node->packed) return node->p;
    *scratch = unpacked(node);
    return *scratch;
}

size_t ql_mem(const struct quicklist *q) {
    size_t n = q->cap * sizeof *q->v;

    for (uint32_t i = 0; i < q->n; i++) {
        const struct ql_node *node = node_at(q, i);

        n += node->packed ? sizeof(struct ql_packed) + ((struct ql_packed *)node->p)->n
                          : lp_mem(node->p);
    }
    return n;
}

/* ---------------------------------------------------------------- changing */

static bool fits(const struct ql_limits *lim, const struct ql_node *node, size_t more) {
    return !ql_exceeds(lim, node_bytes(node) + more, node->count + 1);
}

static void insert_into(struct ql_node *node, size_t k, struct slice s) {
    struct listpack **lp = open_node(node);

    lp_insert(lp, k == node->count ? 0 : lp_at(*lp, (int64_t)k), s);
    node->count++;
}

static void insert_alone(struct quicklist *q, uint32_t i, struct slice s) {
    struct listpack *lp = lp_new();

    lp_append(&lp, s);
    add_listpack(q, i, lp);
}

/* Cuts the node so that k elements stay in it and the others make the next one. */
static void split(struct quicklist *q, uint32_t i, size_t k) {
    struct ql_node *node = node_at(q, i);
    struct listpack **left = open_node(node), *right = lp_copy(*left);

    lp_delete(left, lp_at(*left, (int64_t)k), node->count - k);
    lp_delete(&right, lp_first(right), k);
    node->count = (uint32_t)k;
    add_listpack(q, i + 1, right);
}

/* The first node is the short one. It is not where the list may become a plain listpack. */
static bool front_is_apart(const struct quicklist *q, const struct ql_limits *lim) {
    size_t first = node_bytes(node_at(q, 0)), next = node_bytes(node_at(q, 1));

    if (lim->depth || first > FRONT_BYTES || next <= FRONT_BYTES) return false;
    return q->n > 2 || !ql_is_half(lim, first + next, q->count);
}

/* Joins node i and the next one if both together are small enough. */
static bool join(struct quicklist *q, const struct ql_limits *lim, int64_t i) {
    struct ql_node *a, *b;

    if (i < 0 || i + 1 >= q->n) return false;
    if (i == 0 && front_is_apart(q, lim)) return false;
    a = node_at(q, (uint32_t)i);
    b = a + 1;
    if (ql_exceeds(lim, node_bytes(a) + node_bytes(b), (size_t)a->count + b->count)) return false;
    lp_concat(open_node(a), *open_node(b));
    a->count += b->count;
    remove_nodes(q, (uint32_t)i + 1, 1);
    return true;
}

static void join_around(struct quicklist *q, const struct ql_limits *lim, uint32_t i) {
    join(q, lim, i);
    join(q, lim, (int64_t)i - 1);
}

/* Where no neighbour has room for an element that belongs in the middle of a full node. */
static void insert_splitting(struct quicklist *q, const struct ql_limits *lim, uint32_t i, size_t k,
                             struct slice s, size_t bytes) {
    split(q, i, k);
    if (fits(lim, node_at(q, i), bytes))
        insert_into(node_at(q, i), k, s);
    else if (fits(lim, node_at(q, i + 1), bytes))
        insert_into(node_at(q, i + 1), 0, s);
    else
        insert_alone(q, ++i, s);
    join_around(q, lim, i);
}

static void insert_at_front(struct quicklist *q, const struct ql_limits *lim, struct slice s,
                            size_t bytes) {
    struct ql_node *first = node_at(q, 0);

    q->count++;
    if (node_bytes(first) > FRONT_BYTES || !fits(lim, first, bytes)) {
        insert_alone(q, 0, s);
        return;
    }
    insert_into(first, 0, s);
    if (node_bytes(first) > FRONT_BYTES) join(q, lim, 0);
}

/* Before n elements at the front go: the short node has them, unless they are most of a node. */
static void open_front(struct quicklist *q, const struct ql_limits *lim, size_t n) {
    struct ql_node *first = node_at(q, 0);
    size_t bytes = node_bytes(first), k;

    if (lim->depth || bytes <= FRONT_BYTES) return;
    k = first->count * (FRONT_BYTES / 2) / bytes;
    if (n < k) split(q, 0, k);
}

void ql_insert(struct quicklist *q, const struct ql_limits *lim, size_t index, struct slice s) {
    size_t bytes = lp_element_bytes(s), k = index;
    uint32_t i;

    if (q->n == 0) {
        insert_alone(q, 0, s);
        q->count = 1;
        return;
    }
    if (index == 0 && lim->depth == 0 && bytes <= FRONT_BYTES / 8) {
        insert_at_front(q, lim, s, bytes);
        return;
    }
    if (index == q->count) {
        i = q->n - 1;
        k = node_at(q, i)->count;
    } else {
        i = locate(q, &k);
    }
    q->count++;
    if (fits(lim, node_at(q, i), bytes))
        insert_into(node_at(q, i), k, s);
    else if (k == 0 && i > 0 && fits(lim, node_at(q, i - 1), bytes))
        insert_into(node_at(q, i - 1), node_at(q, i - 1)->count, s);
    else if (k == 0 || k == node_at(q, i)->count)
        insert_alone(q, k == 0 ? i : i + 1, s);
    else
        insert_splitting(q, lim, i, k, s, bytes);
    settle(q, lim, i);
}

void ql_replace(struct quicklist *q, const struct ql_limits *lim, size_t index, struct slice s) {
    size_t k = index;
    uint32_t i = locate(q, &k);
    struct ql_node *node = node_at(q, i);
    struct listpack **lp = open_node(node);

    if (node->count == 1 || fits(lim, node, lp_element_bytes(s))) {
        lp_replace(lp, lp_at(*lp, (int64_t)k), s);
        settle(q, lim, i);
        return;
    }
    ql_insert(q, lim, index, s);
    ql_delete(q, lim, index + 1, 1);
}

void ql_delete(struct quicklist *q, const struct ql_limits *lim, size_t index, size_t n) {
    size_t k = index, left = n;
    uint32_t i, gone_at = 0, gone = 0;

    if (n == 0) return;
    if (index == 0) open_front(q, lim, n);
    i = locate(q, &k);
    q->count -= n;
    for (uint32_t at = i; left > 0; at++, k = 0) {
        struct ql_node *node = node_at(q, at);
        size_t here = node->count - k < left ? node->count - k : left;

        left -= here;
        if (here == node->count) {
            if (gone++ == 0) gone_at = at;
            continue;
        }
        lp_delete(open_node(node), lp_at(*open_node(node), (int64_t)k), here);
        node->count -= (uint32_t)here;
    }
    if (gone) remove_nodes(q, gone_at, gone);
    if (q->n == 0) return;
    if (i >= q->n) i = q->n - 1;
    join_around(q, lim, i);
    settle(q, lim, i);
}

size_t ql_node_delete_equal(struct ql_node *node, const struct lp_key *key, size_t most,
                            bool from_back) {
    struct listpack **lp = (struct listpack **)&node->p;
    size_t n = 0;
    uint32_t at;

    if (from_back) {
        for (at = lp_last(*lp); at && n < most;) {
            uint32_t before = lp_prev(*lp, at);

            if (lp_equal(*lp, at, key)) {
                lp_delete(lp, at, 1);
                n++;
            }
            at = before;
        }
    } else {
        for (at = lp_first(*lp); (at = lp_find(*lp, at, key, 0)) && n < most; n++)
            at = lp_delete(lp, at, 1);
    }
    node->count -= (uint32_t)n;
    return n;
}

/* A compressed node stays so if there is nothing to delete. */
static bool holds(const struct ql_node *node, const struct lp_key *key) {
    struct listpack *lp = node->packed ? unpacked(node) : node->p;
    bool found = lp_find(lp, lp_first(lp), key, 0) != 0;

    if (node->packed) lp_free(lp);
    return found;
}

static size_t delete_in_node(struct ql_node *node, const struct lp_key *key, size_t most,
                             bool from_back) {
    if (!holds(node, key)) return 0;
    open_node(node);
    return ql_node_delete_equal(node, key, most, from_back);
}

size_t ql_delete_equal(struct quicklist *q, const struct ql_limits *lim, const struct lp_key *key,
                       size_t most, bool from_back) {
    size_t n = 0;

    for (int64_t i = from_back ? (int64_t)q->n - 1 : 0; i >= 0 && i < q->n && n < most;) {
        struct ql_node *node = node_at(q, (uint32_t)i);
        size_t here = delete_in_node(node, key, most - n, from_back);

        n += here;
        q->count -= here;
        if (node->count == 0) {
            remove_nodes(q, (uint32_t)i, 1);
            settle(q, lim, i);
            if (from_back) i--;
            continue;
        }
        if (here) settle(q, lim, i);
        i += from_back ? -1 : 1;
    }
    return n;
}

/* ---------------------------------------------------------------- walking */

static void enter(struct ql_iter *it) {
    const struct ql_node *node = node_at(it->q, it->node);

    lp_free(it->scratch);
    it->scratch = NULL;
    if (node->packed) it->scratch = unpacked(node);
    it->lp = it->scratch ? it->scratch : node->p;
}

void ql_iter_begin(struct ql_iter *it, const struct quicklist *q, size_t index, bool back) {
    *it = (struct ql_iter){.q = q, .back = back};
    if (index >= q->count) return;
    it->node = locate(q, &index);
    enter(it);
    it->at = lp_at(it->lp, (int64_t)index);
}

void ql_iter_next(struct ql_iter *it) {
    it->at = it->back ? lp_prev(it->lp, it->at) : lp_next(it->lp, it->at);
    if (it->at) return;
    if (it->back ? it->node == 0 : it->node + 1 >= it->q->n) return;
    it->node += it->back ? -1 : 1;
    enter(it);
    it->at = it->back ? lp_last(it->lp) : lp_first(it->lp);
}

void ql_iter_end(struct ql_iter *it) {
    lp_free(it->scratch);
}
