/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sets with members that have times, in snapshots and rewritten logs: the payload, round trips, and
 * payloads of which a byte is damaged or that say what cannot be.
 */
#include "log_help.h"

#include "persistence/aof_rewrite_types.h"
#include "persistence/rdb_types.h"
#include "storage/base/crc.h"
#include "storage/base/mem.h"
#include "storage/set.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct rdb_rules rules = {.skip_sum = true,
                                       .hash = {512, 64, PARTS_ALL},
                                       .set = {512, 128, 64, PARTS_ALL},
                                       .zset = {128, 64},
                                       .list = {-2, 0}};

TestSuite(rdb_set, .init = help_begin, .fini = help_end);

static struct entry *restore(struct slice payload) {
    struct entry *e;
    int version;

    rdb_restore(payload, SLICE("k"), ENTRY_NO_EXPIRE, &rules, &e, &version);
    return e;
}

static struct bytes dump_of(const struct entry *e) {
    struct bytes b = {0};

    rdb_dump(&b, e, false, PACE_NONE);
    return b;
}

/* Every third of n members has a time; `last` is one more, with a time. */
static struct entry *make(int n, struct slice last) {
    struct entry *e = set_new_empty(SLICE("k"));
    char text[16];

    for (int i = 0; i < n; i++) {
        struct slice member = slice_of(text, (size_t)sprintf(text, i % 2 ? "%d" : "m%d", i));

        set_add(e, member, &rules.set);
        if (i % 3 == 0) set_set_expire(e, member, INT64_C(4102444800000) - i);
    }
    set_add(e, last, &rules.set);
    set_set_expire(e, last, (INT64_C(1) << 46) - 1);
    return e;
}

/* The type, the id of "stet-sets" with version 1 as 64 bits, how many, a text and a number for each
 * member, the end. */
Test(rdb_set, the_payload_is_a_module_s) {
    static const char want[] = "\x07\x81\xb2\xd7\xad\xfa\xc7\xad\xb0\x01"
                               "\x02\x02\x05\x01x\x02\x00\x05\x01y\x02\x32\x00";
    struct entry *e = set_new_empty(SLICE("k"));
    struct bytes b;

    set_add(e, SLICE("x"), &rules.set);
    set_add(e, SLICE("y"), &rules.set);
    set_set_expire(e, SLICE("y"), 50);
    b = dump_of(e);
    cr_assert_eq(b.n, sizeof want - 1 + RDB_FOOTER_BYTES);
    cr_assert_arr_eq(b.p, want, 13);
    cr_assert_eq(b.p[b.n - RDB_FOOTER_BYTES], RDB_TIMED_VERSION);
    bytes_release(&b);
    set_set_expire(e, SLICE("y"), 0);
    b = dump_of(e);
    cr_assert_eq(b.p[0], RDB_SET, "without a time it is what Redis 7 reads");
    cr_assert_eq(b.p[b.n - RDB_FOOTER_BYTES], RDB_PLAIN_VERSION);
    bytes_release(&b);
    entry_free(e);
}

static void compare_visited(struct lp_value member, int64_t expire_ms, void *other) {
    char text[NUM_I64_MAX];
    int64_t when;

    cr_assert(set_get_expire(other, lp_value_text(member, text), PARTS_ALL, &when));
    cr_assert_eq(when, expire_ms);
}

Test(rdb_set, it_comes_back_with_all_times) {
    static const int counts[] = {0, 1, 9, 700};
    char *large = calloc(1, 70000);

    for (size_t i = 0; i < 2 * sizeof counts / sizeof *counts; i++) {
        struct slice last = i % 2 ? SLICE("") : slice_of(large, 70000);
        struct entry *e = make(counts[i / 2], last), *back;
        struct bytes b = dump_of(e);

        back = restore(bytes_slice(&b));
        cr_assert_not_null(back);
        cr_assert_eq(set_len(back), set_len(e));
        cr_assert_eq(set_next_due(back), set_next_due(e));
        set_each_time(e, compare_visited, back);
        bytes_release(&b);
        entry_free(e);
        entry_free(back);
    }
    free(large);
}

Test(rdb_set, no_damaged_byte_does_harm) {
    struct entry *e = make(5, SLICE("last"));
    struct bytes b = dump_of(e);

    for (size_t at = 0; at + RDB_FOOTER_BYTES < b.n; at++) {
        for (int flip = 1; flip < 256; flip++) {
            struct entry *back;

            b.p[at] = (char)(b.p[at] ^ flip);
            back = restore(bytes_slice(&b));
            b.p[at] = (char)(b.p[at] ^ flip);
            if (back) entry_free(back);
        }
    }
    for (size_t n = 0; n < b.n; n++) {
        struct entry *back = restore(slice_of(b.p, n));

        if (back) entry_free(back);
    }
    bytes_release(&b);
    entry_free(e);
}

#define HEAD "\x07\x81\xb2\xd7\xad\xfa\xc7\xad\xb0\x01"
#define BODY(bytes)                                                                                \
    {                                                                                              \
        HEAD bytes "\x0c\x00"                                                                      \
                   "checksum",                                                                     \
            sizeof HEAD bytes - 1 + RDB_FOOTER_BYTES                                               \
    }

Test(rdb_set, what_cannot_be_is_refused) {
    static const struct {
        const char *p;
        size_t n;
    } wrong[] = {
        BODY("\x02\x00\x00"),                                                  /* nothing in it */
        BODY("\x02\x02\x05\x01x\x02\x00\x05\x01x\x02\x05\x00"),                /* a member twice */
        BODY("\x02\x01\x05\x01x\x02\x81\x00\x01\x00\x00\x00\x00\x00\x00\x00"), /* 2^48 */
        BODY("\x02\x01\x05\x01x\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00"), /* -1 */
        BODY("\x02\x02\x05\x01x\x02\x00\x00"),                                 /* one is missing */
        BODY("\x02\x01\x05\x01x\x02\x00\x05\x01y\x02\x00\x00"),                /* one too many */
        BODY("\x02\x81\xff\xff\xff\xff\xff\xff\xff\xff\x05\x01x\x02\x05\x00"), /* a few */
        BODY("\x05\x01x\x00"),                                                 /* no number */
    };
    static const struct {
        const char *p;
        size_t n;
    } good = BODY("\x02\x01\x05\x01x\x02\x05\x00");
    struct entry *e = restore(slice_of(good.p, good.n));

    cr_assert_not_null(e);
    cr_assert_eq(set_next_due(e), 5);
    entry_free(e);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_null(restore(slice_of(wrong[i].p, wrong[i].n)), "%zu", i);
}

Test(rdb_set, a_rewritten_log_has_a_command_for_each_time) {
    struct entry *e = set_new_empty(SLICE("k"));
    struct bytes b = {0};

    set_add(e, SLICE("7"), &rules.set);
    set_set_expire(e, SLICE("7"), 50);
    rewrite_set(&b, e);
    cr_assert_str_eq(bytes_cstr(&b), "*3\r\n$4\r\nSADD\r\n$1\r\nk\r\n$1\r\n7\r\n"
                                     "*6\r\n$10\r\nSPEXPIREAT\r\n$1\r\nk\r\n$2\r\n50\r\n"
                                     "$7\r\nMEMBERS\r\n$1\r\n1\r\n$1\r\n7\r\n");
    bytes_release(&b);
    entry_free(e);
}
