/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The index of times against a sorted array.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/entry.h"
#include "storage/expiry.h"

#include <criterion/criterion.h>

enum { KEYS = 30000, BATCH = 64 };

static struct expiry x;
static struct entry *all[KEYS];
static bool in[KEYS]; /* all[i] is in the index */
static size_t count;

static int64_t time_of(const void *entry) {
    return entry_expire(entry);
}

static void begin(void) {
    mem_thread_init();
    rng_seed(99);
    expiry_init(&x, time_of);
    for (int i = 0; i < KEYS; i++)
        all[i] = entry_new_string(slice_of(&i, sizeof i), SLICE("v"), 1, 0);
}

static void end(void) {
    expiry_release(&x);
    for (int i = 0; i < KEYS; i++) entry_free(all[i]);
    memset(in, 0, sizeof in);
    count = 0;
}

TestSuite(expiry, .init = begin, .fini = end);

static int index_of(const struct entry *e) {
    int i;

    memcpy(&i, entry_key(e).p, sizeof i);
    return i;
}

static void add(int i, int64_t when) {
    entry_put_expire(all[i], when);
    expiry_add(&x, all[i]);
    in[i] = true;
    count++;
}

static void drop(int i) {
    expiry_remove(&x, all[i]);
    in[i] = false;
    count--;
}

static size_t due_in_reference(int64_t now) {
    size_t n = 0;

    for (int i = 0; i < KEYS; i++) n += in[i] && entry_expire(all[i]) <= now;
    return n;
}

static void taken(const struct entry *e) {
    in[index_of(e)] = false;
    count--;
}

/* Takes out all that is due at `now`, checking that nothing else comes and nothing twice. */
static void take_due(int64_t now) {
    size_t expected = due_in_reference(now), came = 0, n;
    void *due[BATCH];

    while ((n = expiry_take_due(&x, now, due, BATCH)) > 0) {
        for (size_t k = 0; k < n; k++) {
            cr_assert(in[index_of(due[k])], "it is in the index, and comes once");
            cr_assert_leq(entry_expire(due[k]), now);
            taken(due[k]);
        }
        came += n;
    }
    cr_assert_eq(came, expected);
    cr_assert_eq(x.count, count);
}

static void drain(void) {
    take_due(INT64_MAX);
    cr_assert_eq(x.count, 0);
    cr_assert_null(x.root);
    cr_assert_eq(x.mem_bytes, 0);
}

Test(expiry, random_times_fall_due_when_they_should) {
    for (int i = 0; i < KEYS; i++) add(i, (int64_t)rng_below(1000000));
    cr_assert_eq(x.count, KEYS);
    for (int64_t now = -1; now < 1000000; now += 37777) take_due(now);
    drain();
}

Test(expiry, equal_times_are_told_apart) {
    for (int i = 0; i < KEYS; i++) add(i, 500 + i % 3);
    take_due(499);
    for (int i = 0; i < KEYS; i += 2) drop(i);
    take_due(500);
    take_due(501);
    drain();
}

Test(expiry, rising_times_fill_the_nodes) {
    for (int i = 0; i < KEYS; i++) add(i, i);
    cr_assert_lt(x.mem_bytes, KEYS * 9, "%zu bytes for %d keys", x.mem_bytes, KEYS);
    for (int64_t now = 0; now < KEYS; now += 1000) take_due(now);
    drain();
}

Test(expiry, random_times_cost_at_most_16_bytes_a_key) {
    for (int i = 0; i < KEYS; i++) add(i, (int64_t)rng_below(1u << 30));
    cr_assert_lt(x.mem_bytes, KEYS * 16, "%zu bytes for %d keys", x.mem_bytes, KEYS);
    drain();
}

Test(expiry, falling_times_work_too) {
    for (int i = 0; i < KEYS; i++) add(i, KEYS - i);
    for (int64_t now = 0; now < KEYS; now += 3000) take_due(now);
    drain();
}

/* Keys come leaf by leaf: whatever comes later is not due before what came earlier, by more
 * than a leaf's worth. */
Test(expiry, the_earliest_come_first) {
    void *due[BATCH];
    size_t seen = 0, n;

    for (int i = 0; i < KEYS; i++) add(i, (int64_t)rng_below(KEYS));
    while ((n = expiry_take_due(&x, INT64_MAX, due, BATCH)) > 0) {
        for (size_t k = 0; k < n; k++) {
            cr_assert_lt(entry_expire(due[k]), (int64_t)seen + 1000);
            taken(due[k]);
        }
        seen += n;
    }
    cr_assert_eq(seen, KEYS);
}

/* Everything at once: adding, removing, changing times, the clock going on. */
static void churn(size_t steps, int64_t spread) {
    int64_t now = 0;

    for (size_t s = 0; s < steps; s++) {
        int i = (int)rng_below(KEYS);

        if (!in[i]) {
            add(i, now + (int64_t)rng_below((uint64_t)spread));
        } else if (rng_below(3) == 0) {
            drop(i);
        } else {
            drop(i);
            add(i, now + (int64_t)rng_below((uint64_t)spread) * (rng_below(50) == 0 ? 1000 : 1));
        }
        if (s % 5000 == 0) take_due(now += spread / 20);
    }
    cr_assert_eq(x.count, count);
}

Test(expiry, agrees_with_a_reference_under_churn) {
    churn(150000, 100000);
    drain();
}

Test(expiry, agrees_with_a_reference_when_times_are_few) {
    churn(100000, 25);
    drain();
}

Test(expiry, removal_in_any_order_leaves_nothing) {
    for (unsigned step = 1; step <= 29; step += 7) {
        for (int i = 0; i < KEYS; i++) add(i, (int64_t)i * 7919 % KEYS);
        for (int i = 0, at = 0; i < KEYS; i++, at = (int)((unsigned)at + step) % KEYS) {
            while (!in[at]) at = (at + 1) % KEYS;
            drop(at);
        }
        cr_assert_null(x.root);
        cr_assert_eq(x.mem_bytes, 0);
    }
}

Test(expiry, a_time_is_due_at_its_millisecond_and_not_before) {
    void *due[1];

    add(0, 1000);
    cr_assert_eq(expiry_take_due(&x, 999, due, 1), 0);
    cr_assert_eq(expiry_take_due(&x, 999, due, 1), 0, "asking again changes nothing");
    cr_assert_eq(expiry_take_due(&x, 1000, due, 1), 1);
    cr_assert_eq(due[0], all[0]);
    cr_assert_eq(entry_expire(all[0]), 1000, "its time stays in the entry");
    add(2, 2000);
    add(1, 998);
    cr_assert_eq(expiry_take_due(&x, 998, due, 1), 1, "an earlier one that came later");
    cr_assert_eq(due[0], all[1]);
    cr_assert_eq(x.count, 1);
    in[0] = in[1] = false;
}

Test(expiry, no_more_than_asked_for_are_taken) {
    void *due[KEYS];

    for (int i = 0; i < 200; i++) add(i, i);
    cr_assert_eq(expiry_take_due(&x, 1000, due, 7), 7);
    for (int k = 0; k < 7; k++) taken(due[k]);
    take_due(1000);
    cr_assert_eq(x.count, 0);
}

Test(expiry, the_mean_time_to_live_is_that_of_a_sample) {
    cr_assert_eq(expiry_avg_ttl(&x, 0), 0);
    for (int i = 0; i < 1000; i++) add(i, 5000);
    cr_assert_eq(expiry_avg_ttl(&x, 2000), 3000);
    cr_assert_eq(expiry_avg_ttl(&x, 9000), 0, "what is over counts as nothing");
}

Test(expiry, the_next_time_and_the_number_of_due_ones_are_known) {
    cr_assert_eq(expiry_next(&x), INT64_MAX);
    cr_assert_eq(expiry_count_due(&x, INT64_MAX), 0);
    for (int i = 0; i < 2000; i++) add(i, 10 + i * 7919 % 2000);
    cr_assert_leq(expiry_next(&x), 10);
    for (int64_t now = 0; now < 2100; now += 97)
        cr_assert_eq(expiry_count_due(&x, now), due_in_reference(now));
    take_due(500);
    cr_assert_gt(expiry_next(&x), 500 - 250);
    cr_assert_eq(expiry_count_due(&x, 500), 0);
}

Test(expiry, an_item_can_be_removed_after_its_time_changed) {
    for (int i = 0; i < 1000; i++) add(i, i);
    for (int i = 0; i < 1000; i++) {
        entry_put_expire(all[i], 1000 - i);
        expiry_remove_at(&x, all[i], i);
        expiry_add(&x, all[i]);
    }
    take_due(700);
    cr_assert_eq(x.count, 300);
}

Test(expiry, few_items_take_little_memory) {
    for (int i = 0; i < 5; i++) add(i, i);
    cr_assert_leq(x.mem_bytes, 80);
    for (int i = 5; i < 100; i++) add(i, 100 - i);
    cr_assert_leq(x.mem_bytes, 2048);
    take_due(99);
}

Test(expiry, some_item_at_random_may_be_any) {
    static unsigned seen[KEYS];
    int never = 0;

    cr_assert_null(expiry_random(&x));
    for (int i = 0; i < 3000; i++) add(i, (int64_t)rng_below(1000000) + 1);
    for (int i = 0; i < 60000; i++) seen[index_of(expiry_random(&x))]++;
    for (int i = 0; i < 3000; i++) never += seen[i] == 0;
    cr_assert_leq(never, 3, "%d", never);
}

Test(expiry, a_sample_of_the_next_is_of_the_next) {
    void *found[10];

    cr_assert_eq(expiry_sample_next(&x, 10, found), 0);
    for (int i = 0; i < 5000; i++) add(i, i + 1);
    for (int round = 0; round < 100; round++) {
        cr_assert_eq(expiry_sample_next(&x, 10, found), 10);
        for (int i = 0; i < 10; i++) cr_assert_lt(index_of(found[i]), 600);
    }
    for (int i = 3; i < 5000; i++) drop(i);
    cr_assert_eq(expiry_sample_next(&x, 10, found), 3);
}
