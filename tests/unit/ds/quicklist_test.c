/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The quicklist against an array of numbers, with every kind of limit, compressed or not.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/ds/quicklist.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { MOST = 3000, TEXT = 24 };

static struct quicklist q;
static unsigned model[MOST];
static size_t count;

static void init(void) {
    mem_thread_init();
    rng_seed(11);
}

TestSuite(quicklist, .init = init);

/* Some are integers, some texts that compress well, some larger than a node. */
static struct slice text_of(unsigned id, char *buf) {
    int n;

    if (id % 3 == 0) return (struct slice){buf, (size_t)sprintf(buf, "%u", id)};
    n = sprintf(buf, "%u-", id);
    memset(buf + n, 'x', TEXT);
    if (id % 100 == 1) memset(buf + n, 'y', 9000);
    return (struct slice){buf, (size_t)n + (id % 100 == 1 ? 9000 : TEXT)};
}

static void expect_equal(const struct ql_iter *it, unsigned id) {
    char buf[9100];
    struct lp_key key = lp_key_of(text_of(id, buf));

    cr_assert(it->at && lp_equal(it->lp, it->at, &key), "element %u", id);
}

static void compare(const struct ql_limits *lim) {
    struct ql_iter it;
    size_t i = 0, nodes = 0;

    cr_assert_eq(q.count, count);
    for (ql_iter_begin(&it, &q, 0, false); it.at; ql_iter_next(&it)) expect_equal(&it, model[i++]);
    cr_assert_eq(i, count);
    ql_iter_end(&it);
    if (count == 0) return;
    for (ql_iter_begin(&it, &q, i - 1, true); it.at; ql_iter_next(&it))
        expect_equal(&it, model[--i]);
    ql_iter_end(&it);
    for (uint32_t n = 0; n < q.n; n++) {
        const struct ql_node *node = &q.v[q.first + n];
        bool end = (int64_t)n < lim->depth || n >= q.n - lim->depth;

        cr_assert_gt(node->count, 0);
        nodes += node->count;
        if (end || lim->depth == 0) cr_assert_eq(node->packed, 0, "node %u of %u", n, q.n);
    }
    cr_assert_eq(nodes, count);
}

static void model_insert(size_t i, unsigned id) {
    memmove(model + i + 1, model + i, (count++ - i) * sizeof *model);
    model[i] = id;
}

static void model_delete(size_t i, size_t n) {
    memmove(model + i, model + i + n, (count - i - n) * sizeof *model);
    count -= n;
}

static size_t model_delete_equal(unsigned id, size_t most, bool back) {
    size_t n = 0;

    for (size_t k = 0, all = count; k < all && n < most; k++) {
        size_t i = back ? all - 1 - k : k - n;

        if (model[i] == id) model_delete(i, 1), n++;
    }
    return n;
}

static void change(const struct ql_limits *lim) {
    static char buf[9100];
    size_t i = count ? rng_below(count) : 0, n;
    unsigned id = (unsigned)rng_below(500);
    struct slice s = text_of(id, buf);
    struct lp_key key = lp_key_of(s);
    bool back = rng_below(2);

    switch (count ? rng_below(count < MOST - 2 ? 9 : 4) : 8) {
    case 0:
        n = 1 + rng_below(count - i < 40 ? count - i : 40);
        ql_delete(&q, lim, i, n);
        model_delete(i, n);
        break;
    case 1:
        n = 1 + rng_below(4);
        cr_assert_eq(ql_delete_equal(&q, lim, &key, n, back), model_delete_equal(id, n, back));
        break;
    case 2:
    case 3:
        ql_replace(&q, lim, i, s);
        model[i] = id;
        break;
    case 4:
    case 5: i = back ? 0 : count; /* fall through */
    default: ql_insert(&q, lim, i, s); model_insert(i, id);
    }
}

static void run(struct ql_limits lim) {
    for (int i = 0; i < 12000; i++) {
        change(&lim);
        if (i % 40 == 0) compare(&lim);
    }
    compare(&lim);
    while (q.count) {
        size_t n = q.count < 700 ? q.count : 700;

        ql_delete(&q, &lim, q.count - n, n);
        count -= n;
        compare(&lim);
    }
    ql_release(&q);
}

Test(quicklist, holds_what_an_array_would_hold_with_nodes_by_count) {
    run((struct ql_limits){4, 0});
}

Test(quicklist, holds_what_an_array_would_hold_with_nodes_by_bytes) {
    run((struct ql_limits){-1, 0});
}

Test(quicklist, holds_what_an_array_would_hold_when_compressed) {
    run((struct ql_limits){16, 1});
    run((struct ql_limits){-1, 2});
}

static size_t bytes_of_node(uint32_t i) {
    return lp_bytes(q.v[q.first + i].p);
}

static size_t bytes_of_all(void) {
    size_t bytes = 0;

    for (uint32_t i = 0; i < q.n; i++) bytes += bytes_of_node(i);
    return bytes;
}

/* Nodes are as full as without the short one at the front: at most one more, and a tenth. */
static void expect_dense(size_t limit) {
    size_t bytes = bytes_of_all();

    cr_assert_leq(q.n, bytes * 11 / 10 / limit + 3, "%u nodes of %zu bytes", q.n, bytes);
}

static void push_front(const struct ql_limits *lim) {
    char buf[9100];
    unsigned id = (unsigned)rng_below(99) + 2; /* none of the large ones */

    ql_insert(&q, lim, 0, text_of(id, buf));
    model_insert(0, id);
}

/* A queue or a stack moves about as many bytes as a short node has, not as a full one has. */
Test(quicklist, the_front_is_a_short_node) {
    const struct ql_limits lim = {.fill = -2};
    size_t moved = 0, changes = 0;

    for (int i = 0; i < 2900; i++) {
        push_front(&lim);
        expect_dense(8192);
        if (q.n > 1) moved += bytes_of_node(0), changes++;
    }
    cr_assert_leq(moved / changes, 1200);
    compare(&lim);
    cr_assert_gt(q.n, 5);
    moved = changes = 0;
    while (count > 600) {
        size_t n = 1 + rng_below(3);

        ql_delete(&q, &lim, 0, n);
        model_delete(0, n);
        moved += bytes_of_node(0), changes++;
        if (rng_below(4) == 0) push_front(&lim);
        if (count % 40 == 0) compare(&lim);
        expect_dense(8192);
    }
    cr_assert_leq(moved / changes, 1200);
    while (bytes_of_all() > 4096) {
        ql_delete(&q, &lim, 0, 1);
        model_delete(0, 1);
    }
    cr_assert_eq(q.n, 1, "a list that may become a plain listpack is one node");
    compare(&lim);
    ql_release(&q);
}

Test(quicklist, limits_are_those_of_the_parameter) {
    struct ql_limits kb8 = {-2, 0}, kb64 = {-7, 0}, five = {5, 0}, zero = {0, 0};

    cr_assert_not(ql_exceeds(&kb8, 8192, 100000));
    cr_assert(ql_exceeds(&kb8, 8193, 1));
    cr_assert_not(ql_exceeds(&kb64, 65536, 1));
    cr_assert_not(ql_exceeds(&five, 8192, 5));
    cr_assert(ql_exceeds(&five, 10, 6));
    cr_assert(ql_exceeds(&five, 8193, 1));
    cr_assert(ql_exceeds(&zero, 10, 2));
}

Test(quicklist, the_middle_is_compressed_and_a_copy_is_independent) {
    struct ql_limits lim = {32, 1};
    struct quicklist copy;
    struct ql_iter it;
    char buf[9100];
    size_t plain;

    for (unsigned i = 0; i < 1000; i++)
        ql_insert(&q, &(struct ql_limits){32, 0}, i, text_of(2, buf));
    plain = ql_mem(&q);
    ql_release(&q);
    for (unsigned i = 0; i < 1000; i++) ql_insert(&q, &lim, i, text_of(2, buf));
    cr_assert_lt(ql_mem(&q), plain / 3);
    ql_copy(&copy, &q, PACE_NONE);
    ql_release(&q);
    cr_assert_eq(copy.count, 1000);
    ql_iter_begin(&it, &copy, 500, false);
    expect_equal(&it, 2);
    ql_iter_end(&it);
    ql_release(&copy);
}
