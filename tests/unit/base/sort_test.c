/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/base/sort.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { MANY = 500 };

static int values[MANY];
static void *v[MANY];

static int cmp(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static int cmp_values(const void *a, const void *b) {
    return cmp(*(void *const *)a, *(void *const *)b);
}

/* Few different values, many, ascending, descending, saw teeth. */
static int value(int kind, int i, int n) {
    switch (kind) {
    case 0: return (int)rng_below(4);
    case 1: return (int)rng_below(100000);
    case 2: return i;
    case 3: return n - i;
    default: return i % 10;
    }
}

static void try(int kind, size_t n, size_t first, size_t last) {
    void *all[MANY];
    bool seen[MANY] = {false};

    for (size_t i = 0; i < n; i++) {
        values[i] = value(kind, (int)i, (int)n);
        v[i] = all[i] = &values[i];
    }
    qsort(all, n, sizeof *all, cmp_values);
    sort_part(v, n, cmp, first, last);
    for (size_t i = first; i <= last; i++) cr_assert_eq(*(int *)v[i], *(int *)all[i]);
    for (size_t i = 0; i < n; i++) {
        size_t at = (size_t)((int *)v[i] - values);

        cr_assert(at < n && !seen[at], "nothing is lost");
        seen[at] = true;
    }
}

Test(sort, a_part_is_as_if_all_was_sorted) {
    mem_thread_init();
    rng_seed(3);
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + rng_below(round % 10 ? 60 : MANY), first = rng_below(n);

        try(round % 5, n, first, first + rng_below(n - first));
    }
}

/* Recorded from GEOSEARCH ... COUNT 6 of Redis 7.0.15, with places at these distances. */
Test(sort, equal_elements_come_as_with_redis) {
    static const int in[] = {3, 3, 3, 1, 1, 1, 1, 2, 2, 2}, want[] = {4, 6, 5, 3, 9, 7};

    for (size_t i = 0; i < 10; i++) {
        values[i] = in[i];
        v[i] = &values[i];
    }
    sort_part(v, 10, cmp, 0, 5);
    for (size_t i = 0; i < 6; i++) cr_expect_eq((int *)v[i] - values, want[i]);
}
