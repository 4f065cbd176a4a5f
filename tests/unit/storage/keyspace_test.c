/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/keyspace.h"
#include "storage/lazyfree.h"
#include "storage/set.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct keyspace ks;
static struct db *db;

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
    keyspace_init(&ks, 3);
    db = &ks.dbs[0];
}

static void end(void) {
    lazyfree_drain();
    keyspace_release(&ks);
}

TestSuite(keyspace, .init = begin, .fini = end);
TestSuite(lazyfree, .init = begin, .fini = end);

static uint64_t hash_of(const char *key) {
    return hash_bytes(key, strlen(key));
}

static struct entry *find(const char *key) {
    return db_find(db, slice_str(key), hash_of(key));
}

static struct entry *set(const char *key, struct slice value, int64_t when) {
    return db_set_string(db, slice_str(key), hash_of(key), find(key), value, when, 0);
}

/* True if the index of times gives exactly this key at `when`, and nothing before. */
static bool indexed_alone(struct entry *e, int64_t when) {
    void *due[4];

    if (db->expires.count != 1) return false;
    if (expiry_take_due(&db->expires, when - 1, due, 4) != 0) return false;
    if (expiry_take_due(&db->expires, when, due, 4) != 1) return false;
    expiry_add(&db->expires, due[0]);
    return due[0] == e;
}

static struct slice filled(size_t n, char c) {
    static char buf[4096];

    memset(buf, c, n);
    return slice_of(buf, n);
}

Test(keyspace, a_string_is_stored_and_found) {
    struct entry *e = set("k", SLICE("v"), ENTRY_NO_EXPIRE);

    cr_assert_eq(find("k"), e);
    cr_assert(slice_eq(entry_string(e), SLICE("v")));
    cr_assert_null(find("l"));
    cr_assert_eq(keyspace_count(&ks), 1);
    cr_assert_eq(db->expires.count, 0);
}

Test(keyspace, overwriting_moves_the_time_as_asked) {
    static const size_t sizes[] = {1, 2, 40, 1000, 2000, 3, 1024, 1025, 1};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct entry *e = set("k", filled(sizes[i], 'a'), 1000 + (int64_t)i);

        cr_assert(indexed_alone(e, 1000 + (int64_t)i), "size %zu", sizes[i]);
        e = set("k", filled(sizes[i], 'b'), DB_KEEP_EXPIRE);
        cr_assert(indexed_alone(e, 1000 + (int64_t)i), "size %zu, kept", sizes[i]);
        cr_assert(slice_eq(entry_string(e), filled(sizes[i], 'b')));
        cr_assert_eq(find("k"), e);
    }
    set("k", SLICE("v"), ENTRY_NO_EXPIRE);
    cr_assert_eq(db->expires.count, 0);
    set("new", SLICE("v"), DB_KEEP_EXPIRE);
    cr_assert_eq(entry_expire(find("new")), ENTRY_NO_EXPIRE);
    cr_assert_eq(keyspace_count(&ks), 2);
}

Test(keyspace, overwriting_keeps_the_access_time) {
    memcpy(set("k", filled(10, 'a'), ENTRY_NO_EXPIRE)->access, "\1\2\3", 3);
    cr_assert_arr_eq(set("k", filled(3000, 'a'), 5)->access, "\1\2\3", 3);
    cr_assert_arr_eq(set("k", filled(1, 'a'), ENTRY_NO_EXPIRE)->access, "\1\2\3", 3);
}

/* From any length to any other: the old bytes stay, new ones are zero, the time stays indexed. */
static void check_resize(size_t from, size_t to, int64_t when) {
    struct entry *e = set("k", filled(from, 'x'), when);
    char *data;

    e = db_resize_string(db, e, hash_of("k"), to, &data);
    cr_assert_eq(find("k"), e);
    cr_assert_eq(entry_string(e).n, to);
    cr_assert_eq(data, entry_string(e).p);
    for (size_t i = 0; i < to; i++)
        cr_assert_eq(data[i], i < from ? 'x' : 0, "%zu to %zu at %zu", from, to, i);
    cr_assert_eq(entry_expire(e), when);
    cr_assert(e->flags & ENTRY_RAW);
    if (when != ENTRY_NO_EXPIRE) cr_assert(indexed_alone(e, when));
    db_delete(db, e, hash_of("k"), false);
    cr_assert_eq(db->expires.count, 0);
}

Test(keyspace, resizing_keeps_what_was_and_zeroes_the_rest) {
    static const size_t sizes[] = {0, 1, 10, 38, 39, 40, 41, 500, 1023, 1024, 1025, 4000};

    for (size_t from = 0; from < 12; from++)
        for (size_t to = 0; to < 12; to++) {
            check_resize(sizes[from], sizes[to], ENTRY_NO_EXPIRE);
            check_resize(sizes[from], sizes[to], 12345);
        }
}

Test(keyspace, resizing_a_shared_value_leaves_the_other_holder_his) {
    struct blob *held;
    char *data;

    held = entry_blob(set("k", filled(2000, 'x'), ENTRY_NO_EXPIRE));
    blob_ref(held);
    db_resize_string(db, find("k"), hash_of("k"), 2001, &data);
    memset(data, 'y', 2001);
    cr_assert_arr_eq(held->data, filled(2000, 'x').p, 2000);
    cr_assert_eq(held->n, 2000);
    blob_unref(held);
}

Test(keyspace, set_expire_gives_changes_and_takes_a_time) {
    static const size_t sizes[] = {0, 30, 1024, 1025};

    for (size_t i = 0; i < 4; i++) {
        struct slice v = filled(sizes[i], 'v');
        struct entry *e = set("k", v, ENTRY_NO_EXPIRE);

        e = db_set_expire(db, e, hash_of("k"), 500);
        cr_assert(indexed_alone(e, 500));
        e = db_set_expire(db, e, hash_of("k"), 400);
        cr_assert(indexed_alone(e, 400));
        e = db_set_expire(db, e, hash_of("k"), 400);
        cr_assert(indexed_alone(e, 400));
        e = db_set_expire(db, e, hash_of("k"), 9000);
        cr_assert(indexed_alone(e, 9000));
        e = db_set_expire(db, e, hash_of("k"), ENTRY_NO_EXPIRE);
        cr_assert_eq(db->expires.count, 0);
        cr_assert_eq(find("k"), e);
        cr_assert(slice_eq(entry_string(e), v));
        db_delete(db, e, hash_of("k"), false);
    }
}

Test(keyspace, a_detached_entry_is_the_callers) {
    struct entry *e = set("k", SLICE("v"), 500);

    db_detach(db, e, hash_of("k"));
    cr_assert_null(find("k"));
    cr_assert_eq(db->expires.count, 0);
    cr_assert(slice_eq(entry_string(e), SLICE("v")));
    db_add(db, e, hash_of("k"));
    cr_assert_eq(find("k"), e);
    cr_assert(indexed_alone(e, 500));
}

Test(keyspace, swap_exchanges_contents_and_keeps_numbers) {
    struct entry *e = set("k", SLICE("v"), 500);

    keyspace_swap(&ks, 0, 2);
    cr_assert_null(find("k"));
    cr_assert_eq(db_find(&ks.dbs[2], SLICE("k"), hash_of("k")), e);
    cr_assert_eq(ks.dbs[0].id, 0);
    cr_assert_eq(ks.dbs[2].id, 2);
    cr_assert_eq(ks.dbs[2].expires.count, 1);
    keyspace_swap(&ks, 1, 1);
    keyspace_swap(&ks, 2, 0);
    cr_assert_eq(find("k"), e);
}

static void fill(size_t n) {
    char key[32];

    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "key-%zu", i);
        set(key, filled(i % 5 ? 20 : 2000, 'v'), i % 3 ? ENTRY_NO_EXPIRE : (int64_t)i);
    }
}

Test(keyspace, clearing_leaves_an_empty_usable_database) {
    for (int lazy = 0; lazy < 2; lazy++) {
        fill(3000);
        cr_assert_eq(db_clear(db, lazy), 3000);
        cr_assert_eq(keyspace_count(&ks), 0);
        cr_assert_eq(db->expires.count, 0);
        cr_assert_eq(db_overhead(db), 0);
        cr_assert_null(find("key-1"));
        set("key-1", SLICE("again"), ENTRY_NO_EXPIRE);
        cr_assert_not_null(find("key-1"));
        cr_assert_eq(db_clear(db, lazy), 1);
    }
}

Test(lazyfree, drain_waits_until_everything_is_freed) {
    size_t before;

    fill(10); /* what the threads keep for themselves is there from now on */
    db_clear(db, false);
    fill(2000);
    db_clear(db, true);
    lazyfree_drain();
    lazyfree_reset_stats();
    before = mem_used();
    fill(20000);
    cr_assert_gt(mem_used(), before + 20000 * 40);
    cr_assert_eq(db_clear(db, true), 20000);
    lazyfree_drain();
    cr_assert_eq(lazyfree_pending(), 0);
    cr_assert_eq(lazyfree_freed(), 20000);
    cr_assert_lt(mem_used(), before + 100000, "all but some thread's reserve came back");
}

Test(lazyfree, a_large_value_goes_the_same_way) {
    char *data;
    struct entry *e = set("k", SLICE("v"), ENTRY_NO_EXPIRE);

    e = db_resize_string(db, e, hash_of("k"), 64 << 20, &data);
    lazyfree_reset_stats();
    db_delete(db, e, hash_of("k"), true);
    lazyfree_drain();
    cr_assert_eq(lazyfree_freed(), 1);
    set("k", SLICE("v"), ENTRY_NO_EXPIRE);
    db_delete(db, find("k"), hash_of("k"), true);
    cr_assert_eq(lazyfree_pending() + lazyfree_freed(), 1, "a small one is freed on the spot");
}

enum { HUGE_MEMBERS = 70000 };

/* A set of so many members, in `db` under this key. */
static struct entry *add_huge_set(const char *key) {
    static const struct set_rules rules = {.max_intset = 512, .max_listpack = 128, .max_value = 64};
    struct entry *e = set_new_empty(slice_str(key));
    char member[16];

    for (int i = 0; i < HUGE_MEMBERS; i++) {
        int n = snprintf(member, sizeof member, "m%d", i);

        set_add(e, slice_of(member, (size_t)n), &rules);
    }
    db_add(db, e, hash_of(key));
    return e;
}

/* How many objects went to the thread since the figures were reset. */
static size_t handed_over(void) {
    lazyfree_drain();
    return lazyfree_freed();
}

Test(lazyfree, a_huge_value_goes_there_unasked) {
    lazyfree_reset_stats();
    db_delete(db, add_huge_set("k"), hash_of("k"), false);
    cr_assert_eq(handed_over(), 1);
    add_huge_set("k");
    set("k", SLICE("v"), ENTRY_NO_EXPIRE);
    cr_assert_eq(handed_over(), 2, "one that is overwritten");
    add_huge_set("other");
    cr_assert_eq(db_clear(db, false), 2);
    cr_assert_eq(handed_over(), 4, "a small database with one in it");
    add_huge_set("k");
    cr_assert_eq(db_clear(db, true), 1);
    cr_assert_eq(handed_over(), 5);
    fill(HUGE_MEMBERS);
    cr_assert_eq(db_clear(db, false), HUGE_MEMBERS);
    cr_assert_eq(handed_over(), 5 + HUGE_MEMBERS, "a database of many keys");
    fill(1000);
    cr_assert_eq(db_clear(db, false), 1000);
    cr_assert_eq(handed_over(), 5 + HUGE_MEMBERS, "not one of few");
}

/* ---------------------------------------------------------------- against a reference */

enum { MODEL_KEYS = 3000 };

struct model {
    bool there;
    size_t n;
    char fill;
    int64_t when;
};

static struct model model[MODEL_KEYS];

static void check_key(size_t i) {
    char key[32];
    const struct entry *e;

    snprintf(key, sizeof key, "key-%zu", i);
    e = find(key);
    cr_assert_eq(!!e, model[i].there);
    if (!e) return;
    cr_assert_eq(entry_expire(e), model[i].when);
    cr_assert(slice_eq(entry_string(e), filled(model[i].n, model[i].fill)));
}

static void step(size_t i) {
    char key[32], *data;
    struct model *m = &model[i];
    uint64_t hash, action = rng_below(6);
    struct entry *e;
    size_t n = rng_below(5) ? rng_below(60) : rng_below(3000);

    snprintf(key, sizeof key, "key-%zu", i);
    hash = hash_of(key);
    e = find(key);
    if (action <= 1) {
        int64_t when = action ? DB_KEEP_EXPIRE : (int64_t)rng_below(1000);

        *m = (struct model){true, n, (char)('a' + rng_below(26)),
                            action ? (m->there ? m->when : ENTRY_NO_EXPIRE) : when};
        db_set_string(db, slice_str(key), hash, e, filled(n, m->fill), when, 0);
    } else if (e && action == 2) {
        m->n = n;
        db_resize_string(db, e, hash, n, &data);
        memset(data, m->fill, n);
    } else if (e && action <= 4) {
        m->when = rng_below(3) ? (int64_t)rng_below(1000) : ENTRY_NO_EXPIRE;
        db_set_expire(db, e, hash, m->when);
    } else if (e) {
        m->there = false;
        db_delete(db, e, hash, rng_below(2));
    }
}

Test(keyspace, agrees_with_a_reference) {
    size_t timed = 0, keys = 0, n;
    void *due[64];

    for (size_t s = 0; s < 200000; s++) {
        size_t i = rng_below(MODEL_KEYS);

        step(i);
        check_key(i);
    }
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        check_key(i);
        keys += model[i].there;
        timed += model[i].there && model[i].when != ENTRY_NO_EXPIRE;
    }
    cr_assert_eq(keyspace_count(&ks), keys);
    cr_assert_eq(db->expires.count, timed);
    while ((n = expiry_take_due(&db->expires, 1000, due, 64)) > 0)
        for (size_t k = 0; k < n; k++, timed--) {
            struct slice key = entry_key(due[k]);

            db_delete_due(db, due[k], hash_bytes(key.p, key.n), false);
        }
    cr_assert_eq(timed, 0);
}
