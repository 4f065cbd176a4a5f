/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The listpack against an array of texts, its bytes against what the format says, and lp_check
 * against bytes that are none.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/ds/listpack.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { ITEMS = 400, TEXT_MAX = 5000 };

static struct listpack *lp;
static char *texts[ITEMS];
static size_t lengths[ITEMS], count;

static void init(void) {
    mem_thread_init();
    rng_seed(7);
    lp = lp_new();
}

TestSuite(listpack, .init = init);

static void model_insert(size_t at, struct slice s) {
    memmove(texts + at + 1, texts + at, (count - at) * sizeof *texts);
    memmove(lengths + at + 1, lengths + at, (count - at) * sizeof *lengths);
    texts[at] = mem_dup(s.p, s.n + 1);
    lengths[at] = s.n;
    count++;
}

static void model_delete(size_t at) {
    mem_free(texts[at]);
    count--;
    memmove(texts + at, texts + at + 1, (count - at) * sizeof *texts);
    memmove(lengths + at, lengths + at + 1, (count - at) * sizeof *lengths);
}

/* Integers of every size, texts around the limits of the encodings. */
static struct slice some_text(void) {
    static char buf[TEXT_MAX + 1];
    static const int64_t ints[] = {0,     127,       128,       -1,        4095,     -4096,
                                   4096,  -4097,     INT16_MAX, INT16_MIN, 8388607,  -8388608,
                                   40000, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    static const size_t sizes[] = {0, 1, 2, 63, 64, 126, 127, 128, 4095, 4096, TEXT_MAX};
    size_t n;

    if (rng_below(2))
        return (struct slice){
            buf, (size_t)sprintf(buf, "%lld", (long long)ints[rng_below(sizeof ints / 8)])};
    n = sizes[rng_below(sizeof sizes / sizeof *sizes)];
    memset(buf, 'a' + (int)rng_below(3), n);
    buf[n] = '\0';
    return (struct slice){buf, n};
}

static void compare(void) {
    uint32_t at = lp_first(lp);
    char buf[NUM_I64_MAX];

    cr_assert(lp_check(lp, lp_bytes(lp)));
    cr_assert_eq(lp_count(lp), count);
    for (size_t i = 0; i < count; i++, at = lp_next(lp, at))
        cr_assert(slice_eq(lp_text(lp, at, buf), slice_of(texts[i], lengths[i])));
    cr_assert_eq(at, 0);
    at = lp_last(lp);
    for (size_t i = count; i-- > 0; at = lp_prev(lp, at))
        cr_assert(slice_eq(lp_text(lp, at, buf), slice_of(texts[i], lengths[i])));
    cr_assert_eq(at, 0);
}

static void change_once(void) {
    size_t i = count ? rng_below(count) : 0;
    struct slice s = some_text();
    struct lp_key key = lp_key_of(s);

    switch (count == 0 ? 0 : rng_below(count < ITEMS - 1 ? 4 : 2) + (count >= ITEMS - 1)) {
    case 0:
        lp_insert(&lp, count ? lp_at(lp, (int64_t)i) : 0, s);
        model_insert(i, s);
        break;
    case 1:
        lp_delete(&lp, lp_at(lp, (int64_t)i - (int64_t)count), 1);
        model_delete(i);
        break;
    case 2:
        cr_assert(lp_equal(lp, lp_replace(&lp, lp_at(lp, (int64_t)i), s), &key));
        model_insert(i, s);
        model_delete(i + 1);
        break;
    default: lp_append(&lp, s); model_insert(count, s);
    }
}

Test(listpack, holds_what_an_array_would_hold) {
    for (int i = 0; i < 6000; i++) {
        change_once();
        if (i % 50 == 0) compare();
    }
    compare();
}

Test(listpack, finds_the_first_equal_element_in_steps) {
    struct lp_key one = lp_key_of(SLICE("1")), x = lp_key_of(SLICE("x")), y = lp_key_of(SLICE("y"));

    for (int i = 0; i < 3; i++) {
        lp_append(&lp, SLICE("x"));
        lp_insert_int(&lp, 0, i);
    }
    cr_assert_eq(lp_find(lp, lp_first(lp), &one, 0), lp_at(lp, 3));
    cr_assert_eq(lp_find(lp, lp_first(lp), &one, 1), 0);
    cr_assert_eq(lp_find(lp, lp_at(lp, 1), &x, 0), lp_at(lp, 2));
    cr_assert_eq(lp_find(lp, lp_first(lp), &y, 0), 0);
}

Test(listpack, has_the_bytes_of_the_format) {
    static const uint8_t want[] = {24,   0, 0,    0, 5,    0, 1,    1,   0xc1, 0,   2, 0xdf,
                                   0xff, 2, 0xf1, 0, 0x40, 3, 0x83, 'a', 'b',  'c', 4, 0xff};
    struct lp_key k;

    lp_append(&lp, SLICE("1"));
    lp_append(&lp, SLICE("256"));
    lp_append(&lp, SLICE("-1"));
    lp_append(&lp, SLICE("16384"));
    lp_append(&lp, SLICE("abc"));
    k = lp_key_of(SLICE("abc"));
    cr_assert(lp_equal(lp, lp_last(lp), &k));
    cr_assert_eq(lp_bytes(lp), sizeof want);
    cr_assert_eq(memcmp(lp, want, sizeof want), 0);
}

Test(listpack, counts_beyond_the_header_s_field) {
    for (int i = 0; i < 70000; i++) lp_insert_int(&lp, 0, i & 63);
    cr_assert_eq(lp_count(lp), 70000);
    cr_assert_eq(lp_get(lp, lp_at(lp, -1)).v, 69999 & 63);
    cr_assert_eq(lp_get(lp, lp_at(lp, 65600)).v, 65600 & 63);
    cr_assert_eq(lp_delete(&lp, lp_first(lp), 69000), lp_first(lp));
    cr_assert_eq(lp_count(lp), 1000);
}

Test(listpack, is_joined_to_another) {
    struct listpack *more = lp_new();

    lp_append(&lp, SLICE("a"));
    lp_append(&more, SLICE("2"));
    lp_append(&more, SLICE("b"));
    lp_concat(&lp, more);
    cr_assert_eq(lp_count(lp), 3);
    cr_assert(lp_check(lp, lp_bytes(lp)));
    cr_assert_eq(lp_get(lp, lp_at(lp, 1)).v, 2);
}

/* Whatever is done to the bytes, lp_check says no, or what it lets through can be walked over. */
Test(listpack, check_lets_nothing_through_that_leads_astray) {
    size_t n, passed = 0;

    for (int i = 0; i < 20; i++) lp_append(&lp, some_text());
    n = lp_bytes(lp);
    for (int round = 0; round < 20000; round++) {
        uint8_t *bad = mem_dup(lp, n);
        size_t walked = 0;

        for (int i = 0; i < 2; i++) bad[rng_below(n)] = (uint8_t)rng_below(256);
        if (lp_check(bad, n)) {
            const struct listpack *b = (const struct listpack *)bad;

            for (uint32_t at = lp_first(b); at; at = lp_next(b, at)) walked += lp_get(b, at).n;
            cr_assert_lt(walked, n);
            passed++;
        }
        mem_free(bad);
    }
    cr_assert_lt(passed, 20000);
    for (size_t cut = 0; cut < n; cut++) cr_assert_not(lp_check(lp, cut));
}
