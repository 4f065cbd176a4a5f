/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tree against a sorted array.
 */
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"
#include "storage/ds/scoretree.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

enum { MODEL_MAX = 40000 };

static struct scoretree tree;
static struct scored *model[MODEL_MAX]; /* in order */
static size_t count;
static uint64_t next_id;

static size_t model_rank(const struct scored *item) {
    size_t low = 0, high = count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (scored_cmp(model[mid], item) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void model_put(struct scored *item) {
    size_t at = model_rank(item);

    memmove(model + at + 1, model + at, (count - at) * sizeof *model);
    model[at] = item;
    count++;
}

static void model_take(size_t at) {
    count--;
    memmove(model + at, model + at + 1, (count - at) * sizeof *model);
}

static struct scored *item_new(double score) {
    char text[32];
    int n = num_format_u64(text, rng_u64() % 1000);

    text[n++] = ':';
    n += num_format_u64(text + n, next_id++);
    return scored_new(slice_of(text, (size_t)n), score);
}

static void put(double score) {
    struct scored *item = item_new(score);

    model_put(item);
    scoretree_insert(&tree, item);
}

static void take(size_t at) {
    struct scored *item = model[at];

    model_take(at);
    scoretree_remove(&tree, item);
    mem_free(item);
}

static void compare(void) {
    struct scoretree_place p = {0};

    scoretree_check(&tree);
    cr_assert_eq(tree.count, count);
    if (count) p = scoretree_at(&tree, 0);
    for (size_t i = 0; i < count; i++, p = scoretree_next(p))
        cr_assert_eq(scoretree_item(p), model[i]);
    cr_assert_null(p.leaf);
    if (count) p = scoretree_at(&tree, count - 1);
    for (size_t i = count; i-- > 0; p = scoretree_prev(p))
        cr_assert_eq(scoretree_item(p), model[i]);
    cr_assert_null(p.leaf);
}

static void compare_rank(double score, bool behind) {
    struct score_bound b = {.kind = BOUND_SCORE, .score = score, .behind = behind};
    size_t want = 0;

    while (want < count && (behind ? model[want]->score <= score : model[want]->score < score))
        want++;
    cr_assert_eq(scoretree_rank(&tree, &b), want);
}

static void compare_item(size_t at) {
    struct score_bound b = {BOUND_ITEM, rng_below(2), model[at]->score, scored_member(model[at])};

    cr_assert_eq(scoretree_rank(&tree, &b), at + b.behind);
    cr_assert_eq(scoretree_item(scoretree_at(&tree, at)), model[at]);
}

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
}

static void end(void) {
    while (count) mem_free(model[--count]);
    scoretree_release(&tree);
    cr_assert_eq(tree.mem_bytes, 0);
}

TestSuite(scoretree, .init = begin, .fini = end);

/* Scores of many shapes: few different ones, many, huge, tiny, infinite, both zeros. */
static double any_score(void) {
    static const double odd[] = {0.0, -0.0, INFINITY, -INFINITY, 5e-324, -1e308, 1e308, 0.1};

    switch (rng_below(6)) {
    case 0: return odd[rng_below(sizeof odd / sizeof *odd)];
    case 1: return (double)rng_below(10);
    case 2: return (double)(int64_t)rng_u64();
    case 3: return (double)rng_below(1000000) / 1000;
    case 4: return ldexp((double)rng_below(1000) - 500, (int)rng_below(600) - 300);
    default: return 1700000000000.0 + (double)rng_below(5000);
    }
}

static void rescore(size_t at, double score) {
    struct scored *item = model[at];
    struct scored *copy = scored_new(scored_member(item), score);

    model_take(at);
    scoretree_rescore(&tree, item, score);
    cr_assert_eq(item->score, copy->score);
    model_put(item);
    mem_free(copy);
}

static void forget(struct scored *item, void *arg) {
    size_t *at = arg;

    cr_assert_eq(item, model[*at]);
    model_take(*at);
    mem_free(item);
}

static void take_range(size_t at, size_t n) {
    scoretree_remove_range(&tree, at, n, forget, &at);
}

Test(scoretree, does_what_a_sorted_array_does) {
    for (int round = 0; round < 60000; round++) {
        bool grow = (round / 10000) % 2 == 0;
        unsigned what = (unsigned)rng_below(100);

        if (what < (grow ? 60 : 20)) {
            if (count < MODEL_MAX) put(any_score());
        } else if (count && what < 80) {
            take(rng_below(count));
        } else if (count && what < 90) {
            rescore(rng_below(count), any_score());
        } else if (count && what < 95) {
            compare_item(rng_below(count));
            compare_rank(any_score(), rng_below(2));
        } else if (count && what == 99 && rng_below(20) == 0) {
            size_t at = rng_below(count);

            take_range(at, 1 + rng_below(count - at < 400 ? count - at : 400));
        }
        if (round % 2000 == 0) compare();
    }
    compare();
}

Test(scoretree, takes_thousands_in_any_order) {
    for (int i = 0; i < 20000; i++) put(i % 2 ? i : 40000 - i);
    compare();
    while (count > 200) take_range(rng_below(count - 150), 150);
    compare();
    while (count) take(rng_below(count));
    compare();
    cr_assert_null(tree.root);
}

Test(scoretree, that_is_only_appended_to_is_full) {
    for (int i = 0; i < 30000; i++) put(1700000000.0 + i);
    compare();
    cr_assert_lt(tree.mem_bytes, 30000 * 9);
}

Test(scoretree, filled_at_random_has_little_to_spare) {
    for (int i = 0; i < 30000; i++) put((double)rng_u64());
    compare();
    cr_assert_lt(tree.mem_bytes, 30000 * 11);
}

Test(scoretree, small_changes_of_scores_keep_the_order) {
    for (int i = 0; i < 3000; i++) put((double)rng_below(3000));
    for (int i = 0; i < 20000; i++) {
        size_t at = rng_below(count);

        rescore(at, model[at]->score + (double)rng_below(9) - 4);
    }
    compare();
}

Test(scoretree, is_built_from_items_in_order) {
    static const size_t sizes[] = {1, 123, 124, 125, 248, 249, 5000, 124 * 63, 124 * 63 + 1, 39000};

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        while (count < sizes[k]) {
            struct scored *item = item_new(any_score());

            model_put(item);
        }
        scoretree_build(&tree, model, count, PACE_NONE);
        compare();
        if (k % 2) put(any_score()), take(rng_below(count));
        compare();
        scoretree_release(&tree);
    }
}

Test(scoretree, knows_members_of_equal_scores) {
    for (int i = 0; i < 2000; i++) put(i % 2 ? 0.0 : -0.0);
    for (size_t i = 0; i < count; i += 37) {
        struct score_bound b = {.kind = BOUND_MEMBER, .member = scored_member(model[i])};

        cr_assert_eq(scoretree_rank(&tree, &b), i);
        b.behind = true;
        cr_assert_eq(scoretree_rank(&tree, &b), i + 1);
    }
}
