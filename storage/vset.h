/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset - vector sets: names with a vector and an attribute each, found by similarity.
 *
 * A table finds an element by its name, a dense array gives it a place, and a graph finds the
 * nearest ones. The graph is a hierarchical navigable small world: Y. Malkov and D. Yashunin,
 * "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
 * World graphs", 2016 (arXiv 1603.09320). An element stands in levels 0..level; the chance of each
 * further level is 1/4. It has up to M links a level, twice as many in level 0.
 *
 * A vector is kept with length 1, in one of three forms:
 *   F32  a float a dimension
 *   Q8   an int8 a dimension, in 127ths of the largest component (`range`)
 *   BIN  a bit a dimension: whether it is above 0; words of 64 bits
 * `l2` is the length that it came with. Distances are 1 - cosine, 0..2; similarity is
 * 1 - distance / 2.
 *
 * Invariants: all[e->at] == e; a link stands on both sides or on none, and no element links itself;
 * `entry` has the highest level of all, NULL only in an empty set; `attrs` counts the elements that
 * have an attribute.
 * The caller removes a set that became empty. Reading never changes anything, so a search may be
 * interrupted by other searches (pace). Not here: filters, and texts of errors.
 */
#ifndef STET_STORAGE_VSET_H
#define STET_STORAGE_VSET_H

#include "storage/ds/table.h"
#include "storage/entry.h"

/* The numbers are those of Redis' snapshots. */
enum vset_quant { VSET_F32, VSET_Q8, VSET_BIN, VSET_QUANTS };

enum {
    VSET_M = 16, /* where nothing is said */
    VSET_M_MIN = 4,
    VSET_M_MAX = 4096,
    VSET_LEVEL_MAX = 16,
    VSET_EF_ADD = 200, /* elements that an insertion looks among, if nothing is said */
    VSET_EF_MAX = 1000000,
    VSET_DIM_MAX = 1 << 20,
    VSET_PROJECTION_MAX = 1 << 24, /* components that a client asks for: 64 MB in DUMP */
};

struct vset_point {
    float l2;
    float range; /* Q8 */
    void *data;
};

struct vset_links {
    uint32_t n, cap;
    struct vset_element *to[];
};

struct vset_element {
    struct vset_point point; /* data: after `links`, in the same allocation */
    uint64_t id;             /* in order of insertion, from 1 */
    char *attr;              /* NULL: none */
    uint32_t attr_n, name_n, at;
    uint8_t level;
    struct vset_links *links[]; /* level + 1 of them, each NULL or not; then vector, name */
};

struct vset {
    struct table names;
    struct vset_element **all, *entry;
    size_t n, cap, attrs;
    size_t bytes;            /* of the elements: themselves, attributes, links */
    uint32_t dim, input_dim; /* input_dim: of vectors that are projected; 0: they are not */
    uint32_t m;
    uint8_t quant; /* enum vset_quant */
    uint64_t last_id, uid;
    float *projection; /* dim * input_dim, one that was read; NULL: the usual one */
};

struct vset_shape {
    uint32_t dim, input_dim, m;
    enum vset_quant quant;
};

static inline struct vset *vset_of(const struct entry *e) {
    return entry_object(e);
}

struct vset *vset_new(const struct vset_shape *shape);
void vset_free(struct vset *s);

size_t vset_vector_bytes(const struct vset *s);

static inline struct slice vset_name(const struct vset *s, const struct vset_element *e) {
    return slice_of((const char *)e->point.data + vset_vector_bytes(s), e->name_n);
}

static inline struct slice vset_attr(const struct vset_element *e) {
    return slice_of(e->attr, e->attr_n);
}

struct vset_element *vset_find(const struct vset *s, struct slice name);

/* The chance that gives an insertion its level. */
unsigned vset_draw_level(void);

/* Adds an element of a name that is not there (its vector replaces nothing); `point` is copied. */
struct vset_element *vset_add(struct vset *s, struct slice name, const struct vset_point *point,
                              size_t ef);
void vset_remove(struct vset *s, struct vset_element *e);

/* An empty attribute removes it. */
void vset_set_attr(struct vset *s, struct vset_element *e, struct slice attr);

/* Some element of a set that has one. */
struct vset_element *vset_random(const struct vset *s);

/* ---------------------------------------------------------------- vectors (vset_vector.c) */

/* Component (row, column) of the usual projection: a Walsh-Hadamard pattern, +-1/sqrt(input). */
float vset_projection_at(uint32_t row, uint32_t column, float scale);

/* The vector as the set keeps it: projected if it has input_dim components and the set projects,
 * brought to length 1, quantised. The caller frees `out->data`. */
void vset_quantise(const struct vset *s, const float *v, struct vset_point *out);
/* A vector in the set's own dimension that is not projected. */
void vset_quantise_own(const struct vset *s, const float *v, struct vset_point *out);

/* Back to `dim` components with the length it came with, as near as the form allows. */
void vset_restore_vector(const struct vset *s, const struct vset_point *p, float *out);

float vset_distance(const struct vset *s, const struct vset_point *a, const struct vset_point *b);

/* ---------------------------------------------------------------- the graph (vset_graph.c) */

struct vset_near {
    float distance;
    struct vset_element *e;
};

/* NULL accept: every element is. */
struct vset_search {
    const struct vset_point *to;
    size_t ef;     /* how many candidates are kept */
    size_t effort; /* with `accept`: how many elements are looked at; 0: all if needed */
    bool (*accept)(const struct vset_element *e, void *arg);
    void *arg;
    const struct pace *pace;
};

/* Up to `ef` elements near the vector, the nearest first. `out` has room for min(ef, n). */
size_t vset_search(const struct vset *s, const struct vset_search *q, struct vset_near *out);

/* The same by looking at every element: exact. */
size_t vset_scan(const struct vset *s, const struct vset_search *q, struct vset_near *out);

static inline size_t vset_links_max(const struct vset *s, unsigned level) {
    return level ? s->m : 2 * (size_t)s->m;
}

/* Links two elements that are not linked in a level of both. */
void vset_link(struct vset *s, struct vset_element *a, struct vset_element *b, unsigned level);
bool vset_linked(const struct vset_element *a, const struct vset_element *b, unsigned level);

/* Puts an element that stands in `all` into the graph; takes it out of it. */
void vset_graph_add(struct vset *s, struct vset_element *e, size_t ef);
void vset_graph_remove(struct vset *s, struct vset_element *e);

/* ---------------------------------------------------------------- for snapshots */

/* Adds an element without links; NULL: the name is there. */
struct vset_element *vset_place(struct vset *s, struct slice name, const struct vset_point *point,
                                uint64_t id, unsigned level);

/* After all elements are placed and linked: finds the entry of the graph. */
void vset_settle(struct vset *s);

extern const struct type_ops vset_type_ops;

#endif
