/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bloom filters: no item is forgotten, and strangers are taken for items no more often than was
 * asked for, in one layer and in many.
 */
#include "storage/bloom.h"

#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(bloom, .init = mem_thread_init);

enum { STRANGERS = 200000 };

static struct xxh3_wide hash_of(const char *kind, int i) {
    char text[32];

    return bloom_hash(slice_of(text, (size_t)sprintf(text, "%s%d", kind, i)));
}

/* Items that the filter said were there when they were added. */
static int fill(struct bloom *b, int n) {
    int there = 0;

    for (int i = 0; i < n; i++) {
        enum bloom_added added = bloom_add(b, hash_of("item", i), UINT64_MAX);

        cr_assert(added == BLOOM_ADDED || added == BLOOM_THERE);
        there += added == BLOOM_THERE;
    }
    return there;
}

static double strangers_found(const struct bloom *b) {
    int found = 0;

    for (int i = 0; i < STRANGERS; i++) found += bloom_has(b, hash_of("stranger", i));
    return (double)found / STRANGERS;
}

static void check_filled(const struct bloom *b, int n, double error) {
    for (int i = 0; i < n; i++) cr_assert(bloom_has(b, hash_of("item", i)), "item %d", i);
    /* chance makes a rate of 0.001 vary by 7 % of itself in 200,000 draws */
    cr_assert_lt(strangers_found(b), error * 1.2 + 0.0001, "%g", error);
}

Test(bloom, a_full_layer_keeps_its_error_and_forgets_nothing) {
    static const double errors[] = {0.3, 0.05, 0.01, 0.001, 0.00001};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct bloom *b = bloom_new(&(struct bloom_shape){errors[i], 20000, 0});

        fill(b, 20000);
        check_filled(b, 20000, errors[i]);
        cr_assert_eq(b->n, 1);
        bloom_free(b);
    }
}

Test(bloom, small_filters_keep_their_error_on_average) {
    int found = 0;

    for (int round = 0; round < 400; round++) {
        struct bloom *b = bloom_new(&(struct bloom_shape){0.01, 100, 0});

        for (int i = 0; i < 100; i++) bloom_add(b, hash_of("item", round * 100 + i), UINT64_MAX);
        for (int i = 0; i < 500; i++) found += bloom_has(b, hash_of("stranger", round * 500 + i));
        bloom_free(b);
    }
    cr_assert_lt(found / 200000.0, 0.01 * 1.1, "%d", found);
}

Test(bloom, an_error_is_no_better_than_it_must_be) {
    struct bloom *b = bloom_new(&(struct bloom_shape){0.05, 20000, 0});
    double found;

    fill(b, 20000);
    found = strangers_found(b);
    cr_assert(found > 0.02, "%g: bits are wasted, or the strangers are none", found);
    bloom_free(b);
}

Test(bloom, many_layers_together_keep_the_error) {
    static const uint32_t expansions[] = {1, 2, 4};

    for (size_t i = 0; i < sizeof expansions / sizeof *expansions; i++) {
        struct bloom *b = bloom_new(&(struct bloom_shape){0.01, 1000, expansions[i]});
        int there = fill(b, 30000);

        cr_assert_gt(b->n, 3);
        check_filled(b, 30000, 0.01);
        cr_assert_eq(bloom_items(b), 30000 - (uint64_t)there);
        cr_assert_leq(bloom_items(b), bloom_capacity(b));
        bloom_free(b);
    }
}

Test(bloom, a_filter_that_does_not_scale_is_full_at_its_capacity) {
    struct bloom *b = bloom_new(&(struct bloom_shape){0.01, 3, 0});

    for (int i = 0; i < 3; i++)
        cr_assert_eq(bloom_add(b, hash_of("x", i), UINT64_MAX), BLOOM_ADDED);
    cr_assert_eq(bloom_add(b, hash_of("x", 3), UINT64_MAX), BLOOM_FULL);
    cr_assert_eq(bloom_add(b, hash_of("x", 2), UINT64_MAX), BLOOM_THERE);
    bloom_free(b);
}

Test(bloom, growth_ends_at_a_limit_of_bytes_and_of_layers) {
    struct bloom *b = bloom_new(&(struct bloom_shape){0.01, 1, 1});
    enum bloom_added added = BLOOM_ADDED;
    int i = 0;

    cr_assert_eq(bloom_add(b, hash_of("x", i++), 8), BLOOM_ADDED);
    cr_assert_eq(bloom_add(b, hash_of("x", i++), 8), BLOOM_LARGE);
    while (added == BLOOM_ADDED || added == BLOOM_THERE)
        added = bloom_add(b, hash_of("x", i++), UINT64_MAX);
    cr_assert_eq(added, BLOOM_LAYERS);
    cr_assert_eq(b->n, BLOOM_LAYERS_MAX);
    bloom_free(b);
}

/* The same bytes on every machine: a replica, an AOF and a snapshot go by them. */
Test(bloom, the_places_of_an_item_are_fixed) {
    struct bloom *b = bloom_new(&(struct bloom_shape){0.01, 6, 0});
    uint64_t word;

    bloom_add(b, bloom_hash(SLICE("foo")), UINT64_MAX);
    bloom_add(b, bloom_hash(SLICE("bar")), UINT64_MAX);
    cr_assert_eq(bloom_bytes(b), sizeof word);
    memcpy(&word, b->layers[0].data, sizeof word);
    cr_assert_eq(word, UINT64_C(0x8020849204100644), "%lx", word);
    bloom_free(b);
}

Test(bloom, a_large_filter_is_worth_a_thread) {
    struct entry *e =
        entry_new_object(SLICE("k"), TYPE_BLOOM,
                         bloom_new(&(struct bloom_shape){0.001, 20000000, 0}), ENTRY_NO_EXPIRE, 0);

    cr_assert_gt(entry_effort(e), entry_lazy_effort(false));
    entry_free(e);
    e = entry_new_object(SLICE("k"), TYPE_BLOOM, bloom_new(&(struct bloom_shape){0.01, 100, 0}),
                         ENTRY_NO_EXPIRE, 0);
    cr_assert_lt(entry_effort(e), entry_lazy_effort(true));
    entry_free(e);
}

Test(bloom, mad_shapes_are_known_before_anything_is_allocated) {
    cr_assert_eq(bloom_first_bytes(&(struct bloom_shape){1e-7, UINT64_C(1) << 62, 2}), UINT64_MAX);
    cr_assert_gt(bloom_first_bytes(&(struct bloom_shape){1e-300, UINT64_C(1) << 50, 2}), UINT64_C(8)
                                                                                             << 50);
    cr_assert_gt(bloom_first_bytes(&(struct bloom_shape){1e-7, 1000000000000, 2}), UINT64_C(3)
                                                                                       << 40);
    cr_assert_eq(bloom_first_bytes(&(struct bloom_shape){0.999999999, 1, 0}), 8);
    cr_assert_leq(bloom_first_bytes(&(struct bloom_shape){5e-324, 1, 2}), 16);
}
