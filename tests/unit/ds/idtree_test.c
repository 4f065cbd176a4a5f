/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ordered map against an array with a place for every key there can be.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/ds/idtree.h"

#include <criterion/criterion.h>

enum { KEYS = 20000 };

static struct idtree tree;
static void *there[KEYS];
static size_t count;
static char values[KEYS];

/* Both halves of a key count in the order. */
static struct idtree_key key_of(size_t k) {
    return (struct idtree_key){k / 16, (k % 16) << 60};
}

static size_t key_number(struct idtree_key key) {
    return key.hi * 16 + (key.lo >> 60);
}

static void put(size_t k) {
    bool is_new;
    void **value = idtree_put(&tree, key_of(k), &is_new);

    cr_assert_eq(is_new, there[k] == NULL);
    cr_assert_eq(*value, there[k]);
    *value = there[k] = &values[k];
    count += is_new;
}

static void drop(size_t k) {
    cr_assert_eq(idtree_remove(&tree, key_of(k)), there[k]);
    count -= there[k] != NULL;
    there[k] = NULL;
}

static void check_order(void) {
    struct idtree_place p = idtree_first(&tree), q = idtree_last(&tree);

    for (size_t k = 0; k < KEYS; k++) {
        if (!there[k]) continue;
        cr_assert(p.leaf);
        cr_assert_eq(key_number(idtree_at(p)->key), k);
        cr_assert_eq(idtree_at(p)->value, there[k]);
        p = idtree_next(p);
    }
    cr_assert_null(p.leaf);
    for (size_t k = KEYS; k-- > 0;) {
        if (!there[k]) continue;
        cr_assert_eq(idtree_at(q)->value, there[k]);
        q = idtree_prev(q);
    }
    cr_assert_null(q.leaf);
    cr_assert_eq(tree.count, count);
}

static void check_around(size_t k) {
    struct idtree_place p = idtree_seek(&tree, key_of(k)), q = idtree_seek_back(&tree, key_of(k));
    size_t above = k, below = k;
    void **value = idtree_find(&tree, key_of(k));

    cr_assert_eq(value ? *value : NULL, there[k]);
    while (above < KEYS && !there[above]) above++;
    cr_assert_eq(p.leaf ? key_number(idtree_at(p)->key) : KEYS, above);
    while (below > 0 && !there[below]) below--;
    if (there[below])
        cr_assert_eq(key_number(idtree_at(q)->key), below);
    else
        cr_assert_null(q.leaf);
}

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
}

static void end(void) {
    idtree_release(&tree, NULL);
    memset(there, 0, sizeof there);
    count = 0;
}

TestSuite(idtree, .init = begin, .fini = end);

Test(idtree, behaves_like_an_array_whatever_is_put_and_dropped) {
    for (int phase = 0; phase < 60; phase++) {
        size_t range = 1 + rng_below(phase % 3 ? KEYS : 200), drops = rng_below(100);

        for (int i = 0; i < 3000; i++) {
            size_t k = rng_below(range);

            if (rng_below(100) < drops)
                drop(k);
            else
                put(k);
            if (i % 50 == 0) check_around(rng_below(KEYS));
        }
        check_order();
    }
}

Test(idtree, ascending_ids_fill_it_and_a_queue_leaves_nothing_behind) {
    size_t full;

    for (size_t k = 0; k < KEYS; k++) put(k);
    check_order();
    full = tree.mem_bytes;
    cr_assert_lt(full, KEYS * sizeof(struct idtree_slot) * 21 / 20);
    for (size_t k = 0; k < KEYS; k++) {
        drop(k);
        if (k % 1000 == 0) check_order();
    }
    cr_assert_eq(tree.mem_bytes, 0);
    cr_assert_null(tree.root);
}

Test(idtree, what_is_emptied_from_behind_or_at_random_becomes_small) {
    for (size_t k = KEYS; k-- > 0;) put(k);
    check_order();
    for (size_t k = KEYS; k-- > 10;) drop(k);
    check_order();
    cr_assert_lt(tree.mem_bytes, 1024);
    for (size_t k = 0; k < KEYS; k++) put(k);
    for (size_t k = 0; k < KEYS; k++)
        if (k % 100 != 7) drop(k);
    check_order();
    cr_assert_lt(tree.mem_bytes, KEYS / 100 * sizeof(struct idtree_slot) * 4 + 3 * 1536);
}

static size_t freed;

static void count_free(void *value) {
    freed += value != NULL;
}

Test(idtree, release_hands_over_every_value) {
    for (size_t k = 0; k < KEYS; k += 3) put(k);
    freed = 0;
    idtree_release(&tree, count_free);
    cr_assert_eq(freed, count);
    count = 0;
    memset(there, 0, sizeof there);
    check_order();
}
