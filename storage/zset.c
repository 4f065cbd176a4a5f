/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/zset.h"

#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/zset_forms.h"

static inline bool is_packed(const struct entry *e) {
    return entry_form(e) == ZSET_PACKED;
}

static inline struct listpack *packed_of(const struct entry *e) {
    return entry_object(e);
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

    return m.n == key.n && memcmp(m.p, key.p, m.n) == 0;
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

/* ---------------------------------------------------------------- packed */

static double packed_score(const struct listpack *lp, uint32_t at) {
    struct lp_value v = lp_get(lp, at);
    double score = (double)v.v;

    if (v.p) CHECK(num_parse_double(v.p, v.n, &score));
    return score;
}

bool zset_packed_room(size_t bytes, struct slice member) {
    return member.n < LP_BYTES_MAX && bytes + member.n < LP_BYTES_MAX;
}

/* Integers as such: Redis keeps -0 as 0 here. */
static bool integral(double score, int64_t *v) {
    if (!(score >= -0x1p62 && score <= 0x1p62)) return false;
    *v = (int64_t)score;
    return (double)*v == score;
}

static struct slice score_text(double score, char text[NUM_DOUBLE_MAX]) {
    return slice_of(text, (size_t)num_format_double(text, score));
}

void zset_packed_put(struct listpack **lp, uint32_t at, struct slice member, double score) {
    char text[NUM_DOUBLE_MAX];
    int64_t v;

    if (at)
        at = lp_next(*lp, lp_insert(lp, at, member));
    else
        lp_append(lp, member);
    if (integral(score, &v))
        lp_insert_int(lp, at, v);
    else
        lp_insert(lp, at, score_text(score, text));
}

/* Whether the pair at `at` comes before this one. */
static bool pair_before(const struct listpack *lp, uint32_t at, double score, struct slice member) {
    double have = packed_score(lp, lp_next(lp, at));
    char text[NUM_I64_MAX];

    if (have != score) return have < score;
    return slice_cmp(lp_text(lp, at, text), member) < 0;
}

static uint32_t next_pair(const struct listpack *lp, uint32_t at) {
    return lp_next(lp, lp_next(lp, at));
}

/* The position of the last pair's member, and of the one before `at`; 0: none. */
static uint32_t last_pair(const struct listpack *lp) {
    uint32_t score = lp_last(lp);

    return score ? lp_prev(lp, score) : 0;
}

static uint32_t prev_pair(const struct listpack *lp, uint32_t at) {
    uint32_t score = lp_prev(lp, at);

    return score ? lp_prev(lp, score) : 0;
}

/* The pair that a new one goes in front of, 0: the end. */
static uint32_t packed_place(const struct listpack *lp, double score, struct slice member) {
    uint32_t at = last_pair(lp);

    if (at && pair_before(lp, at, score, member)) return 0;
    at = lp_first(lp);
    while (at && pair_before(lp, at, score, member)) at = next_pair(lp, at);
    return at;
}

static bool keeps_place(const struct listpack *lp, uint32_t at, double score, struct slice member) {
    uint32_t prev = prev_pair(lp, at), next = next_pair(lp, at);

    return (!prev || pair_before(lp, prev, score, member)) &&
           (!next || !pair_before(lp, next, score, member));
}

static void packed_rescore(struct listpack **lp, uint32_t at, struct slice member, double score) {
    char text[NUM_DOUBLE_MAX];
    int64_t v;

    if (!keeps_place(*lp, at, score, member)) {
        lp_delete(lp, at, 2);
        zset_packed_put(lp, packed_place(*lp, score, member), member, score);
        return;
    }
    at = lp_next(*lp, at);
    if (integral(score, &v))
        lp_replace_int(lp, at, v);
    else
        lp_replace(lp, at, score_text(score, text));
}

/* ---------------------------------------------------------------- forms */

struct entry *zset_new(struct slice key, size_t len, const struct zset_rules *rules) {
    bool packed = rules->max_entries > 0 && len <= rules->max_value;

    return entry_new_object(key, TYPE_ZSET, packed ? (void *)lp_new() : (void *)zset_tree_new(),
                            ENTRY_NO_EXPIRE,
                            (packed ? ZSET_PACKED : ZSET_TREE) << ENTRY_FORM_SHIFT);
}

static void become_tree(struct entry *e) {
    struct listpack *lp = packed_of(e);
    struct zset *z = zset_tree_new();
    size_t n = lp_count(lp) / 2, i = 0;
    struct scored **items = mem_alloc((n + 1) * sizeof *items);

    for (uint32_t at = lp_first(lp); at; at = next_pair(lp, at), i++) {
        char text[NUM_I64_MAX];
        struct slice member = lp_text(lp, at, text);

        items[i] = scored_new(member, packed_score(lp, lp_next(lp, at)));
        table_insert(&z->members, items[i], hash_of(member));
    }
    scoretree_build(&z->order, items, n);
    mem_free(items);
    lp_free(lp);
    entry_set_object(e, z, ZSET_TREE);
}

size_t zset_count(const struct entry *e) {
    return is_packed(e) ? lp_count(packed_of(e)) / 2 : tree_of(e)->order.count;
}

/* ---------------------------------------------------------------- one member */

bool zset_find(const struct entry *e, struct slice member, struct zset_hit *hit) {
    *hit = (struct zset_hit){0};
    if (is_packed(e)) {
        const struct listpack *lp = packed_of(e);
        struct lp_key key = lp_key_of(member);

        hit->at = lp_find(lp, lp_first(lp), &key, 1);
        if (!hit->at) return false;
        hit->score = packed_score(lp, lp_next(lp, hit->at));
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
        zset_packed_room(lp_bytes(packed_of(e)), member)) {
        struct listpack *lp = packed_of(e);

        zset_packed_put(&lp, packed_place(lp, score, member), member, score);
        entry_set_object(e, lp, ZSET_PACKED);
        return;
    }
    if (packed) become_tree(e);
    z = tree_of(e);
    item = scored_new(member, score);
    table_insert(&z->members, item, packed ? hash_of(member) : miss->hash);
    scoretree_insert(&z->order, item);
}

void zset_rescore(struct entry *e, struct slice member, double score, const struct zset_hit *hit) {
    if (is_packed(e)) {
        struct listpack *lp = packed_of(e);

        packed_rescore(&lp, hit->at, member, score);
        entry_set_object(e, lp, ZSET_PACKED);
    } else {
        scoretree_rescore(&tree_of(e)->order, hit->item, score);
    }
}

size_t zset_rank(const struct entry *e, struct slice member, const struct zset_hit *hit) {
    struct score_bound b = {BOUND_ITEM, false, hit->score, member};
    size_t rank = 0;

    if (!is_packed(e)) return scoretree_rank(&tree_of(e)->order, &b);
    for (uint32_t at = lp_first(packed_of(e)); at != hit->at; at = next_pair(packed_of(e), at))
        rank++;
    return rank;
}

bool zset_remove(struct entry *e, struct slice member) {
    struct zset_hit hit;

    if (!zset_find(e, member, &hit)) return false;
    if (is_packed(e)) {
        struct listpack *lp = packed_of(e);

        lp_delete(&lp, hit.at, 2);
        entry_set_object(e, lp, ZSET_PACKED);
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
    if (!is_packed(e)) {
        const struct scoretree *t = &tree_of(e)->order;

        span.from = scoretree_rank(
            t, &(struct score_bound){.kind = BOUND_SCORE, .score = r->min, .behind = r->above_min});
        span.to = scoretree_rank(
            t,
            &(struct score_bound){.kind = BOUND_SCORE, .score = r->max, .behind = !r->below_max});
        return span;
    }
    for (uint32_t at = lp_first(packed_of(e)); at; at = next_pair(packed_of(e), at)) {
        double score = packed_score(packed_of(e), lp_next(packed_of(e), at));

        if (r->below_max ? score >= r->max : score > r->max) break;
        span.to++;
        if (r->above_min ? score <= r->min : score < r->min) span.from++;
    }
    return span;
}

static int edge_cmp(const struct zset_edge *a, const struct zset_edge *b) {
    if (a->end || b->end) return a->end - b->end;
    return slice_cmp(a->member, b->member);
}

static bool above_min(const struct zset_members *r, struct slice member) {
    int c;

    if (r->min.end) return r->min.end < 0;
    c = slice_cmp(member, r->min.member);
    return r->min.open ? c > 0 : c >= 0;
}

static bool below_max(const struct zset_members *r, struct slice member) {
    int c;

    if (r->max.end) return r->max.end > 0;
    c = slice_cmp(member, r->max.member);
    return r->max.open ? c < 0 : c <= 0;
}

/* Whether the last member is above the lower bound and the first below the upper one. */
static bool packed_reaches(const struct listpack *lp, const struct zset_members *r) {
    char text[NUM_I64_MAX];

    return above_min(r, lp_text(lp, last_pair(lp), text)) &&
           below_max(r, lp_text(lp, lp_first(lp), text));
}

/* From the first (or last) member that is within the bound it meets first, to where the other
 * bound is passed. */
static struct zset_span packed_span(const struct entry *e, const struct zset_members *r,
                                    bool from_end) {
    bool (*enters)(const struct zset_members *, struct slice) = from_end ? below_max : above_min;
    bool (*stays)(const struct zset_members *, struct slice) = from_end ? above_min : below_max;
    size_t skipped = 0, n = 0, count = zset_count(e);
    struct zset_iter it;

    if (!packed_reaches(packed_of(e), r)) return (struct zset_span){0, 0};
    zset_iter_init(&it, e, from_end ? count - 1 : 0, from_end);
    while (zset_iter_next(&it)) {
        if (n == 0 && !enters(r, it.member)) {
            skipped++;
            continue;
        }
        if (!stays(r, it.member)) break;
        n++;
    }
    if (from_end) return (struct zset_span){count - skipped - n, count - skipped};
    return (struct zset_span){skipped, skipped + n};
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
    if (is_packed(e)) return packed_span(e, r, from_end);
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
        struct listpack *lp = packed_of(e);

        lp_delete(&lp, lp_at(lp, (int64_t)span.from * 2), n * 2);
        entry_set_object(e, lp, ZSET_PACKED);
    } else {
        scoretree_remove_range(&tree_of(e)->order, span.from, n, tree_gone, tree_of(e));
    }
}

/* ---------------------------------------------------------------- walking */

void zset_iter_init(struct zset_iter *it, const struct entry *e, size_t rank, bool backward) {
    it->backward = backward;
    if (is_packed(e)) {
        it->lp = packed_of(e);
        it->next = rank < zset_count(e) ? lp_at(it->lp, (int64_t)rank * 2) : 0;
    } else {
        it->lp = NULL;
        it->place = (struct scoretree_place){NULL, 0};
        if (rank < zset_count(e)) it->place = scoretree_at(&tree_of(e)->order, rank);
    }
}

static bool packed_next(struct zset_iter *it) {
    uint32_t at = it->next;

    if (!at) return false;
    it->score = lp_next(it->lp, at);
    it->next = it->backward ? prev_pair(it->lp, at) : lp_next(it->lp, it->score);
    it->member = lp_text(it->lp, at, it->text);
    return true;
}

bool zset_iter_next(struct zset_iter *it) {
    enum { AHEAD = 6 };
    struct scoretree_place p = it->place;

    if (it->lp) return packed_next(it);
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
    return packed_score(it->lp, it->score);
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
        lp_free(packed_of(e));
        return;
    }
    scoretree_release(&z->order);
    table_release(&z->members, free_item, NULL);
    mem_free(z);
}

static void *type_copy(const struct entry *e) {
    size_t n = zset_count(e), i = 0;
    struct scored **items;
    struct zset_iter it;
    struct zset *z;

    if (is_packed(e)) return lp_copy(packed_of(e));
    z = zset_tree_new();
    items = mem_alloc((n + 1) * sizeof *items);
    table_reserve(&z->members, n);
    zset_iter_init(&it, e, 0, false);
    for (; zset_iter_next(&it); i++) {
        items[i] = scored_new(it.member, zset_iter_score(&it));
        table_insert(&z->members, items[i], hash_of(it.member));
    }
    scoretree_build(&z->order, items, n);
    mem_free(items);
    return z;
}

static const char *type_encoding(const struct entry *e) {
    return is_packed(e) ? "listpack" : "skiplist";
}

static size_t type_effort(const struct entry *e) {
    return is_packed(e) ? 1 : zset_count(e);
}

static size_t type_mem(const struct entry *e, size_t samples) {
    const struct zset *z = entry_object(e);
    size_t bytes = 0, n = 0;
    struct zset_iter it;

    if (is_packed(e)) return lp_mem(packed_of(e));
    zset_iter_init(&it, e, 0, false);
    while ((samples == 0 || n < samples) && zset_iter_next(&it)) {
        bytes += scored_mem(it.item);
        n++;
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
