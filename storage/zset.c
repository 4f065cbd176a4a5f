/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/zset.h"

#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/zset_forms.h"

static inline bool is_packed(const struct entry *e) {
    return zset_is_packed(e);
}

static inline struct pack *pack_of(const struct entry *e) {
    return entry_object(e);
}

/* For changes, which may move it. */
static inline struct pack **pack_place(const struct entry *e) {
    return (struct pack **)entry_word(e);
}

static inline struct zset *tree_of(const struct entry *e) {
    return entry_object(e);
}

/* ---------------------------------------------------------------- the table of members */

static struct slice scored_key(const void *entry) {
    return scored_member(entry);
}

static bool scored_match(const void *entry, struct slice key) {
    struct slice m = scored_member(entry);

    return m.n == key.n && bytes_same(m.p, key.p, m.n);
}

const struct table_ops scored_table_ops = {scored_key, scored_match};

struct zset *zset_tree_new(void) {
    struct zset *z = mem_calloc(sizeof *z);

    table_init(&z->members, &scored_table_ops);
    return z;
}

static void free_item(void *item, void *arg) {
    (void)arg;
    mem_free(item);
}

static uint64_t hash_of(struct slice member) {
    return hash_bytes(member.p, member.n);
}

static void tree_remove(struct zset *z, struct scored *item, uint64_t hash) {
    table_remove(&z->members, item, hash);
    mem_free(item);
}

/* ---------------------------------------------------------------- forms */

struct entry *zset_new(struct slice key, size_t len, const struct zset_rules *rules) {
    bool packed = rules->max_entries > 0 && len <= rules->max_value;

    return entry_new_object(key, TYPE_ZSET, packed ? (void *)pack_new() : (void *)zset_tree_new(),
                            ENTRY_NO_EXPIRE,
                            (packed ? ZSET_PACKED : ZSET_TREE) << ENTRY_FORM_SHIFT);
}

static void become_tree(struct entry *e) {
    struct pack *p = pack_of(e);
    struct zset *z = zset_tree_new();
    size_t n = zset_packed_count(p), i = 0;
    struct scored **items = mem_alloc((n + 1) * sizeof *items);

    for (uint32_t at = pack_first(p); at; at = zset_packed_next(p, at), i++) {
        char text[NUM_I64_MAX];
        struct slice member = zset_packed_member(p, at, text);

        items[i] = scored_new(member, zset_packed_score(p, at));
        table_insert(&z->members, items[i], hash_of(member));
    }
    scoretree_build(&z->order, items, n, PACE_NONE);
    mem_free(items);
    pack_free(p);
    entry_set_object(e, z, ZSET_TREE);
}

size_t zset_count(const struct entry *e) {
    return is_packed(e) ? zset_packed_count(pack_of(e)) : tree_of(e)->order.count;
}

/* ---------------------------------------------------------------- one member */

bool zset_find(const struct entry *e, struct slice member, struct zset_hit *hit) {
    *hit = (struct zset_hit){0};
    if (is_packed(e)) {
        hit->at = zset_packed_find(pack_of(e), member);
        if (!hit->at) return false;
        hit->score = zset_packed_score(pack_of(e), hit->at);
        return true;
    }
    hit->hash = hash_of(member);
    hit->item = table_find(&tree_of(e)->members, member, hit->hash);
    if (!hit->item) return false;
    hit->score = hit->item->score;
    return true;
}

void zset_add(struct entry *e, struct slice member, double score, const struct zset_hit *miss,
              const struct zset_rules *rules) {
    bool packed = is_packed(e);
    struct scored *item;
    struct zset *z;

    if (packed && zset_count(e) < rules->max_entries && member.n <= rules->max_value &&
        zset_packed_room(pack_bytes(pack_of(e)), member)) {
        zset_packed_add(pack_place(e), member, score);
        return;
    }
    if (packed) become_tree(e);
    z = tree_of(e);
    item = scored_new(member, score);
    table_insert(&z->members, item, packed ? hash_of(member) : miss->hash);
    scoretree_insert(&z->order, item);
}

void zset_rescore(struct entry *e, struct slice member, double score, const struct zset_hit *hit) {
    if (is_packed(e))
        zset_packed_rescore(pack_place(e), hit->at, member, score);
    else
        scoretree_rescore(&tree_of(e)->order, hit->item, score);
}

size_t zset_rank(const struct entry *e, struct slice member, const struct zset_hit *hit) {
    struct score_bound b = {BOUND_ITEM, false, hit->score, member};
    size_t rank = 0;

    if (!is_packed(e)) return scoretree_rank(&tree_of(e)->order, &b);
    for (uint32_t at = pack_first(pack_of(e)); at != hit->at; at = zset_packed_next(pack_of(e), at))
        rank++;
    return rank;
}

bool zset_remove(struct entry *e, struct slice member) {
    struct zset_hit hit;

    if (!zset_find(e, member, &hit)) return false;
    if (is_packed(e)) {
        pack_delete(pack_place(e), hit.at, 2);
    } else {
        scoretree_remove(&tree_of(e)->order, hit.item);
        tree_remove(tree_of(e), hit.item, hit.hash);
    }
    return true;
}

/* ---------------------------------------------------------------- ranges */

struct zset_span zset_span_of_scores(const struct entry *e, const struct zset_scores *r) {
    struct zset_span span = {0, 0};

    if (r->min > r->max || (r->min == r->max && (r->above_min || r->below_max))) return span;
    if (is_packed(e)) return zset_packed_scores(pack_of(e), r);
    span.from = scoretree_rank(
        &tree_of(e)->order,
        &(struct score_bound){.kind = BOUND_SCORE, .score = r->min, .behind = r->above_min});
    span.to = scoretree_rank(
        &tree_of(e)->order,
        &(struct score_bound){.kind = BOUND_SCORE, .score = r->max, .behind = !r->below_max});
    return span;
}

static int edge_cmp(const struct zset_edge *a, const struct zset_edge *b) {
    if (a->end || b->end) return a->end - b->end;
    return slice_cmp(a->member, b->member);
}

static size_t tree_edge(const struct entry *e, const struct zset_edge *edge, bool behind) {
    struct score_bound b = {.kind = BOUND_MEMBER, .member = edge->member, .behind = behind};

    if (edge->end) return edge->end < 0 ? 0 : zset_count(e);
    return scoretree_rank(&tree_of(e)->order, &b);
}

struct zset_span zset_span_of_members(const struct entry *e, const struct zset_members *r,
                                      bool from_end) {
    int c = edge_cmp(&r->min, &r->max);
    struct zset_span span = {0, 0};

    if (c > 0 || (c == 0 && (r->min.end || r->min.open || r->max.open))) return span;
    if (is_packed(e)) return zset_packed_members(e, r, from_end);
    span.from = tree_edge(e, &r->min, r->min.open);
    span.to = tree_edge(e, &r->max, !r->max.open);
    if (span.to < span.from) span.to = span.from; /* scores differ */
    return span;
}

static void tree_gone(struct scored *item, void *arg) {
    tree_remove(arg, item, hash_of(scored_member(item)));
}

void zset_remove_span(struct entry *e, struct zset_span span) {
    size_t n = span.to - span.from;

    if (n == 0) return;
    if (is_packed(e)) {
        pack_delete(pack_place(e), zset_packed_at(pack_of(e), span.from), n * 2);
    } else {
        scoretree_remove_range(&tree_of(e)->order, span.from, n, tree_gone, tree_of(e));
    }
}

/* ---------------------------------------------------------------- walking */

void zset_iter_init(struct zset_iter *it, const struct entry *e, size_t rank, bool backward) {
    bool there = rank < zset_count(e);

    it->backward = backward;
    it->pack = NULL;
    if (!is_packed(e)) {
        it->place = (struct scoretree_place){NULL, 0};
        if (there) it->place = scoretree_at(&tree_of(e)->order, rank);
        return;
    }
    it->pack = pack_of(e);
    it->left = there ? rank + 1 : 0;
    it->behind = it->left;
    it->at = there && !backward ? zset_packed_at(it->pack, rank) : 0;
}

/* A pack is read forwards only: positions are noted down for some ranks at a time. */
static void look_back(struct zset_iter *it) {
    size_t first = (it->left - 1) / ZSET_BACK * ZSET_BACK;
    uint32_t at = zset_packed_at(it->pack, first);

    for (size_t i = first; i < it->left; i++, at = zset_packed_next(it->pack, at))
        it->back[i - first] = at;
    it->behind = first;
}

static bool packed_next(struct zset_iter *it) {
    if (it->backward) {
        if (it->left == 0) return false;
        if (it->left <= it->behind) look_back(it);
        it->left--;
        it->here = it->back[it->left - it->behind];
    } else {
        if (!it->at) return false;
        it->here = it->at;
        it->at = zset_packed_next(it->pack, it->at);
    }
    it->member = zset_packed_member(it->pack, it->here, it->text);
    return true;
}

bool zset_iter_next(struct zset_iter *it) {
    enum { AHEAD = 6 };
    struct scoretree_place p = it->place;

    if (it->pack) return packed_next(it);
    if (!p.leaf) return false;
    it->item = scoretree_item(p);
    if (it->backward) {
        if (p.i >= AHEAD) __builtin_prefetch(scoretree_slot_item(p.leaf->slot[p.i - AHEAD]));
        it->place = scoretree_prev(p);
    } else {
        if (p.i + AHEAD < p.leaf->n)
            __builtin_prefetch(scoretree_slot_item(p.leaf->slot[p.i + AHEAD]));
        it->place = scoretree_next(p);
    }
    it->member = scored_member(it->item);
    return true;
}

double zset_iter_packed_score(const struct zset_iter *it) {
    return zset_packed_score(it->pack, it->here);
}

struct scan {
    zset_visit_fn visit;
    void *arg;
};

static void scan_visit(void *entry, void *arg) {
    const struct scored *item = entry;
    const struct scan *s = arg;

    s->visit(scored_member(item), item->score, s->arg);
}

uint64_t zset_scan(const struct entry *e, uint64_t cursor, zset_visit_fn visit, void *arg) {
    struct scan s = {visit, arg};
    struct zset_iter it;

    if (!is_packed(e)) return table_scan(&tree_of(e)->members, cursor, scan_visit, &s);
    zset_iter_init(&it, e, 0, false);
    while (zset_iter_next(&it)) visit(it.member, zset_iter_score(&it), arg);
    return 0;
}

void zset_pick(const struct entry *e, size_t n, zset_visit_fn visit, void *arg) {
    struct scan s = {visit, arg};
    struct zset_iter it;

    while (n-- > 0) {
        if (is_packed(e)) {
            zset_iter_init(&it, e, rng_below(zset_count(e)), false);
            zset_iter_next(&it);
            visit(it.member, zset_iter_score(&it), arg);
        } else {
            scan_visit(table_random(&tree_of(e)->members), &s);
        }
    }
}

void zset_sample(const struct entry *e, size_t n, zset_visit_fn visit, void *arg) {
    struct scan s = {visit, arg};
    size_t left = zset_count(e);
    struct zset_iter it;

    if (n > left) n = left;
    if (!is_packed(e) && n < left) {
        table_sample(&tree_of(e)->members, n, scan_visit, &s);
        return;
    }
    zset_iter_init(&it, e, left - 1, true);
    for (; n > 0 && zset_iter_next(&it); left--) {
        if (n < left && rng_below(left) >= n) continue;
        visit(it.member, zset_iter_score(&it), arg);
        n--;
    }
}

/* ---------------------------------------------------------------- as a type */

static void type_release(struct entry *e) {
    struct zset *z = entry_object(e);

    if (is_packed(e)) {
        pack_free(pack_of(e));
        return;
    }
    scoretree_release(&z->order);
    table_release(&z->members, free_item, NULL);
    mem_free(z);
}

static void *type_copy(const struct entry *e, const struct pace *pace) {
    size_t n = zset_count(e), i = 0;
    struct scored **items;
    struct zset_iter it;
    struct zset *z;

    if (is_packed(e)) return pack_copy(pack_of(e));
    z = zset_tree_new();
    items = mem_alloc((n + 1) * sizeof *items);
    table_reserve(&z->members, n);
    zset_iter_init(&it, e, 0, false);
    for (; zset_iter_next(&it); i++) {
        items[i] = scored_new(it.member, zset_iter_score(&it));
        table_insert(&z->members, items[i], hash_of(it.member));
        pace_at(pace, i);
    }
    scoretree_build(&z->order, items, n, pace);
    mem_free(items);
    return z;
}

static const char *type_encoding(const struct entry *e) {
    return is_packed(e) ? "listpack" : "skiplist";
}

static size_t type_effort(const struct entry *e) {
    return is_packed(e) ? 1 : zset_count(e);
}

static size_t type_mem(const struct entry *e, size_t samples, const struct pace *pace) {
    const struct zset *z = entry_object(e);
    size_t bytes = 0, n = 0;
    struct zset_iter it;

    if (is_packed(e)) return pack_mem(pack_of(e));
    zset_iter_init(&it, e, 0, false);
    while ((samples == 0 || n < samples) && zset_iter_next(&it)) {
        bytes += scored_mem(it.item);
        pace_at(pace, n++);
    }
    if (n) bytes = (size_t)((double)bytes / (double)n * (double)zset_count(e));
    return bytes + sizeof *z + z->members.mem_bytes + z->order.mem_bytes;
}

const struct type_ops zset_type_ops = {
    .name = "zset",
    .release = type_release,
    .copy = type_copy,
    .encoding = type_encoding,
    .effort = type_effort,
    .mem = type_mem,
};
