/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hashes in all their forms: limits, values of every size, times, and random operations against an
 * array.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/hash.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct entry *h;
static struct hash_rules rules;

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
    h = hash_new(SLICE("key"));
    rules = (struct hash_rules){8, 16, PARTS_ALL};
}

static void end(void) {
    entry_free(h);
}

TestSuite(hash, .init = begin, .fini = end);

static bool set(const char *field, const char *value) {
    return hash_set(h, slice_str(field), slice_str(value), false, &rules);
}

static const char *encoding(void) {
    return hash_type_ops.encoding(h);
}

static const char *text_of(struct lp_value v) {
    static char text[2][4096];
    static int turn;
    char digits[NUM_I64_MAX];
    struct slice s = lp_value_text(v, digits);

    turn = !turn;
    memcpy(text[turn], s.p, s.n);
    text[turn][s.n] = '\0';
    return text[turn];
}

static const char *get_at(const char *field, int64_t now) {
    struct hash_item item;

    return hash_get(h, slice_str(field), now, &item) ? text_of(item.value) : NULL;
}

static const char *get(const char *field) {
    return get_at(field, PARTS_ALL);
}

static void append_item(const struct hash_item *item, void *arg) {
    struct bytes *b = arg;

    bytes_printf(b, "%s%s=%s", b->n ? " " : "", text_of(item->field), text_of(item->value));
    if (item->expire_ms) bytes_printf(b, "@%d", (int)item->expire_ms);
}

static const char *all_at(int64_t now) {
    static char out[4096];
    struct bytes b = {0};

    hash_each(h, now, append_item, &b);
    snprintf(out, sizeof out, "%s", bytes_cstr(&b));
    bytes_release(&b);
    return out;
}

Test(hash, fields_are_stored_found_and_removed) {
    cr_assert(set("a", "1"));
    cr_assert(set("b", "x"));
    cr_assert_not(set("a", "two"));
    cr_assert_str_eq(get("a"), "two");
    cr_assert_null(get("c"));
    cr_assert_eq(hash_len(h), 2);
    cr_assert(hash_delete(h, SLICE("a"), PARTS_ALL));
    cr_assert_not(hash_delete(h, SLICE("a"), PARTS_ALL));
    cr_assert_str_eq(all_at(PARTS_ALL), "b=x");
}

Test(hash, a_field_too_many_makes_a_table) {
    char name[16];

    for (int i = 0; i < 9; i++) {
        cr_assert_str_eq(encoding(), "listpack");
        snprintf(name, sizeof name, "%d", i);
        set(name, "v");
    }
    cr_assert_str_eq(encoding(), "hashtable");
    cr_assert_eq(hash_len(h), 9);
    cr_assert_str_eq(get("5"), "v");
}

Test(hash, a_long_text_makes_a_table) {
    set("a", "0123456789abcdef");
    cr_assert_str_eq(encoding(), "listpack");
    set("a", "0123456789abcdef+");
    cr_assert_str_eq(encoding(), "hashtable");
    cr_assert_str_eq(get("a"), "0123456789abcdef+");
    set("a", "short");
    cr_assert_str_eq(encoding(), "hashtable", "and a table it stays");
}

Test(hash, values_of_every_size_live_in_a_table) {
    static char big[3000];
    struct hash_item item;

    memset(big, 'x', sizeof big);
    rules.max_entries = 0;
    for (size_t n = 0; n < sizeof big; n += 1 + n / 8) {
        cr_assert_eq(hash_set(h, SLICE("f"), slice_of(big, n), false, &rules), n == 0);
        cr_assert(hash_get(h, SLICE("f"), PARTS_ALL, &item));
        cr_assert_eq(item.value.n, n);
        hash_set_expire(h, SLICE("f"), 5);
        cr_assert(hash_get(h, SLICE("f"), PARTS_ALL, &item));
        cr_assert_eq(item.value.n, n);
        cr_assert_eq(item.expire_ms, 5);
        hash_set_expire(h, SLICE("f"), 6);
        hash_set_expire(h, SLICE("f"), 0);
    }
    for (size_t n = sizeof big; n > 0; n -= 1 + n / 8) {
        hash_set(h, SLICE("f"), slice_of(big, n), false, &rules);
        cr_assert(hash_get(h, SLICE("f"), PARTS_ALL, &item));
        cr_assert(item.value.n == n && memcmp(item.value.p, big, n) == 0);
    }
}

Test(hash, fields_with_times_stand_in_their_order) {
    set("a", "1");
    set("b", "2");
    set("c", "3");
    cr_assert_eq(hash_next_due(h), ENTRY_NO_EXPIRE);
    hash_set_expire(h, SLICE("c"), 50);
    cr_assert_str_eq(encoding(), "listpackex");
    hash_set_expire(h, SLICE("a"), 70);
    cr_assert_str_eq(all_at(PARTS_ALL), "c=3@50 a=1@70 b=2");
    cr_assert_eq(hash_next_due(h), 50);
    hash_set_expire(h, SLICE("c"), 0);
    cr_assert_str_eq(all_at(PARTS_ALL), "a=1@70 b=2 c=3");
    hash_set_expire(h, SLICE("b"), 70);
    cr_assert_str_eq(all_at(PARTS_ALL), "b=2@70 a=1@70 c=3");
    set("a", "9");
    cr_assert_str_eq(all_at(PARTS_ALL), "b=2@70 c=3 a=9", "a new value has no time");
    hash_set(h, SLICE("b"), SLICE("8"), true, &rules);
    cr_assert_str_eq(all_at(PARTS_ALL), "b=8@70 c=3 a=9", "unless it is to keep it");
}

static void check_due_fields(void) {
    set("a", "1");
    set("b", "2");
    set("c", "3");
    hash_set_expire(h, SLICE("a"), 70);
    hash_set_expire(h, SLICE("b"), 60);
    rules.now_ms = 70;
    cr_assert_null(get_at("a", 70));
    cr_assert_str_eq(get_at("a", 69), "1");
    cr_assert_eq(hash_len(h), 3);
    cr_assert_eq(hash_len_at(h, 70), 1);
    cr_assert_str_eq(all_at(70), "c=3");
    cr_assert_not(hash_delete(h, SLICE("a"), 70), "who is gone cannot be removed");
    cr_assert(hash_set(h, SLICE("b"), SLICE("new"), true, &rules), "it counts as new");
    cr_assert_str_eq(get_at("b", 1000), "new");
}

Test(hash, due_fields_are_not_seen) {
    check_due_fields();
}

Test(hash, due_fields_of_a_table_are_not_seen) {
    rules.max_entries = 0;
    check_due_fields();
}

static void count_item(const struct hash_item *item, void *arg) {
    int *seen = arg;

    seen[atoi(text_of(item->field))]++;
}

/* `n` fields "0", "1", ...; those from `due` on are due at 10. */
static void fill(int n, int due) {
    char name[16];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%d", i);
        set(name, "v");
        if (i >= due) hash_set_expire(h, slice_str(name), 10);
    }
}

static void check_chance(int n, int live) {
    int seen[64] = {0};
    struct hash_item item;

    fill(n, live);
    for (int i = 0; i < live * 400; i++) {
        cr_assert(hash_random(h, 10, &item));
        count_item(&item, seen);
    }
    for (int i = 0; i < n; i++) {
        cr_assert(i < live ? seen[i] > 250 && seen[i] < 570 : seen[i] == 0, "%d: %d", i, seen[i]);
        seen[i] = 0;
    }
    hash_pick(h, 10, (size_t)live * 400, count_item, seen);
    for (int i = 0; i < n; i++) {
        cr_assert(i < live ? seen[i] > 250 && seen[i] < 570 : seen[i] == 0, "%d: %d", i, seen[i]);
        seen[i] = 0;
    }
    for (int i = 0; i < 400; i++) {
        int once[64] = {0}, sum = 0;

        hash_sample(h, 10, (size_t)(i % (live + 2)), count_item, once);
        for (int k = 0; k < n; k++) {
            cr_assert_leq(once[k], k < live);
            sum += once[k];
        }
        cr_assert_eq(sum, i % (live + 2) < live ? i % (live + 2) : live);
    }
}

Test(hash, chance_is_fair_when_packed) {
    check_chance(7, 7);
}

Test(hash, chance_is_fair_among_what_is_not_due) {
    check_chance(8, 5);
}

Test(hash, chance_is_fair_in_a_table) {
    check_chance(40, 40);
}

Test(hash, chance_is_fair_in_a_table_with_due_fields) {
    check_chance(40, 33);
}

Test(hash, chance_knows_when_nothing_is_left) {
    struct hash_item item;
    int seen[8] = {0};

    fill(5, 0);
    cr_assert_not(hash_random(h, 10, &item));
    hash_pick(h, 10, 3, count_item, seen);
    hash_sample(h, 10, 3, count_item, seen);
    for (int i = 0; i < 8; i++) cr_assert_eq(seen[i], 0);
}

/* ---------------------------------------------------------------- model */

enum { FIELDS = 60 };

static struct {
    bool there;
    int value, when;
} model[FIELDS];

static int model_len(int64_t now) {
    int n = 0;

    for (int i = 0; i < FIELDS; i++)
        n += model[i].there && (model[i].when == 0 || model[i].when > now);
    return n;
}

static void check_item(const struct hash_item *item, void *arg) {
    int i = atoi(text_of(item->field));

    (void)arg;
    cr_assert(model[i].there);
    cr_assert_eq(atoi(text_of(item->value)), model[i].value);
    cr_assert_eq(item->expire_ms, model[i].when);
}

static void forget_item(const struct hash_item *item, void *arg) {
    check_item(item, arg);
    model[atoi(text_of(item->field))].there = false;
}

static void step(int64_t now) {
    int i = (int)rng_below(FIELDS), v = (int)rng_u64() >> 4;
    bool live = model[i].there && (model[i].when == 0 || model[i].when > now);
    char name[8], value[64];

    snprintf(name, sizeof name, "%d", i);
    snprintf(value, sizeof value, "%d", v);
    rules.now_ms = now;
    switch (rng_below(6)) {
    case 0:
    case 1:
        cr_assert_eq(set(name, value), !live);
        model[i].there = true, model[i].value = v, model[i].when = 0;
        break;
    case 2:
        cr_assert_eq(hash_set(h, slice_str(name), slice_str(value), true, &rules), !live);
        if (!live) model[i].when = 0;
        model[i].there = true, model[i].value = v;
        break;
    case 3:
        cr_assert_eq(hash_delete(h, slice_str(name), now), live);
        if (live) model[i].there = false;
        break;
    case 4:
        if (!live) break;
        model[i].when = rng_below(4) ? (int)now + 1 + (int)rng_below(50) : 0;
        hash_set_expire(h, slice_str(name), model[i].when);
        break;
    default:
        if (rng_below(8) == 0) hash_take_due(h, now, rng_below(20), forget_item, NULL);
    }
}

static void check_model(int64_t now) {
    int64_t next = hash_next_due(h);

    cr_assert_eq((int)hash_len(h), model_len(-1));
    cr_assert_eq((int)hash_len_at(h, now), model_len(now));
    hash_each(h, PARTS_ALL, check_item, NULL);
    for (int i = 0; i < FIELDS; i++)
        if (model[i].there && model[i].when)
            cr_assert(next != ENTRY_NO_EXPIRE && next <= model[i].when);
}

static void run_model(uint64_t max_entries) {
    struct entry *copy;

    rules.max_entries = max_entries;
    for (int64_t now = 1; now < 4000; now++) {
        for (int k = 0; k < 5; k++) step(now);
        check_model(now);
        if (now % 1000 == 0) {
            copy = entry_copy(h, SLICE("copy"), ENTRY_NO_EXPIRE, PACE_NONE);
            entry_free(h);
            h = copy;
            check_model(now);
        }
    }
    while (hash_take_due(h, INT64_MAX, 7, forget_item, NULL)) {
    }
    check_model(INT64_MAX);
    cr_assert_eq(hash_next_due(h), ENTRY_NO_EXPIRE);
}

Test(hash, random_operations_agree_with_a_model_when_packed) {
    run_model(FIELDS);
    cr_assert_str_eq(encoding(), "listpackex");
}

Test(hash, random_operations_agree_with_a_model_in_a_table) {
    run_model(0);
}

Test(hash, random_operations_agree_with_a_model_across_forms) {
    run_model(20);
    cr_assert_str_eq(encoding(), "hashtable");
}

Test(hash, a_scan_returns_what_stays) {
    static int seen[2000];
    uint64_t cursor = 0;
    char name[16];

    rules.max_entries = 0;
    fill(1000, 2000);
    for (int more = 1000; more == 1000 || cursor; more++) {
        cursor = hash_scan(h, cursor, PARTS_ALL, count_item, seen);
        snprintf(name, sizeof name, "%d", more);
        if (more < 2000) set(name, "v");
    }
    for (int i = 0; i < 1000; i++) cr_assert_geq(seen[i], 1);
}

/* Exactly so with the size classes of jemalloc; libc's are other ones. */
Test(hash, its_memory_is_counted) {
    size_t before = mem_used(), used;
    bool exact = strncmp(mem_allocator_name(), "jemalloc", 8) == 0;

    rules.max_entries = 0;
    fill(2000, 1000);
    used = mem_used() - before;
    cr_assert_lt(abs((int)used - (int)hash_type_ops.mem(h, 0, PACE_NONE)),
                 exact ? 4096 : (int)used / 2);
    cr_assert_lt(abs((int)used - (int)hash_type_ops.mem(h, 100, PACE_NONE)),
                 exact ? 20000 : (int)used / 2);
    cr_assert_eq(hash_type_ops.effort(h), 2000);
}
