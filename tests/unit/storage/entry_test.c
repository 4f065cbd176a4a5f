/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/mem.h"
#include "storage/entry.h"

#include <criterion/criterion.h>

TestSuite(entry, .init = mem_thread_init);
TestSuite(blob, .init = mem_thread_init);

static const size_t lengths[] = {0,   1,   7,    8,    16,   23,   24,   25,    39,    40,
                                 41,  44,  45,   87,   88,   89,   200,  255,   256,   257,
                                 500, 999, 1000, 1023, 1024, 1025, 2000, 65535, 65536, 70000};
enum { LENGTHS = sizeof lengths / sizeof *lengths, LONGEST = 70000 };

/* n bytes that tell their place and the run they belong to. */
static struct slice pattern(char *buf, size_t n, unsigned run) {
    for (size_t i = 0; i < n; i++) buf[i] = (char)(i * 7 + run * 31 + (i >> 8));
    return slice_of(buf, n);
}

static char key_buf[LONGEST], value_buf[LONGEST], other_buf[LONGEST];

static void check_layout(struct slice key, struct slice value, int64_t when) {
    struct entry *e = entry_new_string(key, value, when, ENTRY_RAW);

    cr_assert(slice_eq(entry_key(e), key), "key of %zu", key.n);
    cr_assert(slice_eq(entry_string(e), value), "key of %zu, value of %zu", key.n, value.n);
    cr_assert_eq(entry_expire(e), when);
    cr_assert_eq(e->type, TYPE_STRING);
    cr_assert_eq(!entry_blob(e), value.n <= ENTRY_EMBED_MAX);
    cr_assert_eq(!!(e->flags & ENTRY_LONG_KEY), key.n > 255);
    cr_assert(e->flags & ENTRY_RAW);
    cr_assert_leq(entry_size(e), mem_usable(e));
    cr_assert_geq(entry_size(e), sizeof *e + key.n);
    entry_free(e);
}

Test(entry, every_layout_gives_back_what_went_in) {
    static const int64_t times[] = {ENTRY_NO_EXPIRE, 0, 1, INT64_C(1700000000000), INT64_MAX};

    for (size_t k = 0; k < LENGTHS; k++)
        for (size_t v = 0; v < LENGTHS; v++)
            for (size_t t = 0; t < sizeof times / sizeof *times; t++)
                check_layout(pattern(key_buf, lengths[k], 1), pattern(value_buf, lengths[v], 2),
                             times[t]);
}

Test(entry, a_16_byte_key_and_value_take_40_bytes_and_48_with_expiry) {
    struct slice s = pattern(key_buf, 16, 1);
    struct entry *plain = entry_new_string(s, s, ENTRY_NO_EXPIRE, 0);
    struct entry *dated = entry_new_string(s, s, 1, 0);

    cr_assert_eq(entry_size(plain), 40);
    cr_assert_eq(entry_size(dated), 48);
    entry_free(plain);
    entry_free(dated);
}

/* Overwriting succeeds exactly where the new value falls into the same allocation. */
static void check_overwrite(struct slice key, size_t from, size_t to, int64_t when) {
    struct slice before = pattern(value_buf, from, 2), after = pattern(other_buf, to, 3);
    struct entry *e = entry_new_string(key, before, when, ENTRY_NOT_INT);
    struct entry *fresh = entry_new_string(key, after, when, 0);
    bool fits = !entry_blob(e) && !entry_blob(fresh) && entry_size(e) == entry_size(fresh);

    cr_assert_eq(entry_overwrite(e, after, ENTRY_RAW), fits, "%zu over %zu", to, from);
    cr_assert(slice_eq(entry_string(e), fits ? after : before));
    cr_assert_eq(e->flags & (ENTRY_NOT_INT | ENTRY_RAW), fits ? ENTRY_RAW : ENTRY_NOT_INT);
    cr_assert(slice_eq(entry_key(e), key));
    cr_assert_eq(entry_expire(e), when);
    entry_free(e);
    entry_free(fresh);
}

Test(entry, overwrites_in_place_where_the_allocation_is_the_same) {
    for (size_t k = 0; k < LENGTHS; k++)
        for (size_t from = 0; from < LENGTHS; from++)
            for (size_t to = 0; to < LENGTHS; to++)
                check_overwrite(pattern(key_buf, lengths[k] % 600, 1), lengths[from], lengths[to],
                                k % 2 ? ENTRY_NO_EXPIRE : 77);
}

Test(entry, overwrites_with_a_part_of_itself) {
    struct entry *e = entry_new_string(SLICE("key"), SLICE("0123456789"), ENTRY_NO_EXPIRE, 0);
    struct slice s = entry_string(e);

    cr_assert(entry_overwrite(e, slice_of(s.p + 2, 8), 0));
    cr_assert(slice_eq(entry_string(e), SLICE("23456789")));
    entry_free(e);
}

Test(entry, rekey_takes_the_value_over) {
    for (size_t v = 0; v < LENGTHS; v++) {
        struct slice value = pattern(value_buf, lengths[v], 2);
        struct entry *e = entry_new_string(SLICE("old"), value, 5, ENTRY_NOT_INT), *to;
        struct blob *b = entry_blob(e);

        e->access[0] = 1, e->access[1] = 2, e->access[2] = 3, e->access_fine = 21;
        to = entry_rekey(e, pattern(key_buf, 300, 4), ENTRY_NO_EXPIRE);
        mem_free(e);
        cr_assert(slice_eq(entry_key(to), pattern(key_buf, 300, 4)));
        cr_assert(slice_eq(entry_string(to), value));
        cr_assert_eq(entry_blob(to), b, "a blob is not copied");
        cr_assert_eq(entry_expire(to), ENTRY_NO_EXPIRE);
        cr_assert(to->flags & ENTRY_NOT_INT);
        cr_assert_arr_eq(to->access, "\1\2\3", 3);
        cr_assert_eq(to->access_fine, 21);
        entry_free(to);
    }
}

Test(entry, a_copy_is_independent) {
    for (size_t v = 0; v < LENGTHS; v++) {
        struct slice value = pattern(value_buf, lengths[v], 2);
        struct entry *e = entry_new_string(SLICE("a"), value, 5, 0);
        struct entry *to = entry_copy(e, SLICE("b"), 6, PACE_NONE);

        cr_assert(!entry_blob(e) || entry_blob(e) != entry_blob(to));
        entry_free(e);
        cr_assert(slice_eq(entry_string(to), value));
        cr_assert(slice_eq(entry_key(to), SLICE("b")));
        cr_assert_eq(entry_expire(to), 6);
        entry_free(to);
    }
}

static const char *encoding_of(const char *text, unsigned flags) {
    struct entry *e = entry_new_string(SLICE("k"), slice_str(text), ENTRY_NO_EXPIRE, flags);
    const char *name = type_ops_of(TYPE_STRING)->encoding(e);

    entry_free(e);
    return name;
}

Test(entry, strings_name_their_encoding_as_redis_does) {
    char long_text[46];

    memset(long_text, 'x', 45);
    long_text[45] = '\0';
    cr_expect_str_eq(encoding_of("1234", 0), "int");
    cr_expect_str_eq(encoding_of("-9223372036854775808", 0), "int");
    cr_expect_str_eq(encoding_of("9223372036854775808", 0), "embstr");
    cr_expect_str_eq(encoding_of("01", 0), "embstr");
    cr_expect_str_eq(encoding_of("", 0), "embstr");
    cr_expect_str_eq(encoding_of("1234", ENTRY_NOT_INT), "embstr");
    cr_expect_str_eq(encoding_of("1234", ENTRY_RAW), "raw");
    cr_expect_str_eq(encoding_of(long_text, 0), "raw");
    cr_expect_str_eq(encoding_of(long_text + 1, 0), "embstr");
}

Test(entry, types_are_found_by_name) {
    cr_assert_eq(type_by_name(SLICE("String")), TYPE_STRING);
    cr_assert_eq(type_by_name(SLICE("strin")), TYPE_COUNT);
    cr_assert_eq(type_by_name(SLICE("")), TYPE_COUNT);
}

/* ---------------------------------------------------------------- blobs */

Test(blob, a_shared_one_is_copied_before_it_changes) {
    struct blob *b = blob_new("0123456789", 10), *changed;

    blob_ref(b);
    changed = blob_resize(b, 10);
    cr_assert_neq(changed, b);
    memset(changed->data, 'x', 10);
    cr_assert_arr_eq(b->data, "0123456789", 10);
    cr_assert_eq(b->refs, 1, "the caller's reference went");
    blob_unref(b);
    blob_unref(changed);
}

Test(blob, an_unshared_one_changes_in_place) {
    struct blob *b = blob_new("0123456789", 10);

    cr_assert_eq(blob_resize(b, 4), b);
    cr_assert_eq(b->n, 4);
    cr_assert_eq(blob_resize(b, 8), b);
    cr_assert_arr_eq(b->data, "0123\0\0\0\0", 8, "what comes back is zero");
    blob_unref(b);
}

Test(blob, growth_is_zeroed_shared_or_not) {
    static const size_t to[] = {11, 100, 5000, 3000000};

    for (size_t i = 0; i < 8; i++) {
        struct blob *b = blob_new("0123456789", 10), *was = b;
        size_t n = to[i / 2];

        if (i % 2) blob_ref(b);
        b = blob_resize(b, n);
        cr_assert_eq(b->n, n);
        cr_assert_geq(b->cap, n);
        cr_assert_arr_eq(b->data, "0123456789", 10);
        for (size_t k = 10; k < n; k++) cr_assert_eq(b->data[k], 0);
        blob_unref(b);
        if (i % 2) blob_unref(was);
    }
}

Test(blob, appending_byte_by_byte_moves_it_seldom) {
    struct blob *b = blob_new("", 0);
    unsigned moves = 0;

    for (size_t n = 1; n < 200000; n++) {
        size_t cap = b->cap;

        b = blob_resize(b, n);
        b->data[n - 1] = (char)n;
        moves += b->cap != cap;
    }
    cr_assert_lt(moves, 30);
    for (size_t n = 1; n < 200000; n++) cr_assert_eq(b->data[n - 1], (char)n);
    blob_unref(b);
}
