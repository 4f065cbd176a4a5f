/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/expiry.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <string.h>

enum {
    LEAF_ITEMS = 250,
    FIRST_ITEMS = 6, /* of a leaf that is alone; it doubles */
    INNER_CHILDREN = 64,
    HEIGHT_MAX = 12,
};

struct bound {
    int64_t when;
    uintptr_t address;
};

struct expiry_node {
    uint16_t n;       /* items or children */
    uint16_t height;  /* 0: leaf */
    uint16_t cap;     /* of a leaf; less than LEAF_ITEMS only if it is the root */
    int64_t earliest; /* leaf: nothing here is due before; a lower bound */
};

struct leaf {
    struct expiry_node node;
    struct bound highest; /* of all that was ever added since the last split */
    void *item[];
};

struct inner {
    struct expiry_node node;
    struct bound sep[INNER_CHILDREN]; /* sep[i]: everything in child[i] is >= it; sep[0] unused */
    struct expiry_node *child[INNER_CHILDREN];
};

/* The way from the root to a leaf. */
struct path {
    struct inner *at[HEIGHT_MAX];
    unsigned index[HEIGHT_MAX];
    int depth;
};

static inline bool before(struct bound a, struct bound b) {
    return a.when != b.when ? a.when < b.when : a.address < b.address;
}

static inline struct bound bound_of(const struct expiry *x, const void *item) {
    return (struct bound){x->when(item), (uintptr_t)item};
}

void expiry_init(struct expiry *x, int64_t (*when)(const void *item)) {
    *x = (struct expiry){.when = when};
}

static size_t leaf_bytes(unsigned items) {
    return sizeof(struct leaf) + items * sizeof(void *);
}

static struct inner *inner_new(struct expiry *x, unsigned height) {
    struct inner *in = mem_alloc(sizeof *in);

    in->node = (struct expiry_node){.height = (uint16_t)height, .earliest = INT64_MAX};
    x->mem_bytes += sizeof *in;
    return in;
}

static struct leaf *leaf_new(struct expiry *x, unsigned cap) {
    struct leaf *leaf = mem_alloc(leaf_bytes(cap));

    leaf->node = (struct expiry_node){.cap = (uint16_t)cap, .earliest = INT64_MAX};
    x->mem_bytes += leaf_bytes(cap);
    return leaf;
}

/* The only leaf gets larger. */
static struct leaf *leaf_grow(struct expiry *x) {
    struct leaf *leaf = (struct leaf *)x->root;
    unsigned cap = leaf->node.cap * 2u + sizeof *leaf / sizeof(void *);

    if (cap > LEAF_ITEMS) cap = LEAF_ITEMS;
    x->mem_bytes += leaf_bytes(cap) - leaf_bytes(leaf->node.cap);
    leaf = mem_realloc(leaf, leaf_bytes(cap));
    leaf->node.cap = (uint16_t)cap;
    x->root = &leaf->node;
    return leaf;
}

static void node_free(struct expiry *x, struct expiry_node *node) {
    x->mem_bytes -= node->height ? sizeof(struct inner) : leaf_bytes(node->cap);
    mem_free(node);
}

static void release_below(struct expiry *x, struct expiry_node *node) {
    if (node->height)
        for (unsigned i = 0; i < node->n; i++) release_below(x, ((struct inner *)node)->child[i]);
    node_free(x, node);
}

void expiry_release(struct expiry *x) {
    if (x->root) release_below(x, x->root);
    expiry_init(x, x->when);
}

static unsigned child_for(const struct inner *in, struct bound b) {
    unsigned lo = 0, hi = in->node.n; /* the last child whose separator is <= b */

    while (hi - lo > 1) {
        unsigned mid = (lo + hi) / 2;

        if (before(b, in->sep[mid]))
            hi = mid;
        else
            lo = mid;
    }
    return lo;
}

static struct leaf *descend(struct expiry *x, struct bound b, struct path *path) {
    struct expiry_node *node = x->root;

    path->depth = 0;
    while (node->height) {
        struct inner *in = (struct inner *)node;

        path->at[path->depth] = in;
        path->index[path->depth] = child_for(in, b);
        node = in->child[path->index[path->depth++]];
    }
    return (struct leaf *)node;
}

/* Places `right` directly after the child that `path` leads to, splitting upward as needed. */
static void insert_behind(struct expiry *x, struct path *path, struct bound sep,
                          struct expiry_node *right) {
    for (int d = path->depth - 1; d >= 0; d--) {
        struct inner *in = path->at[d], *to = in, *half;
        unsigned at = path->index[d] + 1;

        if (in->node.n < INNER_CHILDREN) {
            half = NULL;
        } else {
            /* At the right edge nothing moves, so rising times fill the nodes completely. */
            unsigned keep = at == INNER_CHILDREN ? INNER_CHILDREN : INNER_CHILDREN / 2;

            half = inner_new(x, in->node.height);
            half->node.n = (uint16_t)(INNER_CHILDREN - keep);
            memcpy(half->sep, in->sep + keep, half->node.n * sizeof *half->sep);
            memcpy(half->child, in->child + keep, half->node.n * sizeof *half->child);
            in->node.n = (uint16_t)keep;
            if (at >= keep && (at > keep || keep == INNER_CHILDREN)) to = half, at -= keep;
        }
        memmove(to->sep + at + 1, to->sep + at, (to->node.n - at) * sizeof *to->sep);
        memmove(to->child + at + 1, to->child + at, (to->node.n - at) * sizeof *to->child);
        to->sep[at] = sep;
        to->child[at] = right;
        to->node.n++;
        if (!half) return;
        sep = half->sep[0];
        right = &half->node;
    }
    struct inner *root = inner_new(x, x->root->height + 1u);

    root->node.n = 2;
    root->child[0] = x->root;
    root->child[1] = right;
    root->sep[1] = sep;
    x->root = &root->node;
}

/* Partially sorts so that b[k] is what it would be in order (Hoare's selection). */
static void select_nth(struct bound *b, int n, int k) {
    int lo = 0, hi = n - 1;

    while (lo < hi) {
        struct bound pivot = b[(lo + hi) / 2];
        int i = lo, j = hi;

        while (i <= j) {
            while (before(b[i], pivot)) i++;
            while (before(pivot, b[j])) j--;
            if (i <= j) {
                struct bound t = b[i];

                b[i++] = b[j];
                b[j--] = t;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            return;
    }
}

static void leaf_append(struct leaf *leaf, void *item, struct bound b) {
    if (leaf->node.n == 0 || before(leaf->highest, b)) leaf->highest = b;
    if (b.when < leaf->node.earliest) leaf->node.earliest = b.when;
    leaf->item[leaf->node.n++] = item;
}

/* Moves the upper half into a new leaf to the right; returns that leaf and where it begins. */
static struct leaf *leaf_split(struct expiry *x, struct leaf *leaf, struct bound *sep) {
    struct bound all[LEAF_ITEMS] = {{0}};
    struct leaf *right = leaf_new(x, LEAF_ITEMS);
    unsigned n = leaf->node.n;

    for (unsigned i = 0; i < n; i++) __builtin_prefetch(leaf->item[i]);
    for (unsigned i = 0; i < n; i++) all[i] = bound_of(x, leaf->item[i]);
    select_nth(all, (int)n, (int)n / 2);
    *sep = all[n / 2];
    leaf->node.n = 0;
    leaf->node.earliest = INT64_MAX;
    for (unsigned i = 0; i < n; i++)
        leaf_append(before(all[i], *sep) ? leaf : right, (void *)all[i].address, all[i]);
    return right;
}

void expiry_add(struct expiry *x, void *item) {
    struct bound b = bound_of(x, item), sep;
    struct path path;
    struct leaf *leaf, *right;

    if (!x->root) x->root = &leaf_new(x, FIRST_ITEMS)->node;
    x->count++;
    leaf = descend(x, b, &path);
    if (leaf->node.n == leaf->node.cap && leaf->node.cap < LEAF_ITEMS) leaf = leaf_grow(x);
    if (leaf->node.n < LEAF_ITEMS) {
        leaf_append(leaf, item, b);
        return;
    }
    if (before(leaf->highest, b)) {
        right = leaf_new(x, LEAF_ITEMS);
        sep = b;
    } else {
        right = leaf_split(x, leaf, &sep);
    }
    leaf_append(before(b, sep) ? leaf : right, item, b);
    insert_behind(x, &path, sep, &right->node);
}

/* Takes child `at` out of path level d; nodes that become empty go too. */
static void drop_child(struct expiry *x, struct path *path, int d, unsigned at) {
    struct inner *in = path->at[d];

    node_free(x, in->child[at]);
    in->node.n--;
    memmove(in->sep + at, in->sep + at + 1, (in->node.n - at) * sizeof *in->sep);
    memmove(in->child + at, in->child + at + 1, (in->node.n - at) * sizeof *in->child);
    if (in->node.n == 0) {
        if (d > 0) {
            drop_child(x, path, d - 1, path->index[d - 1]);
        } else {
            node_free(x, &in->node);
            x->root = NULL;
        }
    } else if (d == 0 && in->node.n == 1) {
        x->root = in->child[0];
        node_free(x, &in->node);
    }
}

/* A leaf with few items swallows its right neighbour, or is swallowed by its left one. */
static void leaf_merge(struct expiry *x, struct path *path) {
    struct inner *in = path->at[path->depth - 1];
    unsigned at = path->index[path->depth - 1], left = at > 0 ? at - 1 : 0;
    struct leaf *a, *b;

    if (in->node.n < 2) return;
    a = (struct leaf *)in->child[left];
    b = (struct leaf *)in->child[left + 1];
    if (a->node.n + b->node.n > LEAF_ITEMS / 2) return;
    memcpy(a->item + a->node.n, b->item, b->node.n * sizeof *b->item);
    a->node.n = (uint16_t)(a->node.n + b->node.n);
    if (b->node.earliest < a->node.earliest) a->node.earliest = b->node.earliest;
    if (b->node.n && before(a->highest, b->highest)) a->highest = b->highest;
    drop_child(x, path, path->depth - 1, left + 1);
}

void expiry_remove_at(struct expiry *x, void *item, int64_t when_ms) {
    struct path path;
    struct leaf *leaf;
    unsigned i = 0;

    CHECK(x->root);
    leaf = descend(x, (struct bound){when_ms, (uintptr_t)item}, &path);
    while (i < leaf->node.n && leaf->item[i] != item) i++;
    CHECK(i < leaf->node.n); /* its time changed while it stood here */
    leaf->item[i] = leaf->item[--leaf->node.n];
    x->count--;
    if (path.depth == 0) {
        if (leaf->node.n == 0) expiry_release(x);
    } else if (leaf->node.n == 0) {
        drop_child(x, &path, path.depth - 1, path.index[path.depth - 1]);
    } else if (leaf->node.n < LEAF_ITEMS / 8) {
        leaf_merge(x, &path);
    }
}

void expiry_remove(struct expiry *x, void *item) {
    expiry_remove_at(x, item, x->when(item));
}

static struct leaf *first_leaf(const struct expiry *x, struct path *path) {
    struct expiry_node *node = x->root;

    path->depth = 0;
    while (node->height) {
        path->at[path->depth] = (struct inner *)node;
        path->index[path->depth++] = 0;
        node = ((struct inner *)node)->child[0];
    }
    return (struct leaf *)node;
}

int64_t expiry_next(const struct expiry *x) {
    struct path path;

    return x->root ? first_leaf(x, &path)->node.earliest : INT64_MAX;
}

/* False: an item below is not due, so no later one is due either. */
static bool count_due(const struct expiry *x, const struct expiry_node *node, int64_t now_ms,
                      size_t *n) {
    const struct leaf *leaf = (const struct leaf *)node;
    const struct inner *in = (const struct inner *)node;
    size_t due = 0;

    for (unsigned i = 0; node->height && i < node->n; i++)
        if (!count_due(x, in->child[i], now_ms, n)) return false;
    if (node->height) return true;
    if (leaf->node.earliest > now_ms) return false;
    for (unsigned i = 0; i < leaf->node.n; i++) due += x->when(leaf->item[i]) <= now_ms;
    *n += due;
    return due == leaf->node.n;
}

size_t expiry_count_due(const struct expiry *x, int64_t now_ms) {
    size_t n = 0;

    if (x->root) count_due(x, x->root, now_ms, &n);
    return n;
}

size_t expiry_take_due(struct expiry *x, int64_t now_ms, void **out, size_t max) {
    int64_t earliest = INT64_MAX;
    unsigned kept = 0;
    size_t n = 0;
    struct path path;
    struct leaf *leaf;

    if (!x->root) return 0;
    leaf = first_leaf(x, &path);
    if (leaf->node.earliest > now_ms) return 0;
    for (unsigned i = 0; i < leaf->node.n; i++) __builtin_prefetch(leaf->item[i]);
    for (unsigned i = 0; i < leaf->node.n; i++) {
        int64_t when = x->when(leaf->item[i]);

        if (when <= now_ms && n < max) {
            out[n++] = leaf->item[i];
        } else {
            if (when < earliest) earliest = when;
            leaf->item[kept++] = leaf->item[i];
        }
    }
    leaf->node.n = (uint16_t)kept;
    leaf->node.earliest = earliest;
    x->count -= n;
    if (kept == 0) {
        if (path.depth == 0)
            expiry_release(x);
        else
            drop_child(x, &path, path.depth - 1, 0);
    }
    return n;
}

size_t expiry_each_due(struct expiry *x, int64_t now_ms, size_t max,
                       void (*each)(void *item, void *arg), void *arg) {
    void *due[64];
    size_t taken = 0, n;

    do {
        n = expiry_take_due(x, now_ms, due, max - taken < 64 ? max - taken : 64);
        for (size_t i = 0; i < n; i++) each(due[i], arg);
        taken += n;
    } while (n > 0 && taken < max);
    return taken;
}

/* Leaves are more than half full as a rule, so choosing a child at each level is fair enough. */
void *expiry_random(const struct expiry *x) {
    const struct expiry_node *node = x->root;

    if (!node) return NULL;
    while (node->height) node = ((const struct inner *)node)->child[rng_below(node->n)];
    return ((const struct leaf *)node)->item[rng_below(node->n)];
}

size_t expiry_sample_next(const struct expiry *x, size_t max, void **out) {
    struct path path;
    const struct leaf *leaf;
    size_t n, at;

    if (!x->root) return 0;
    leaf = first_leaf(x, &path);
    n = leaf->node.n < max ? leaf->node.n : max;
    at = rng_below(leaf->node.n);
    for (size_t i = 0; i < n; i++) out[i] = leaf->item[(at + i) % leaf->node.n];
    return n;
}

int64_t expiry_avg_ttl(const struct expiry *x, int64_t now_ms) {
    const struct expiry_node *node = x->root;
    const struct leaf *leaf;
    double sum = 0;

    if (!node) return 0;
    while (node->height) node = ((const struct inner *)node)->child[node->n / 2];
    leaf = (const struct leaf *)node;
    for (unsigned i = 0; i < leaf->node.n; i++) {
        int64_t left = x->when(leaf->item[i]) - now_ms;

        sum += left > 0 ? (double)left : 0;
    }
    return leaf->node.n ? (int64_t)(sum / leaf->node.n) : 0;
}
