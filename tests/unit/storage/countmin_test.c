/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Count-min sketches beside exact counts: never too small, and too large as seldom as was asked.
 */
#include "storage/countmin.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { KINDS = 20000, COUNTED = 400000 };

static void begin(void) {
    mem_thread_init();
    rng_seed(5);
}

TestSuite(countmin, .init = begin);

static struct xxh3_wide hash_of(int i) {
    char text[16];

    return countmin_hash(slice_of(text, (size_t)sprintf(text, "k%d", i)));
}

Test(countmin, shapes_follow_from_error_and_chance) {
    uint64_t width;
    uint32_t depth;

    cr_assert(countmin_shape(0.001, 0.01, &width, &depth));
    cr_assert_eq(width, 2000);
    cr_assert_eq(depth, 7);
    cr_assert(countmin_shape(0.9, 0.9, &width, &depth));
    cr_assert_eq(width, 3);
    cr_assert_eq(depth, 1);
    cr_assert_not(countmin_shape(1e-300, 0.01, &width, &depth));
    cr_assert(countmin_shape(0.01, 5e-324, &width, &depth));
    cr_assert_leq(depth, COUNTMIN_DEPTH_MAX);
}

Test(countmin, counts_keep_their_bound) {
    static uint32_t exact[KINDS];
    const double error = 0.001, chance = 0.01;
    struct countmin *c;
    uint64_t width;
    uint32_t depth;
    int wrong = 0;

    memset(exact, 0, sizeof exact);
    cr_assert(countmin_shape(error, chance, &width, &depth));
    c = countmin_new(width, depth);
    for (int i = 0; i < COUNTED; i++) {
        int k = (int)rng_below(rng_below(KINDS) + 1); /* small numbers come more often */

        exact[k]++;
        cr_assert_geq(countmin_add(c, hash_of(k), 1), exact[k]);
    }
    cr_assert_eq(c->count, COUNTED);
    for (int k = 0; k < KINDS; k++) {
        uint32_t told = countmin_query(c, hash_of(k));

        cr_assert_geq(told, exact[k]);
        wrong += told > exact[k] + error * COUNTED;
    }
    cr_assert_lt(wrong, chance * KINDS, "%d", wrong);
    countmin_free(c);
}

Test(countmin, cells_stop_at_the_largest_number) {
    struct countmin *c = countmin_new(4, 2);

    cr_assert_eq(countmin_add(c, hash_of(1), COUNTMIN_MOST - 1), COUNTMIN_MOST - 1);
    cr_assert_eq(countmin_add(c, hash_of(1), 5), COUNTMIN_MOST);
    cr_assert_eq(countmin_add(c, hash_of(1), INT64_MAX), COUNTMIN_MOST);
    cr_assert_eq(countmin_query(c, hash_of(1)), COUNTMIN_MOST);
    cr_assert_eq(c->count, INT64_MAX);
    countmin_free(c);
}
