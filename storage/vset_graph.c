/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset_graph - the graph of a vector set: searching, inserting, removing.
 *
 * Inserting follows algorithms 1 and 4 of the paper. It differs in what a full element does: since
 * a link stands on both sides, an element gives up the farthest neighbour that another of its
 * neighbours is nearer to, and only one that has links enough. Removing joins the neighbours that
 * lost a link with each other, the nearest pairs first.
 */
#include "storage/base/mem.h"
#include "storage/vset.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- links */

bool vset_linked(const struct vset_element *a, const struct vset_element *b, unsigned level) {
    const struct vset_links *l = a->links[level];

    for (uint32_t i = 0; l && i < l->n; i++)
        if (l->to[i] == b) return true;
    return false;
}

static size_t degree(const struct vset_element *e, unsigned level) {
    return e->links[level] ? e->links[level]->n : 0;
}

static void add_link(struct vset *s, struct vset_element *from, struct vset_element *to,
                     unsigned level) {
    struct vset_links *l = from->links[level];

    if (!l || l->n == l->cap) {
        uint32_t n = l ? l->n : 0, cap = n ? n + n / 2 + 1 : 4;
        size_t old = l ? mem_usable(l) : 0;

        if (cap > vset_links_max(s, level)) cap = (uint32_t)vset_links_max(s, level);
        if (cap <= n) cap = n + 1; /* of a snapshot that holds more */
        l = mem_realloc(l, sizeof *l + cap * sizeof *l->to);
        l->n = n;
        l->cap = (uint32_t)((mem_usable(l) - sizeof *l) / sizeof *l->to);
        s->bytes += mem_usable(l) - old;
        from->links[level] = l;
    }
    l->to[l->n++] = to;
}

void vset_link(struct vset *s, struct vset_element *a, struct vset_element *b, unsigned level) {
    add_link(s, a, b, level);
    add_link(s, b, a, level);
}

static void drop_link(struct vset_element *from, const struct vset_element *to, unsigned level) {
    struct vset_links *l = from->links[level];
    uint32_t i = 0;

    while (l->to[i] != to) i++;
    l->to[i] = l->to[--l->n];
}

static void unlink_both(struct vset_element *a, struct vset_element *b, unsigned level) {
    drop_link(a, b, level);
    drop_link(b, a, level);
}

/* ---------------------------------------------------------------- heaps */

/* A binary heap of what was found: the farthest above if `far_first`, otherwise the nearest. */
struct heap_of_near {
    struct vset_near *at;
    size_t n, cap;
    bool far_first;
};

static bool above(const struct heap_of_near *h, const struct vset_near *a,
                  const struct vset_near *b) {
    return h->far_first ? a->distance > b->distance : a->distance < b->distance;
}

static void heap_push(struct heap_of_near *h, struct vset_near v) {
    size_t i;

    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->at = mem_realloc(h->at, h->cap * sizeof *h->at);
    }
    for (i = h->n++; i > 0 && above(h, &v, &h->at[(i - 1) / 2]); i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = v;
}

static struct vset_near heap_pop(struct heap_of_near *h) {
    struct vset_near top = h->at[0], last = h->at[--h->n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < h->n) {
        if (child + 1 < h->n && above(h, &h->at[child + 1], &h->at[child])) child++;
        if (!above(h, &h->at[child], &last)) break;
        h->at[i] = h->at[child];
        i = child;
    }
    h->at[i] = last;
    return top;
}

/* ---------------------------------------------------------------- searching */

/* One search of one level. */
struct walk {
    const struct vset *s;
    const struct vset_search *q;
    uint64_t *seen; /* a bit for each place */
    struct heap_of_near open, found;
    size_t looked;
};

static bool is_new(struct walk *w, const struct vset_element *e) {
    uint64_t bit = UINT64_C(1) << e->at % 64, *word = &w->seen[e->at / 64];

    if (*word & bit) return false;
    *word |= bit;
    return true;
}

/* Elements that are not accepted lead on, but are not found. */
static void look_at(struct walk *w, struct vset_element *e) {
    struct vset_near v = {vset_distance(w->s, w->q->to, &e->point), e};
    bool full = w->found.n >= w->q->ef;

    w->looked++;
    if (full && !(v.distance < w->found.at[0].distance)) return;
    heap_push(&w->open, v);
    if (w->q->accept && !w->q->accept(e, w->q->arg)) return;
    if (full) heap_pop(&w->found);
    heap_push(&w->found, v);
}

static bool is_over(const struct walk *w, const struct vset_near *next) {
    if (w->found.n >= w->q->ef && next->distance > w->found.at[0].distance) return true;
    return w->q->accept && w->q->effort && w->looked >= w->q->effort;
}

/* Leaves the result in out, the nearest first. */
static size_t search_level(const struct vset *s, const struct vset_search *q, unsigned level,
                           const struct vset_near *from, size_t nfrom, struct vset_near *out) {
    struct walk w = {.s = s, .q = q, .found = {.far_first = true}};
    size_t n;

    w.seen = mem_calloc((s->n + 63) / 64 * sizeof *w.seen);
    for (size_t i = 0; i < nfrom; i++)
        if (is_new(&w, from[i].e)) look_at(&w, from[i].e);
    while (w.open.n > 0) {
        struct vset_near next = heap_pop(&w.open);
        const struct vset_links *l = next.e->links[level];

        if (is_over(&w, &next)) break;
        for (uint32_t i = 0; l && i < l->n; i++)
            if (is_new(&w, l->to[i])) look_at(&w, l->to[i]);
        pace_step(q->pace, 1 + (l ? l->n : 0));
    }
    n = w.found.n;
    for (size_t i = n; i > 0; i--) out[i - 1] = heap_pop(&w.found);
    mem_free(w.seen);
    mem_free(w.open.at);
    mem_free(w.found.at);
    return n;
}

/* Goes to a nearer neighbour as long as there is one. */
static struct vset_near descend(const struct vset *s, const struct vset_point *to,
                                struct vset_near from, unsigned level) {
    for (;;) {
        const struct vset_links *l = from.e->links[level];
        struct vset_near best = from;

        for (uint32_t i = 0; l && i < l->n; i++) {
            float d = vset_distance(s, to, &l->to[i]->point);

            if (d < best.distance) best = (struct vset_near){d, l->to[i]};
        }
        if (best.e == from.e) return from;
        from = best;
    }
}

/* The nearest element that is found by going down to `level`, not including that. */
static struct vset_near approach(const struct vset *s, const struct vset_point *to,
                                 unsigned level) {
    struct vset_near at = {vset_distance(s, to, &s->entry->point), s->entry};

    for (unsigned l = s->entry->level; l > level; l--) at = descend(s, to, at, l);
    return at;
}

size_t vset_search(const struct vset *s, const struct vset_search *q, struct vset_near *out) {
    struct vset_near from;

    if (!s->entry) return 0;
    from = approach(s, q->to, 0);
    return search_level(s, q, 0, &from, 1, out);
}

size_t vset_scan(const struct vset *s, const struct vset_search *q, struct vset_near *out) {
    struct heap_of_near found = {.far_first = true};
    size_t n;

    for (size_t i = 0; i < s->n; i++) {
        struct vset_near v = {vset_distance(s, q->to, &s->all[i]->point), s->all[i]};

        pace_step(q->pace, 1);
        if (found.n >= q->ef && !(v.distance < found.at[0].distance)) continue;
        if (q->accept && !q->accept(v.e, q->arg)) continue;
        if (found.n >= q->ef) heap_pop(&found);
        heap_push(&found, v);
    }
    n = found.n;
    for (size_t i = n; i > 0; i--) out[i - 1] = heap_pop(&found);
    mem_free(found.at);
    return n;
}

/* ---------------------------------------------------------------- inserting */

/* Algorithm 4: candidates that are nearer to the new element than to one that was chosen before,
 * then the nearest of the others. The chosen ones come first in `c`. */
static size_t choose(const struct vset *s, struct vset_near *c, size_t n, size_t max) {
    size_t chosen = 0, left = 0;
    struct vset_near *others = mem_alloc((n + 1) * sizeof *others);

    for (size_t i = 0; i < n; i++) {
        bool good = chosen < max;

        for (size_t k = 0; good && k < chosen; k++)
            good = vset_distance(s, &c[i].e->point, &c[k].e->point) >= c[i].distance;
        if (good)
            c[chosen++] = c[i];
        else
            others[left++] = c[i];
    }
    for (size_t i = 0; i < left && chosen < max; i++) c[chosen++] = others[i];
    mem_free(others);
    return chosen;
}

static int by_distance_down(const void *a, const void *b) {
    float x = ((const struct vset_near *)a)->distance, y = ((const struct vset_near *)b)->distance;

    return (x < y) - (x > y);
}

static bool is_redundant(const struct vset *s, const struct vset_near *v,
                         const struct vset_links *l) {
    for (uint32_t i = 0; i < l->n; i++)
        if (l->to[i] != v->e && vset_distance(s, &l->to[i]->point, &v->e->point) < v->distance)
            return true;
    return false;
}

/* Which neighbour a full element gives up for one that is at `distance`; NULL: none. */
static struct vset_element *victim(const struct vset *s, const struct vset_element *e,
                                   unsigned level, float distance) {
    const struct vset_links *l = e->links[level];
    struct vset_near *near = mem_alloc(l->n * sizeof *near);
    struct vset_element *spare = NULL, *out = NULL;

    for (uint32_t i = 0; i < l->n; i++)
        near[i] = (struct vset_near){vset_distance(s, &e->point, &l->to[i]->point), l->to[i]};
    qsort(near, l->n, sizeof *near, by_distance_down);
    for (uint32_t i = 0; i < l->n && near[i].distance > distance && !out; i++) {
        if (degree(near[i].e, level) <= s->m / 2) continue;
        if (!spare) spare = near[i].e;
        if (is_redundant(s, &near[i], l)) out = near[i].e;
    }
    mem_free(near);
    return out ? out : spare;
}

/* Links e with a neighbour that was chosen for it, if that has room or makes some. */
static void connect(struct vset *s, struct vset_element *e, const struct vset_near *to,
                    unsigned level) {
    if (degree(to->e, level) >= vset_links_max(s, level)) {
        struct vset_element *out = victim(s, to->e, level, to->distance);

        if (!out) return;
        unlink_both(to->e, out, level);
    }
    vset_link(s, e, to->e, level);
}

/* Nothing had room: e would be found by no search. */
static void connect_by_force(struct vset *s, struct vset_element *e, const struct vset_near *c,
                             size_t n, unsigned level) {
    for (size_t i = 0; i < n; i++) {
        const struct vset_links *l = c[i].e->links[level];

        for (uint32_t k = 0; l && k < l->n; k++) {
            struct vset_element *out = l->to[k];

            if (degree(out, level) < 2) continue;
            unlink_both(c[i].e, out, level);
            vset_link(s, e, c[i].e, level);
            return;
        }
    }
}

static void connect_level(struct vset *s, struct vset_element *e, struct vset_near *c, size_t n,
                          unsigned level) {
    size_t chosen = 0;

    for (size_t i = 0; i < n; i++) /* neighbours that removing left to it */
        if (c[i].e != e && !vset_linked(e, c[i].e, level)) c[chosen++] = c[i];
    n = chosen;
    chosen = choose(s, c, n, s->m);
    for (size_t i = 0; i < chosen && degree(e, level) < vset_links_max(s, level); i++)
        connect(s, e, &c[i], level);
    if (degree(e, level) == 0) connect_by_force(s, e, c, n, level);
}

static void connect_from(struct vset *s, struct vset_element *e, unsigned top, unsigned bottom,
                         size_t ef) {
    struct vset_search q = {.to = &e->point, .ef = ef < s->n ? ef : s->n, .pace = PACE_NONE};
    struct vset_near *c = mem_alloc((q.ef + 1) * sizeof *c);

    c[0] = approach(s, &e->point, top);
    for (unsigned level = top + 1, n = 1; level-- > bottom;) {
        struct vset_near *from = mem_dup(c, n * sizeof *c);
        struct vset_near nearest;
        size_t found = search_level(s, &q, level, from, n, c);

        mem_free(from);
        nearest = found ? c[0] : (struct vset_near){0, s->entry};
        connect_level(s, e, c, found, level);
        c[0] = nearest;
        n = 1;
    }
    mem_free(c);
}

void vset_graph_add(struct vset *s, struct vset_element *e, size_t ef) {
    if (s->entry)
        connect_from(s, e, e->level < s->entry->level ? e->level : s->entry->level, 0, ef);
    if (!s->entry || e->level > s->entry->level) s->entry = e;
}

/* ---------------------------------------------------------------- removing */

struct pair {
    float distance;
    uint32_t a, b;
};

static int by_pair_distance(const void *a, const void *b) {
    float x = ((const struct pair *)a)->distance, y = ((const struct pair *)b)->distance;

    return (x > y) - (x < y);
}

enum { JOIN_MAX = 128 }; /* neighbours that are compared with each other: a bound on the work */

/* Each of `l` has lost a link: pairs of them get a new one. */
static void join(struct vset *s, const struct vset_links *l, unsigned level) {
    uint32_t n = l->n < JOIN_MAX ? l->n : JOIN_MAX;
    struct pair *pairs = mem_alloc(((size_t)n * n + 1) * sizeof *pairs);
    uint8_t joined[JOIN_MAX] = {0};
    size_t npairs = 0;

    for (uint32_t a = 0; a < n; a++)
        for (uint32_t b = a + 1; b < n; b++)
            if (!vset_linked(l->to[a], l->to[b], level))
                pairs[npairs++] =
                    (struct pair){vset_distance(s, &l->to[a]->point, &l->to[b]->point), a, b};
    qsort(pairs, npairs, sizeof *pairs, by_pair_distance);
    for (size_t i = 0; i < npairs; i++) {
        struct vset_element *a = l->to[pairs[i].a], *b = l->to[pairs[i].b];

        if (joined[pairs[i].a] && joined[pairs[i].b]) continue;
        if (degree(a, level) >= vset_links_max(s, level) ||
            degree(b, level) >= vset_links_max(s, level))
            continue;
        vset_link(s, a, b, level);
        joined[pairs[i].a] = joined[pairs[i].b] = 1;
    }
    mem_free(pairs);
}

static void choose_entry(struct vset *s, const struct vset_element *gone) {
    s->entry = NULL;
    for (size_t i = 0; i < s->n; i++) {
        if (s->all[i] == gone) continue;
        if (!s->entry || s->all[i]->level > s->entry->level) s->entry = s->all[i];
        if (s->entry->level == gone->level) return;
    }
}

void vset_graph_remove(struct vset *s, struct vset_element *e) {
    if (s->entry == e) choose_entry(s, e);
    for (unsigned level = 0; level <= e->level; level++) {
        struct vset_links *l = e->links[level];

        if (!l) continue;
        for (uint32_t i = 0; i < l->n; i++) drop_link(l->to[i], e, level);
        join(s, l, level);
        for (uint32_t i = 0; i < l->n; i++)
            if (degree(l->to[i], level) == 0 && level <= s->entry->level && s->entry != l->to[i])
                connect_from(s, l->to[i], level, level, VSET_EF_ADD);
        s->bytes -= mem_usable(l);
        mem_free(l);
        e->links[level] = NULL;
    }
}
