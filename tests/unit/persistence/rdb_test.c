/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_help.h"

#include "persistence/rdb_types.h"
#include "storage/base/crc.h"
#include "storage/base/hash.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/listval.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct rdb_out out;
static struct rdb_in in;
static struct err err;
static struct keyspace ks, back;

static const struct rdb_rules rules = {.hash = {512, 64, PARTS_ALL},
                                       .set = {512, 128, 64, PARTS_ALL},
                                       .zset = {128, 64},
                                       .list = {-2, 0}};

static void begin(void) {
    help_begin();
    out = (struct rdb_out){.fd = -1, .compress = true};
    keyspace_init(&ks, 16);
    keyspace_init(&back, 16);
}

static void end(void) {
    rdb_out_release(&out);
    rdb_in_release(&in);
    keyspace_release(&ks);
    keyspace_release(&back);
    help_end();
}

TestSuite(rdb_bytes, .init = begin, .fini = end);
TestSuite(rdb_values, .init = begin, .fini = end);
TestSuite(rdb_libraries, .init = begin, .fini = end);
TestSuite(rdb_files, .init = begin, .fini = end);

/* What was written so far becomes the source. */
static void turn(void) {
    rdb_in_memory(&in, bytes_slice(&out.buf), &err);
}

static void source(const void *p, size_t n) {
    rdb_in_memory(&in, slice_of(p, n), &err);
}

#define SOURCE(bytes) source("" bytes, sizeof(bytes) - 1)

/* ---------------------------------------------------------------- lengths and strings */

Test(rdb_bytes, lengths_come_back_and_take_as_few_bytes_as_they_need) {
    static const struct {
        uint64_t n;
        size_t bytes;
    } lengths[] = {{0, 1},          {63, 1},         {64, 2},        {16383, 2},     {16384, 5},
                   {UINT32_MAX, 5}, {1ull << 32, 9}, {INT64_MAX, 9}, {UINT64_MAX, 9}};

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint64_t n;

        out.buf.n = 0;
        rdb_out_len(&out, lengths[i].n);
        cr_expect_eq(out.buf.n, lengths[i].bytes);
        turn();
        cr_expect(rdb_in_len(&in, &n));
        cr_expect_eq(n, lengths[i].n);
        cr_expect_eq(rdb_in_left(&in), 0);
    }
}

Test(rdb_bytes, a_length_that_is_cut_or_unknown_is_refused_with_its_offset) {
    uint64_t n;

    SOURCE("\x40");
    cr_expect_not(rdb_in_len(&in, &n));
    SOURCE("\x80\x00\x00");
    cr_expect_not(rdb_in_len(&in, &n));
    SOURCE("\x01\xbf\x00\x00\x00\x00");
    cr_expect(rdb_in_len(&in, &n));
    cr_expect_not(rdb_in_len(&in, &n));
    cr_expect(strstr(err.text, "offset 2"), "%s", err.text);
    SOURCE("\xc0\x05");
    cr_expect_not(rdb_in_len(&in, &n), "a string");
}

Test(rdb_bytes, strings_come_back_in_whatever_form) {
    static const char *const texts[] = {
        "",
        "a",
        "0",
        "-1",
        "127",
        "-128",
        "32767",
        "-32769",
        "2147483647",
        "-2147483648",
        "2147483648",
        "00",
        "-0",
        "+1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "twenty bytes of text",
        "one and twenty bytes."};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct slice s;

        out.buf.n = 0;
        rdb_out_string(&out, slice_str(texts[i]));
        cr_expect_leq(out.buf.n, strlen(texts[i]) + 1);
        turn();
        cr_expect(rdb_in_string(&in, &s));
        cr_expect(slice_eq(s, slice_str(texts[i])), "%s", texts[i]);
    }
}

Test(rdb_bytes, a_string_that_says_it_is_longer_than_what_is_left_is_not_allocated) {
    static const struct slice bad[] = {
        SLICE("\x05"
              "abc"),
        SLICE("\x81\x7f\xff\xff\xff\xff\xff\xff\xff"
              "abc"),
        SLICE("\xc3\x05\x81\x00\xff\xff\xff\xff\xff\xff\xff"
              "abcde"), /* unpacked */
        SLICE("\xc3\x80\xff\xff\xff\xff\x10"
              "abc"), /* packed */
        SLICE("\xc3\x02\x05\x01"
              "a"),
        SLICE("\xc3\x00\x05"),
        SLICE("\xc4\x01"),
        SLICE("\xc2\x01\x02\x03"),
        SLICE(""),
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t used = mem_used();
        struct slice s;

        rdb_in_memory(&in, bad[i], &err);
        cr_expect_not(rdb_in_string(&in, &s), "%zu", i);
        cr_expect_lt(mem_used(), used + 10000, "%zu", i);
        cr_expect_not(rdb_in_string(&in, &s), "and nothing after it");
        rdb_in_release(&in);
    }
}

Test(rdb_bytes, a_count_that_what_is_left_cant_hold_is_refused) {
    uint64_t n;

    SOURCE("\x04"
           "abcdefgh");
    cr_expect(rdb_in_count(&in, 2, &n));
    cr_expect_eq(n, 4);
    SOURCE("\x05"
           "abcdefgh");
    cr_expect_not(rdb_in_count(&in, 2, &n));
}

/* ---------------------------------------------------------------- values */

static struct entry *value(unsigned type, const void *p, size_t n) {
    source(p, n);
    return rdb_take_value(&in, type, SLICE("k"), ENTRY_NO_EXPIRE, &rules);
}

#define BAD(type, bytes)                                                                           \
    cr_expect_null(value(type, "" bytes, sizeof(bytes) - 1), "type %d: %s", type, #bytes)

Test(rdb_values, what_is_damaged_is_refused) {
    BAD(RDB_MODULE_2, "\x00");
    BAD(8, "\x00");
    BAD(RDB_READ_TYPES, "\x00");
    BAD(RDB_SET, "\x02\x01"
                 "a\x01"
                 "a");
    BAD(RDB_HASH, "\x02\x01"
                  "a\x01"
                  "b\x01"
                  "a\x01"
                  "c");
    BAD(RDB_ZSET, "\x01\x01"
                  "a\xfd"); /* NaN */
    BAD(RDB_ZSET, "\x01\x01"
                  "a\x03"
                  "1x5");
    BAD(RDB_ZSET_2, "\x01\x01"
                    "a\x00\x00\x00\x00\x00\x00\xf8\x7f");
    BAD(RDB_SET_INTSET, "\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x05\x00\x04\x00"); /* not sorted */
    BAD(RDB_SET_INTSET, "\x0c\x03\x00\x00\x00\x02\x00\x00\x00\x05\x00\x06\x00"); /* width */
    BAD(RDB_HASH_LISTPACK, "\x09\x09\x00\x00\x00\x01\x00\x01\x01\xff");          /* no value */
    BAD(RDB_HASH_LISTPACK, "\x08\x09\x00\x00\x00\x01\x00\x01\x01");
    BAD(RDB_HASH_ZIPMAP, "\x05\x01\x01"
                         "a\x09\xff");
    BAD(RDB_LIST_ZIPLIST, "\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x02\x00\x00\xf2\xff");
    BAD(RDB_LIST_QUICKLIST_2, "\x01\x03\x01"
                              "a"); /* kind of node */
}

Test(rdb_values, what_is_empty_is_said_to_be_so) {
    BAD(RDB_SET, "\x00");
    cr_expect(in.empty);
    BAD(RDB_HASH, "\x00");
    cr_expect(in.empty);
    BAD(RDB_LIST_QUICKLIST_2, "\x00");
    cr_expect(in.empty);
    BAD(RDB_SET, "\x01");
    cr_expect_not(in.empty, "cut");
}

Test(rdb_values, a_listpack_out_of_order_becomes_a_sorted_set_in_order) {
    struct entry *e = value(RDB_ZSET_LISTPACK,
                            "\x11\x11\x00\x00\x00\x04\x00\x81"
                            "b\x02\x07\x01\x81"
                            "a\x02\x03\x01\xff",
                            18);
    struct zset_iter it;

    cr_assert_not_null(e);
    zset_iter_init(&it, e, 0, false);
    cr_assert(zset_iter_next(&it));
    cr_expect(slice_eq(it.member, SLICE("a")));
    entry_free(e);
}

Test(rdb_values, a_payload_is_taken_only_with_its_checksum_and_a_version_that_is_known) {
    struct entry *e = entry_new_string(SLICE("k"), SLICE("some text"), ENTRY_NO_EXPIRE, 0), *got;
    struct bytes payload = {0};
    uint64_t sum;
    int version;

    rdb_dump(&payload, e, true, PACE_NONE);
    entry_free(e);
    cr_assert_eq(rdb_restore(bytes_slice(&payload), SLICE("n"), 77, &rules, &got, &version),
                 RDB_RESTORED);
    cr_expect_eq(version, 10);
    cr_expect(slice_eq(entry_string(got), SLICE("some text")));
    cr_expect_eq(entry_expire(got), 77);
    entry_free(got);
    for (size_t i = 0; i < payload.n; i++) {
        payload.p[i] ^= 1;
        cr_expect_eq(rdb_restore(bytes_slice(&payload), SLICE("n"), 77, &rules, &got, &version),
                     RDB_BAD_SUM);
        payload.p[i] ^= 1;
    }
    payload.p[payload.n - RDB_FOOTER_BYTES] = RDB_VERSION_MAX + 1;
    sum = crc64(0, payload.p, payload.n - 8);
    memcpy(payload.p + payload.n - 8, &sum, 8);
    cr_expect_eq(rdb_restore(bytes_slice(&payload), SLICE("n"), 77, &rules, &got, &version),
                 RDB_BAD_SUM);
    bytes_release(&payload);
}

/* As Valkey 9.1.2 dumps a hash of three fields, one of which has a time. */
Test(rdb_values, a_payload_of_valkey_is_read_as_valkey_means_it) {
    static const char bytes[] = "\x16\x03\x01"
                                "f\x01v\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                "g\x01w\x00\x38\xd3\x60\xba\x01\x00\x00\x01"
                                "x\x01y\xff\xff\xff\xff\xff\xff\xff\xff\x50\x00sum-----";
    struct rdb_rules unsummed = rules;
    struct slice payload = {bytes, sizeof bytes - 1};
    struct entry *got;
    int version;

    unsummed.skip_sum = true;
    cr_assert_eq(rdb_restore(payload, SLICE("h"), ENTRY_NO_EXPIRE, &unsummed, &got, &version),
                 RDB_RESTORED);
    cr_expect_eq(version, 80);
    cr_expect_eq(hash_len(got), 3);
    cr_expect_eq(type_ops_of(TYPE_HASH)->next_due(got), INT64_C(1900000000000));
    entry_free(got);
    for (size_t i = 1; i < payload.n - RDB_FOOTER_BYTES; i++) {
        struct bytes cut = {0};

        bytes_append(&cut, bytes, i);
        bytes_append(&cut, bytes + payload.n - RDB_FOOTER_BYTES, RDB_FOOTER_BYTES);
        cr_expect_eq(
            rdb_restore(bytes_slice(&cut), SLICE("h"), ENTRY_NO_EXPIRE, &unsummed, &got, &version),
            RDB_BAD_DATA, "cut at %zu", i);
        bytes_release(&cut);
    }
    cr_expect_eq(rdb_type_read(23, true), RDB_READ_TYPES);
    cr_expect_eq(rdb_type_read(RDB_TYPES, false), RDB_READ_TYPES);
}

/* ---------------------------------------------------------------- files */

static uint64_t hash_of(struct slice key) {
    return hash_bytes(key.p, key.n);
}

static void add(struct db *db, struct entry *e) {
    db_add(db, e, hash_of(entry_key(e)));
}

static void fill(int n) {
    char text[32];

    for (int i = 0; i < n; i++) {
        struct slice s = slice_of(text, (size_t)snprintf(text, sizeof text, "key:%d", i));
        struct entry *h = hash_new(s);

        add(&ks.dbs[i % 3], entry_new_string(s, s, i % 2 ? 1000 + i : ENTRY_NO_EXPIRE, 0));
        hash_set(h, s, SLICE("v"), false, &rules.hash);
        add(&ks.dbs[3], h);
    }
}

static const struct rdb_save save = {.ks = &ks, .compress = true, .checksum = true};

static int publish(const struct rdb_save *o) {
    int dir = io_open_dir(".", false, NULL);
    int rc = rdb_publish(o, dir, "d.rdb", "temp.rdb", NULL, &err);

    close(dir);
    return rc;
}

static int load(uint64_t start, struct rdb_loaded *loaded) {
    struct rdb_load o = {.read = {.rules = rules, .checksum = true, .start = start}, .ks = &back};
    int dir = io_open_dir(".", false, NULL), fd = io_open_read(dir, "d.rdb", NULL);
    int rc = rdb_load(fd, &o, loaded, &err);

    close(fd);
    close(dir);
    return rc;
}

Test(rdb_files, a_data_set_comes_back) {
    struct rdb_loaded loaded;

    fill(1000);
    cr_assert_eq(publish(&save), 0);
    cr_assert_eq(load(0, &loaded), 0, "%s", err.text);
    cr_expect_eq(loaded.keys, 2000);
    cr_expect_eq(loaded.report.version, 10);
    for (int i = 0; i < 4; i++) cr_expect_eq(back.dbs[i].keys.count, ks.dbs[i].keys.count);
    cr_expect_eq(entry_expire(db_find(&back.dbs[0], SLICE("key:3"), hash_of(SLICE("key:3")))),
                 1003);
}

Test(rdb_files, times_of_fields_stand_as_valkey_has_them_if_that_is_wanted) {
    struct rdb_save o = save;
    struct entry *h = hash_new(SLICE("h")), *e;
    struct rdb_loaded loaded;
    struct hash_item item;

    o.valkey = true;
    hash_set(h, SLICE("f"), SLICE("v"), false, &rules.hash);
    add(&ks.dbs[0], h);
    cr_assert_eq(publish(&o), 0);
    cr_expect_eq(memcmp(help_read("d.rdb").p, "REDIS0010", 9), 0, "there are none");
    hash_set_expire(h, SLICE("f"), 5000);
    db_parts_changed(&ks.dbs[0], h, ENTRY_NO_EXPIRE);
    cr_assert_eq(publish(&o), 0);
    cr_expect_eq(memcmp(help_read("d.rdb").p, "VALKEY080", 9), 0);
    cr_assert_eq(load(0, &loaded), 0, "%s", err.text);
    cr_expect_eq(loaded.report.version, 80);
    e = db_find(&back.dbs[0], SLICE("h"), hash_of(SLICE("h")));
    cr_expect(hash_get(e, SLICE("f"), PARTS_ALL, &item));
    cr_expect_eq(item.expire_ms, 5000);
}

Test(rdb_files, times_of_fields_need_a_later_version) {
    struct entry *h = hash_new(SLICE("h")), *e;
    struct rdb_loaded loaded;
    struct hash_item item;

    hash_set(h, SLICE("f"), SLICE("v"), false, &rules.hash);
    hash_set(h, SLICE("g"), SLICE("w"), false, &rules.hash);
    hash_set_expire(h, SLICE("g"), 5000);
    add(&ks.dbs[0], h);
    cr_assert_eq(publish(&save), 0);
    cr_assert_eq(load(0, &loaded), 0, "%s", err.text);
    cr_expect_eq(loaded.report.version, 12);
    e = db_find(&back.dbs[0], SLICE("h"), hash_of(SLICE("h")));
    cr_expect(hash_get(e, SLICE("g"), PARTS_ALL, &item));
    cr_expect_eq(item.expire_ms, 5000);
    cr_expect(hash_get(e, SLICE("f"), PARTS_ALL, &item));
    cr_expect_eq(item.expire_ms, 0);
}

static ssize_t read_slowly(int fd, void *p, size_t n, off_t at) {
    usleep(100 * 1000);
    return io_system.read(fd, p, n, at);
}

static void count(void *arg, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    ++*(int *)arg;
}

/* The caller serves its clients whenever it is told of progress. */
Test(rdb_files, progress_is_told_while_the_disk_is_waited_for) {
    struct io_backend slow = io_system;
    int told = 0, dir = io_open_dir(".", false, NULL), fd;
    struct rdb_load o = {.read = {.rules = rules}, .ks = &back, .progress = count, .arg = &told};
    struct rdb_loaded loaded;

    fill(10);
    cr_assert_eq(publish(&save), 0);
    fd = io_open_read(dir, "d.rdb", NULL);
    slow.read = read_slowly;
    io_use(&slow);
    cr_assert_eq(rdb_load(fd, &o, &loaded, &err), 0);
    io_use(NULL);
    cr_expect_geq(told, 5);
    cr_expect_eq(loaded.keys, 20);
    close(fd);
    close(dir);
}

Test(rdb_files, what_is_due_is_dropped_only_if_that_is_wanted) {
    struct rdb_load o = {.read = {.rules = rules}, .ks = &back, .drop_due_ms = 1003};
    struct rdb_loaded loaded;
    int dir = io_open_dir(".", false, NULL), fd;

    fill(10);
    cr_assert_eq(publish(&save), 0);
    fd = io_open_read(dir, "d.rdb", NULL);
    cr_assert_eq(rdb_load(fd, &o, &loaded, &err), 0);
    cr_expect_eq(loaded.due, 2);
    cr_expect_eq(loaded.keys, 18);
    close(fd);
    close(dir);
}

Test(rdb_files, one_may_begin_and_end_in_the_middle_of_a_file) {
    struct rdb_loaded loaded;
    int dir = io_open_dir(".", false, NULL), fd = io_create(dir, "d.rdb", NULL);

    fill(5);
    cr_assert_eq(write(fd, "before", 6), 6);
    cr_assert_eq(rdb_write(&save, fd, NULL, &err), 0);
    cr_assert_eq(write(fd, "*1\r\n$4\r\nPING\r\n", 14), 14);
    close(fd);
    fd = io_open_read(dir, "d.rdb", NULL);
    cr_expect(rdb_is_one(fd, 6));
    cr_expect_not(rdb_is_one(fd, 0));
    close(fd);
    close(dir);
    cr_assert_eq(load(6, &loaded), 0, "%s", err.text);
    cr_expect_eq(loaded.keys, 10);
    cr_expect_eq(loaded.report.at + 14, help_read("d.rdb").n);
}

Test(rdb_files, a_flipped_bit_or_a_cut_is_named_with_its_offset) {
    struct slice whole;
    char *copy;

    fill(20);
    cr_assert_eq(publish(&save), 0);
    whole = help_read("d.rdb");
    copy = mem_dup(whole.p, whole.n);
    for (size_t i = 0; i < whole.n; i++) {
        struct slice cut = {copy, i};
        struct rdb_loaded loaded;

        help_write("d.rdb", cut);
        cr_expect_eq(load(0, &loaded), -1, "cut at %zu", i);
        cr_expect(strstr(err.text, "offset "), "%s", err.text);
        copy[i] ^= 4;
        help_write("d.rdb", slice_of(copy, whole.n));
        cr_expect_eq(load(0, &loaded), -1, "flipped at %zu", i);
        copy[i] ^= 4;
        for (int db = 0; db < back.ndbs; db++) db_clear(&back.dbs[db], false);
    }
    mem_free(copy);
}

Test(rdb_files, an_error_names_the_key) {
    static const char file[] = "REDIS0010\x00\x03"
                               "abc\x01"
                               "x\x02\x04"
                               "key1\x02\x01"
                               "a\x01"
                               "a\xff";
    struct rdb_loaded loaded;

    help_write("d.rdb", slice_of(file, sizeof file - 1));
    cr_assert_eq(load(0, &loaded), -1);
    cr_expect(strstr(err.text, "\"key1\""), "%s", err.text);
    cr_expect_eq(loaded.report.value_at, 16);
}

Test(rdb_files, versions_and_databases_that_are_not_there_are_refused) {
    static const struct slice files[] = {SLICE("REDIS0013\xff"),
                                         SLICE("REDIS0000\xff"),
                                         SLICE("REDIS00x1\xff"),
                                         SLICE("RODIS0010\xff"),
                                         SLICE(""),
                                         SLICE("REDIS0010\xfe\x10\xff")};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct rdb_loaded loaded;

        help_write("d.rdb", files[i]);
        cr_expect_eq(load(0, &loaded), -1, "%zu", i);
    }
}

Test(rdb_files, a_save_that_fails_leaves_the_old_file_and_no_temporary_one) {
    static const enum io_op ops[] = {IO_OPEN, IO_WRITE, IO_SYNC, IO_RENAME};

    help_write("d.rdb", SLICE("old"));
    fill(10);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        io_fault_set(ops[i], (struct io_fault){.code = ENOSPC, .count = 1});
        cr_expect_eq(publish(&save), -1);
        cr_expect_eq(err.code, ENOSPC);
        cr_expect(slice_eq(help_read("d.rdb"), SLICE("old")));
        cr_expect_not(help_exists("temp.rdb"));
        io_fault_reset();
    }
    cr_expect_eq(publish(&save), 0);
}

/* ---------------------------------------------------------------- libraries of functions */

static struct bytes codes;

static int on_code(void *arg, struct slice code, struct err *e) {
    (void)arg;
    bytes_append(&codes, code.p, code.n);
    return code.n && code.p[0] == 'x' ? err_set(e, EINVAL, "no x") : 0;
}

static int restore_libraries(struct slice payload) {
    bytes_clear(&codes);
    return rdb_restore_libraries(payload, on_code, NULL, &err);
}

Test(rdb_libraries, go_through_a_payload) {
    struct library two = {NULL, SLICE("two;")}, one = {&two, SLICE("one;")};
    struct bytes b = {0};

    rdb_dump_libraries(&b, &one, true);
    cr_assert_eq(restore_libraries(bytes_slice(&b)), 0);
    cr_assert_str_eq(bytes_cstr(&codes), "one;two;");
    b.p[1] ^= 1;
    cr_assert_eq(restore_libraries(bytes_slice(&b)), -1);
    cr_assert_str_eq(err.text, "DUMP payload version or checksum are wrong");
    bytes_clear(&b);
    rdb_dump_libraries(&b, NULL, true);
    cr_assert_eq(restore_libraries(bytes_slice(&b)), 0);
    cr_assert_eq(codes.n, 0);
    two.code = SLICE("x");
    bytes_clear(&b);
    rdb_dump_libraries(&b, &two, true);
    cr_assert_eq(restore_libraries(bytes_slice(&b)), -1);
    cr_assert_str_eq(err.text, "no x");
    bytes_release(&b);
}

Test(rdb_libraries, anything_else_is_refused) {
    static const struct {
        struct slice body;
        const char *why;
    } cases[] = {{SLICE("\xf6\x01x"), "Pre-GA function format not supported"},
                 {SLICE("\x00\x01x"), "given type is not a function"},
                 {SLICE("\xf5\x40"), "Failed loading library code"},
                 {SLICE("\xf5\x09x"), "Failed loading library code"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rdb_out_release(&out);
        out = (struct rdb_out){.fd = -1};
        rdb_out_raw(&out, cases[i].body.p, cases[i].body.n);
        rdb_out_raw(&out, "\x0a", 2);
        rdb_out_u64(&out, crc64(0, out.buf.p, out.buf.n));
        cr_expect_eq(restore_libraries(bytes_slice(&out.buf)), -1);
        cr_expect_str_eq(err.text, cases[i].why);
    }
}

Test(rdb_libraries, stand_in_a_file_before_the_keys) {
    struct library l = {NULL, SLICE("code")};
    struct rdb_loaded loaded;

    ks.libraries = &l;
    fill(3);
    cr_assert_eq(publish(&save), 0);
    cr_assert_eq(load(0, &loaded), 0);
    cr_assert_eq(loaded.keys, keyspace_count(&ks));
    cr_assert_eq(loaded.report.skipped_functions, 1);
    ks.libraries = NULL;
}

/* ---------------------------------------------------------------- streams; passing over */

#define MARK "0123456789abcdef0123456789abcdef01234567"

static void publish_framed(const char *behind) {
    int dir = io_open_dir(".", false, NULL), fd = io_create(dir, "d.rdb", NULL);

    cr_assert_eq(write(fd, "$EOF:" MARK "\r\n", 47), 47);
    cr_assert_eq(rdb_write(&save, fd, NULL, &err), 0);
    cr_assert_eq(write(fd, behind, 40), 40);
    close(fd);
    close(dir);
}

Test(rdb_files, a_stream_ends_with_the_mark_that_it_announced) {
    struct rdb_loaded loaded;

    fill(50);
    publish_framed(MARK);
    cr_assert_eq(load(0, &loaded), 0, "%s", err.text);
    cr_expect_eq(loaded.keys, 100);
    cr_expect_eq(loaded.report.at, help_read("d.rdb").n);
    cr_expect_eq(loaded.report.sum, RDB_SUM_GOOD);
    keyspace_release(&back);
    keyspace_init(&back, 16);
    publish_framed("X123456789abcdef0123456789abcdef01234567");
    cr_expect_eq(load(0, &loaded), -1);
    cr_expect(strstr(err.text, "the mark after the end"), "%s", err.text);
}

/* Packed and not. */
static struct entry *sample(int type, int n) {
    struct slice key = SLICE("k"), s;
    struct entry *e = type == 0   ? entry_new_string(key, SLICE("value"), ENTRY_NO_EXPIRE, 0)
                      : type == 1 ? hash_new(key)
                                  : set_new(key, SLICE("m"), 1, &rules.set);
    char text[32];

    for (int i = 0; i < n; i++) {
        s = slice_of(text, (size_t)snprintf(text, sizeof text, "m%d", i));
        if (type == 1) hash_set(e, s, s, false, &rules.hash);
        if (type == 2) set_add(e, s, &rules.set);
    }
    return e;
}

Test(rdb_values, passing_over_ends_where_reading_ends) {
    for (int type = 0; type < 3; type++)
        for (int n = 1; n < 2000; n = n * 3 + 1) {
            struct entry *e = sample(type, n);

            rdb_out_release(&out);
            out = (struct rdb_out){.fd = -1, .compress = n % 2};
            rdb_put_value(&out, e);
            rdb_out_raw(&out, "tail", 4);
            turn();
            cr_expect(rdb_skip_value(&in, rdb_type_of(e)), "type %d, %d", type, n);
            cr_expect_eq(rdb_in_left(&in), 4, "type %d, %d", type, n);
            entry_free(e);
        }
}
