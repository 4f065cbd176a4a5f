/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_mark.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>

static const struct aof_epoch epoch = {.id = 0x0123456789abcdef,
                                       .position = 1000000,
                                       .offset = 77,
                                       .epoch = 3,
                                       .ms = INT64_C(1700000000000)};

static struct slice header_line(char *out) {
    return slice_of(out, aof_mark_header(out, &epoch, 42) - 2);
}

static struct slice trailer_line(char *out) {
    struct aof_trailer t = {5000, 0xfedcba9876543210, 123, INT64_C(1700000000456)};

    return slice_of(out, aof_mark_trailer(out, &epoch, 2000000, &t) - 2);
}

static struct slice synced_line(char *out) {
    return slice_of(out, aof_mark_synced(out, &epoch, 2000000, 123, INT64_C(1700000000456)) - 2);
}

static bool header_holds(struct slice line) {
    struct aof_epoch h;

    return aof_mark_parse_header(line, 77, 42, &h);
}

static bool trailer_holds(struct slice line) {
    struct aof_trailer t;

    return aof_mark_parse_trailer(line, &epoch, 2000000, &t);
}

static bool synced_holds(struct slice line) {
    uint64_t unsynced;
    int64_t ms;

    return aof_mark_parse_synced(line, &epoch, 2000000, &unsynced, &ms);
}

static const struct kind {
    const char *name;
    struct slice (*write)(char *out);
    bool (*holds)(struct slice line);
} kinds[] = {{"header", header_line, header_holds},
             {"trailer", trailer_line, trailer_holds},
             {"synced", synced_line, synced_holds}};
enum { KINDS = sizeof kinds / sizeof *kinds };

Test(mark, the_format_on_disk_stands) {
    char out[AOF_MARK_MAX];
    size_t n;

    n = aof_mark_header(out, &epoch, 42);
    cr_expect_arr_eq(out, "#stet 1 0123456789abcdef f4240 3 18bcfe56800 ", 45);
    cr_expect_arr_eq(out + n - 2, "\r\n", 2);
    cr_expect_eq(n, 45 + 8 + 2);
    n = trailer_line(out).n;
    cr_expect_arr_eq(out, "#}1388 fedcba9876543210 7b 1c8 ", 31);
    cr_expect_eq(n, 31 + 8);
    n = synced_line(out).n;
    cr_expect_arr_eq(out, "#=7b 1c8 ", 9);
    cr_expect_eq(n, 9 + 8);
}

/* Once written to disks, the check values may not change either (computed by another program). */
Test(mark, the_check_values_stand) {
    static const struct aof_epoch zero = {0};
    char out[AOF_MARK_MAX];

    aof_mark_header(out, &zero, 0);
    cr_expect_arr_eq(out, "#stet 1 0000000000000000 0 0 0 945fd71a\r\n", 41);
    aof_mark_synced(out, &zero, 0, 0, 0);
    cr_expect_arr_eq(out, "#=0 0 2d2d1404\r\n", 16);
}

Test(mark, what_was_written_is_read) {
    char out[AOF_MARK_MAX];
    struct aof_epoch h;
    struct aof_trailer t;
    uint64_t unsynced;
    int64_t ms;

    cr_assert(aof_mark_parse_header(header_line(out), 77, 42, &h));
    cr_expect_eq(h.id, epoch.id);
    cr_expect_eq(h.position, epoch.position);
    cr_expect_eq(h.offset, 77);
    cr_expect_eq(h.epoch, 3);
    cr_expect_eq(h.ms, epoch.ms);
    cr_assert(aof_mark_parse_trailer(trailer_line(out), &epoch, 2000000, &t));
    cr_expect_eq(t.length, 5000);
    cr_expect_eq(t.crc, UINT64_C(0xfedcba9876543210));
    cr_expect_eq(t.unsynced, 123);
    cr_expect_eq(t.ms, INT64_C(1700000000456));
    cr_assert(aof_mark_parse_synced(synced_line(out), &epoch, 2000000, &unsynced, &ms));
    cr_expect_eq(unsynced, 123);
    cr_expect_eq(ms, INT64_C(1700000000456));
}

Test(mark, extremes_fit) {
    struct aof_epoch h = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MAX}, back;
    struct aof_epoch zero = {0};
    struct aof_trailer t = {UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MAX}, got;
    char out[AOF_MARK_MAX];
    size_t n = aof_mark_header(out, &h, UINT64_MAX);

    cr_assert_leq(n, AOF_MARK_MAX);
    cr_assert(aof_mark_parse_header(slice_of(out, n - 2), UINT64_MAX, UINT64_MAX, &back));
    cr_assert_eq(back.position, UINT64_MAX);
    n = aof_mark_trailer(out, &zero, UINT64_MAX, &t);
    cr_assert_leq(n, AOF_MARK_MAX);
    cr_assert(aof_mark_parse_trailer(slice_of(out, n - 2), &zero, UINT64_MAX, &got));
    cr_assert_eq(got.unsynced, UINT64_MAX);
}

Test(mark, every_flipped_bit_is_refused) {
    for (size_t k = 0; k < KINDS; k++) {
        char out[AOF_MARK_MAX];
        struct slice line = kinds[k].write(out);

        cr_assert(kinds[k].holds(line));
        for (size_t bit = 0; bit < line.n * 8; bit++) {
            out[bit / 8] ^= (char)(1 << bit % 8);
            cr_expect_not(kinds[k].holds(line), "%s with bit %zu flipped", kinds[k].name, bit);
            out[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
}

Test(mark, every_other_length_is_refused) {
    for (size_t k = 0; k < KINDS; k++) {
        char out[AOF_MARK_MAX + 1];
        struct slice line = kinds[k].write(out);

        for (size_t n = 0; n < line.n; n++) cr_expect_not(kinds[k].holds(slice_of(out, n)));
        cr_expect_not(kinds[k].holds(slice_of(out, line.n + 1)));
    }
}

Test(mark, a_copied_line_does_not_pass_elsewhere) {
    char out[AOF_MARK_MAX];
    struct aof_epoch other = epoch, h;
    struct aof_trailer t;
    uint64_t u;
    int64_t ms;

    other.id++;
    cr_expect_not(aof_mark_parse_header(header_line(out), 78, 42, &h), "another offset");
    cr_expect_not(aof_mark_parse_header(header_line(out), 77, 43, &h), "another predecessor");
    cr_expect_not(aof_mark_parse_trailer(trailer_line(out), &epoch, 2000001, &t));
    cr_expect_not(aof_mark_parse_trailer(trailer_line(out), &other, 2000000, &t));
    cr_expect_not(aof_mark_parse_synced(synced_line(out), &epoch, 1999999, &u, &ms));
    cr_expect_not(aof_mark_parse_synced(synced_line(out), &other, 2000000, &u, &ms));
}

Test(mark, numbers_have_one_form_only) {
    cr_expect_not(header_holds(SLICE("#stet 1 0123456789ABCDEF f4240 3 18bcfe56800 00000000")));
    cr_expect_not(trailer_holds(SLICE("#}01388 fedcba9876543210 7b 1c8 00000000")));
    cr_expect_not(synced_holds(SLICE("")));
    cr_expect_not(synced_holds(SLICE("#=")));
}

Test(mark, seeds_of_batches_differ_by_file_and_place) {
    struct aof_epoch other = epoch;

    other.id ^= 1;
    cr_expect_neq(aof_batch_seed(&epoch, 5), aof_batch_seed(&epoch, 6));
    cr_expect_neq(aof_batch_seed(&epoch, 5), aof_batch_seed(&other, 5));
    cr_expect_eq(aof_batch_seed(&epoch, 5), aof_batch_seed(&epoch, 5));
}
