/* SPDX-License-Identifier: BSD-3-Clause
 *
 * intset: Redis' bytes, and random operations against an array of flags.
 */
#include "storage/ds/intset.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <string.h>

static struct intset *s;

static void begin(void) {
    mem_thread_init();
    rng_seed(5);
    s = intset_new();
}

static void end(void) {
    intset_free(s);
}

TestSuite(intset, .init = begin, .fini = end);

static bool is(const char *bytes, size_t n) {
    return intset_bytes(s) == n && memcmp(s, bytes, n) == 0;
}

Test(intset, its_bytes_are_those_of_redis) {
    cr_assert(is("\2\0\0\0\0\0\0\0", 8));
    intset_add(&s, 5);
    intset_add(&s, -2);
    intset_add(&s, 300);
    cr_assert(is("\2\0\0\0\3\0\0\0\xfe\xff\5\0\x2c\1", 14));
    intset_add(&s, 70000);
    cr_assert(is("\4\0\0\0\4\0\0\0\xfe\xff\xff\xff\5\0\0\0\x2c\1\0\0\x70\x11\1\0", 24));
    intset_remove(&s, 70000);
    cr_assert_eq(intset_bytes(s), 20, "the width stays");
}

Test(intset, the_widest_integers_fit) {
    cr_assert(intset_add(&s, INT64_MAX));
    cr_assert(intset_add(&s, INT64_MIN));
    cr_assert(intset_add(&s, 0));
    cr_assert_not(intset_add(&s, INT64_MIN));
    cr_assert_eq(intset_get(s, 0), INT64_MIN);
    cr_assert_eq(intset_get(s, 1), 0);
    cr_assert_eq(intset_get(s, 2), INT64_MAX);
    cr_assert(intset_has(s, INT64_MAX));
    cr_assert_not(intset_has(s, INT64_MAX - 1));
}

Test(intset, one_of_another_width_goes_to_its_place) {
    static const int64_t wide[] = {40000, -40000, INT64_C(1) << 40, -(INT64_C(1) << 40)};

    for (int i = 0; i < 4; i++) {
        intset_free(s);
        s = intset_new();
        for (int v = -3; v < 4; v++) intset_add(&s, v);
        cr_assert_not(intset_has(s, wide[i]));
        cr_assert(intset_add(&s, wide[i]));
        cr_assert_eq(intset_get(s, wide[i] > 0 ? 7 : 0), wide[i]);
        cr_assert_eq(intset_get(s, wide[i] > 0 ? 0 : 1), -3);
        cr_assert(intset_check(s, intset_bytes(s)));
    }
}

enum { VALUES = 400 };

static int64_t value(unsigned i) {
    static const int64_t scale[] = {1, 170, 11000000, INT64_C(46000000000000000)};

    return (2 * (int64_t)(i / 4) - VALUES / 4 + 1) * scale[i % 4]; /* all different */
}

Test(intset, random_operations_agree_with_a_model) {
    static bool in[VALUES];
    struct intset *copy;
    size_t n = 0;

    for (unsigned round = 0; round < 40000; round++) {
        unsigned i = (unsigned)rng_below(VALUES);
        bool had = in[i];

        cr_assert_eq(intset_has(s, value(i)), had);

        if (rng_below(2)) {
            cr_assert_eq(intset_add(&s, value(i)), !had);
            n += !had;
            in[i] = true;
        } else {
            cr_assert_eq(intset_remove(&s, value(i)), had);
            n -= had;
            in[i] = false;
        }
        cr_assert_eq(intset_len(s), n);
        if (round % 1000 == 0 && n) cr_assert(intset_check(s, intset_bytes(s)));
        if (round % 5000) continue;
        copy = intset_copy(s);
        intset_free(s);
        s = copy;
    }
}

Test(intset, broken_bytes_are_refused) {
    static const struct {
        const char *bytes;
        size_t n;
    } broken[] = {
        {"", 0},
        {"\2\0\0\0\0\0\0", 7},
        {"\2\0\0\0\0\0\0\0", 8},               /* empty */
        {"\2\0\0\0\1\0\0\0", 8},               /* short */
        {"\2\0\0\0\1\0\0\0\1\0\0", 11},        /* long */
        {"\3\0\0\0\1\0\0\0\1\0\0", 11},        /* no such width */
        {"\2\0\0\0\2\0\0\0\1\0\1\0", 12},      /* twice the same */
        {"\2\0\0\0\2\0\0\0\1\0\xff\xff", 12},  /* falling */
        {"\x8\0\0\0\xff\xff\xff\xff\1\0", 10}, /* more than there can be */
    };

    cr_assert(intset_check("\2\0\0\0\2\0\0\0\xff\xff\1\0", 12));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        cr_assert_not(intset_check(broken[i].bytes, broken[i].n), "%zu", i);
}

Test(intset, a_rank_is_found_from_any_place_before_it) {
    for (int64_t v = 0; v < 200; v++) intset_add(&s, v * v);
    for (int64_t v = -5; v < 40100; v += 37) {
        size_t rank = 0;

        while (rank < 200 && (int64_t)(rank * rank) < v) rank++;
        for (size_t from = 0; from <= rank; from += 7) cr_assert_eq(intset_rank(s, v, from), rank);
        cr_assert_eq(intset_rank(s, v, rank), rank);
    }
}
