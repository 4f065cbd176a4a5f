/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hyperloglog - a string that says it is one: counting, merging, adding, describing; sparse and
 * dense give the same registers. The bytes after the first two are the string; the two are what is
 * added.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "storage/base/mem.h"
#include "storage/ds/hyperloglog.h"

enum { SPARSE_MAX = 3000, ADDED = 8 };

static void check_dense_is_the_same(struct slice s) {
    static char dense[HLL_DENSE_BYTES];
    uint8_t a[HLL_REGISTERS] = {0}, b[HLL_REGISTERS] = {0};
    bool holds = hll_merge(a, s);
    uint64_t n, m;

    if (!hll_to_dense(s, dense)) {
        CHECK(!holds);
        return;
    }
    CHECK(holds && hll_merge(b, slice_of(dense, sizeof dense)));
    CHECK(memcmp(a, b, sizeof a) == 0);
    CHECK(hll_count(s, &n) && hll_count(slice_of(dense, sizeof dense), &m));
    CHECK(n == m && n == hll_count_registers(a));
}

/* Adds as PFADD does; the string may move. */
static struct slice add(char **p, struct slice s, struct hll_mark m) {
    struct hll_edit edit;
    char *dense;

    switch (hll_look(s, m, SPARSE_MAX, &edit)) {
    case HLL_EDIT:
        CHECK(edit.at + edit.old <= s.n && edit.n <= sizeof edit.now);
        *p = mem_realloc(*p, s.n + edit.n);
        return slice_of(*p, hll_apply(*p, s.n, &edit));
    case HLL_WRITE: hll_write(*p, m); return s;
    case HLL_GROW:
        dense = mem_alloc(HLL_DENSE_BYTES);
        if (hll_to_dense(s, dense)) {
            mem_free(*p);
            *p = dense;
            hll_write(*p, m);
            return slice_of(*p, HLL_DENSE_BYTES);
        }
        mem_free(dense);
        return s;
    default: return s;
    }
}

/* Each mark is in the registers once it was added. */
static void add_some(char **p, struct slice s, uint16_t seed) {
    for (unsigned i = 0; i < ADDED; i++) {
        uint8_t reg[HLL_REGISTERS] = {0};
        uint16_t element = (uint16_t)(seed + i * 257);
        struct hll_mark m =
            i & 1 ? hll_mark_of(slice_of(&element, sizeof element))
                  : (struct hll_mark){element % HLL_REGISTERS, (uint8_t)(1 + element % 50)};
        bool held = hll_merge(reg, s);

        s = add(p, s, m);
        if (!held) continue;
        memset(reg, 0, sizeof reg);
        CHECK(hll_merge(reg, s) && reg[m.reg] >= m.value);
    }
}

FUZZ_TARGET(hyperloglog) {
    struct choices c = choices_of(data, size);
    uint16_t seed = choose_16(&c);
    struct slice s = choose_bytes(&c, choices_left(&c));
    struct bytes text = {0};
    char *copy;
    uint64_t n;

    fuzz_begin();
    copy = fuzz_copy(s);
    s.p = copy;
    if (hll_is_one(s)) {
        check_dense_is_the_same(s);
        hll_cached(s, &n);
        if (!hll_is_dense(s)) hll_describe(s, &text);
        hll_outdate(copy);
        add_some(&copy, s, seed);
    }
    bytes_release(&text);
    mem_free(copy);
    return 0;
}
