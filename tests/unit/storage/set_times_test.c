/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Members of sets with a time to live: what a set of a given moment shows, and random operations
 * against an array of times.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/set.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { MEMBERS = 200, ABSENT = -1 };

static struct entry *s;
static struct set_rules rules;

static void begin(void) {
    mem_thread_init();
    rng_seed(12);
    s = set_new_empty(SLICE("key"));
    rules = (struct set_rules){6, 8, 16, PARTS_ALL};
}

static void end(void) {
    entry_free(s);
}

TestSuite(set_times, .init = begin, .fini = end);

/* Of any length, so that there are members of all size classes and with longer lengths. */
static struct slice name_of(int i, char text[400]) {
    int n = sprintf(text, "%d", i);

    if (i % 3 == 0) n += sprintf(text + n, "%0*d", i + 1, i);
    return slice_of(text, (size_t)n);
}

static struct slice name(int i) {
    static char text[400];

    return name_of(i, text);
}

static int number_of(struct lp_value v) {
    char text[NUM_I64_MAX], start[8] = {0};
    struct slice t = lp_value_text(v, text);

    for (int i = 0; i < MEMBERS; i++)
        if (slice_eq(t, name(i))) return i;
    memcpy(start, t.p, t.n < 7 ? t.n : 7);
    cr_assert_fail("a member that nothing added: %s", start);
    return 0;
}

static void count_visited(struct lp_value v, void *seen) {
    ((int *)seen)[number_of(v)]++;
}

static void add(int i) {
    cr_assert(set_add(s, name(i), &rules));
}

/* ---------------------------------------------------------------- forms */

Test(set_times, every_form_becomes_a_table_with_the_first_time) {
    int64_t when;

    for (int form = 0; form < 3; form++) {
        entry_free(s);
        s = set_new_empty(SLICE("key"));
        for (int i = 1; i < 3; i++) add(i);
        if (form == 1) set_add(s, SLICE("x"), &rules);
        if (form == 2) set_add(s, SLICE("a text of more than 16 bytes"), &rules);
        set_set_expire(s, name(1), 0);
        cr_assert_not(set_is_timed(s), "no time changes nothing");
        set_set_expire(s, name(1), 50);
        cr_assert(set_is_timed(s));
        cr_assert_str_eq(set_type_ops.encoding(s), "hashtable");
        cr_assert_eq(set_len(s), form ? 3 : 2);
        cr_assert_eq(set_next_due(s), 50);
        cr_assert(set_get_expire(s, name(1), 49, &when));
        cr_assert_eq(when, 50);
        cr_assert(set_get_expire(s, name(2), 50, &when));
        cr_assert_eq(when, 0);
        cr_assert_not(set_get_expire(s, name(1), 50, &when));
        cr_assert_not(set_get_expire(s, name(9), 50, &when));
        set_set_expire(s, name(1), 0);
        cr_assert_eq(set_next_due(s), ENTRY_NO_EXPIRE);
    }
}

Test(set_times, a_due_member_is_new_when_it_is_added_and_has_no_time_then) {
    add(1);
    set_set_expire(s, name(1), 50);
    rules.now_ms = 49;
    cr_assert_not(set_add(s, name(1), &rules));
    cr_assert_eq(set_next_due(s), 50, "a member that is there keeps its time");
    rules.now_ms = 50;
    cr_assert(set_add(s, name(1), &rules));
    cr_assert_eq(set_next_due(s), ENTRY_NO_EXPIRE);
    cr_assert_eq(set_len(s), 1);
}

/* ---------------------------------------------------------------- a model */

static int64_t times[MEMBERS]; /* ABSENT, 0: no time */

static bool is_there(int i, int64_t now_ms) {
    return times[i] != ABSENT && (times[i] == 0 || times[i] > now_ms);
}

static size_t expected_len(int64_t now_ms) {
    size_t n = 0;

    for (int i = 0; i < MEMBERS; i++) n += is_there(i, now_ms);
    return n;
}

static void check_seen(const int *seen, int64_t now_ms, const char *by) {
    for (int i = 0; i < MEMBERS; i++)
        cr_assert_eq(seen[i], is_there(i, now_ms), "%s: member %d at %d", by, i, (int)now_ms);
}

static void walk_in_batches(int *seen, int64_t now_ms) {
    struct set_iter it = {.e = s, .now_ms = now_ms};
    struct set_finder f;
    struct set_batch b;

    set_finder_init(&f, s, set_len(s), now_ms);
    while (set_next(&it, &b)) {
        for (size_t i = 0; i < b.n; i++) {
            struct set_probe p;

            set_probe_next(&p, &b, i);
            cr_assert(set_finder_has(&f, &p));
            count_visited(b.v[i], seen);
        }
    }
    set_finder_release(&f);
}

static void check_walks(int64_t now_ms) {
    int each[MEMBERS] = {0}, scanned[MEMBERS] = {0}, batched[MEMBERS] = {0}, all[MEMBERS] = {0};
    uint64_t cursor = 0;

    set_each(s, now_ms, count_visited, each);
    check_seen(each, now_ms, "each");
    do {
        cursor = set_scan(s, cursor, now_ms, count_visited, scanned);
    } while (cursor);
    check_seen(scanned, now_ms, "scan");
    walk_in_batches(batched, now_ms);
    check_seen(batched, now_ms, "batches");
    set_sample(s, now_ms, MEMBERS, count_visited, all);
    check_seen(all, now_ms, "sample");
}

static void check_chance(int64_t now_ms) {
    size_t len = expected_len(now_ms), n = 0;
    int seen[MEMBERS] = {0};
    struct lp_value v;

    cr_assert_eq(set_random(s, now_ms, &v), len > 0);
    if (len) cr_assert(is_there(number_of(v), now_ms));
    set_pick(s, now_ms, 20, count_visited, seen);
    set_pick(s, now_ms, 1, count_visited, seen);
    if (len > 1) set_sample(s, now_ms, len - 1, count_visited, seen);
    for (int i = 0; i < MEMBERS; i++) {
        n += (size_t)seen[i];
        if (seen[i]) cr_assert(is_there(i, now_ms));
    }
    cr_assert_eq(n, len ? 21 + (len > 1 ? len - 1 : 0) : 0);
}

static void check_all(int64_t now_ms) {
    int64_t next = ENTRY_NO_EXPIRE;

    for (int i = 0; i < MEMBERS; i++) {
        int64_t when;

        cr_assert_eq(set_has(s, name(i), now_ms), is_there(i, now_ms));
        cr_assert_eq(set_get_expire(s, name(i), now_ms, &when), is_there(i, now_ms));
        if (is_there(i, now_ms)) cr_assert_eq(when, times[i]);
        if (times[i] > 0 && (next == ENTRY_NO_EXPIRE || times[i] < next)) next = times[i];
    }
    cr_assert_eq(set_next_due(s) == ENTRY_NO_EXPIRE, next == ENTRY_NO_EXPIRE);
    cr_assert_leq(set_next_due(s), next, "members are due before they are looked for");
    if (next != ENTRY_NO_EXPIRE && next <= now_ms) cr_assert(set_any_due(s, now_ms));
    cr_assert_eq(set_len(s), expected_len(PARTS_ALL));
    cr_assert_eq(set_len_at(s, now_ms), expected_len(now_ms));
    check_walks(now_ms);
    if (set_len(s) > 0) check_chance(now_ms);
}

static void take_visited(struct lp_value v, void *now_ms) {
    int i = number_of(v);

    cr_assert(times[i] > 0 && times[i] <= *(int64_t *)now_ms);
    times[i] = ABSENT;
}

static void take_due(int64_t now_ms) {
    size_t due = expected_len(PARTS_ALL) - expected_len(now_ms), max = rng_below(100);

    cr_assert_eq(set_take_due(s, now_ms, max, take_visited, &now_ms), due < max ? due : max);
}

static void step(int64_t now_ms) {
    int i = (int)rng_below(MEMBERS);

    rules.now_ms = now_ms;
    switch (rng_below(8)) {
    case 0:
    case 1:
    case 2:
        cr_assert_eq(set_add(s, name(i), &rules), !is_there(i, now_ms));
        if (!is_there(i, now_ms)) times[i] = 0;
        break;
    case 3:
        cr_assert_eq(set_remove(s, name(i), now_ms), is_there(i, now_ms));
        if (is_there(i, now_ms)) times[i] = ABSENT;
        break;
    case 4:
        if (rng_below(40) == 0) take_due(now_ms);
        break;
    default:
        if (!is_there(i, now_ms)) break;
        times[i] = rng_below(4) ? now_ms + 1 + (int64_t)rng_below(2000) : 0;
        set_set_expire(s, name(i), times[i]);
    }
}

Test(set_times, random_operations_agree_with_a_model) {
    int64_t now_ms = 1;

    for (int i = 0; i < MEMBERS; i++) times[i] = ABSENT;
    for (int round = 0; round < 30000; round++) {
        now_ms += (int64_t)rng_below(5);
        step(now_ms);
        if (round % 200) continue;
        check_all(now_ms);
        check_all(PARTS_ALL);
        if (round % 1000 == 0) {
            struct entry *copy = entry_copy(s, SLICE("copy"), ENTRY_NO_EXPIRE, PACE_NONE);

            entry_free(s);
            s = copy;
            check_all(now_ms);
        }
    }
}

Test(set_times, of_members_that_are_nearly_all_due_chance_finds_the_others) {
    int seen[MEMBERS] = {0};

    for (int i = 0; i < MEMBERS; i++) {
        add(i);
        if (i >= 2) set_set_expire(s, name(i), 50);
    }
    for (int i = 0; i < 800; i++) {
        struct lp_value v;

        cr_assert(set_random(s, 50, &v));
        count_visited(v, seen);
    }
    cr_assert(seen[0] > 300 && seen[1] > 300 && seen[0] + seen[1] == 800);
}

/* ---------------------------------------------------------------- memory */

/* Exactly so with the size classes of jemalloc; libc's are other ones. */
Test(set_times, its_memory_is_counted) {
    bool exact = strncmp(mem_allocator_name(), "jemalloc", 8) == 0;
    size_t before = mem_used(), used;

    for (int i = 0; i < MEMBERS; i++) {
        add(i);
        if (i % 2) set_set_expire(s, name(i), 50 + i);
    }
    used = mem_used() - before;
    cr_assert_lt(abs((int)used - (int)set_type_ops.mem(s, 0, PACE_NONE)),
                 exact ? 1024 : (int)used / 2);
    cr_assert_eq(set_type_ops.effort(s), MEMBERS);
    cr_assert_eq(set_type_ops.next_due(s), 51);
}
