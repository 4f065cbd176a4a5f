/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/zset_build.h"

#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/zset_forms.h"

#include <math.h>
#include <stdlib.h>

enum {
    INSERTION_MAX = 48, /* fewer are sorted by insertion */
    DIGITS = 8,         /* of a key, each a byte */
};

void zset_build_init(struct zset_build *b, size_t expect) {
    *b = (struct zset_build){.cap = expect + 8};
    b->v = mem_alloc(b->cap * sizeof *b->v);
    table_init(&b->members, &scored_table_ops);
}

void zset_build_release(struct zset_build *b) {
    for (size_t i = 0; i < b->n; i++) mem_free(b->v[i].item);
    table_release(&b->members, NULL, NULL);
    mem_free(b->v);
    *b = (struct zset_build){0};
}

void zset_build_add(struct zset_build *b, struct slice member, double score) {
    if (b->n == b->cap) {
        b->cap *= 2;
        b->v = mem_realloc(b->v, b->cap * sizeof *b->v);
    }
    b->v[b->n++].item = scored_new(member, score);
    b->total += member.n;
    if (member.n > b->longest) b->longest = member.n;
}

double *zset_build_slot(struct zset_build *b, struct slice member, double score) {
    uint64_t hash = hash_bytes(member.p, member.n);
    struct scored *item;

    if (b->n == 0) table_reserve(&b->members, b->cap);
    item = table_find(&b->members, member, hash);
    if (item) return &item->score;
    zset_build_add(b, member, score);
    table_insert(&b->members, b->v[b->n - 1].item, hash);
    return NULL;
}

/* ---------------------------------------------------------------- sorting */

static int built_cmp(const void *a, const void *b) {
    const struct zset_built *x = a, *y = b;

    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return slice_cmp(scored_member(x->item), scored_member(y->item));
}

static int paced_cmp(const void *a, const void *b, void *pace) {
    pace_step(pace, 1);
    return built_cmp(a, b);
}

static bool is_sorted(const struct zset_built *v, size_t n, const struct pace *pace) {
    for (size_t i = 1; i < n; i++) {
        if (built_cmp(&v[i - 1], &v[i]) > 0) return false;
        pace_at(pace, i);
    }
    return true;
}

static void sort_by_insertion(struct zset_built *v, size_t n) {
    for (size_t i = 1; i < n; i++) {
        struct zset_built x = v[i];
        size_t k = i;

        for (; k > 0 && built_cmp(&v[k - 1], &x) > 0; k--) v[k] = v[k - 1];
        v[k] = x;
    }
}

/* One pass of a radix sort: by digit d, whose values come `times[]` times each. */
static void sort_digit(struct zset_build *b, struct zset_built *to, unsigned d, size_t times[256]) {
    const struct zset_built *from = b->v;
    size_t at = 0, n = b->n;

    for (unsigned i = 0; i < 256; i++) {
        size_t k = times[i];

        times[i] = at;
        at += k;
    }
    for (size_t i = 0; i < n; i++) {
        to[times[from[i].key >> (8 * d) & 255]++] = from[i];
        pace_at(&b->pace, i);
    }
}

/* By key alone, the lowest digit first; digits that are the same everywhere cost nothing. */
static void sort_by_digits(struct zset_build *b) {
    struct zset_built *other = mem_alloc(b->n * sizeof *other), *t;
    size_t times[DIGITS][256] = {{0}};

    for (size_t i = 0; i < b->n; i++) {
        for (unsigned d = 0; d < DIGITS; d++) times[d][b->v[i].key >> (8 * d) & 255]++;
        pace_at(&b->pace, i);
    }
    for (unsigned d = 0; d < DIGITS; d++) {
        if (times[d][b->v[0].key >> (8 * d) & 255] == b->n) continue;
        sort_digit(b, other, d, times[d]);
        t = b->v;
        b->v = other;
        other = t;
    }
    b->cap = b->n;
    mem_free(other);
}

/* Runs of equal keys by member. */
static void sort_ties(struct zset_built *v, size_t n, const struct pace *pace) {
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && v[to].key == v[from].key; to++) {
        }
        if (to - from < INSERTION_MAX)
            sort_by_insertion(v + from, to - from);
        else if (!is_sorted(v + from, to - from, pace))
            qsort_r(v + from, to - from, sizeof *v, paced_cmp, (void *)pace);
        pace_step(pace, to - from);
    }
}

void zset_build_sort(struct zset_build *b) {
    for (size_t i = 0; i < b->n; i++) {
        b->v[i].key = score_sortable(b->v[i].item->score);
        pace_at(&b->pace, i);
    }
    if (is_sorted(b->v, b->n, &b->pace)) return;
    if (b->n >= INSERTION_MAX) {
        sort_by_digits(b);
        sort_ties(b->v, b->n, &b->pace);
    } else {
        sort_by_insertion(b->v, b->n);
    }
}

/* ---------------------------------------------------------------- from a listpack */

/* Whether each second element is a score. */
static bool scores_hold(const struct pack *p) {
    for (uint32_t at = pack_first(p); at; at = pack_next(p, at)) {
        struct lp_value v;
        double score;

        at = pack_next(p, at);
        v = pack_get(p, at);
        if (v.p && (!num_parse_double(v.p, v.n, &score) || isnan(score))) return false;
    }
    return true;
}

static void add_packed(struct zset_build *b, const struct pack *p) {
    for (uint32_t at = pack_first(p); at; at = zset_packed_next(p, at)) {
        char text[NUM_I64_MAX];

        zset_build_add(b, zset_packed_member(p, at, text), zset_packed_score(p, at));
    }
}

static bool is_in_order(const struct pack *p) {
    char texts[2][NUM_I64_MAX];
    struct slice last = {0}, member;
    double last_score = 0, score;
    unsigned i = 0;

    for (uint32_t at = pack_first(p); at; at = zset_packed_next(p, at), i ^= 1) {
        member = zset_packed_member(p, at, texts[i]);
        score = zset_packed_score(p, at);
        if (last.p && (score < last_score || (score == last_score && slice_cmp(last, member) > 0)))
            return false;
        last = member;
        last_score = score;
    }
    return true;
}

struct entry *zset_from_listpack(struct slice key, const struct listpack *lp,
                                 const struct zset_rules *rules) {
    struct pack *p = pack_from_listpack(lp);
    size_t n = pack_count(p);
    struct zset_build b;
    struct entry *e = NULL;

    if (n > 0 && n % 2 == 0 && pack_unique(p, 2) && scores_hold(p)) {
        if (is_in_order(p) && n / 2 <= rules->max_entries && pack_bytes(p) < LP_BYTES_MAX)
            return entry_new_object(key, TYPE_ZSET, p, ENTRY_NO_EXPIRE,
                                    ZSET_PACKED << ENTRY_FORM_SHIFT);
        zset_build_init(&b, n / 2);
        add_packed(&b, p);
        e = zset_build_entry(&b, key, rules);
    }
    pack_free(p);
    return e;
}

const struct pack *zset_pack(const struct entry *e) {
    return zset_is_packed(e) ? entry_object(e) : NULL;
}

/* ---------------------------------------------------------------- the result */

static struct pack *pack_all(struct zset_build *b) {
    struct pack *p = pack_new();

    for (size_t i = 0; i < b->n; i++)
        zset_packed_append(&p, scored_member(b->v[i].item), b->v[i].item->score);
    return p;
}

/* Takes the items over. */
static struct zset *plant(struct zset_build *b) {
    struct zset *z = zset_tree_new();
    struct scored **items = (struct scored **)b->v; /* half as wide: filled from the front */

    if (b->members.count == 0) {
        table_release(&b->members, NULL, NULL);
        table_reserve(&z->members, b->n);
        for (size_t i = 0; i < b->n; i++) {
            struct slice member = scored_member(b->v[i].item);

            table_insert(&z->members, b->v[i].item, hash_bytes(member.p, member.n));
            pace_at(&b->pace, i);
        }
    } else {
        z->members = b->members;
        table_init(&b->members, &scored_table_ops);
    }
    for (size_t i = 0; i < b->n; i++) {
        struct scored *item = b->v[i].item;

        memcpy(&items[i], &item, sizeof item);
        pace_at(&b->pace, i);
    }
    scoretree_build(&z->order, items, b->n, &b->pace);
    b->n = 0;
    return z;
}

struct entry *zset_build_entry(struct zset_build *b, struct slice key,
                               const struct zset_rules *rules) {
    bool packed =
        b->n <= rules->max_entries && b->longest <= rules->max_value && b->total < LP_BYTES_MAX / 2;
    void *object;

    CHECK(b->n > 0);
    zset_build_sort(b);
    object = packed ? (void *)pack_all(b) : (void *)plant(b);
    zset_build_release(b);
    return entry_new_object(key, TYPE_ZSET, object, ENTRY_NO_EXPIRE,
                            (packed ? ZSET_PACKED : ZSET_TREE) << ENTRY_FORM_SHIFT);
}
