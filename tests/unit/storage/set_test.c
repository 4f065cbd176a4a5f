/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sets in all their forms: what turns one into another, chance, and random operations against an
 * array of flags.
 */
#include "storage/set.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct entry *s;
static struct set_rules rules;

static void begin(void) {
    mem_thread_init();
    rng_seed(11);
    s = set_new_empty(SLICE("key"));
    rules = (struct set_rules){6, 8, 16, PARTS_ALL};
}

static void end(void) {
    entry_free(s);
}

TestSuite(set, .init = begin, .fini = end);

static bool add(const char *member) {
    return set_add(s, slice_str(member), &rules);
}

static bool add_int(int v) {
    char text[NUM_I64_MAX];

    return set_add(s, slice_of(text, (size_t)num_format_i64(text, v)), &rules);
}

static const char *encoding_of(const struct entry *e) {
    return set_type_ops.encoding(e);
}

static const char *encoding(void) {
    return encoding_of(s);
}

static void append_visited(struct lp_value member, void *arg) {
    struct bytes *b = arg;
    char text[NUM_I64_MAX];
    struct slice m = lp_value_text(member, text);

    if (b->n) bytes_append_char(b, ' ');
    bytes_append(b, m.p, m.n);
}

static const char *all_of(const struct entry *e) {
    static char out[4096];
    struct bytes b = {0};

    set_each(e, PARTS_ALL, append_visited, &b);
    snprintf(out, sizeof out, "%s", bytes_cstr(&b));
    bytes_release(&b);
    return out;
}

Test(set, integers_are_an_intset_until_they_are_too_many) {
    cr_assert(add("3"));
    cr_assert(add("1"));
    cr_assert(add("2"));
    cr_assert_not(add("1"));
    cr_assert_str_eq(all_of(s), "1 2 3");
    cr_assert(set_all_ints(s));
    for (int i = 4; i <= 6; i++) add_int(i);
    cr_assert_str_eq(encoding(), "intset");
    add_int(7);
    cr_assert_str_eq(encoding(), "hashtable");
    cr_assert_eq(set_len(s), 7);
    cr_assert(set_has(s, SLICE("7"), PARTS_ALL));
}

Test(set, a_text_makes_a_listpack_of_an_intset) {
    add("3");
    add("1");
    cr_assert(add("x"));
    cr_assert_str_eq(encoding(), "listpack");
    cr_assert(add("2"));
    cr_assert_str_eq(all_of(s), "1 3 x 2", "integers sorted, then in the order of coming");
    cr_assert_not(add("3"));
    cr_assert(set_has(s, SLICE("2"), PARTS_ALL));
    cr_assert_not(set_has(s, SLICE("02"), PARTS_ALL));
}

Test(set, a_text_that_is_long_makes_a_table_of_an_intset) {
    add("3");
    add("0123456789abcdefg");
    cr_assert_str_eq(encoding(), "hashtable");
    cr_assert(set_has(s, SLICE("3"), PARTS_ALL));
}

Test(set, integers_longer_than_a_listpack_takes_make_a_table) {
    add("-12345678901234567");
    add("x");
    cr_assert_str_eq(encoding(), "hashtable");
}

Test(set, a_member_too_many_makes_a_table) {
    char name[] = "a";

    for (; *name < 'a' + 8; ++*name) {
        add(name);
        cr_assert_str_eq(encoding(), "listpack");
    }
    cr_assert_not(add("a"));
    cr_assert_str_eq(encoding(), "listpack");
    cr_assert(add(name));
    cr_assert_str_eq(encoding(), "hashtable");
}

static const char *new_encoding(struct slice first, size_t expected) {
    struct entry *e = set_new(SLICE("k"), first, expected, &rules);
    const char *name = encoding_of(e);

    entry_free(e);
    return name;
}

Test(set, what_is_expected_decides_on_the_first_form) {
    cr_assert_str_eq(new_encoding(SLICE("1"), 6), "intset");
    cr_assert_str_eq(new_encoding(SLICE("1"), 7), "listpack");
    cr_assert_str_eq(new_encoding(SLICE("x"), 8), "listpack");
    cr_assert_str_eq(new_encoding(SLICE("x"), 9), "hashtable");
    add("1");
    set_expect(s, 6, &rules);
    cr_assert_str_eq(encoding(), "intset");
    set_expect(s, 7, &rules);
    cr_assert_str_eq(encoding(), "hashtable");
}

static const char *built(const char *words) {
    struct lp_value v[32];
    struct entry *e;
    static char out[4200];
    char text[256], *rest = text, *word;
    size_t n = 0;

    snprintf(text, sizeof text, "%s", words);
    while ((word = strsep(&rest, " "))) v[n++] = (struct lp_value){.p = word, .n = strlen(word)};
    e = set_build(SLICE("k"), v, n, &rules, &(struct pace){0});
    cr_assert_eq(set_len(e), n);
    for (size_t i = 0; i < n; i++) cr_assert(set_has(e, slice_of(v[i].p, v[i].n), PARTS_ALL));
    snprintf(out, sizeof out, "%s: %s", encoding_of(e), all_of(e));
    entry_free(e);
    return out;
}

Test(set, it_is_built_in_the_smallest_form) {
    cr_assert_str_eq(built("3 1 2"), "intset: 1 2 3");
    cr_assert_str_eq(built("3 x 1"), "listpack: 3 x 1");
    cr_assert_str_eq(built("7 6 5 4 3 2 1"), "listpack: 7 6 5 4 3 2 1");
    cr_assert_eq(strncmp(built("1 2 3 4 5 6 7 8 9"), "hashtable", 9), 0);
    cr_assert_str_eq(built("0123456789abcdefg"), "hashtable: 0123456789abcdefg");
}

Test(set, a_probe_finds_in_every_form) {
    struct entry *forms[3];
    struct set_probe p;

    for (int i = 0; i < 3; i++) {
        forms[i] = set_new_empty(SLICE("k"));
        set_add(forms[i], SLICE("12"), &rules);
        set_add(forms[i], SLICE("-7"), &rules);
    }
    set_add(forms[1], SLICE("x"), &rules);
    set_expect(forms[2], 9, &rules);
    for (int as_text = 0; as_text < 2; as_text++) {
        set_probe_init(&p,
                       as_text ? (struct lp_value){.p = "-7", .n = 2} : (struct lp_value){.v = -7});
        for (int i = 0; i < 3; i++) cr_assert(set_find(forms[i], &p, PARTS_ALL), "%d", i);
        set_probe_init(&p,
                       as_text ? (struct lp_value){.p = "", .n = 0} : (struct lp_value){.v = 7});
        for (int i = 0; i < 3; i++) cr_assert_not(set_find(forms[i], &p, PARTS_ALL), "%d", i);
    }
    for (int i = 0; i < 3; i++) entry_free(forms[i]);
}

/* Every member once, whatever the form; and a probe made of a batch finds it in `other`. */
static size_t walk_in_batches(const struct entry *e, const struct entry *other) {
    struct set_iter it = {.e = e, .now_ms = PARTS_ALL};
    struct set_batch batch;
    struct set_finder f;
    size_t n = 0;

    set_finder_init(&f, other, set_len(e), PARTS_ALL);
    while (set_next(&it, &batch)) {
        for (size_t i = 0; i < batch.n; i++) {
            char text[NUM_I64_MAX];
            struct slice member = lp_value_text(batch.v[i], text);
            struct set_probe p;

            set_probe_next(&p, &batch, i);
            cr_assert_eq(set_finder_has(&f, &p), set_has(other, member, PARTS_ALL));
            set_probe_next(&p, &batch, i);
            cr_assert_eq(set_find(other, &p, PARTS_ALL), set_has(other, member, PARTS_ALL));
            cr_assert(set_has(e, member, PARTS_ALL));
            n++;
        }
    }
    set_finder_release(&f);
    return n;
}

Test(set, batches_give_all_members_and_finders_find_them) {
    static const struct {
        int n, step;
        uint64_t max_intset, max_listpack;
    } kinds[] = {{50, 3, 512, 128}, {50, 2, 0, 128},     {50, 5, 0, 0},       {3000, 2, 0, 0},
                 {700, 7, 0, 0},    {9000, 1, 0, 0},     {4, 3, 0, 128},      {1, 1, 512, 128},
                 {900, 4, 0, 2000}, {900, 3, 2000, 128}, {70000, 1, 0, 80000}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    struct entry *sets[KINDS];

    for (int k = 0; k < KINDS; k++) {
        struct set_rules r = {kinds[k].max_intset, kinds[k].max_listpack, 64, PARTS_ALL};
        bool texts = !kinds[k].max_intset && kinds[k].n < 5000;

        sets[k] = set_new_empty(SLICE("k"));
        set_expect(sets[k], kinds[k].max_listpack ? 0 : 1, &r);
        for (int i = 0; i < kinds[k].n; i++) {
            char text[32];
            int v = i * kinds[k].step,
                n = snprintf(text, sizeof text, texts && v % 3 ? "t%d" : "%d", v);

            if (kinds[k].n < 5000 || !kinds[k].max_listpack || i < 300)
                set_add(sets[k], slice_of(text, (size_t)n), &r);
        }
    }
    for (int a = 0; a < KINDS; a++)
        for (int b = 0; b < KINDS; b++)
            cr_assert_eq(walk_in_batches(sets[a], sets[b]), set_len(sets[a]), "%d %d", a, b);
    for (int k = 0; k < KINDS; k++) entry_free(sets[k]);
}

/* ---------------------------------------------------------------- chance */

static void count_visited(struct lp_value member, void *arg) {
    char text[NUM_I64_MAX];
    struct slice m = lp_value_text(member, text);
    int64_t i;

    cr_assert(num_parse_i64(m.p, m.n, &i));
    ((int *)arg)[i]++;
}

static void check_counts(const int *seen, int n) {
    for (int i = 0; i < n; i++) cr_assert(seen[i] > 250 && seen[i] < 570, "%d: %d", i, seen[i]);
}

static void check_chance(int n) {
    int seen[100] = {0}, picked[100] = {0}, sampled[100] = {0};
    struct lp_value any;

    for (int i = 0; i < n * 400 && set_random(s, PARTS_ALL, &any); i++) count_visited(any, seen);
    check_counts(seen, n);
    set_pick(s, PARTS_ALL, (size_t)n * 400, count_visited, picked);
    check_counts(picked, n);
    for (int k = 0; k < n + 2; k++) {
        int once[100] = {0}, sum = 0;

        set_sample(s, PARTS_ALL, (size_t)k, count_visited, once);
        for (int i = 0; i < n; i++) {
            cr_assert_leq(once[i], 1);
            sum += once[i];
        }
        cr_assert_eq(sum, k < n ? k : n);
    }
    for (int i = 0; i < n * 200; i++) set_sample(s, PARTS_ALL, 2, count_visited, sampled);
    check_counts(sampled, n);
}

Test(set, chance_is_fair_in_an_intset) {
    for (int i = 0; i < 6; i++) add_int(i);
    check_chance(6);
}

Test(set, chance_is_fair_in_a_listpack) {
    add("x");
    for (int i = 0; i < 7; i++) add_int(i);
    set_remove(s, SLICE("x"), PARTS_ALL);
    cr_assert_str_eq(encoding(), "listpack");
    check_chance(7);
}

Test(set, chance_is_fair_in_a_table) {
    for (int i = 0; i < 100; i++) add_int(i);
    check_chance(100);
}

/* ---------------------------------------------------------------- model */

enum { MEMBERS = 120 };

/* Every third one is text; some are long. */
static struct slice name_of(int i, char *text) {
    return slice_of(text, (size_t)sprintf(text,
                                          i % 3   ? "%d"
                                          : i % 2 ? "t%d"
                                                  : "text of many bytes %d",
                                          i));
}

static void run_model(int rounds, int members) {
    static bool in[MEMBERS];
    struct entry *copy;
    char text[64];
    size_t n = 0;

    memset(in, 0, sizeof in);
    for (int round = 0; round < rounds; round++) {
        int i = (int)rng_below((uint64_t)members);
        struct slice name = name_of(i, text);

        cr_assert_eq(set_has(s, name, PARTS_ALL), in[i]);
        if (rng_below(2)) {
            cr_assert_eq(set_add(s, name, &rules), !in[i]);
            n += !in[i];
            in[i] = true;
        } else {
            cr_assert_eq(set_remove(s, name, PARTS_ALL), in[i]);
            n -= in[i];
            in[i] = false;
        }
        cr_assert_eq(set_len(s), n);
        if (round % 1000) continue;
        copy = entry_copy(s, SLICE("copy"), ENTRY_NO_EXPIRE, PACE_NONE);
        entry_free(s);
        s = copy;
    }
}

Test(set, random_operations_agree_with_a_model) {
    run_model(20000, MEMBERS);
    cr_assert_str_eq(encoding(), "hashtable");
}

Test(set, random_operations_agree_with_a_model_while_small) {
    rules = (struct set_rules){MEMBERS, MEMBERS, 64, PARTS_ALL};
    run_model(20000, MEMBERS);
    cr_assert_str_eq(encoding(), "listpack");
}

Test(set, a_scan_returns_what_stays) {
    static int seen[3000];
    uint64_t cursor = 0;
    int more = 1000;

    for (int i = 0; i < more; i++) add_int(i);
    do {
        cursor = set_scan(s, cursor, PARTS_ALL, count_visited, seen);
        for (int k = 0; k < 5 && more < 3000; k++) add_int(more++);
    } while (cursor);
    for (int i = 0; i < 1000; i++) cr_assert_geq(seen[i], 1);
}

/* Exactly so with the size classes of jemalloc; libc's are other ones. */
Test(set, its_memory_is_counted) {
    size_t before = mem_used(), used;
    bool exact = strncmp(mem_allocator_name(), "jemalloc", 8) == 0;

    for (int i = 0; i < 3000; i++) add_int(i);
    used = mem_used() - before;
    cr_assert_lt(abs((int)used - (int)set_type_ops.mem(s, 0, PACE_NONE)),
                 exact ? 1024 : (int)used / 2);
    cr_assert_eq(set_type_ops.effort(s), 3000);
}
