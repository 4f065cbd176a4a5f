/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pack against listpack: the same elements after the same operations.
 */
#include "storage/ds/pack.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct pack *p;
static struct listpack *lp;

static void begin(void) {
    mem_thread_init();
    rng_seed(3);
    p = pack_new();
    lp = lp_new();
}

static void end(void) {
    pack_free(p);
    lp_free(lp);
}

TestSuite(pack, .init = begin, .fini = end);

static void same(void) {
    uint32_t a = pack_first(p), b = lp_first(lp);

    cr_assert_eq(pack_count(p), lp_count(lp));
    for (; a && b; a = pack_next(p, a), b = lp_next(lp, b)) {
        struct lp_value v = pack_get(p, a), w = lp_get(lp, b);

        cr_assert_eq(!v.p, !w.p);
        if (v.p)
            cr_assert(v.n == w.n && memcmp(v.p, w.p, v.n) == 0);
        else
            cr_assert_eq(v.v, w.v);
    }
    cr_assert(!a && !b, "both end");
}

/* An element of any kind; the same `i` gives the same one. */
static struct slice element(unsigned i) {
    static char text[6000];
    static const char *const some[] = {"",
                                       "0",
                                       "127",
                                       "128",
                                       "-1",
                                       "4095",
                                       "4096",
                                       "-32768",
                                       "32768",
                                       "8388607",
                                       "-00",
                                       "+1",
                                       "x",
                                       "2e5",
                                       "-4097",
                                       "8388608",
                                       "1 ",
                                       "a text",
                                       "-2147483648",
                                       "2147483648",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "9223372036854775808"};
    static const unsigned lengths[] = {1, 63, 64, 100, 4095, 4096, 5000};
    enum { SOME = sizeof some / sizeof *some };

    i %= SOME + 7;
    if (i < SOME) return slice_str(some[i]);
    memset(text, 'a' + (int)i % 26, sizeof text);
    return slice_of(text, lengths[i - SOME]);
}

Test(pack, its_bytes_are_a_listpacks_without_the_way_back) {
    pack_append(&p, SLICE("f0"));
    pack_append(&p, SLICE("300"));
    cr_assert_eq(pack_bytes(p), 11);
    cr_assert_eq(memcmp(p,
                        "\x0b\0\0\0\2\0\x82"
                        "f0\xc1\x2c",
                        11),
                 0);
}

Test(pack, random_operations_agree_with_a_listpack) {
    for (int round = 0; round < 30000; round++) {
        struct slice s = element((unsigned)rng_u64() >> 8);
        struct lp_code code = lp_code_of(s);
        size_t n = pack_count(p), i = n ? rng_below(n) : 0;
        uint32_t a = n ? pack_at(p, i) : 0, b = n ? lp_at(lp, (int64_t)i) : 0;

        switch (n < 40 ? rng_below(4) : 3) {
        case 0:
        case 1:
            pack_insert(&p, a, &code);
            lp_insert(&lp, b, s);
            break;
        case 2:
            if (n == 0) break;
            pack_replace(&p, a, &code);
            lp_replace(&lp, b, s);
            break;
        default:
            if (n == 0) break;
            i = 1 + rng_below(n - i);
            pack_delete(&p, a, i);
            lp_delete(&lp, b, i);
        }
        same();
    }
}

static int64_t place_of(struct slice s, unsigned skip) {
    struct lp_code code = lp_code_of(s);
    uint32_t found = pack_find(p, &code, skip), at = pack_first(p);
    int64_t i = 0;

    if (!found) return -1;
    for (; at != found; at = pack_next(p, at)) i++;
    return i;
}

static int64_t place_in_listpack(struct slice s, unsigned skip) {
    struct lp_key key = lp_key_of(s);
    uint32_t found = lp_find(lp, lp_first(lp), &key, skip), at = lp_first(lp);
    int64_t i = 0;

    if (!found) return -1;
    for (; at != found; at = lp_next(lp, at)) i++;
    return i;
}

Test(pack, searches_find_what_a_listpack_finds) {
    cr_assert_eq(place_of(SLICE("x"), 0), -1);
    for (unsigned i = 0; i < 24; i++) {
        pack_append(&p, element(i * 7 % 23));
        lp_append(&lp, element(i * 7 % 23));
    }
    for (unsigned skip = 0; skip < 3; skip++)
        for (unsigned i = 0; i < 30; i++)
            cr_assert_eq(place_of(element(i), skip), place_in_listpack(element(i), skip), "%u", i);
}

Test(pack, listpacks_come_and_go) {
    struct bytes back = {0};
    struct pack *copy;

    for (unsigned i = 0; i < 30; i++) lp_append(&lp, element(i));
    pack_free(p);
    p = pack_from_listpack(lp);
    same();
    copy = pack_copy(p);
    bytes_append_str(&back, "before");
    pack_append_listpack(copy, &back);
    cr_assert_eq(back.n, lp_bytes(lp) + 6);
    cr_assert_eq(memcmp(back.p + 6, lp, lp_bytes(lp)), 0);
    bytes_release(&back);
    pack_free(copy);
}

Test(pack, more_elements_than_the_header_counts_are_counted) {
    for (int i = 0; i < 70000; i++) pack_append_int(&p, i & 63);
    cr_assert_eq(pack_count(p), 70000);
    pack_delete(&p, pack_first(p), 10000);
    cr_assert_eq(pack_count(p), 60000);
}
