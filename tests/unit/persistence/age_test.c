/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_age.h"

#include <criterion/criterion.h>

Test(aof_age, counts_from_the_append_whatever_happens_to_the_disk) {
    struct aof_age g = {0};

    cr_assert_eq(aof_age_us(&g, 0, 5000000), 0);
    aof_age_add(&g, 100, 0, 1000000);
    aof_age_add(&g, 200, 0, 1500000);
    cr_assert_eq(aof_age_us(&g, 99, 3000000), 2000000);
    cr_assert_eq(aof_age_us(&g, 100, 3000000), 1500000);
    cr_assert_eq(aof_age_us(&g, 200, 3000000), 0);
    aof_age_add(&g, 300, 200, 4000000);
    cr_assert_eq(aof_age_us(&g, 200, 4000001), 1);
}

Test(aof_age, is_never_too_small_when_the_ring_is_full) {
    struct aof_age g = {0};

    for (unsigned i = 1; i <= 1000; i++) aof_age_add(&g, i, 0, i * 20000);
    cr_assert_eq(aof_age_us(&g, 0, 20000000), 20000000 - 20000);
    cr_assert_geq(aof_age_us(&g, 999, 20000000), 0);
    cr_assert_gt(aof_age_us(&g, 999, 20000001), 0, "the last one is still waiting");
    cr_assert_eq(aof_age_us(&g, 1000, 20000001), 0);
}

Test(aof_age, appends_within_a_step_share_an_entry) {
    struct aof_age g = {0};

    for (unsigned i = 1; i <= 1000; i++) aof_age_add(&g, i, 0, 1000 + i);
    cr_assert_eq(g.n, 1);
    cr_assert_eq(aof_age_us(&g, 999, 2001), 1000);
}
