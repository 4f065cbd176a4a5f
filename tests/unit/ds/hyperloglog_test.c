/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HyperLogLogs: Redis' bytes, both forms against an array of registers, and bytes of any kind.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/ds/hyperloglog.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { SPARSE_MAX = 3000 };

static char hll[HLL_DENSE_BYTES + 8];
static size_t n;
static uint8_t want[HLL_REGISTERS];

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
    memset(want, 0, sizeof want);
    hll_make_empty(hll);
    n = HLL_EMPTY_BYTES;
}

TestSuite(hyperloglog, .init = begin);

static struct slice whole(void) {
    return slice_of(hll, n);
}

static void add(struct hll_mark m) {
    struct hll_edit edit;
    char dense[HLL_DENSE_BYTES];
    enum hll_result what = hll_look(whole(), m, SPARSE_MAX, &edit);

    cr_assert_eq(what == HLL_SAME, want[m.reg] >= m.value);
    if (what == HLL_EDIT) n = hll_apply(hll, n, &edit);
    if (what == HLL_GROW) {
        cr_assert(hll_to_dense(whole(), dense));
        memcpy(hll, dense, sizeof dense);
        n = sizeof dense;
    }
    if (what == HLL_GROW || what == HLL_WRITE) hll_write(hll, m);
    cr_assert_neq(what, HLL_CORRUPT);
    if (want[m.reg] < m.value) want[m.reg] = m.value;
}

static void check_registers(void) {
    uint8_t got[HLL_REGISTERS] = {0};
    uint64_t count;

    cr_assert(hll_is_one(whole()));
    cr_assert(hll_merge(got, whole()));
    cr_assert_arr_eq(got, want, sizeof got);
    cr_assert(hll_count(whole(), &count));
    cr_assert_eq(count, hll_count_registers(want));
}

/* What Redis 7.0.15 makes of PFADD h a b c, without the header. */
Test(hyperloglog, elements_choose_redis_registers) {
    struct bytes text = {0};

    add(hll_mark_of(SLICE("a")));
    add(hll_mark_of(SLICE("b")));
    add(hll_mark_of(SLICE("c")));
    hll_describe(whole(), &text);
    cr_assert_str_eq(bytes_cstr(&text), "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603 ");
    bytes_release(&text);
    check_registers();
}

Test(hyperloglog, estimates_are_redis_own) {
    static const uint64_t sizes[] = {10, 100, 1001, 9988, 99562};
    uint64_t count;
    size_t k = 0;

    for (int i = 1; i <= 100000; i++) {
        char text[16];

        add(hll_mark_of(slice_of(text, (size_t)snprintf(text, sizeof text, "%d", i))));
        if (i != 10 && i != 100 && i != 1000 && i != 10000 && i != 100000) continue;
        cr_assert(hll_count(whole(), &count));
        cr_assert_eq(count, sizes[k++], "%d: %lu", i, (unsigned long)count);
    }
    cr_assert(hll_is_dense(whole()));
}

Test(hyperloglog, both_forms_keep_every_register) {
    for (int round = 0; round < 20; round++) {
        uint32_t span = 1 + (uint32_t)rng_below(HLL_REGISTERS);

        begin();
        rng_seed((uint64_t)round);
        for (int i = 0; i < 3000; i++) {
            add((struct hll_mark){(uint32_t)rng_below(span),
                                  (uint8_t)(1 + rng_below(round % 4 ? 3 : 40))});
            if (i % 200 == 0) check_registers();
        }
        check_registers();
    }
    hll_write_all(hll, want);
    check_registers();
}

Test(hyperloglog, neighbours_of_one_value_share_a_run) {
    struct bytes text = {0};

    for (uint32_t i = 100; i < 110; i++) add((struct hll_mark){i, 5});
    add((struct hll_mark){0, 32});
    add((struct hll_mark){HLL_REGISTERS - 1, 1});
    hll_describe(whole(), &text);
    cr_assert_str_eq(bytes_cstr(&text), "v:32,1 Z:99 v:5,4 v:5,4 v:5,2 Z:16273 v:1,1 ");
    bytes_release(&text);
}

Test(hyperloglog, the_header_keeps_a_count_until_it_is_outdated) {
    uint64_t count = 1;

    cr_assert(hll_cached(whole(), &count));
    cr_assert_eq(count, 0);
    hll_put_cached(hll, 12345678901);
    cr_assert(hll_cached(whole(), &count));
    cr_assert_eq(count, 12345678901);
    hll_outdate(hll);
    cr_assert_not(hll_cached(whole(), &count));
}

/* On the heap, so that a sanitizer sees a look beyond the end. */
static void look_at_anything(const char *p, size_t len) {
    char *copy = mem_dup(p, len), dense[HLL_DENSE_BYTES];
    struct slice s = slice_of(copy, len);
    uint8_t max[HLL_REGISTERS] = {0};
    struct bytes text = {0};
    struct hll_edit edit;
    uint64_t count;

    if (hll_is_one(s)) {
        bool good = hll_count(s, &count);

        cr_assert_eq(hll_merge(max, s), good);
        cr_assert_eq(hll_to_dense(s, dense), good);
        if (!hll_is_dense(s)) hll_describe(s, &text);
        for (int i = 0; i < 20; i++) {
            struct hll_mark m = {(uint32_t)rng_below(HLL_REGISTERS), (uint8_t)(1 + rng_below(50))};

            if (hll_look(s, m, SPARSE_MAX, &edit) != HLL_EDIT) continue;
            cr_assert_leq(edit.at + edit.old, len);
            cr_assert_leq(edit.n, 5);
            copy = mem_realloc(copy, len + edit.n);
            len = hll_apply(copy, len, &edit);
            s = slice_of(copy, len);
        }
    }
    bytes_release(&text);
    mem_free(copy);
}

Test(hyperloglog, bytes_of_any_kind_do_no_harm) {
    for (int round = 0; round < 20000; round++) {
        size_t len = HLL_HEADER + rng_below(60);
        char any[HLL_HEADER + 60];

        for (size_t i = 0; i < len; i++) any[i] = (char)(rng_u64() >> rng_below(64));
        memcpy(any, "HYLL\1", 5);
        look_at_anything(any, len);
    }
    for (int i = 0; i < 500; i++)
        add((struct hll_mark){(uint32_t)rng_below(HLL_REGISTERS), (uint8_t)(1 + rng_below(9))});
    for (int round = 0; round < 2000; round++) {
        char broken[SPARSE_MAX];
        size_t len = rng_below(3) ? n : HLL_HEADER + rng_below(n - HLL_HEADER);

        memcpy(broken, hll, n);
        for (int i = 0; i < 3; i++)
            broken[HLL_HEADER + rng_below(n - HLL_HEADER)] = (char)rng_u64();
        look_at_anything(broken, len);
    }
}

Test(hyperloglog, a_header_that_is_none_is_seen) {
    cr_assert_not(hll_is_one(SLICE("")));
    cr_assert_not(hll_is_one(slice_of(hll, HLL_HEADER - 1)));
    cr_assert(hll_is_one(slice_of(hll, HLL_HEADER)));
    hll[4] = 0;
    cr_assert_not(hll_is_one(whole()));
    cr_assert(hll_is_one(slice_of(hll, HLL_DENSE_BYTES)));
    cr_assert_not(hll_is_one(slice_of(hll, HLL_DENSE_BYTES + 1)));
    hll[4] = 2;
    cr_assert_not(hll_is_one(slice_of(hll, HLL_DENSE_BYTES)));
    hll[4] = 1;
    hll[0] = 'h';
    cr_assert_not(hll_is_one(whole()));
}
