/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cuckoo filters beside an exact count: what is in is found, what is taken out leaves nothing
 * behind, a move that did not help leaves no trace, and strangers are found as seldom as the
 * fingerprints allow.
 */
#include "storage/cuckoo.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { STRANGERS = 100000, KINDS = 2000 };

static struct cuckoo_means means;

static void begin(void) {
    mem_thread_init();
    rng_seed(11);
    means = (struct cuckoo_means){UINT64_MAX / 2, UINT64_MAX / 2};
}

TestSuite(cuckoo, .init = begin);

static uint64_t hash_of(const char *kind, int i) {
    char text[32];

    return cuckoo_hash(slice_of(text, (size_t)sprintf(text, "%s%d", kind, i)));
}

static struct cuckoo *make(uint64_t capacity, uint32_t bucket, uint32_t expansion) {
    return cuckoo_new(&(struct cuckoo_shape){capacity, bucket, 500, expansion});
}

static uint64_t taken_places(const struct cuckoo *c) {
    uint64_t n = 0;

    for (unsigned i = 0; i < c->n; i++)
        for (uint64_t k = 0; k < c->layers[i].buckets * c->bucket_size; k++)
            n += c->layers[i].data[k] != 0;
    return n;
}

Test(cuckoo, a_layer_is_filled_well_and_forgets_nothing) {
    struct cuckoo *c = make(1 << 16, 4, 0);
    int n = 0, found = 0;

    while (cuckoo_add(c, hash_of("item", n), &means)) n++;
    cr_assert_gt(n, (1 << 16) * 0.9, "%d", n);
    cr_assert_eq(taken_places(c), n);
    for (int i = 0; i < n; i++) cr_assert(cuckoo_has(c, hash_of("item", i)), "item %d", i);
    for (int i = 0; i < STRANGERS; i++) found += cuckoo_has(c, hash_of("stranger", i));
    /* two buckets of four places, one of 255 fingerprints each */
    cr_assert_lt((double)found / STRANGERS, 1.15 * 8 / 255, "%d", found);
    cr_assert_gt(found, 0);
    cuckoo_free(c);
}

Test(cuckoo, moves_that_do_not_help_are_taken_back) {
    struct cuckoo *c = make(64, 2, 0);
    uint8_t before[64];
    int refused = 0;

    for (int i = 0; i < 400; i++) {
        memcpy(before, c->layers[0].data, sizeof before);
        if (cuckoo_add(c, hash_of("item", i), &means)) continue;
        refused++;
        means.moves = UINT64_MAX / 2;
        cr_assert_arr_eq(before, c->layers[0].data, sizeof before, "item %d", i);
    }
    cr_assert_gt(refused, 300);
    cuckoo_free(c);
}

/* Adds and deletes at random beside a table of how often each is in. */
static void check_model(uint64_t capacity, uint32_t bucket, uint32_t expansion) {
    struct cuckoo *c = make(capacity, bucket, expansion);
    static int in[KINDS];
    uint64_t all = 0;

    memset(in, 0, sizeof in);
    for (int i = 0; i < 40000; i++) {
        int k = (int)rng_below(KINDS);

        if (rng_below(5) < (i < 20000 ? 3 : 1)) {
            if (cuckoo_add(c, hash_of("k", k), &means)) in[k]++, all++;
            means.moves = UINT64_MAX / 2;
        } else if (in[k] > 0) { /* deleting what was never added may take out another one */
            cr_assert(cuckoo_delete(c, hash_of("k", k)));
            in[k]--;
            all--;
        }
        cr_assert_geq(cuckoo_count(c, hash_of("k", k)), in[k]);
    }
    cr_assert_eq(c->items, all);
    cr_assert_eq(taken_places(c), all);
    for (int k = 0; k < KINDS; k++) {
        cr_assert_geq(cuckoo_count(c, hash_of("k", k)), in[k], "%d", k);
        while (in[k]-- > 0) cr_assert(cuckoo_delete(c, hash_of("k", k)));
    }
    cr_assert_eq(taken_places(c), 0);
    cuckoo_free(c);
}

Test(cuckoo, deletions_beside_an_exact_count) {
    check_model(256, 2, 1);
    check_model(256, 4, 2);
    check_model(4096, 1, 0);
    check_model(2, 1, 2);
    check_model(600, 255, 1);
}

/* With one bucket, both of an item's buckets are the same one. */
Test(cuckoo, places_are_counted_once) {
    struct cuckoo *c = make(4, 4, 0);

    for (int i = 1; i <= 4; i++) {
        cr_assert(cuckoo_add(c, hash_of("same", 0), &means));
        cr_assert_eq(cuckoo_count(c, hash_of("same", 0)), i);
    }
    cuckoo_free(c);
}

Test(cuckoo, a_new_layer_comes_when_the_last_is_full) {
    struct cuckoo *c = make(64, 2, 4);

    for (int i = 0; i < 2000; i++) cr_assert(cuckoo_add(c, hash_of("item", i), &means));
    for (int i = 0; i < 2000; i++) cr_assert(cuckoo_has(c, hash_of("item", i)));
    cr_assert_gt(c->n, 2);
    cr_assert_eq(c->layers[1].buckets, 4 * c->layers[0].buckets);
    cr_assert_eq(c->layers[2].buckets, 16 * c->layers[0].buckets);
    cuckoo_free(c);
}

Test(cuckoo, one_item_again_and_again_ends_at_the_limits) {
    struct cuckoo *c = make(4, 2, 1);
    int n = 0;

    while (cuckoo_add(c, hash_of("same", 0), &means)) n++;
    cr_assert_eq(c->n, CUCKOO_LAYERS_MAX);
    cr_assert_eq(cuckoo_count(c, hash_of("same", 0)), n);
    cuckoo_free(c);
    c = make(4, 2, 2);
    means = (struct cuckoo_means){64, 100};
    for (n = 0; cuckoo_add(c, hash_of("same", 0), &means);) n++;
    cr_assert_leq(cuckoo_bytes(c), 64);
    cr_assert_eq(means.moves, 0);
    cuckoo_free(c);
}

Test(cuckoo, mad_shapes_are_known_before_anything_is_allocated) {
    cr_assert_eq(cuckoo_first_bytes(&(struct cuckoo_shape){UINT64_C(1) << 62, 1, 1, 1}),
                 UINT64_MAX);
    cr_assert_eq(cuckoo_first_bytes(&(struct cuckoo_shape){1024, 2, 20, 1}), 1024);
    cr_assert_eq(cuckoo_first_bytes(&(struct cuckoo_shape){1000, 2, 20, 1}), 1024);
    cr_assert_eq(cuckoo_first_bytes(&(struct cuckoo_shape){510, 255, 20, 1}), 510);
}
