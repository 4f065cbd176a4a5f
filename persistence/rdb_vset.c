/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vector sets, as the value of the module "vectorset" of Redis 8.0 (measured with 8.0.6, which
 * loads what is written here). Every number is a part of the kind UINT, every text one of the kind
 * STRING:
 *
 *   module id | dim | elements | quantisation, M << 8 | flags
 *   if PROJECTED: input dim | dim * input dim floats
 *   an element: name | attribute, if ATTRIBUTES | vector | number of words | that many words
 *
 * The words: id | 1 << 24, level | for each level from 0: links, room for links, the ids of the
 * neighbours, the distance of the farthest one << 32 and its index | range << 32 and l2, as the
 * bits of floats.
 */
#include "persistence/rdb_parts.h"
#include "persistence/rdb_types.h"
#include "storage/base/mem.h"
#include "storage/vset.h"

#include <math.h>
#include <stdlib.h>

enum { ATTRIBUTES = 2, PROJECTED = 1, FLAGS = 3, FORMAT = 1, FORMAT_SHIFT = 24, M_SHIFT = 8 };
enum { LEVEL_MASK = (1 << FORMAT_SHIFT) - 1, WORDS_ASIDE = 3, WORDS_A_LEVEL = 3, PART_LEAST = 2 };

/* ---------------------------------------------------------------- out */

enum rdb_type rdb_vset_type(const struct entry *e) {
    (void)e;
    return RDB_MODULE_2;
}

static uint64_t two_words(float high, uint32_t low) {
    uint32_t bits;

    memcpy(&bits, &high, sizeof bits);
    return (uint64_t)bits << 32 | low;
}

static uint32_t bits_of(float v) {
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void put_links(struct rdb_out *o, const struct vset *s, const struct vset_element *e,
                      unsigned level) {
    const struct vset_links *l = e->links[level];
    uint32_t n = l ? l->n : 0, worst = 0;
    float farthest = 0;

    rdb_put_number(o, n);
    rdb_put_number(o, vset_links_max(s, level));
    for (uint32_t i = 0; i < n; i++) {
        float d = vset_distance(s, &e->point, &l->to[i]->point);

        rdb_put_number(o, l->to[i]->id);
        if (d <= farthest) continue;
        farthest = d;
        worst = i;
    }
    rdb_put_number(o, two_words(farthest, worst));
}

static void put_element(struct rdb_out *o, const struct vset *s, const struct vset_element *e) {
    uint64_t words = WORDS_ASIDE;

    rdb_put_text(o, vset_name(s, e));
    if (s->attrs) rdb_put_text(o, vset_attr(e));
    rdb_put_text(o, slice_of(e->point.data, vset_vector_bytes(s)));
    for (unsigned level = 0; level <= e->level; level++)
        words += WORDS_A_LEVEL + (e->links[level] ? e->links[level]->n : 0);
    rdb_put_number(o, words);
    rdb_put_number(o, e->id);
    rdb_put_number(o, (uint64_t)FORMAT << FORMAT_SHIFT | e->level);
    for (unsigned level = 0; level <= e->level; level++) put_links(o, s, e, level);
    rdb_put_number(o, two_words(e->point.range, bits_of(e->point.l2)));
}

static void put_projection(struct rdb_out *o, const struct vset *s) {
    size_t n = (size_t)s->dim * s->input_dim;
    float scale = 1 / sqrtf((float)s->input_dim), *usual = NULL;

    rdb_put_number(o, s->input_dim);
    if (!s->projection) {
        usual = mem_alloc(n * sizeof *usual);
        for (size_t i = 0; i < n; i++)
            usual[i] = vset_projection_at((uint32_t)(i / s->input_dim),
                                          (uint32_t)(i % s->input_dim), scale);
    }
    rdb_put_text(o, slice_of(s->projection ? s->projection : usual, n * sizeof(float)));
    mem_free(usual);
}

void rdb_put_vset(struct rdb_out *o, const struct entry *e) {
    const struct vset *s = vset_of(e);

    rdb_out_len(o, RDB_VSET_MODULE);
    rdb_put_number(o, s->dim);
    rdb_put_number(o, s->n);
    rdb_put_number(o, (uint64_t)s->m << M_SHIFT | s->quant);
    rdb_put_number(o, (s->attrs ? ATTRIBUTES : 0) | (s->input_dim ? PROJECTED : 0));
    if (s->input_dim) put_projection(o, s);
    for (size_t i = 0; i < s->n; i++) put_element(o, s, s->all[i]);
    rdb_put_end(o);
}

/* ---------------------------------------------------------------- in */

/* A link as one side tells it: `from` and `to` are ids. */
struct told_link {
    uint64_t low, high; /* ids */
    unsigned level;
    bool up; /* told by the lower id */
};

struct taking {
    struct rdb_in *in;
    struct vset *s;
    uint64_t flags;
    struct told_link *links;
    size_t nlinks, cap;
};

static void keep_link(struct taking *t, struct told_link l) {
    if (t->nlinks == t->cap) {
        t->cap = t->cap ? t->cap + t->cap / 2 : 256;
        t->links = mem_realloc(t->links, t->cap * sizeof *t->links);
    }
    t->links[t->nlinks++] = l;
}

static bool take_links(struct taking *t, uint64_t id, unsigned level, uint64_t *words) {
    uint64_t n, room, to, worst;

    if (!rdb_take_number(t->in, &n) || !rdb_take_number(t->in, &room)) return false;
    if (n > vset_links_max(t->s, level) || *words < n + WORDS_A_LEVEL)
        return rdb_in_fail(t->in, "an element of a vector set with %llu links",
                           (unsigned long long)n);
    *words -= n + WORDS_A_LEVEL;
    for (; n > 0; n--) {
        if (!rdb_take_number(t->in, &to)) return false;
        keep_link(t, (struct told_link){id < to ? id : to, id < to ? to : id, level, id < to});
    }
    return rdb_take_number(t->in, &worst);
}

/* What follows the vector; `point` gets its numbers. */
static bool take_words(struct taking *t, uint64_t *id, unsigned *level, struct vset_point *point) {
    uint64_t words, v;
    uint32_t bits;

    if (!rdb_take_number(t->in, &words) || !rdb_take_number(t->in, id) ||
        !rdb_take_number(t->in, &v))
        return false;
    *level = (unsigned)(v & LEVEL_MASK);
    if (v >> FORMAT_SHIFT != FORMAT || *level >= VSET_LEVEL_MAX || words < WORDS_ASIDE || *id == 0)
        return rdb_in_fail(t->in, "an element of a vector set of an unknown form");
    words -= WORDS_ASIDE;
    for (unsigned i = 0; i <= *level; i++)
        if (!take_links(t, *id, i, &words)) return false;
    if (words > 0) return rdb_in_fail(t->in, "an element of a vector set of an unknown form");
    if (!rdb_take_number(t->in, &v)) return false;
    bits = (uint32_t)v;
    memcpy(&point->l2, &bits, sizeof bits);
    bits = (uint32_t)(v >> 32);
    memcpy(&point->range, &bits, sizeof bits);
    return true;
}

struct texts {
    struct bytes name, attr, vector;
};

static bool take_texts(struct taking *t, struct texts *to) {
    struct slice s;

    bytes_clear(&to->name);
    bytes_clear(&to->attr);
    bytes_clear(&to->vector);
    if (!rdb_take_text(t->in, &s)) return false;
    bytes_append(&to->name, s.p, s.n);
    if (t->flags & ATTRIBUTES) {
        if (!rdb_take_text(t->in, &s)) return false;
        bytes_append(&to->attr, s.p, s.n);
    }
    if (!rdb_take_text(t->in, &s)) return false;
    bytes_append(&to->vector, s.p, s.n);
    if (s.n != vset_vector_bytes(t->s)) return rdb_in_fail(t->in, "a vector of %zu bytes", s.n);
    if (to->name.n < UINT32_MAX / 2 && to->attr.n < UINT32_MAX / 2) return true;
    return rdb_in_fail(t->in, "an element of a vector set that is too long");
}

static bool take_element(struct taking *t, struct texts *texts) {
    struct vset_element *e;
    struct vset_point point = {0};
    uint64_t id;
    unsigned level;

    if (!take_texts(t, texts) || !take_words(t, &id, &level, &point)) return false;
    point.data = texts->vector.p;
    e = vset_place(t->s, bytes_slice(&texts->name), &point, id, level);
    if (!e) return rdb_in_fail(t->in, "an element that comes twice");
    vset_set_attr(t->s, e, bytes_slice(&texts->attr));
    pace_step(&t->in->pace, 1 + texts->vector.n / PACE_BYTES);
    return true;
}

static bool take_elements(struct taking *t, uint64_t n) {
    struct texts texts = {0};
    bool good = true;

    for (; good && n > 0; n--) good = take_element(t, &texts);
    bytes_release(&texts.name);
    bytes_release(&texts.attr);
    bytes_release(&texts.vector);
    return good;
}

/* ---------------------------------------------------------------- the graph */

static int by_link(const void *a, const void *b) {
    const struct told_link *x = a, *y = b;

    if (x->level != y->level) return x->level < y->level ? -1 : 1;
    if (x->low != y->low) return x->low < y->low ? -1 : 1;
    if (x->high != y->high) return x->high < y->high ? -1 : 1;
    return (int)x->up - (int)y->up;
}

static int by_id(const void *a, const void *b) {
    const struct vset_element *x = *(struct vset_element *const *)a,
                              *y = *(struct vset_element *const *)b;

    return (x->id > y->id) - (x->id < y->id);
}

static struct vset_element *of_id(struct vset_element **sorted, size_t n, uint64_t id) {
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (sorted[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && sorted[low]->id == id ? sorted[low] : NULL;
}

/* Both sides must tell of a link, once each. */
static bool link_all(struct taking *t, struct vset_element **sorted) {
    if (t->nlinks == 0) return true; /* an element alone */
    qsort(t->links, t->nlinks, sizeof *t->links, by_link);
    for (size_t i = 0; i < t->nlinks; i += 2) {
        const struct told_link *l = &t->links[i];
        struct vset_element *a = of_id(sorted, t->s->n, l->low),
                            *b = of_id(sorted, t->s->n, l->high);

        if (i + 1 == t->nlinks || l[1].level != l->level || l[1].low != l->low ||
            l[1].high != l->high || l->up || !l[1].up || !a || !b || a == b ||
            a->level < l->level || b->level < l->level)
            return rdb_in_fail(t->in, "a link of a vector set that one side does not know");
        vset_link(t->s, a, b, l->level);
        pace_step(&t->in->pace, 1);
    }
    return true;
}

static bool build_graph(struct taking *t) {
    struct vset_element **sorted = mem_dup(t->s->all, t->s->n * sizeof(*sorted));
    bool good = true;

    qsort(sorted, t->s->n, sizeof(*sorted), by_id);
    for (size_t i = 1; good && i < t->s->n; i++)
        if (sorted[i]->id == sorted[i - 1]->id)
            good = rdb_in_fail(t->in, "two elements of a vector set with one id");
    good = good && link_all(t, sorted);
    mem_free(sorted);
    if (good) vset_settle(t->s);
    return good;
}

/* ---------------------------------------------------------------- the set */

static bool take_projection(struct taking *t, struct vset_shape *shape, struct bytes *matrix) {
    uint64_t n;
    struct slice s;

    if (!rdb_take_number(t->in, &n) || !rdb_take_text(t->in, &s)) return false;
    if (n == 0 || n > VSET_DIM_MAX || s.n != n * shape->dim * sizeof(float))
        return rdb_in_fail(t->in, "a projection that is damaged");
    shape->input_dim = (uint32_t)n;
    bytes_append(matrix, s.p, s.n);
    return true;
}

/* The usual projection is not kept. */
static void set_projection(struct vset *s, const struct bytes *matrix) {
    float scale = 1 / sqrtf((float)s->input_dim), v;
    bool usual = true;

    for (size_t i = 0; usual && i < matrix->n / sizeof v; i++) {
        memcpy(&v, matrix->p + i * sizeof v, sizeof v);
        usual = fabsf(v - vset_projection_at((uint32_t)(i / s->input_dim),
                                             (uint32_t)(i % s->input_dim), scale)) < 1e-6f;
    }
    if (!usual) s->projection = mem_dup(matrix->p, matrix->n);
}

/* The head; t->s is there afterwards, if all is well. */
static bool take_head(struct taking *t, uint64_t *n) {
    struct bytes matrix = {0};
    struct vset_shape shape = {0};
    uint64_t dim, form;
    bool good = rdb_take_number(t->in, &dim) && rdb_take_number(t->in, n) &&
                rdb_take_number(t->in, &form) && rdb_take_number(t->in, &t->flags);

    if (!good) return false;
    if (dim == 0 || dim > VSET_DIM_MAX || (form & 0xff) >= VSET_QUANTS ||
        form >> M_SHIFT < VSET_M_MIN || form >> M_SHIFT > VSET_M_MAX || t->flags > FLAGS ||
        *n > rdb_in_left(t->in) / PART_LEAST || *n >= UINT32_MAX)
        return rdb_in_fail(t->in, "a vector set of an unknown form");
    shape.dim = (uint32_t)dim;
    shape.m = (uint32_t)(form >> M_SHIFT);
    shape.quant = (enum vset_quant)(form & 0xff);
    good = !(t->flags & PROJECTED) || take_projection(t, &shape, &matrix);
    if (good) t->s = vset_new(&shape);
    if (good && shape.input_dim) set_projection(t->s, &matrix);
    bytes_release(&matrix);
    return good;
}

struct entry *rdb_take_vset(struct rdb_in *in, const struct rdb_want *w) {
    struct taking t = {.in = in};
    uint64_t n;
    bool good = take_head(&t, &n) && take_elements(&t, n) && rdb_take_end(in);

    if (good && n > 0) good = build_graph(&t);
    mem_free(t.links);
    if (good && n > 0) return entry_new_object(w->key, TYPE_VSET, t.s, ENTRY_NO_EXPIRE, 0);
    if (t.s) vset_free(t.s);
    return rdb_in_empty(in);
}
