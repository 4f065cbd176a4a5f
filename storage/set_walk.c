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
};

static void walk_visit(void *item, void *arg) {
    const struct walk *w = arg;

    w->visit(set_value_of(item), w->arg);
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

void set_each(const struct entry *e, set_visit_fn visit, void *arg) {
    struct walk w = {visit, arg};

    if (entry_form(e) == SET_TABLE)
        table_each(entry_object(e), walk_visit, &w);
    else
        each_small(e, visit, arg);
}

uint64_t set_scan(const struct entry *e, uint64_t cursor, set_visit_fn visit, void *arg) {
    struct walk w = {visit, arg};

    if (entry_form(e) == SET_TABLE) return table_scan(entry_object(e), cursor, walk_visit, &w);
    each_small(e, visit, arg);
    return 0;
}

/* ---------------------------------------------------------------- batches */

static size_t next_of_table(struct set_iter *it, struct set_batch *b) {
    void *items[SET_BATCH];
    unsigned depth;

    b->n = table_next(entry_object(it->e), &it->table, SET_BATCH, items, b->hash, &depth);
    b->depth = (int)depth;
    for (size_t i = 0; i < b->n; i++) b->v[i] = set_value_of(items[i]);
    return b->n;
}

size_t set_next(struct set_iter *it, struct set_batch *b) {
    const void *object = entry_object(it->e);

    if (entry_form(it->e) == SET_TABLE) return next_of_table(it, b);
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

struct lp_value set_random(const struct entry *e) {
    const void *object = entry_object(e);

    switch ((enum set_form)entry_form(e)) {
    case SET_INTSET: return set_int(intset_get(object, rng_below(intset_len(object))));
    case SET_PACK: return pack_get(object, pack_at(object, rng_below(pack_count(object))));
    default: return set_value_of(table_random(object));
    }
}

struct gather {
    struct lp_value *v;
    size_t n;
};

static void gather_visit(struct lp_value member, void *arg) {
    struct gather *g = arg;

    g->v[g->n++] = member;
}

void set_pick(const struct entry *e, size_t n, set_visit_fn visit, void *arg) {
    struct gather g = {0};

    if (n < 3 || entry_form(e) != SET_PACK) {
        while (n-- > 0) visit(set_random(e), arg);
        return;
    }
    g.v = mem_alloc(set_len(e) * sizeof *g.v);
    set_each(e, gather_visit, &g);
    while (n-- > 0) visit(g.v[rng_below(g.n)], arg);
    mem_free(g.v);
}

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

void set_sample(const struct entry *e, size_t n, set_visit_fn visit, void *arg) {
    struct sieve s = {set_len(e), n, visit, arg};
    struct walk w = {visit, arg};

    if (n >= s.left)
        set_each(e, visit, arg);
    else if (entry_form(e) == SET_TABLE)
        table_sample(entry_object(e), n, walk_visit, &w);
    else
        each_small(e, sieve_visit, &s);
}
