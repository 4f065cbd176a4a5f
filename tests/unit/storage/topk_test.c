/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lists of heavy hitters: the most frequent of many items are found, counts are not exceeded, and
 * one history makes one value.
 */
#include "storage/topk.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

enum { HEAVY = 10, LIGHT = 5000, ROUNDS = 300 };

static void begin(void) {
    mem_thread_init();
    rng_seed(3);
}

TestSuite(topk, .init = begin);

static void add(struct topk *t, const char *kind, int i, uint32_t n) {
    char text[32];

    mem_free(topk_add(t, slice_of(text, (size_t)sprintf(text, "%s%d", kind, i)), n));
}

static const struct topk_item *find(const struct topk *t, const char *kind, int i) {
    char text[32];

    return topk_find(t, slice_of(text, (size_t)sprintf(text, "%s%d", kind, i)));
}

static void check_heap(const struct topk *t) {
    for (uint32_t i = 1; i < t->n; i++)
        cr_assert_leq(t->heap[(i - 1) / 2]->count, t->heap[i]->count);
}

/* Heavy item i comes ROUNDS * (i + 1) times among as many light ones. */
static struct topk *filled(uint32_t step) {
    struct topk *t = topk_new(HEAVY, 500, 5, 0.9);

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < HEAVY; i++) add(t, "heavy", i, (uint32_t)(i + 1) * step);
        for (int i = 0; i < 50; i++) add(t, "light", (int)rng_below(LIGHT), 1);
    }
    return t;
}

Test(topk, heavy_hitters_are_found_and_not_overestimated) {
    struct topk *t = filled(1);
    const struct topk_item *sorted[HEAVY];

    check_heap(t);
    cr_assert_eq(t->n, HEAVY);
    topk_sorted(t, sorted);
    for (int i = 0; i < HEAVY; i++) {
        const struct topk_item *it = find(t, "heavy", i);
        uint32_t exact = (uint32_t)(ROUNDS * (i + 1));

        cr_assert_not_null(it, "heavy%d", i);
        cr_assert(it->count <= exact && it->count > exact * 0.9, "heavy%d: %u", i, it->count);
        cr_assert_eq(sorted[HEAVY - 1 - i], it);
    }
    cr_assert_null(find(t, "light", 1));
    topk_free(t);
}

Test(topk, one_step_of_many_is_like_many_steps) {
    struct topk *t = filled(40);

    check_heap(t);
    for (int i = 0; i < HEAVY; i++) {
        uint32_t exact = (uint32_t)(ROUNDS * (i + 1) * 40);

        cr_assert(find(t, "heavy", i)->count > exact * 0.9, "heavy%d", i);
    }
    topk_free(t);
}

/* With one bucket, a newcomer wears the old item down: with decay 1 one for one. */
Test(topk, a_bucket_is_taken_over) {
    struct topk *t = topk_new(1, 1, 1, 1);

    add(t, "old", 0, 100);
    add(t, "new", 0, 60);
    cr_assert_eq(t->buckets[0].count, 40);
    cr_assert_not_null(find(t, "old", 0));
    add(t, "new", 0, 141);
    cr_assert_eq(t->buckets[0].count, 102);
    cr_assert_eq(find(t, "new", 0)->count, 102);
    cr_assert_null(find(t, "old", 0));
    topk_free(t);
}

/* Half of the trials take 1 from a count of 1, a quarter from a count of 2...: a count of 6 lasts
 * 64 + 32 + 16 + 8 + 4 + 2 trials on average, one by one or in one step. */
Test(topk, chance_wears_a_count_down_as_often_as_it_should) {
    struct topk *t = topk_new(1, 1, 1, 0.5);
    double single = 0, step = 0;

    for (int round = 0; round < 2000; round++) {
        t->buckets[0] = (struct topk_bucket){0, 6};
        for (; t->buckets[0].print == 0; single++) add(t, "new", 0, 1);
        t->buckets[0] = (struct topk_bucket){0, 6};
        add(t, "new", 0, 10000);
        step += 10001 - t->buckets[0].count;
    }
    cr_assert_float_eq(single / 2000, 126, 6, "%g", single / 2000);
    cr_assert_float_eq(step / 2000, 126, 6, "%g", step / 2000);
    topk_free(t);
}

/* A count that a decay near 1 wears down: as many trials as the sum of 1 / decay^k, in one step of
 * many as well. */
Test(topk, a_large_count_is_worn_down_in_one_step) {
    struct topk *t = topk_new(1, 1, 1, 0.999);
    double wanted = 0, step = 0;

    for (int k = 1; k <= 1000; k++) wanted += pow(0.999, -k);
    for (int round = 0; round < 200; round++) {
        t->buckets[0] = (struct topk_bucket){0, 1000};
        add(t, "new", 0, 10000);
        step += 10001 - t->buckets[0].count;
    }
    cr_assert_float_eq(step / 200, wanted, wanted * 0.03, "%g, not %g", step / 200, wanted);
    topk_free(t);
}

Test(topk, large_counts_last) {
    struct topk *t = topk_new(2, 1, 1, 0.9);

    add(t, "old", 0, 5000);
    add(t, "new", 0, TOPK_STEP_MAX);
    cr_assert_eq(t->buckets[0].count, 5000);
    topk_free(t);
}

Test(topk, the_same_history_makes_the_same_value) {
    struct bytes a = {0}, b = {0};
    struct topk *t = filled(3), *again;

    rng_seed(3);
    again = filled(3);
    topk_sketch.head(t, &a);
    topk_sketch.head(again, &b);
    cr_assert(slice_eq(bytes_slice(&a), bytes_slice(&b)));
    cr_assert_eq(memcmp(t->buckets, again->buckets, topk_sketch.body(t)), 0);
    bytes_release(&a);
    bytes_release(&b);
    topk_free(t);
    topk_free(again);
}
