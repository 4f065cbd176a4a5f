/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table against a plain array that knows what is in it.
 */
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/ds/table.h"

#include <criterion/criterion.h>
#include <signal.h>

enum { IDS = 60000 };

/* What a table holds here: a number, which is the key, and how often a scan has come by. */
struct item {
    uint64_t id;
    unsigned seen;
};

static struct table table;
static struct item *there[IDS]; /* the reference: the item of each id, NULL if it is not in */
static size_t count;

static struct slice key_of(const void *entry) {
    const struct item *it = entry;

    return slice_of(&it->id, sizeof it->id);
}

static bool matches(const void *entry, struct slice key) {
    return slice_eq(key_of(entry), key);
}

static const struct table_ops ops = {key_of, matches};

static uint64_t hash_of(uint64_t id) {
    return hash_bytes(&id, sizeof id);
}

static struct item *find(uint64_t id) {
    return table_find(&table, slice_of(&id, sizeof id), hash_of(id));
}

static struct item *item_new(uint64_t id) {
    struct item *it = mem_calloc(sizeof *it);

    it->id = id;
    return it;
}

static void put(uint64_t id) {
    if (there[id]) return;
    there[id] = item_new(id);
    table_insert(&table, there[id], hash_of(id));
    count++;
}

static void drop(uint64_t id) {
    if (!there[id]) return;
    table_remove(&table, there[id], hash_of(id));
    mem_free(there[id]);
    there[id] = NULL;
    count--;
}

static void move(uint64_t id) {
    struct item *to;

    if (!there[id]) return;
    to = item_new(id);
    table_replace(&table, there[id], to, hash_of(id));
    mem_free(there[id]);
    there[id] = to;
}

static void free_item(void *entry, void *arg) {
    (void)arg;
    mem_free(entry);
}

static void count_seen(void *entry, void *arg) {
    struct item *it = entry;

    it->seen++;
    ++*(size_t *)arg;
}

static void begin(void) {
    mem_thread_init();
    rng_seed(20240611);
    table_init(&table, &ops);
}

static void end(void) {
    table_release(&table, free_item, NULL);
    memset(there, 0, sizeof there);
    count = 0;
}

TestSuite(table, .init = begin, .fini = end);

/* Every id is found if and only if the reference has it; table_each comes by each of them once. */
static void compare_all(void) {
    size_t visited = 0;

    cr_assert_eq(table.count, count);
    for (size_t id = 0; id < IDS; id++) {
        cr_assert_eq(find(id), there[id], "id %zu of %zu", id, count);
        if (there[id]) there[id]->seen = 0;
    }
    table_each(&table, count_seen, &visited);
    cr_assert_eq(visited, count);
    for (size_t id = 0; id < IDS; id++)
        if (there[id]) cr_assert_eq(there[id]->seen, 1);
}

/* `steps` random actions, `grow` of 100 of those that change the count are inserts. */
static void churn(size_t steps, unsigned grow) {
    for (size_t i = 0; i < steps; i++) {
        uint64_t id = rng_below(IDS);

        switch (rng_below(8)) {
        case 0: cr_assert_eq(find(id), there[id]); break;
        case 1: move(id); break;
        default:
            if (rng_below(100) < grow)
                put(id);
            else
                drop(id);
        }
    }
}

Test(table, agrees_with_a_reference_through_growth_and_shrinkage) {
    static const unsigned grow[] = {95, 50, 5, 70, 98, 30, 2};

    for (size_t i = 0; i < sizeof grow / sizeof *grow; i++) {
        churn(120000, grow[i]);
        compare_all();
    }
}

Test(table, agrees_at_every_small_size) {
    for (size_t n = 0; n < 400; n++) {
        put(n);
        for (size_t id = 0; id < 420; id++) cr_assert_eq(find(id), there[id]);
    }
    for (size_t n = 0; n < 400; n++) {
        drop(n * 7 % 400);
        for (size_t id = 0; id < 420; id++) cr_assert_eq(find(id), there[id]);
    }
    cr_assert_eq(table.count, 0);
}

Test(table, memory_follows_the_count) {
    size_t filled;

    for (size_t id = 0; id < IDS; id++) put(id);
    filled = table.mem_bytes;
    cr_assert_lt(filled, IDS * 14, "%zu bytes for %d entries", filled, IDS);
    for (size_t id = 0; id < IDS; id++)
        if (id % 16) drop(id);
    cr_assert_lt(table.mem_bytes, filled / 5);
    for (size_t id = 0; id < IDS; id++) drop(id);
    cr_assert_lt(table.mem_bytes, 200, "an empty table is one bucket, not %zu bytes",
                 table.mem_bytes);
    compare_all();
    table_release(&table, NULL, NULL);
    cr_assert_eq(table.mem_bytes, 0);
}

Test(table, no_insert_pays_for_the_whole_table) {
    size_t largest = 0;

    for (size_t id = 0; id < IDS; id++) {
        size_t before = table.mem_bytes;

        put(id);
        if (table.mem_bytes > before + largest) largest = table.mem_bytes - before;
    }
    cr_assert_lt(largest, 10 * 1024, "%zu bytes at once", largest);
}

Test(table, release_hands_out_every_entry_once) {
    size_t visited = 0;
    struct item items[1000] = {{0}};

    for (size_t i = 0; i < 1000; i++) {
        items[i].id = i;
        table_insert(&table, &items[i], hash_of(i));
    }
    table_release(&table, count_seen, &visited);
    cr_assert_eq(visited, 1000);
    for (size_t i = 0; i < 1000; i++) cr_assert_eq(items[i].seen, 1);
    cr_assert_eq(table.count, 0);
    cr_assert_eq(table.mem_bytes, 0);
    cr_assert_null(find(1));
    put(1);
    cr_assert_not_null(find(1), "a released table can be filled again");
}

Test(table, an_empty_one_answers) {
    size_t visited = 0;

    cr_assert_null(find(7));
    cr_assert_null(table_random(&table));
    cr_assert_eq(table_scan(&table, 0, count_seen, &visited), 0);
    table_each(&table, count_seen, &visited);
    cr_assert_eq(visited, 0);
    cr_assert_eq(table.mem_bytes, 0);
    table_prefetch_bucket(&table, 1);
    cr_expect_null(table_prefetch_entry(&table, 1));
}

/* ---------------------------------------------------------------- scan */

Test(table, scan_of_a_quiet_table_visits_each_entry_once) {
    size_t visited = 0;
    uint64_t cursor = 0;

    for (size_t id = 0; id < IDS; id += 2) put(id);
    do {
        cursor = table_scan(&table, cursor, count_seen, &visited);
        cr_assert_lt(cursor, UINT64_C(1) << 53);
    } while (cursor);
    cr_assert_eq(visited, count);
    for (size_t id = 0; id < IDS; id += 2) cr_assert_eq(there[id]->seen, 1);
}

/* Ids below `keep` stay in all the time; between the calls `inserts` others come, `removals` go.
 * Whatever the table does meanwhile, the scan comes by all that stayed. */
static void scan_under_change(size_t keep, size_t start, unsigned inserts, unsigned removals) {
    uint64_t cursor = 0;
    size_t visited = 0, calls = 0, others = start;

    for (size_t id = 0; id < start; id++) put(id);
    for (size_t id = 0; id < keep; id++) there[id]->seen = 0;
    do {
        cursor = table_scan(&table, cursor, count_seen, &visited);
        cr_assert_lt(cursor, UINT64_C(1) << 53);
        for (unsigned i = 0; i < inserts && others < IDS; i++) put(others++);
        for (unsigned i = 0; i < removals; i++) drop(keep + rng_below(IDS - keep));
        cr_assert_lt(++calls, (size_t)200000, "a scan comes to an end");
    } while (cursor);
    for (size_t id = 0; id < keep; id++) cr_assert_gt(there[id]->seen, 0, "id %zu was missed", id);
}

Test(table, scan_misses_nothing_while_the_table_grows) {
    for (unsigned inserts = 1; inserts <= 300; inserts *= 3) {
        scan_under_change(1000, 1000, inserts, 0);
        end();
        begin();
    }
}

Test(table, scan_misses_nothing_while_the_table_shrinks) {
    for (unsigned removals = 3; removals <= 1000; removals *= 4) {
        scan_under_change(500, IDS, 0, removals);
        end();
        begin();
    }
}

Test(table, scan_misses_nothing_while_entries_come_and_go) {
    for (unsigned i = 0; i < 6; i++) {
        rng_seed(i);
        scan_under_change(300, 2000, 40 + 20 * i, 60);
        end();
        table_init(&table, &ops);
    }
}

/* Growth and shrinkage in turn, by factors: segments split, merge and split again. (A merge takes
 * the scan back to the segment's beginning: where that happens every few calls it does not end.) */
Test(table, scan_misses_nothing_while_the_table_pumps) {
    uint64_t cursor = 0;
    size_t visited = 0, keep = 700, calls = 0;

    for (size_t id = 0; id < keep; id++) put(id);
    do {
        cursor = table_scan(&table, cursor, count_seen, &visited);
        if (calls++ % 300 == 0)
            for (size_t id = keep; id < 12000; id++) put(id);
        if (calls % 300 == 150)
            for (size_t id = keep; id < 12000; id++) drop(id);
        cr_assert_lt(calls, (size_t)20000);
    } while (cursor);
    for (size_t id = 0; id < keep; id++) cr_assert_gt(there[id]->seen, 0, "id %zu was missed", id);
}

Test(table, scan_takes_any_number_for_a_cursor) {
    size_t visited = 0;

    for (size_t id = 0; id < 5000; id++) put(id);
    for (size_t i = 0; i < 200000; i++) {
        uint64_t cursor = rng_u64() >> rng_below(64);

        cr_assert_lt(table_scan(&table, cursor, count_seen, &visited), UINT64_C(1) << 53);
    }
    cr_assert_lt(table_scan(&table, UINT64_MAX, count_seen, &visited), UINT64_C(1) << 53);
}

/* ---------------------------------------------------------------- random, reserve */

Test(table, random_reaches_all_about_equally) {
    const size_t n = 2000, draws = 100 * n;

    for (size_t id = 0; id < n; id++) put(id);
    for (size_t i = 0; i < draws; i++) ((struct item *)table_random(&table))->seen++;
    for (size_t id = 0; id < n; id++) {
        cr_assert_gt(there[id]->seen, 25, "id %zu came %u times", id, there[id]->seen);
        cr_assert_lt(there[id]->seen, 400, "id %zu came %u times", id, there[id]->seen);
    }
}

Test(table, random_follows_the_seed) {
    struct item *first[50];

    for (size_t id = 0; id < 1000; id++) put(id);
    rng_seed(5);
    for (size_t i = 0; i < 50; i++) first[i] = table_random(&table);
    rng_seed(5);
    for (size_t i = 0; i < 50; i++) cr_assert_eq(table_random(&table), first[i]);
}

Test(table, reserve_takes_its_number_with_hardly_any_growth) {
    static const size_t sizes[] = {1, 7, 8, 100, 5000, IDS};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t before;

        table_reserve(&table, sizes[i]);
        before = table.mem_bytes;
        for (size_t id = 0; id < sizes[i]; id++) put(id);
        cr_assert_leq(table.mem_bytes, before + before / 4, "%zu: from %zu to %zu", sizes[i],
                      before, table.mem_bytes);
        compare_all();
        end();
    }
}

Test(table, reserve_on_a_table_with_entries_is_a_bug, .signal = SIGABRT) {
    put(1);
    table_reserve(&table, 10);
}

Test(table, removing_what_is_not_there_is_a_bug, .signal = SIGABRT) {
    struct item other = {.id = 2};

    put(1);
    table_remove(&table, &other, hash_of(2));
}

Test(table, a_bucket_taken_at_random_may_be_any) {
    const size_t n = 5000, draws = 200000;
    void *found[TABLE_SLOTS];
    size_t seen = 0, never = 0;

    for (size_t id = 0; id < n; id++) put(id);
    for (size_t i = 0; i < draws / TABLE_SLOTS; i++) {
        size_t got = table_sample_bucket(&table, found);

        for (size_t k = 0; k < got; k++) ((struct item *)found[k])->seen++;
        seen += got;
    }
    for (size_t id = 0; id < n; id++) never += there[id]->seen == 0;
    cr_assert_gt(seen, draws / 2);
    cr_assert_leq(never, 2, "%zu", never);
}

Test(table, holds_goes_by_address_and_hash) {
    struct item elsewhere = {.id = 3};

    cr_assert_not(table_holds(&table, &elsewhere, hash_of(3)));
    for (size_t id = 0; id < 1000; id++) put(id);
    for (size_t id = 0; id < 1000; id++)
        cr_assert(table_holds(&table, there[id], hash_of(id)), "%zu", id);
    cr_assert_not(table_holds(&table, &elsewhere, hash_of(3)));
    cr_assert_not(table_holds(&table, there[3], hash_of(4)));
    table_remove(&table, there[3], hash_of(3));
    cr_assert_not(table_holds(&table, there[3], hash_of(3)));
}
