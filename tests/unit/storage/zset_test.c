/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sorted sets in both forms: what turns one into the other, ranges, and random operations against
 * an array that is sorted anew each time.
 */
#include "storage/zset.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/zset_build.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES = 120 };

static const struct zset_rules packed_rules = {1000000, 1000000}, tree_rules = {0, 0},
                               some_rules = {40, 16};

static struct entry *z;

/* The reference. */
static struct member {
    char name[32];
    bool there;
    double score;
} names[NAMES];
static const struct member *sorted[NAMES];
static size_t count;

static void begin(void) {
    mem_thread_init();
    rng_seed(5);
    for (int i = 0; i < NAMES; i++) /* texts, integers, a long one */
        snprintf(names[i].name, sizeof names[i].name, i % 3 ? "m%d" : "%d", i - 20);
    snprintf(names[7].name, sizeof names[7].name, "a name of more than 16");
}

static void end(void) {
    if (z) entry_free(z);
}

TestSuite(zset, .init = begin, .fini = end);

static struct slice name_of(const struct member *m) {
    return slice_str(m->name);
}

static void make(const struct zset_rules *rules) {
    z = zset_new(SLICE("key"), 1, rules);
}

static void add(const char *name, double score, const struct zset_rules *rules) {
    struct zset_hit hit;

    cr_assert_not(zset_find(z, slice_str(name), &hit));
    zset_add(z, slice_str(name), score, &hit, rules);
}

static const char *encoding(void) {
    return zset_type_ops.encoding(z);
}

static int member_cmp(const void *a, const void *b) {
    const struct member *x = *(void *const *)a, *y = *(void *const *)b;

    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return slice_cmp(name_of(x), name_of(y));
}

static void sort_names(void) {
    count = 0;
    for (int i = 0; i < NAMES; i++)
        if (names[i].there) sorted[count++] = &names[i];
    qsort(sorted, count, sizeof *sorted, member_cmp);
}

/* ---------------------------------------------------------------- comparing */

static void compare_walk(const struct entry *e, size_t from, bool backward) {
    struct zset_iter it;
    size_t i = from;

    zset_iter_init(&it, e, from, backward);
    while (zset_iter_next(&it)) {
        cr_assert_lt(i, count);
        cr_assert(slice_eq(it.member, name_of(sorted[i])), "%s", sorted[i]->name);
        cr_assert_eq(zset_iter_score(&it), sorted[i]->score);
        i += backward ? (size_t)-1 : 1;
    }
    cr_assert_eq(i, backward ? (size_t)-1 : count);
}

static void compare_members(void) {
    for (int i = 0; i < NAMES; i++) {
        struct zset_hit hit;

        cr_assert_eq(zset_find(z, name_of(&names[i]), &hit), names[i].there);
        if (!names[i].there) continue;
        cr_assert_eq(hit.score, names[i].score);
        cr_assert_eq(sorted[zset_rank(z, name_of(&names[i]), &hit)], &names[i]);
    }
}

static void compare_scores(double min, double max) {
    struct zset_scores r = {min, max, rng_below(2), rng_below(2)};
    struct zset_span span = zset_span_of_scores(z, &r);

    for (size_t i = 0; i < count; i++) {
        double s = sorted[i]->score;
        bool in = (r.above_min ? s > min : s >= min) && (r.below_max ? s < max : s <= max);

        cr_assert_eq(in, i >= span.from && i < span.to, "%g of %g..%g", s, min, max);
    }
}

static void compare(void) {
    sort_names();
    cr_assert_eq(zset_count(z), count);
    compare_members();
    if (count == 0) return;
    compare_walk(z, 0, false);
    compare_walk(z, rng_below(count), false);
    compare_walk(z, count - 1, true);
    compare_walk(z, rng_below(count), true);
    compare_scores((double)rng_below(12) - 6, (double)rng_below(12) - 6);
    compare_scores(-INFINITY, sorted[rng_below(count)]->score);
}

/* ---------------------------------------------------------------- random operations */

static double any_score(void) {
    switch (rng_below(5)) {
    case 0: return (double)rng_below(10) - 5;
    case 1: return (double)rng_below(100) / 8;
    case 2: return rng_below(2) ? INFINITY : -INFINITY;
    case 3: return (double)(int64_t)rng_u64();
    default: return 0.1 * (double)rng_below(5);
    }
}

static void put(struct member *m, const struct zset_rules *rules) {
    double score = any_score();
    struct zset_hit hit;

    if (zset_find(z, name_of(m), &hit))
        zset_rescore(z, name_of(m), score, &hit);
    else
        zset_add(z, name_of(m), score, &hit, rules);
    m->there = true;
    m->score = score;
}

static void drop_span(void) {
    struct zset_span span;

    sort_names();
    if (count == 0) return;
    span.from = rng_below(count);
    span.to = span.from + rng_below(count - span.from < 20 ? count - span.from + 1 : 20);
    zset_remove_span(z, span);
    for (size_t i = span.from; i < span.to; i++) ((struct member *)sorted[i])->there = false;
}

static void step(const struct zset_rules *rules) {
    struct member *m = &names[rng_below(NAMES)];
    unsigned what = (unsigned)rng_below(20);

    if (what < 12) {
        put(m, rules);
    } else if (what < 19) {
        cr_assert_eq(zset_remove(z, name_of(m)), m->there);
        m->there = false;
    } else {
        drop_span();
    }
}

static void run(const struct zset_rules *rules) {
    make(rules);
    for (int i = 0; i < 20000; i++) {
        step(rules);
        if (i % 50 == 0) compare();
    }
    compare();
}

Test(zset, packed_does_what_an_array_does) {
    run(&packed_rules);
    cr_expect_str_eq(encoding(), "listpack");
}

Test(zset, as_a_tree_does_what_an_array_does) {
    run(&tree_rules);
    cr_expect_str_eq(encoding(), "skiplist");
}

Test(zset, that_grows_into_a_tree_keeps_everything) {
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < NAMES; i++) names[i].there = false;
        make(&some_rules);
        for (int i = 0; i < 80; i++) {
            put(&names[rng_below(NAMES)], &some_rules);
            if (i % 13 == 0) compare();
        }
        compare();
        entry_free(z);
        z = NULL;
    }
}

/* ---------------------------------------------------------------- forms */

Test(zset, is_packed_up_to_its_limits) {
    make(&(struct zset_rules){2, 4});
    add("aaaa", 1, &(struct zset_rules){2, 4});
    add("b", 2, &(struct zset_rules){2, 4});
    cr_expect_str_eq(encoding(), "listpack");
    cr_expect_eq(zset_type_ops.effort(z), 1);
    add("c", 3, &(struct zset_rules){2, 4});
    cr_expect_str_eq(encoding(), "skiplist");
    zset_remove(z, SLICE("c"));
    cr_expect_str_eq(encoding(), "skiplist", "it stays one");
    entry_free(z);
    make(&(struct zset_rules){2, 4});
    add("aaaaa", 1, &(struct zset_rules){2, 4});
    cr_expect_str_eq(encoding(), "skiplist");
    entry_free(z);
    make(&(struct zset_rules){0, 4});
    cr_expect_str_eq(encoding(), "skiplist");
    entry_free(z);
    z = zset_new(SLICE("key"), 5, &(struct zset_rules){2, 4});
    cr_expect_str_eq(encoding(), "skiplist");
}

Test(zset, copies_are_independent) {
    struct entry *copy;

    for (int form = 0; form < 2; form++) {
        make(form ? &tree_rules : &packed_rules);
        for (int i = 0; i < NAMES; i++) put(&names[i], form ? &tree_rules : &packed_rules);
        sort_names();
        copy = entry_copy(z, SLICE("other"), ENTRY_NO_EXPIRE, PACE_NONE);
        while (zset_count(z) > 0) zset_remove_span(z, (struct zset_span){0, 1});
        compare_walk(copy, 0, false);
        cr_expect_gt(zset_type_ops.mem(copy, 0, PACE_NONE), 1000);
        entry_free(z);
        z = copy;
        compare();
        entry_free(z);
        z = NULL;
    }
}

/* ---------------------------------------------------------------- ranges of names */

static struct zset_edge edge(const char *text) {
    if (*text == '-') return (struct zset_edge){.end = -1};
    if (*text == '+') return (struct zset_edge){.end = 1};
    return (struct zset_edge){.open = *text == '(', .member = slice_str(text + 1)};
}

static void expect_names(const char *min, const char *max, size_t from, size_t to) {
    struct zset_members r = {edge(min), edge(max)};

    for (int back = 0; back < 2; back++) {
        struct zset_span s = zset_span_of_members(z, &r, back);

        cr_expect_eq(s.to - s.from, to - from, "%s %s: %zu", min, max, s.to - s.from);
        if (to > from) cr_expect_eq(s.from, from, "%s %s: from %zu", min, max, s.from);
    }
}

Test(zset, ranges_of_names_are_the_same_in_both_forms) {
    for (int form = 0; form < 2; form++) {
        const struct zset_rules *rules = form ? &tree_rules : &packed_rules;

        make(rules);
        add("b", 0, rules);
        add("", 0, rules);
        add("d", 0, rules);
        add("bb", 0, rules);
        expect_names("-", "+", 0, 4);
        expect_names("+", "-", 0, 0);
        expect_names("-", "-", 0, 0);
        expect_names("[b", "[b", 1, 2);
        expect_names("(b", "[b", 0, 0);
        expect_names("(b", "+", 2, 4);
        expect_names("-", "(b", 0, 1);
        expect_names("[bb", "[c", 2, 3);
        expect_names("[x", "+", 0, 0);
        expect_names("[d", "[b", 0, 0);
        entry_free(z);
        z = NULL;
    }
}

/* ---------------------------------------------------------------- chance and scans */

static void count_visit(struct slice member, double score, void *arg) {
    unsigned *seen = arg;
    int64_t v;

    cr_assert(num_parse_i64(member.p, member.n, &v));
    cr_assert_eq((double)v, score);
    seen[v]++;
}

static void fill(const struct zset_rules *rules) {
    make(rules);
    for (int i = 0; i < 100; i++) {
        char text[16];

        snprintf(text, sizeof text, "%d", i);
        add(text, i, rules);
    }
}

Test(zset, samples_are_different_members_and_picks_any) {
    for (int form = 0; form < 2; form++) {
        unsigned often[100] = {0};

        fill(form ? &tree_rules : &packed_rules);
        for (size_t n = 0; n <= 120; n++) {
            unsigned seen[100] = {0};
            size_t sum = 0;

            zset_sample(z, n, count_visit, seen);
            for (int i = 0; i < 100; i++) {
                cr_assert_leq(seen[i], 1);
                sum += seen[i];
            }
            cr_assert_eq(sum, n < 100 ? n : 100);
        }
        zset_pick(z, 20000, count_visit, often);
        for (int i = 0; i < 100; i++) cr_expect(often[i] > 100 && often[i] < 320, "%u", often[i]);
        entry_free(z);
        z = NULL;
    }
}

Test(zset, scans_see_every_member) {
    for (int form = 0; form < 2; form++) {
        unsigned seen[100] = {0};
        uint64_t cursor = 0;

        fill(form ? &tree_rules : &packed_rules);
        do {
            cursor = zset_scan(z, cursor, count_visit, seen);
        } while (cursor);
        for (int i = 0; i < 100; i++) cr_expect_geq(seen[i], 1);
        entry_free(z);
        z = NULL;
    }
}

/* ---------------------------------------------------------------- sets made as a whole */

static void build_and_compare(size_t n, bool twice, const struct zset_rules *rules) {
    struct zset_build b;

    for (int i = 0; i < NAMES; i++) names[i].there = false;
    zset_build_init(&b, rng_below(2) ? n : 0);
    for (size_t i = 0; i < n; i++) {
        struct member *m = &names[twice ? rng_below(NAMES) : i];
        double score = any_score(), *slot = NULL;

        if (twice)
            slot = zset_build_slot(&b, name_of(m), score);
        else
            zset_build_add(&b, name_of(m), score);
        cr_assert_eq(slot != NULL, m->there);
        if (slot) *slot = score;
        m->there = true;
        m->score = score;
    }
    z = zset_build_entry(&b, SLICE("key"), rules);
    compare();
    put(&names[rng_below(NAMES)], rules);
    compare();
    entry_free(z);
    z = NULL;
}

Test(zset, made_as_a_whole_is_like_any_other) {
    for (int round = 0; round < 300; round++) {
        build_and_compare(1 + rng_below(NAMES), false, &tree_rules);
        build_and_compare(1 + rng_below(NAMES), false, &some_rules);
        build_and_compare(1 + rng_below(2 * NAMES), true, &tree_rules);
        build_and_compare(1 + rng_below(2 * NAMES), true, &packed_rules);
    }
}

Test(zset, many_are_sorted_by_score_then_name) {
    struct zset_build b;

    for (int kind = 0; kind < 3; kind++) {
        zset_build_init(&b, 0);
        for (int i = 0; i < 5000; i++) {
            char text[32];
            double score = kind == 0 ? 1 : kind == 1 ? (double)rng_below(50) : any_score();

            snprintf(text, sizeof text, "%llx", (unsigned long long)rng_u64());
            zset_build_add(&b, slice_str(text), score);
        }
        zset_build_sort(&b);
        for (size_t i = 1; i < b.n; i++) cr_assert_lt(scored_cmp(b.v[i - 1].item, b.v[i].item), 0);
        zset_build_release(&b);
    }
}

Test(zset, scores_of_a_pack_are_exact) {
    static const double scores[] = {
        0.1,  -0.0,   5e-324, 1e308,          -1e-308,           9007199254740993,
        1e19, 0x1p62, 1.5e-6, -0x1p62 - 1024, 3.0000000000000004};
    struct zset_hit hit;

    make(&packed_rules);
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        zset_remove(z, SLICE("m"));
        add("m", scores[i], &packed_rules);
        cr_assert(zset_find(z, SLICE("m"), &hit));
        cr_expect_eq(hit.score, scores[i]);
    }
}
