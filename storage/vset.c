/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/vset.h"

#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

enum { LEVEL_ODDS = 4, FIRST_CAP = 8 };

/* The table knows elements only, and a name stands after a vector whose size the set knows: so a
 * name's place is found from the end of the allocation. */
static struct slice name_at_end(const struct vset_element *e) {
    const char *name;

    memcpy(&name, (const char *)e->point.data - sizeof name, sizeof name);
    return slice_of(name, e->name_n);
}

static struct slice key_of(const void *item) {
    return name_at_end(item);
}

static bool matches(const void *item, struct slice key) {
    return slice_eq(name_at_end(item), key);
}

static const struct table_ops name_ops = {key_of, matches};

static uint64_t hash_of(struct slice name) {
    return hash_bytes(name.p, name.n);
}

size_t vset_vector_bytes(const struct vset *s) {
    switch ((enum vset_quant)s->quant) {
    case VSET_Q8: return s->dim;
    case VSET_BIN: return ((size_t)s->dim + 63) / 64 * 8;
    default: return (size_t)s->dim * sizeof(float);
    }
}

struct vset *vset_new(const struct vset_shape *shape) {
    struct vset *s = mem_calloc(sizeof *s);

    table_init(&s->names, &name_ops);
    s->dim = shape->dim;
    s->input_dim = shape->input_dim;
    s->m = shape->m;
    s->quant = (uint8_t)shape->quant;
    return s;
}

/* ---------------------------------------------------------------- elements */

static void element_free(struct vset_element *e) {
    for (unsigned i = 0; i <= e->level; i++) mem_free(e->links[i]);
    mem_free(e->attr);
    mem_free(e);
}

void vset_free(struct vset *s) {
    for (size_t i = 0; i < s->n; i++) element_free(s->all[i]);
    table_release(&s->names, NULL, NULL);
    mem_free(s->all);
    mem_free(s->projection);
    mem_free(s);
}

struct vset_element *vset_find(const struct vset *s, struct slice name) {
    return table_find(&s->names, name, hash_of(name));
}

unsigned vset_draw_level(void) {
    unsigned level = 0;

    while (level < VSET_LEVEL_MAX - 1 && rng_below(LEVEL_ODDS) == 0) level++;
    return level;
}

static struct vset_element *element_new(const struct vset *s, struct slice name,
                                        const struct vset_point *point, unsigned level) {
    size_t head = sizeof(struct vset_element) + (level + 1) * sizeof(void *) + sizeof(char *);
    size_t vector = vset_vector_bytes(s);
    struct vset_element *e = mem_alloc(head + vector + name.n);
    char *at = (char *)e + head, *text = at + vector;

    memset(e, 0, head);
    e->point = *point;
    e->point.data = at;
    e->level = (uint8_t)level;
    e->name_n = (uint32_t)name.n;
    memcpy(at - sizeof text, &text, sizeof text);
    memcpy(at, point->data, vector);
    if (name.n) memcpy(text, name.p, name.n);
    return e;
}

struct vset_element *vset_place(struct vset *s, struct slice name, const struct vset_point *point,
                                uint64_t id, unsigned level) {
    struct vset_element *e;

    if (vset_find(s, name)) return NULL;
    e = element_new(s, name, point, level);
    e->id = id;
    e->at = (uint32_t)s->n;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap + s->cap / 2 : FIRST_CAP;
        s->all = mem_realloc(s->all, s->cap * sizeof *s->all);
    }
    s->all[s->n++] = e;
    s->bytes += mem_usable(e);
    if (id > s->last_id) s->last_id = id;
    table_insert(&s->names, e, hash_of(name));
    return e;
}

struct vset_element *vset_add(struct vset *s, struct slice name, const struct vset_point *point,
                              size_t ef) {
    struct vset_element *e = vset_place(s, name, point, s->last_id + 1, vset_draw_level());

    CHECK(e);
    vset_graph_add(s, e, ef);
    return e;
}

void vset_remove(struct vset *s, struct vset_element *e) {
    struct vset_element *last = s->all[s->n - 1];

    vset_set_attr(s, e, SLICE(""));
    vset_graph_remove(s, e);
    table_remove(&s->names, e, hash_of(vset_name(s, e)));
    s->all[e->at] = last;
    last->at = e->at;
    s->n--;
    s->bytes -= mem_usable(e);
    element_free(e);
}

void vset_set_attr(struct vset *s, struct vset_element *e, struct slice attr) {
    char *copy = attr.n ? mem_dup(attr.p, attr.n) : NULL;

    if (e->attr) s->bytes -= mem_usable(e->attr);
    if (copy) s->bytes += mem_usable(copy);
    s->attrs = s->attrs - (e->attr != NULL) + (copy != NULL);
    mem_free(e->attr);
    e->attr = copy;
    e->attr_n = (uint32_t)attr.n;
}

struct vset_element *vset_random(const struct vset *s) {
    return s->all[rng_below(s->n)];
}

void vset_settle(struct vset *s) {
    for (size_t i = 0; i < s->n; i++)
        if (!s->entry || s->all[i]->level > s->entry->level) s->entry = s->all[i];
}

/* ---------------------------------------------------------------- the type */

static void vset_release(struct entry *e) {
    vset_free(vset_of(e));
}

static void copy_links(struct vset *s, const struct vset_element *from, unsigned level) {
    const struct vset_links *l = from->links[level];

    for (uint32_t i = 0; l && i < l->n; i++)
        if (l->to[i]->at > from->at) vset_link(s, s->all[from->at], s->all[l->to[i]->at], level);
}

static void *vset_copy(const struct entry *e, const struct pace *pace) {
    const struct vset *from = vset_of(e);
    struct vset_shape shape = {from->dim, from->input_dim, from->m, from->quant};
    struct vset *s = vset_new(&shape);

    if (from->projection)
        s->projection =
            mem_dup(from->projection, (size_t)s->dim * s->input_dim * sizeof *s->projection);
    for (size_t i = 0; i < from->n; i++) {
        const struct vset_element *x = from->all[i];

        vset_set_attr(s, vset_place(s, vset_name(from, x), &x->point, x->id, x->level),
                      vset_attr(x));
        pace_step(pace, 1 + vset_vector_bytes(s) / PACE_BYTES);
    }
    for (size_t i = 0; i < from->n; i++) {
        for (unsigned level = 0; level <= from->all[i]->level; level++)
            copy_links(s, from->all[i], level);
        pace_step(pace, 1);
    }
    s->last_id = from->last_id;
    vset_settle(s);
    return s;
}

/* Redis says so of every module's value. */
static const char *vset_encoding(const struct entry *e) {
    (void)e;
    return "raw";
}

static size_t vset_effort(const struct entry *e) {
    return 1 + 3 * vset_of(e)->n;
}

static size_t vset_mem(const struct entry *e, size_t samples, const struct pace *pace) {
    const struct vset *s = vset_of(e);

    (void)samples;
    (void)pace;
    return mem_good_size(sizeof *s) + s->names.mem_bytes + s->cap * sizeof *s->all + s->bytes +
           (s->projection ? (size_t)s->dim * s->input_dim * sizeof(float) : 0);
}

const struct type_ops vset_type_ops = {
    .name = "vectorset",
    .release = vset_release,
    .copy = vset_copy,
    .encoding = vset_encoding,
    .effort = vset_effort,
    .mem = vset_mem,
};
