/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/idtree.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"

#include <string.h>

enum {
    LEAF_MAX = 63, /* slots: a leaf is then 1536 bytes, and so is an inner node */
    FANOUT = 63,
    SPARSE = LEAF_MAX / 4,
    HEIGHT_MAX = 24,
};

/* Children in order; key[i] is not above anything below child[i] and above everything below
 * child[i - 1]. key[0] means nothing. */
struct inner {
    uint32_t n;
    struct idtree_key key[FANOUT];
    void *child[FANOUT];
};

/* The way down to a leaf: step[0] is the root's; step[height - 1] leads to the leaf. */
struct path {
    struct {
        struct inner *node;
        uint32_t i;
    } step[HEIGHT_MAX];
};

/* ---------------------------------------------------------------- nodes */

static struct idtree_leaf *leaf_new(struct idtree *t, uint32_t slots) {
    size_t size = mem_good_size(sizeof(struct idtree_leaf) + slots * sizeof(struct idtree_slot));
    struct idtree_leaf *l = mem_alloc(size);
    size_t cap = (size - sizeof *l) / sizeof *l->slot;

    l->prev = l->next = NULL;
    l->n = 0;
    l->cap = cap < LEAF_MAX ? (uint32_t)cap : LEAF_MAX;
    t->mem_bytes += size;
    return l;
}

static void leaf_free(struct idtree *t, struct idtree_leaf *l) {
    t->mem_bytes -= mem_good_size(sizeof *l + l->cap * sizeof *l->slot);
    mem_free(l);
}

static struct inner *inner_new(struct idtree *t) {
    struct inner *in = mem_alloc(sizeof *in);

    in->n = 0;
    t->mem_bytes += mem_good_size(sizeof *in);
    return in;
}

static void inner_free(struct idtree *t, struct inner *in) {
    t->mem_bytes -= mem_good_size(sizeof *in);
    mem_free(in);
}

static void release_inner(struct inner *in, unsigned height) {
    for (uint32_t i = 0; height > 1 && i < in->n; i++) release_inner(in->child[i], height - 1);
    mem_free(in);
}

void idtree_release(struct idtree *t, void (*free_value)(void *value)) {
    for (struct idtree_leaf *l = t->first, *next; l; l = next) {
        next = l->next;
        for (uint32_t i = 0; free_value && i < l->n; i++) free_value(l->slot[i].value);
        mem_free(l);
    }
    if (t->height > 0) release_inner(t->root, t->height);
    *t = (struct idtree){0};
}

/* ---------------------------------------------------------------- searching */

/* The first slot whose key is not below `key`. */
static uint32_t leaf_lower(const struct idtree_leaf *l, struct idtree_key key) {
    uint32_t from = 0, to = l->n;

    while (from < to) {
        uint32_t mid = (from + to) / 2;

        if (idtree_cmp(l->slot[mid].key, key) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

/* The child that `key` belongs to. */
static uint32_t inner_child(const struct inner *in, struct idtree_key key) {
    uint32_t from = 1, to = in->n;

    while (from < to) {
        uint32_t mid = (from + to) / 2;

        if (idtree_cmp(in->key[mid], key) <= 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from - 1;
}

static struct idtree_leaf *descend(const struct idtree *t, struct idtree_key key,
                                   struct path *path) {
    void *node = t->root;

    for (unsigned level = 0; level < t->height; level++) {
        struct inner *in = node;
        uint32_t i = inner_child(in, key);

        if (path) {
            path->step[level].node = in;
            path->step[level].i = i;
        }
        node = in->child[i];
    }
    return node;
}

void **idtree_find(const struct idtree *t, struct idtree_key key) {
    struct idtree_leaf *l = descend(t, key, NULL);
    uint32_t i;

    if (!l) return NULL;
    i = leaf_lower(l, key);
    if (i == l->n || idtree_cmp(l->slot[i].key, key) != 0) return NULL;
    return &l->slot[i].value;
}

struct idtree_place idtree_seek(const struct idtree *t, struct idtree_key key) {
    struct idtree_leaf *l = descend(t, key, NULL);
    uint32_t i;

    if (!l) return (struct idtree_place){NULL, 0};
    i = leaf_lower(l, key);
    if (i < l->n) return (struct idtree_place){l, i};
    return (struct idtree_place){l->next, 0};
}

struct idtree_place idtree_seek_back(const struct idtree *t, struct idtree_key key) {
    struct idtree_leaf *l = descend(t, key, NULL);
    uint32_t i;

    if (!l) return (struct idtree_place){NULL, 0};
    i = leaf_lower(l, key);
    if (i < l->n && idtree_cmp(l->slot[i].key, key) == 0) return (struct idtree_place){l, i};
    if (i > 0) return (struct idtree_place){l, i - 1};
    l = l->prev;
    return (struct idtree_place){l, l ? l->n - 1 : 0};
}

/* ---------------------------------------------------------------- adding */

static void **slot_open(struct idtree_leaf *l, uint32_t i, struct idtree_key key) {
    memmove(&l->slot[i + 1], &l->slot[i], (l->n - i) * sizeof *l->slot);
    l->slot[i] = (struct idtree_slot){key, NULL};
    l->n++;
    return &l->slot[i].value;
}

static void child_open(struct inner *in, uint32_t i, struct idtree_key key, void *child) {
    memmove(&in->key[i + 1], &in->key[i], (in->n - i) * sizeof *in->key);
    memmove(&in->child[i + 1], &in->child[i], (in->n - i) * sizeof *in->child);
    in->key[i] = key;
    in->child[i] = child;
    in->n++;
}

static void raise_root(struct idtree *t, struct idtree_key key, void *right) {
    struct inner *in = inner_new(t);

    CHECK(t->height < HEIGHT_MAX);
    child_open(in, 0, (struct idtree_key){0, 0}, t->root);
    child_open(in, 1, key, right);
    t->root = in;
    t->height++;
}

/* A new node on the right of a full one, with those of its children that stand from `from` on. */
static struct inner *inner_split(struct idtree *t, struct inner *in, uint32_t from) {
    struct inner *right = inner_new(t);

    right->n = in->n - from;
    memcpy(right->key, in->key + from, right->n * sizeof *in->key);
    memcpy(right->child, in->child + from, right->n * sizeof *in->child);
    in->n = from;
    return right;
}

/* `node` has come to stand to the right of what the path leads to. */
static void add_right(struct idtree *t, struct path *path, struct idtree_key key, void *node) {
    for (unsigned level = t->height; level-- > 0;) {
        struct inner *in = path->step[level].node, *right;
        uint32_t i = path->step[level].i + 1;

        if (in->n < FANOUT) {
            child_open(in, i, key, node);
            return;
        }
        right = inner_split(t, in, i == FANOUT ? FANOUT : FANOUT / 2);
        if (i > in->n || in->n == FANOUT)
            child_open(right, i - in->n, key, node);
        else
            child_open(in, i, key, node);
        key = right->key[0];
        node = right;
    }
    raise_root(t, key, node);
}

static struct idtree_leaf *leaf_split(struct idtree *t, struct idtree_leaf *l, uint32_t from) {
    struct idtree_leaf *right = leaf_new(t, LEAF_MAX);

    right->n = l->n - from;
    memcpy(right->slot, l->slot + from, right->n * sizeof *l->slot);
    l->n = from;
    right->prev = l;
    right->next = l->next;
    l->next = right;
    if (right->next)
        right->next->prev = right;
    else
        t->last = right;
    return right;
}

/* The only leaf of a tree gets room for some more slots. */
static struct idtree_leaf *leaf_resize(struct idtree *t, struct idtree_leaf *l, uint32_t slots) {
    struct idtree_leaf *to = leaf_new(t, slots < LEAF_MAX ? slots : LEAF_MAX);

    if (l) {
        to->n = l->n;
        memcpy(to->slot, l->slot, l->n * sizeof *l->slot);
        leaf_free(t, l);
    }
    t->root = t->first = t->last = to;
    return to;
}

static void **put_split(struct idtree *t, struct path *path, struct idtree_leaf *l, uint32_t i,
                        struct idtree_key key) {
    bool behind_all = i == LEAF_MAX && !l->next;
    struct idtree_leaf *right = leaf_split(t, l, behind_all ? LEAF_MAX : LEAF_MAX / 2);
    void **value;

    if (i > l->n || behind_all)
        value = slot_open(right, i - l->n, key);
    else
        value = slot_open(l, i, key);
    add_right(t, path, right->slot[0].key, right);
    return value;
}

static void **put_searching(struct idtree *t, struct idtree_key key, bool *is_new) {
    struct path path;
    struct idtree_leaf *l = descend(t, key, &path);
    uint32_t i = l ? leaf_lower(l, key) : 0;

    *is_new = !l || i == l->n || idtree_cmp(l->slot[i].key, key) != 0;
    if (!*is_new) return &l->slot[i].value;
    t->count++;
    if (!l) return slot_open(leaf_resize(t, NULL, 1), 0, key);
    if (l->n == l->cap && l->cap < LEAF_MAX) l = leaf_resize(t, l, l->cap + l->cap / 4 + 1);
    if (l->n < l->cap) return slot_open(l, i, key);
    return put_split(t, &path, l, i, key);
}

void **idtree_put(struct idtree *t, struct idtree_key key, bool *is_new) {
    struct idtree_leaf *l = t->last;

    if (!l || l->n == l->cap || idtree_cmp(key, l->slot[l->n - 1].key) <= 0)
        return put_searching(t, key, is_new);
    *is_new = true;
    t->count++;
    l->slot[l->n] = (struct idtree_slot){key, NULL};
    return &l->slot[l->n++].value;
}

/* ---------------------------------------------------------------- removing */

static void leaf_unlink(struct idtree *t, struct idtree_leaf *l) {
    if (l->prev)
        l->prev->next = l->next;
    else
        t->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    else
        t->last = l->prev;
    leaf_free(t, l);
}

/* Moves everything of child i + 1 to child i, if that has room; `key` is between them. */
static bool join_leaves(struct idtree *t, struct idtree_leaf *l, struct idtree_leaf *right) {
    if (l->n + right->n > LEAF_MAX) return false;
    memcpy(l->slot + l->n, right->slot, right->n * sizeof *l->slot);
    l->n += right->n;
    leaf_unlink(t, right);
    return true;
}

static bool join_inner(struct idtree *t, struct inner *l, struct inner *right,
                       struct idtree_key key) {
    if (l->n + right->n > FANOUT) return false;
    right->key[0] = key;
    memcpy(l->key + l->n, right->key, right->n * sizeof *l->key);
    memcpy(l->child + l->n, right->child, right->n * sizeof *l->child);
    l->n += right->n;
    inner_free(t, right);
    return true;
}

static bool join_children(struct idtree *t, struct inner *in, uint32_t i, bool leaves) {
    if (i + 1 >= in->n) return false;
    if (leaves) return join_leaves(t, in->child[i], in->child[i + 1]);
    return join_inner(t, in->child[i], in->child[i + 1], in->key[i + 1]);
}

static void child_close(struct inner *in, uint32_t i) {
    in->n--;
    memmove(&in->key[i], &in->key[i + 1], (in->n - i) * sizeof *in->key);
    memmove(&in->child[i], &in->child[i + 1], (in->n - i) * sizeof *in->child);
}

static uint32_t node_count(const void *node, bool leaf) {
    return leaf ? ((const struct idtree_leaf *)node)->n : ((const struct inner *)node)->n;
}

/* Joins or frees what has become small, from the leaf at the end of the path upward. */
static void tidy(struct idtree *t, struct path *path) {
    for (unsigned level = t->height; level-- > 0;) {
        struct inner *in = path->step[level].node;
        uint32_t i = path->step[level].i;
        bool leaves = level + 1 == t->height;
        uint32_t n = node_count(in->child[i], leaves);

        if (n > SPARSE) return;
        if (n == 0) {
            if (leaves)
                leaf_unlink(t, in->child[i]);
            else
                inner_free(t, in->child[i]);
            child_close(in, i);
        } else if (join_children(t, in, i, leaves)) {
            child_close(in, i + 1);
        } else if (i > 0 && join_children(t, in, i - 1, leaves)) {
            child_close(in, i);
        } else {
            return;
        }
    }
}

/* A root with one child gives way to it; a tree of one leaf takes no more than it needs. */
static void lower_root(struct idtree *t) {
    while (t->height > 0 && ((struct inner *)t->root)->n == 1) {
        struct inner *in = t->root;

        t->root = in->child[0];
        t->height--;
        inner_free(t, in);
    }
    if (t->height > 0) return;
    if (t->count == 0) {
        leaf_free(t, t->root);
        t->root = t->first = t->last = NULL;
    } else if (t->first->n < t->first->cap / 4) {
        leaf_resize(t, t->first, 2 * t->first->n);
    }
}

void *idtree_remove(struct idtree *t, struct idtree_key key) {
    struct path path;
    struct idtree_leaf *l = descend(t, key, &path);
    uint32_t i = l ? leaf_lower(l, key) : 0;
    void *value;

    if (!l || i == l->n || idtree_cmp(l->slot[i].key, key) != 0) return NULL;
    value = l->slot[i].value;
    l->n--;
    memmove(&l->slot[i], &l->slot[i + 1], (l->n - i) * sizeof *l->slot);
    t->count--;
    tidy(t, &path);
    lower_root(t);
    return value;
}
