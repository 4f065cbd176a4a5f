/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vector sets: what the graph finds beside a look at every element, links after removals, and how
 * far a vector that comes back is from the one that went in.
 */
#include "storage/vset.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

enum { DIM = 32, MANY = 5000, QUERIES = 50, TEN = 10, EF = 100 };

static struct vset *s;

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
}

static void end(void) {
    vset_free(s);
}

TestSuite(vset, .init = begin, .fini = end);

static void make(enum vset_quant quant, uint32_t m) {
    s = vset_new(&(struct vset_shape){.dim = DIM, .m = m, .quant = quant});
}

static void draw(float *v) {
    for (int i = 0; i < DIM; i++) v[i] = (float)rng_below(20001) / 10000 - 1;
}

static struct slice name_of(int i, char *text) {
    return slice_of(text, (size_t)sprintf(text, "e%d", i));
}

static void add_vector(int i, const float *v) {
    struct vset_point p;
    char text[16];

    vset_quantise(s, v, &p);
    vset_add(s, name_of(i, text), &p, VSET_EF_ADD);
    mem_free(p.data);
}

static void fill(int n) {
    float v[DIM];

    for (int i = 0; i < n; i++) {
        draw(v);
        add_vector(i, v);
    }
}

/* Of the ten nearest that a scan finds, how many a search finds. */
static double recall(void) {
    struct vset_near near[EF], best[EF];
    size_t hits = 0, all = 0;

    for (int k = 0; k < QUERIES; k++) {
        struct vset_point p;
        struct vset_search q = {.to = &p, .ef = EF, .pace = PACE_NONE};
        size_t n, nbest;
        float v[DIM];

        draw(v);
        vset_quantise(s, v, &p);
        n = vset_search(s, &q, near);
        q.ef = TEN;
        nbest = vset_scan(s, &q, best);
        all += nbest;
        for (size_t i = 0; i < nbest; i++)
            for (size_t j = 0; j < n && j < TEN; j++) hits += near[j].e == best[i].e;
        mem_free(p.data);
    }
    return (double)hits / (double)all;
}

static void check_links(void) {
    for (size_t i = 0; i < s->n; i++) {
        struct vset_element *e = s->all[i];

        cr_assert_eq(e->at, i);
        cr_assert_leq(e->level, s->entry->level);
        for (unsigned level = 0; level <= e->level; level++) {
            const struct vset_links *l = e->links[level];

            for (uint32_t k = 0; l && k < l->n; k++)
                cr_assert(l->to[k] != e && vset_linked(l->to[k], e, level));
            cr_assert(!l || l->n <= vset_links_max(s, level));
        }
    }
}

/* How many elements a walk over level 0 comes to. */
static size_t reached(void) {
    uint8_t *seen = mem_calloc(s->n);
    struct vset_element **todo = mem_alloc(s->n * sizeof(*todo));
    size_t n = 0, ntodo = 0;

    todo[ntodo++] = s->entry;
    seen[s->entry->at] = 1;
    while (ntodo > 0) {
        const struct vset_links *l = todo[--ntodo]->links[0];

        n++;
        for (uint32_t i = 0; l && i < l->n; i++) {
            if (seen[l->to[i]->at]) continue;
            seen[l->to[i]->at] = 1;
            todo[ntodo++] = l->to[i];
        }
    }
    mem_free(seen);
    mem_free(todo);
    return n;
}

Test(vset, a_search_finds_nearly_what_a_scan_finds) {
    make(VSET_F32, VSET_M);
    fill(MANY);
    check_links();
    cr_assert_eq(reached(), MANY);
    cr_assert_geq(recall(), 0.95);
}

Test(vset, after_half_is_removed_the_rest_is_found) {
    make(VSET_Q8, VSET_M);
    fill(MANY);
    for (int i = 0; i < MANY; i += 2) {
        char text[16];

        vset_remove(s, vset_find(s, name_of(i, text)));
    }
    check_links();
    cr_assert_eq(s->n, MANY / 2);
    cr_assert_eq(reached(), MANY / 2);
    cr_assert_geq(recall(), 0.95);
}

Test(vset, a_small_m_keeps_its_links_on_both_sides) {
    make(VSET_BIN, VSET_M_MIN);
    fill(1000);
    for (int i = 0; i < 1000; i += 3) {
        char text[16];

        vset_remove(s, vset_find(s, name_of(i, text)));
    }
    fill(0);
    check_links();
}

Test(vset, equal_vectors_and_an_empty_set_are_no_trouble) {
    float v[DIM] = {0};

    make(VSET_Q8, VSET_M_MIN);
    for (int i = 0; i < 200; i++) add_vector(i, v);
    v[0] = NAN;
    for (int i = 200; i < 220; i++) add_vector(i, v);
    check_links();
    while (s->n > 0) vset_remove(s, vset_random(s));
    cr_assert_null(s->entry);
    v[0] = 1;
    add_vector(0, v);
    cr_assert_eq(s->n, 1);
}

/* An argument without bytes may have no address either. */
Test(vset, an_element_may_have_the_empty_name) {
    struct slice none = {NULL, 0};
    struct vset_point p;
    float v[DIM] = {1};

    make(VSET_F32, VSET_M_MIN);
    vset_quantise(s, v, &p);
    cr_assert(vset_add(s, none, &p, VSET_EF_ADD));
    cr_assert_not_null(vset_find(s, none));
    mem_free(p.data);
}

Test(vset, q8_is_at_most_half_a_step_off) {
    float v[DIM], back[DIM], most = 0;
    struct vset_point p;

    make(VSET_Q8, VSET_M);
    for (int k = 0; k < 100; k++) {
        draw(v);
        most = 0;
        for (int i = 0; i < DIM; i++) most = fmaxf(most, fabsf(v[i]));
        vset_quantise(s, v, &p);
        vset_restore_vector(s, &p, back);
        for (int i = 0; i < DIM; i++) cr_assert_leq(fabsf(back[i] - v[i]), most / 127 / 2 * 1.001f);
        mem_free(p.data);
    }
}

Test(vset, f32_comes_back_and_bin_keeps_signs) {
    float v[DIM], back[DIM];
    struct vset_point p;

    make(VSET_F32, VSET_M);
    draw(v);
    vset_quantise(s, v, &p);
    vset_restore_vector(s, &p, back);
    for (int i = 0; i < DIM; i++) cr_assert_float_eq(back[i], v[i], 1e-6);
    mem_free(p.data);
    vset_free(s);
    make(VSET_BIN, VSET_M);
    vset_quantise(s, v, &p);
    vset_restore_vector(s, &p, back);
    for (int i = 0; i < DIM; i++) cr_assert_eq(back[i], v[i] > 0 ? 1 : -1);
    mem_free(p.data);
}

Test(vset, a_copy_has_the_same_elements_and_links) {
    struct entry *e, *copy;

    make(VSET_Q8, VSET_M);
    fill(300);
    vset_set_attr(s, s->all[5], SLICE("{}"));
    e = entry_new_object(SLICE("k"), TYPE_VSET, s, ENTRY_NO_EXPIRE, 0);
    copy = entry_copy(e, SLICE("c"), ENTRY_NO_EXPIRE, PACE_NONE);
    entry_free(e);
    s = vset_of(copy);
    cr_assert_eq(s->n, 300);
    cr_assert_eq(s->attrs, 1);
    check_links();
    cr_assert_geq(recall(), 0.95);
    entry_free(copy);
    make(VSET_Q8, VSET_M);
}

Test(vset, the_same_seed_gives_the_same_graph) {
    struct vset *first;

    make(VSET_Q8, VSET_M);
    fill(200);
    first = s;
    rng_seed(7);
    make(VSET_Q8, VSET_M);
    fill(200);
    for (size_t i = 0; i < s->n; i++) {
        const struct vset_element *a = first->all[i], *b = s->all[i];

        cr_assert_eq(a->level, b->level);
        cr_assert(!a->links[0] == !b->links[0]);
        for (uint32_t k = 0; a->links[0] && k < a->links[0]->n; k++)
            cr_assert_eq(a->links[0]->to[k]->id, b->links[0]->to[k]->id);
    }
    vset_free(first);
}
