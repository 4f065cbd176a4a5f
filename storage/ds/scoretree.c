/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/ds/scoretree.h"

#include "storage/base/check.h"
#include "storage/ds/scoretree_nodes.h"

/* The way to a place. Level 0 is the parent of the leaf. */
struct path {
    struct inner *at[HEIGHT_MAX];
    unsigned index[HEIGHT_MAX];
    struct scoretree_leaf *leaf;
    unsigned i;
};

/* ---------------------------------------------------------------- items */

struct scored *scored_new(struct slice member, double score) {
    size_t n = sizeof(struct scored) + varint_size(member.n) + member.n;
    struct scored *s = mem_alloc(mem_good_size(n));
    char *to;

    s->score = score;
    to = varint_put(s->data, member.n);
    if (member.n) memcpy(to, member.p, member.n);
    return s;
}

size_t scored_mem(const struct scored *s) {
    struct slice m = scored_member(s);

    return mem_good_size((size_t)(m.p - (const char *)s) + m.n);
}

int scored_cmp(const struct scored *a, const struct scored *b) {
    if (a->score != b->score) return a->score < b->score ? -1 : 1;
    return slice_cmp(scored_member(a), scored_member(b));
}

static struct score_bound bound_of(const struct scored *item) {
    return (struct score_bound){BOUND_ITEM, false, item->score, scored_member(item)};
}

/* For scores that are equal, or do not count. */
static bool member_before(const struct scored *item, const struct score_bound *b) {
    int c;

    if (b->kind == BOUND_SCORE) return b->behind;
    c = slice_cmp(scored_member(item), b->member);
    return c < 0 || (c == 0 && b->behind);
}

static inline bool before(double score, const struct scored *item, const struct score_bound *b) {
    if (b->kind != BOUND_MEMBER && score != b->score) return score < b->score;
    return member_before(item, b);
}

/* ---------------------------------------------------------------- nodes */

static void leaf_unlink(struct scoretree *t, struct scoretree_leaf *l) {
    *(l->prev ? &l->prev->next : &t->first) = l->next;
    *(l->next ? &l->next->prev : &t->last) = l->prev;
}

/* Moves n children of `from` at `i` to `to` at `k`; the same node is fine. */
static void inner_move(struct inner *to, unsigned k, const struct inner *from, unsigned i,
                       unsigned n) {
    memmove(to->score + k, from->score + i, n * sizeof *to->score);
    memmove(to->first + k, from->first + i, n * sizeof *to->first);
    memmove(to->count + k, from->count + i, n * sizeof *to->count);
    memmove(to->child + k, from->child + i, n * sizeof *to->child);
}

/* ---------------------------------------------------------------- finding the way */

/* How many items of the leaf lie in front of the bound. */
static unsigned leaf_search(const struct scoretree_leaf *l, const struct score_bound *b) {
    bool by_hint = b->kind != BOUND_MEMBER;
    uint64_t hint = by_hint ? hint_of(l, b->score) : 0;
    unsigned low = 0, high = l->n;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        uint64_t slot = l->slot[mid];
        const struct scored *item = scoretree_slot_item(slot);
        bool is_before;

        if (by_hint && slot >> 48 != hint)
            is_before = slot >> 48 < hint;
        else
            is_before = before(item->score, item, b);
        if (is_before)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The child that the bound lies in: the last whose first item is in front of it. */
static unsigned inner_search(const struct inner *in, const struct score_bound *b) {
    unsigned low = 1, high = in->n;

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (before(in->score[mid], in->first[mid], b))
            low = mid + 1;
        else
            high = mid;
    }
    return low - 1;
}

static void go_to_bound(const struct scoretree *t, const struct score_bound *b, struct path *p) {
    void *node = t->root;

    for (unsigned level = t->height; level-- > 0;) {
        p->at[level] = node;
        p->index[level] = inner_search(node, b);
        node = p->at[level]->child[p->index[level]];
    }
    p->leaf = node;
    p->i = leaf_search(p->leaf, b);
}

static void go_to_end(const struct scoretree *t, struct path *p) {
    void *node = t->root;

    for (unsigned level = t->height; level-- > 0;) {
        p->at[level] = node;
        p->index[level] = p->at[level]->n - 1;
        node = p->at[level]->child[p->index[level]];
    }
    p->leaf = node;
    p->i = p->leaf->n;
}

static void go_to_rank(const struct scoretree *t, size_t rank, struct path *p) {
    void *node = t->root;

    for (unsigned level = t->height; level-- > 0;) {
        struct inner *in = node;
        unsigned i = 0;

        while (rank >= in->count[i]) rank -= in->count[i++];
        p->at[level] = in;
        p->index[level] = i;
        node = in->child[i];
    }
    p->leaf = node;
    p->i = (unsigned)rank;
}

static void go_to_item(const struct scoretree *t, const struct scored *item, struct path *p) {
    struct score_bound b = bound_of(item);

    b.behind = true; /* in front of it could be the end of the leaf before */
    go_to_bound(t, &b, p);
    CHECK(p->i > 0 && item_at(p->leaf, --p->i) == item);
}

/* ---------------------------------------------------------------- keeping the way in step */

/* The number of items below the path has changed. */
static void add_count(struct scoretree *t, struct path *p, long by) {
    for (unsigned level = 0; level < t->height; level++)
        p->at[level]->count[p->index[level]] += (size_t)by;
    t->count += (size_t)by;
}

/* The first item of what hangs at p->index[level], or its score, is another. */
static void set_first(struct scoretree *t, struct path *p, unsigned level, struct scored *first) {
    for (; level < t->height; level++) {
        unsigned i = p->index[level];

        p->at[level]->score[i] = first->score;
        p->at[level]->first[i] = first;
        if (i > 0) break;
    }
}

/* The leaf of the path has another address. */
static void leaf_moved(struct scoretree *t, struct path *p, struct scoretree_leaf *l) {
    p->leaf = l;
    *(l->prev ? &l->prev->next : &t->first) = l;
    *(l->next ? &l->next->prev : &t->last) = l;
    if (t->height)
        p->at[0]->child[p->index[0]] = l;
    else
        t->root = l;
}

static void leaf_resize(struct scoretree *t, struct path *p, unsigned room) {
    size_t size = mem_good_size(sizeof(struct scoretree_leaf) + room * sizeof(uint64_t));
    struct scoretree_leaf *l = p->leaf;

    t->mem_bytes += size - leaf_bytes(l);
    l = mem_realloc(l, size);
    l->cap = (uint16_t)((size - sizeof *l) / sizeof(uint64_t));
    leaf_moved(t, p, l);
}

/* ---------------------------------------------------------------- growing */

static void add_child(struct scoretree *t, struct path *p, unsigned level, struct child c);

static void grow_root(struct scoretree *t, struct path *p, struct scored *first) {
    struct inner *root = inner_new(t);

    CHECK(t->height < HEIGHT_MAX);
    root->n = 1;
    inner_set(root, 0, (struct child){t->root, first, t->count});
    t->root = root;
    p->at[t->height] = root;
    p->index[t->height] = 0;
    t->height++;
}

/* Makes room in a full node of the path; the path leads to the same child afterwards. */
static void split_inner(struct scoretree *t, struct path *p, unsigned level) {
    struct inner *left = p->at[level], *right = inner_new(t);
    unsigned keep = p->index[level] == INNER_MAX - 1 ? INNER_MAX - 1 : INNER_MAX / 2;

    if (level + 1 == t->height) grow_root(t, p, left->first[0]);
    right->n = left->n - keep;
    left->n = keep;
    inner_move(right, 0, left, keep, right->n);
    /* The left count last: until then the sums above count what has moved once, as before. */
    add_child(t, p, level + 1, (struct child){right, right->first[0], inner_count(right)});
    p->at[level + 1]->count[p->index[level + 1]] = inner_count(left);
    if (p->index[level] >= keep) {
        p->at[level] = right;
        p->index[level] -= keep;
        p->index[level + 1]++;
    }
}

/* Adds a child after the one that the path leads through. */
static void add_child(struct scoretree *t, struct path *p, unsigned level, struct child c) {
    struct inner *in;
    unsigned i;

    if (p->at[level]->n == INNER_MAX) split_inner(t, p, level);
    in = p->at[level];
    i = p->index[level] + 1;
    inner_move(in, i + 1, in, i, in->n - i);
    inner_set(in, i, c);
    in->n++;
}

/* Makes room in the full leaf of the path. A leaf that is full because items come in ascending
 * order stays full. */
static void split_leaf(struct scoretree *t, struct path *p, struct scored *item) {
    struct scoretree_leaf *left = p->leaf, *right;
    bool at_end = !left->next && p->i == left->n;
    unsigned keep = at_end ? left->n : left->n / 2u;

    if (t->height == 0) grow_root(t, p, item_at(left, 0));
    right = leaf_new(t, at_end ? LEAF_MIN : left->n - keep + 1);
    right->n = (uint16_t)(left->n - keep);
    right->shift = left->shift;
    memcpy(right->slot, left->slot + keep, right->n * sizeof *right->slot);
    left->n = (uint16_t)keep;
    leaf_link(t, left, right);
    add_child(t, p, 0, (struct child){right, at_end ? item : item_at(right, 0), right->n});
    p->at[0]->count[p->index[0]] = left->n;
    if (at_end) {
        right->base = score_sortable(item->score);
    } else {
        set_scale(left);
        set_scale(right);
        leaf_resize(t, p, keep + 1);
    }
    if (p->i > keep || at_end) {
        p->i -= keep;
        p->leaf = right;
        p->index[0]++;
    }
}

static void make_room(struct scoretree *t, struct path *p, struct scored *item) {
    struct scoretree_leaf *l = p->leaf;

    if (l->n < l->cap) return;
    if (l->n == LEAF_MAX) {
        split_leaf(t, p, item);
        return;
    }
    leaf_resize(t, p, l->n + 1u);
    l = p->leaf;
    if (l->slot[0] >> 48 == l->slot[l->n - 1] >> 48) set_scale(l); /* all off the scale */
}

static void put_at(struct scoretree *t, struct path *p, struct scored *item) {
    struct scoretree_leaf *l;

    make_room(t, p, item);
    l = p->leaf;
    memmove(l->slot + p->i + 1, l->slot + p->i, (l->n - p->i) * sizeof *l->slot);
    l->slot[p->i] = slot_of(l, item);
    l->n++;
    add_count(t, p, 1);
    if (p->i == 0) set_first(t, p, 0, item);
}

void scoretree_insert(struct scoretree *t, struct scored *item) {
    struct path p;

    DCHECK((uint64_t)(uintptr_t)item >> 48 == 0);
    if (!t->root) {
        struct scoretree_leaf *l = leaf_new(t, 4);

        l->base = score_sortable(item->score);
        leaf_link(t, NULL, l);
        t->root = l;
    }
    if (t->count && scored_cmp(item, item_at(t->last, t->last->n - 1u)) > 0) {
        go_to_end(t, &p);
    } else {
        struct score_bound b = bound_of(item);

        go_to_bound(t, &b, &p);
    }
    put_at(t, &p, item);
}

/* ---------------------------------------------------------------- shrinking */

/* Takes child i of the path's node at `level` out, whose contents are gone or elsewhere. */
static void drop_child(struct scoretree *t, struct path *p, unsigned level, unsigned i);

static void collapse_root(struct scoretree *t) {
    while (t->height && ((struct inner *)t->root)->n == 1) {
        struct inner *root = t->root;

        t->root = root->child[0];
        t->height--;
        inner_free(t, root);
    }
}

/* Joins child i + 1 of a node with child i, if both are below it and fit well into one. */
static bool join_inner(struct scoretree *t, struct path *p, unsigned level, unsigned i) {
    struct inner *parent = p->at[level], *left, *right;

    if (i + 1 >= parent->n) return false;
    left = parent->child[i];
    right = parent->child[i + 1];
    if (left->n + right->n > INNER_MAX * 3 / 4) return false;
    inner_move(left, left->n, right, 0, right->n);
    left->n += right->n;
    parent->count[i] += parent->count[i + 1];
    inner_free(t, right);
    drop_child(t, p, level, i + 1);
    return true;
}

static void drop_child(struct scoretree *t, struct path *p, unsigned level, unsigned i) {
    struct inner *in = p->at[level];

    in->n--;
    inner_move(in, i, in, i + 1, in->n - i);
    if (in->n == 0) {
        inner_free(t, in);
        if (level + 1 < t->height) {
            drop_child(t, p, level + 1, p->index[level + 1]);
        } else {
            t->root = NULL;
            t->height = 0;
        }
        return;
    }
    if (i == 0) set_first(t, p, level + 1, in->first[0]);
    if (level + 1 == t->height) {
        if (in->n == 1) collapse_root(t);
    } else if (in->n < INNER_MIN) {
        unsigned at = p->index[level + 1];

        if (!join_inner(t, p, level + 1, at) && at > 0) join_inner(t, p, level + 1, at - 1);
    }
}

/* The same for leaves. The path's leaf may be gone afterwards. */
static bool join_leaves(struct scoretree *t, struct path *p, unsigned i) {
    struct inner *parent = p->at[0];
    struct scoretree_leaf *left, *right;

    if (i + 1 >= parent->n) return false;
    left = parent->child[i];
    right = parent->child[i + 1];
    if (left->n + right->n > LEAF_MAX * 3 / 4) return false;
    p->leaf = left;
    p->index[0] = i;
    if (left->cap < left->n + right->n) leaf_resize(t, p, (unsigned)left->n + right->n);
    left = p->leaf;
    memcpy(left->slot + left->n, right->slot, right->n * sizeof *left->slot);
    left->n = (uint16_t)(left->n + right->n);
    set_scale(left);
    parent->count[i] += parent->count[i + 1];
    leaf_unlink(t, right);
    leaf_free(t, right);
    drop_child(t, p, 0, i + 1);
    return true;
}

static void drop_leaf(struct scoretree *t, struct path *p) {
    leaf_unlink(t, p->leaf);
    leaf_free(t, p->leaf);
    if (t->height)
        drop_child(t, p, 0, p->index[0]);
    else
        t->root = NULL;
}

/* Takes n items out of the path's leaf, which has them. The path is no longer good. */
static void take_out(struct scoretree *t, struct path *p, unsigned n) {
    struct scoretree_leaf *l = p->leaf;

    l->n = (uint16_t)(l->n - n);
    memmove(l->slot + p->i, l->slot + p->i + n, (l->n - p->i) * sizeof *l->slot);
    add_count(t, p, -(long)n);
    if (l->n == 0) {
        drop_leaf(t, p);
        return;
    }
    if (p->i == 0) set_first(t, p, 0, item_at(l, 0));
    if (t->height && l->n < LEAF_MIN) {
        unsigned at = p->index[0];

        if (join_leaves(t, p, at) || (at > 0 && join_leaves(t, p, at - 1))) return;
    }
    if (l->n < l->cap / 2) leaf_resize(t, p, l->n);
}

void scoretree_remove(struct scoretree *t, const struct scored *item) {
    struct path p;

    go_to_item(t, item, &p);
    take_out(t, &p, 1);
}

void scoretree_remove_range(struct scoretree *t, size_t rank, size_t n,
                            void (*gone)(struct scored *item, void *arg), void *arg) {
    while (n > 0) {
        struct scored *items[LEAF_MAX];
        struct path p;
        unsigned k;

        go_to_rank(t, rank, &p);
        k = p.leaf->n - p.i;
        if (k > n) k = (unsigned)n;
        for (unsigned i = 0; i < k; i++) items[i] = item_at(p.leaf, p.i + i);
        take_out(t, &p, k);
        for (unsigned i = 0; i < k; i++) gone(items[i], arg);
        n -= k;
    }
}

/* ---------------------------------------------------------------- changing a score */

/* Whether the item at the path keeps its place with this score. */
static bool keeps_place(const struct path *p, double score) {
    struct scoretree_place at = {p->leaf, p->i}, prev = scoretree_prev(at),
                           next = scoretree_next(at);
    struct score_bound b = bound_of(scoretree_item(at));

    b.score = score;
    if (prev.leaf) {
        const struct scored *item = scoretree_item(prev);

        if (!before(item->score, item, &b)) return false;
    }
    if (next.leaf) {
        const struct scored *item = scoretree_item(next);

        if (before(item->score, item, &b)) return false;
    }
    return true;
}

void scoretree_rescore(struct scoretree *t, struct scored *item, double score) {
    struct path p;

    go_to_item(t, item, &p);
    if (!keeps_place(&p, score)) {
        take_out(t, &p, 1);
        item->score = score;
        scoretree_insert(t, item);
        return;
    }
    item->score = score;
    p.leaf->slot[p.i] = slot_of(p.leaf, item);
    if (p.i == 0) set_first(t, &p, 0, item);
}

/* ---------------------------------------------------------------- ranks and places */

size_t scoretree_rank(const struct scoretree *t, const struct score_bound *b) {
    struct path p;
    size_t rank;

    if (!t->root) return 0;
    go_to_bound(t, b, &p);
    rank = p.i;
    for (unsigned level = 0; level < t->height; level++)
        for (unsigned i = 0; i < p.index[level]; i++) rank += p.at[level]->count[i];
    return rank;
}

struct scoretree_place scoretree_at(const struct scoretree *t, size_t rank) {
    struct path p;

    DCHECK(rank < t->count);
    go_to_rank(t, rank, &p);
    return (struct scoretree_place){p.leaf, p.i};
}
