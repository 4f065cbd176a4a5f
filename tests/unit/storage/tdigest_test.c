/* SPDX-License-Identifier: BSD-3-Clause
 *
 * t-digests beside sorted arrays: exact as long as nothing is merged, near at every quantile after
 * that, nearest at both ends.
 */
#include "storage/tdigest.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { MANY = 100000 };

static double *all;
static struct tdigest *t;

static void begin(void) {
    mem_thread_init();
    rng_seed(9);
    all = malloc(MANY * sizeof *all);
}

static void end(void) {
    tdigest_free(t);
    free(all);
}

TestSuite(tdigest, .init = begin, .fini = end);

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double uniform(void) {
    return (double)rng_below(1u << 30) / (1u << 30);
}

static double exponential(void) {
    return -log(1 - uniform());
}

static double few_values(void) {
    return (double)rng_below(7);
}

/* `order`: 1 rising, -1 falling, 0 as drawn. */
static void fill(uint32_t compression, int n, double (*draw)(void), int order) {
    t = tdigest_new(compression);
    for (int i = 0; i < n; i++) all[i] = draw();
    if (order == 0) {
        for (int i = 0; i < n; i++) tdigest_add(t, all[i], 1);
        qsort(all, (size_t)n, sizeof *all, by_value);
        return;
    }
    qsort(all, (size_t)n, sizeof *all, by_value);
    for (int i = 0; i < n; i++) tdigest_add(t, all[order > 0 ? i : n - 1 - i], 1);
}

/* Which part of all is below x, ties counted half. */
static double part_below(double x, int n) {
    int below = 0, equal = 0;

    for (int i = 0; i < n; i++) {
        below += all[i] < x;
        equal += all[i] == x;
    }
    return (below + equal / 2.0) / n;
}

static void check_order(void) {
    struct tdigest_view v;
    uint64_t sum = 0;

    tdigest_look(t, &v);
    for (uint32_t i = 0; i < v.n; i++) {
        cr_assert(i == 0 || v.nodes[i - 1].mean <= v.nodes[i].mean);
        cr_assert_eq(v.before[i], sum);
        sum += v.nodes[i].weight;
    }
    cr_assert_eq(sum, t->weight);
    tdigest_view_release(&v);
}

/* The error of a quantile, in parts of all, is bounded by what a node may span there. */
static void check_quantiles(int n) {
    static const double quantiles[] = {0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999};
    struct tdigest_view v;

    tdigest_look(t, &v);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double q = quantiles[i], x = tdigest_at(&v, q * n), may = 1.0 / n;

        may += 2 * M_PI * sqrt(q * (1 - q)) / t->compression;
        cr_assert_lt(fabs(part_below(x, n) - q), may, "%g: %g, part %g", q, x, part_below(x, n));
        cr_assert_lt(fabs(tdigest_below(&v, x) / n - q), may);
    }
    cr_assert_eq(tdigest_at(&v, 0), all[0]);
    cr_assert_eq(tdigest_at(&v, n), all[n - 1]);
    tdigest_view_release(&v);
}

Test(tdigest, quantiles_are_near_in_any_order_of_arrival) {
    for (int order = -1; order <= 1; order++) {
        if (t) tdigest_free(t);
        fill(100, MANY, exponential, order);
        check_order();
        check_quantiles(MANY);
        cr_assert_lt(t->merged, 3 * 100, "%u", t->merged);
    }
}

Test(tdigest, compressions_of_every_size_work) {
    static const uint32_t compressions[] = {1, 2, 10, 1000};

    for (size_t i = 0; i < sizeof compressions / sizeof *compressions; i++) {
        if (t) tdigest_free(t);
        fill(compressions[i], 20000, uniform, 0);
        check_order();
        cr_assert_leq(t->merged + t->added, t->cap);
        if (compressions[i] >= 10) check_quantiles(20000);
    }
}

Test(tdigest, few_different_numbers_stay_apart) {
    struct tdigest_view v;

    fill(100, MANY, few_values, 0);
    tdigest_look(t, &v);
    for (int i = 0; i < 7; i++)
        cr_assert_lt(fabs(tdigest_below(&v, i) / MANY - (i + 0.5) / 7), 0.06, "%d: %g", i,
                     tdigest_below(&v, i) / MANY);
    tdigest_view_release(&v);
}

Test(tdigest, what_was_not_merged_is_exact) {
    struct tdigest_view v;
    double mean = 0;

    fill(100, 600, exponential, 0);
    cr_assert_eq(t->compressions, 0);
    tdigest_look(t, &v);
    for (int i = 0; i < 600; i++) {
        cr_assert_eq(tdigest_at(&v, i), all[i]);
        cr_assert_eq(tdigest_below(&v, all[i]), i + 0.5);
        mean += all[i] / 600;
    }
    cr_assert_float_eq(tdigest_mean(&v, 0, 600), mean, 1e-12);
    tdigest_view_release(&v);
}

Test(tdigest, sums_are_near_too) {
    struct tdigest *parts[4], *sum = tdigest_new(200);

    for (int i = 0; i < 4; i++) parts[i] = tdigest_new(200);
    for (int i = 0; i < MANY; i++) {
        all[i] = exponential();
        tdigest_add(parts[i % 4], all[i], 1);
    }
    for (int i = 0; i < 4; i++) {
        cr_assert(tdigest_add_all(sum, parts[i]));
        tdigest_free(parts[i]);
    }
    qsort(all, MANY, sizeof *all, by_value);
    t = sum;
    check_order();
    check_quantiles(MANY);
}

Test(tdigest, the_largest_numbers_and_weights_do_no_harm) {
    struct tdigest_view v;

    t = tdigest_new(1);
    for (int i = 0; i < 1000; i++) tdigest_add(t, i % 2 ? 1.7e308 : -1.7e308, 1);
    cr_assert(tdigest_add(t, 0, TDIGEST_WEIGHT_MAX - 1000));
    cr_assert_not(tdigest_add(t, 0, 1));
    tdigest_look(t, &v);
    for (double q = 0; q <= 1; q += 0.05) {
        double x = tdigest_at(&v, q * (double)t->weight);

        cr_assert(isfinite(x));
        cr_assert(isfinite(tdigest_below(&v, x)));
    }
    cr_assert(isfinite(tdigest_mean(&v, 0, (double)t->weight)));
    check_order();
    tdigest_view_release(&v);
}
