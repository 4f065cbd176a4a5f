/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_walk - all members of a set, some at a time, or any of them.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/set_forms.h"

struct walk {
    set_visit_fn visit;
    void *arg;
    int64_t now_ms;
};

static void walk_visit(void *item, void *arg) {
    const struct walk *w = arg;

    if (!set_item_is_due(item, w->now_ms)) w->visit(set_value_of(item), w->arg);
}

static void each_small(const struct entry *e, set_visit_fn visit, void *arg) {
    const void *object = entry_object(e);

    if (entry_form(e) == SET_INTSET)
        for (size_t i = 0, n = intset_len(object); i < n; i++)
            visit(set_int(intset_get(object, i)), arg);
    else
        for (uint32_t at = pack_first(object); at; at = pack_next(object, at))
            visit(pack_get(object, at), arg);
}

void set_each(const struct entry *e, int64_t now_ms, set_visit_fn visit, void *arg) {
    struct walk w = {visit, arg, now_ms};

    if (set_is_table(e))
        table_each(entry_object(e), walk_visit, &w);
    else
        each_small(e, visit, arg);
}

uint64_t set_scan(const struct entry *e, uint64_t cursor, int64_t now_ms, set_visit_fn visit,
                  void *arg) {
    struct walk w = {visit, arg, now_ms};

    if (set_is_table(e)) return table_scan(entry_object(e), cursor, walk_visit, &w);
    each_small(e, visit, arg);
    return 0;
}

/* ---------------------------------------------------------------- batches */

/* Leaves out what is due. */
static size_t drop_due(void **items, uint64_t *hash, size_t n, int64_t now_ms) {
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (set_item_is_due(items[i], now_ms)) continue;
        items[kept] = items[i];
        hash[kept++] = hash[i];
    }
    return kept;
}

static size_t next_of_table(struct set_iter *it, struct set_batch *b) {
    void *items[SET_BATCH];
    unsigned depth;

    do {
        b->n = table_next(entry_object(it->e), &it->table, SET_BATCH, items, b->hash, &depth);
        if (b->n == 0 || !set_is_timed(it->e)) break;
        b->n = drop_due(items, b->hash, b->n, it->now_ms);
    } while (b->n == 0);
    b->depth = (int)depth;
    for (size_t i = 0; i < b->n; i++) b->v[i] = set_value_of(items[i]);
    return b->n;
}

size_t set_next(struct set_iter *it, struct set_batch *b) {
    const void *object = entry_object(it->e);

    if (set_is_table(it->e)) return next_of_table(it, b);
    b->n = 0;
    b->depth = -1;
    if (entry_form(it->e) == SET_INTSET) {
        while (b->n < SET_BATCH && it->at < intset_len(object))
            b->v[b->n++] = set_int(intset_get(object, it->at++));
        return b->n;
    }
    if (it->at == 0) it->at = pack_first(object);
    while (b->n < SET_BATCH && it->at && it->at < pack_bytes(object)) {
        uint32_t next = pack_next(object, (uint32_t)it->at);

        b->v[b->n++] = pack_get(object, (uint32_t)it->at);
        it->at = next ? next : pack_bytes(object);
    }
    return b->n;
}

/* ---------------------------------------------------------------- chance */

/* Of those that pass by, lets through n at random. */
struct sieve {
    size_t left, wanted;
    set_visit_fn visit;
    void *arg;
};

static void sieve_visit(struct lp_value member, void *arg) {
    struct sieve *s = arg;

    if (rng_below(s->left--) >= s->wanted) return;
    s->wanted--;
    s->visit(member, s->arg);
}

static void keep_member(struct lp_value member, void *arg) {
    *(struct lp_value *)arg = member;
}

enum { TRIES = 64 }; /* before all members are looked at, if most of them are due */

static bool random_timed(const struct entry *e, int64_t now_ms, struct lp_value *out) {
    struct sieve s = {0, 1, keep_member, out};

    for (int i = 0; i < TRIES && set_len(e) > 0; i++) {
        void *item = table_random(entry_object(e));

        if (set_item_is_due(item, now_ms)) continue;
        *out = set_value_of(item);
        return true;
    }
    s.left = set_len_at(e, now_ms);
    if (s.left == 0) return false;
    set_each(e, now_ms, sieve_visit, &s);
    return true;
}

bool set_random(const struct entry *e, int64_t now_ms, struct lp_value *out) {
    const void *object = entry_object(e);

    switch ((enum set_form)entry_form(e)) {
    case SET_INTSET: *out = set_int(intset_get(object, rng_below(intset_len(object)))); break;
    case SET_PACK: *out = pack_get(object, pack_at(object, rng_below(pack_count(object)))); break;
    case SET_TABLE: *out = set_value_of(table_random(object)); break;
    case SET_TIMED: return random_timed(e, now_ms, out);
    }
    return true;
}

struct gather {
    struct lp_value *v;
    size_t n;
};

static void gather_visit(struct lp_value member, void *arg) {
    struct gather *g = arg;

    g->v[g->n++] = member;
}

void set_pick(const struct entry *e, int64_t now_ms, size_t n, set_visit_fn visit, void *arg) {
    struct gather g = {0};
    struct lp_value v;

    if (n < 3 || (entry_form(e) != SET_PACK && !set_any_due(e, now_ms))) {
        while (n-- > 0 && set_random(e, now_ms, &v)) visit(v, arg);
        return;
    }
    g.v = mem_alloc((set_len(e) + 1) * sizeof *g.v);
    set_each(e, now_ms, gather_visit, &g);
    while (n-- > 0 && g.n > 0) visit(g.v[rng_below(g.n)], arg);
    mem_free(g.v);
}

void set_sample(const struct entry *e, int64_t now_ms, size_t n, set_visit_fn visit, void *arg) {
    struct sieve s = {set_len_at(e, now_ms), n, visit, arg};
    struct walk w = {visit, arg, PARTS_ALL};

    if (n >= s.left)
        set_each(e, now_ms, visit, arg);
    else if (set_is_table(e) && s.left == set_len(e))
        table_sample(entry_object(e), n, walk_visit, &w);
    else
        set_each(e, now_ms, sieve_visit, &s);
}
