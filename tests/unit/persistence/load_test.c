/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The whole log at start: which files, which refusals, what is cut and what is kept.
 */
#include "log_help.h"

#include "persistence/aof_load.h"
#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST "adir/log.manifest"
#define BASE     "adir/log.1.base.aof"
#define INCR1    "adir/log.1.incr.aof"
#define INCR2    "adir/log.2.incr.aof"

static struct bytes got;
static struct aof_loaded loaded;
static struct err err;
static int dir;

static void begin(void) {
    help_begin();
    cr_assert_eq(mkdir("adir", 0755), 0);
    dir = io_open_dir("adir", false, NULL);
}

static void end(void) {
    aof_loaded_release(&loaded);
    bytes_release(&got);
    close(dir);
    help_end();
}

TestSuite(load, .init = begin, .fini = end);

static int note(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    (void)arg;
    if (slice_is(argv[0], "refuse")) return err_set(e, EINVAL, "not this one");
    for (size_t i = 0; i < argc; i++) {
        if (i) bytes_append_char(&got, ' ');
        bytes_append(&got, argv[i].p, argv[i].n);
    }
    bytes_append_char(&got, ';');
    return 0;
}

/* Of an "RDB" only the first twelve bytes are looked at. */
static int note_rdb(void *arg, int fd, bool log_follows, uint64_t *end, struct err *e) {
    char head[13] = "";

    (void)arg;
    if (io_read_at(fd, head, 12, 0, e) != 12) return err_set(e, EILSEQ, "it is short");
    bytes_printf(&got, "<%s%s>;", head, log_follows ? "" : " alone");
    *end = 12;
    return 0;
}

static int load_as(bool truncated) {
    struct aof_load_options o = {.names = {".", "adir", "log", "dump.rdb"},
                                 .load_truncated = truncated,
                                 .command = note,
                                 .rdb = note_rdb};

    aof_loaded_release(&loaded);
    bytes_clear(&got);
    err = (struct err){0};
    return aof_load(dir, &o, &loaded, &err);
}

static const char *commands(void) {
    return bytes_cstr(&got);
}

/* Refused, with this in the text. */
static void refused(const char *why) {
    cr_assert_eq(load_as(true), -1);
    cr_assert_not_null(strstr(err.text, why), "%s", err.text);
}

static void plain_file(const char *name, const char *text) {
    struct made m = {0};

    made_plain(&m, text, false);
    help_write(name, bytes_slice(&m.b));
    made_release(&m);
}

/* Base, two increments with marks, the manifest; the second increment is returned. */
static struct made usual_log(void) {
    struct made base = {.base = 1000}, one = {.base = 1000}, two = {0};

    made_header(&base, 1, 1);
    made_batch(&base, "SELECT 0;SET a 1", UINT64_MAX);
    made_header(&one, 2, 1);
    made_batch(&one, "SELECT 0;SET b 2", UINT64_MAX);
    two.base = 1000 + one.b.n;
    made_header(&two, 3, 2);
    made_batch(&two, "SELECT 0;SET c 3", UINT64_MAX);
    made_batch(&two, "SET d 4", UINT64_MAX);
    help_write(BASE, bytes_slice(&base.b));
    help_write(INCR1, bytes_slice(&one.b));
    help_write(INCR2, bytes_slice(&two.b));
    help_write(MANIFEST, SLICE("file log.1.base.aof seq 1 type b\n"
                               "file log.0.base.aof seq 1 type h\n"
                               "file log.1.incr.aof seq 1 type i\n"
                               "file log.2.incr.aof seq 2 type i\n"));
    made_release(&base);
    made_release(&one);
    return two;
}

Test(load, base_and_increments_are_read_in_order) {
    struct made two = usual_log();

    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_str_eq(commands(), "SELECT 0;SET a 1;SELECT 0;SET b 2;SELECT 0;SET c 3;SET d 4;");
    cr_assert_eq(loaded.commands, 7);
    cr_assert_eq(loaded.next_epoch, 3);
    cr_assert_eq(loaded.next_position, two.base + two.b.n, "no position is given out twice");
    cr_assert_eq(loaded.last.epoch.id, 3);
    cr_assert_eq(loaded.cut_bytes, 0);
    made_release(&two);
}

Test(load, an_empty_directory_is_no_log) {
    cr_assert_eq(load_as(true), 0);
    cr_assert_eq(loaded.manifest.n, 0);
}

/* After a cut the second increment ends with the header of a new epoch, which begins at a position
 * that was not given out before. */
static void ended_with_header(struct slice good, uint64_t position) {
    struct slice now = help_read(INCR2);
    struct aof_epoch h;

    cr_assert_gt(now.n, good.n);
    cr_assert(slice_eq(slice_of(now.p, good.n), good));
    cr_assert(aof_mark_parse_header(slice_of(now.p + good.n, now.n - good.n - 2), good.n, 3, &h));
    cr_assert_eq(h.position, position);
    cr_assert_eq(h.epoch, 3);
    cr_assert_eq(loaded.next_position, position + now.n - good.n);
}

Test(load, a_torn_tail_is_cut_and_kept_beside_the_file) {
    struct made two = usual_log();
    size_t good = two.unit[1];
    char name[128];

    for (size_t at = good + 1; at < two.b.n; at += 7) {
        help_write(INCR2, slice_of(two.b.p, at));
        cr_assert_eq(load_as(true), 0, "%s", err.text);
        cr_assert_str_eq(commands(), "SELECT 0;SET a 1;SELECT 0;SET b 2;SELECT 0;SET c 3;");
        cr_assert_eq(loaded.cut_bytes, at - good);
        ended_with_header(slice_of(two.b.p, good), two.base + at);
        snprintf(name, sizeof name, INCR2 ".cut-2-%zu", (size_t)two.base + good);
        cr_assert(slice_eq(help_read(name), slice_of(two.b.p + good, at - good)));
        cr_assert_eq(unlink(name), 0);
        cr_assert_eq(load_as(false), 0, "once cut, it is whole");
    }
    made_release(&two);
}

Test(load, without_load_truncated_a_torn_tail_is_refused_and_left) {
    struct made two = usual_log();

    help_write(INCR2, slice_of(two.b.p, two.b.n - 3));
    cr_assert_eq(load_as(false), -1);
    cr_assert_not_null(strstr(err.text, "Unexpected end of file reading the append only file"));
    cr_assert_not_null(strstr(err.text, "stet-check-aof --fix adir/log.manifest"), "%s", err.text);
    cr_assert_eq(help_read(INCR2).n, two.b.n - 3);
    made_release(&two);
}

Test(load, damage_to_what_was_safe_is_refused_and_left) {
    struct made two = usual_log();

    made_synced(&two, 0);
    two.b.p[two.unit[0] + 20] ^= 1;
    help_write(INCR2, bytes_slice(&two.b));
    refused("Bad file format reading the append only file 'log.2.incr.aof'");
    cr_assert(slice_eq(help_read(INCR2), bytes_slice(&two.b)));
    made_release(&two);
}

Test(load, an_earlier_increment_is_cut_only_if_later_ones_hold_nothing) {
    struct made two = usual_log();
    struct bytes one = {0};
    struct slice s = help_read(INCR1);

    bytes_append(&one, s.p, s.n - 5);
    help_write(INCR1, bytes_slice(&one));
    refused("Bad file format"); /* the next file has a header: this one was synced before */
    help_write(INCR2, slice_of(two.b.p, two.unit[0]));
    refused("Bad file format");
    help_write(INCR2, SLICE(""));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_str_eq(commands(), "SELECT 0;SET a 1;");
    cr_assert_eq(load_as(false), 0, "once cut, it is whole");
    bytes_release(&one);
    made_release(&two);
}

/* A header is synced before anything is written after it. */
Test(load, a_header_that_was_not_written_leaves_an_empty_file) {
    static const char *const heads[] = {"", "\0\0\0\0", "#stet 1 0000", "garbage", "#x\r\n"};
    struct made two = usual_log();

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct bytes b = {0};

        bytes_append(&b, heads[i], strlen(heads[i]));
        while (b.n < 60) bytes_append_char(&b, '\0');
        help_write(INCR2, bytes_slice(&b));
        cr_assert_eq(load_as(true), 0, "%zu: %s", i, err.text);
        cr_assert_str_eq(commands(), "SELECT 0;SET a 1;SELECT 0;SET b 2;");
        cr_assert_eq(loaded.last.size, 0);
        cr_assert_eq(loaded.next_position, two.base);
        bytes_release(&b);
    }
    two.b.p[9] ^= 1; /* with something after it, it was there: this is damage */
    help_write(INCR2, bytes_slice(&two.b));
    refused("Bad file format");
    made_release(&two);
}

Test(load, files_that_do_not_join_are_refused_with_both_positions) {
    struct made two = usual_log(), other = {.base = two.base + 1}, old = {.base = 999};
    struct bytes one = {0};
    struct slice s = help_read(INCR1);
    char text[64];

    bytes_append(&one, s.p, s.n);
    made_header(&other, 3, 2);
    help_write(INCR2, bytes_slice(&other.b));
    snprintf(text, sizeof text, "position %zu, but 'log.1.incr.aof' before it ends at %zu",
             (size_t)other.base, (size_t)two.base);
    refused(text);
    help_write(INCR2, bytes_slice(&two.b));
    made_header(&old, 1, 1);
    help_write(BASE, bytes_slice(&old.b));
    refused("'log.1.incr.aof' begins at position 1000, but 'log.1.base.aof' before it ends at 999");
    bytes_release(&one);
    made_release(&old);
    made_release(&other);
    made_release(&two);
}

Test(load, history_that_is_newer_than_the_log_is_refused) {
    struct made two = usual_log();

    help_write(MANIFEST, SLICE("file log.1.base.aof seq 1 type b\n"
                               "file log.1.incr.aof seq 1 type i\n"
                               "file log.2.incr.aof seq 2 type h\n"));
    refused("line 3: 'log.2.incr.aof' is called history");
    made_release(&two);
}

Test(load, an_increment_cut_at_a_batch_is_missed_by_the_next) {
    struct made two = usual_log(), one = {.base = 1000};

    made_header(&one, 2, 1);
    help_write(INCR1, bytes_slice(&one.b));
    refused("'log.2.incr.aof' begins at position");
    made_release(&one);
    made_release(&two);
}

Test(load, what_no_mark_vouches_for_is_told) {
    struct made two = usual_log();

    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_eq(loaded.nfiles, 3);
    cr_assert_eq(loaded.files[0].unproven, loaded.files[0].size, "a manifest names the base");
    cr_assert_eq(loaded.files[1].unproven, loaded.files[1].size, "a header follows");
    cr_assert_eq(loaded.files[2].unproven, 0, "the last one calls nothing synced");
    made_synced(&two, 0);
    help_write(INCR2, bytes_slice(&two.b));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_eq(loaded.files[2].unproven, two.unit[2], "all but the mark itself");
    help_write(INCR2, SLICE(""));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_lt(loaded.files[1].unproven, loaded.files[1].size, "no header follows");
    made_release(&two);
}

Test(load, a_torn_base_is_refused) {
    struct made two = usual_log();
    struct bytes base = {0};
    struct slice s = help_read(BASE);

    bytes_append(&base, s.p, s.n - 5);
    help_write(BASE, bytes_slice(&base));
    refused("log.1.base.aof");
    bytes_release(&base);
    made_release(&two);
}

Test(load, a_file_that_the_manifest_names_must_be_there) {
    struct made two = usual_log();

    unlink(INCR1);
    refused("the AOF file 'adir/log.1.incr.aof' of the manifest doesn't exist: No such file or "
            "directory");
    made_release(&two);
}

Test(load, data_without_a_manifest_is_refused) {
    struct made two = usual_log();

    unlink(MANIFEST);
    refused("no manifest 'log.manifest': refusing to start empty");
    help_write(MANIFEST, SLICE(""));
    refused("Found an empty AOF manifest");
    made_release(&two);
}

/* Several AOFs may share the directory: "log.old.1.base.aof" is of one named "log.old". */
Test(load, files_of_an_aof_whose_name_only_begins_so_are_not_missed) {
    help_write("adir/log.old.1.base.aof", SLICE("data"));
    help_write("adir/log.base.1.incr.aof", SLICE("data"));
    help_write("adir/log.base.aof.manifest", SLICE("data"));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_eq(loaded.manifest.n, 0);
}

Test(load, what_a_first_start_left_is_no_data) {
    struct made m = {0};

    made_header(&m, 1, 1);
    help_write(BASE, bytes_slice(&m.b));
    help_write(INCR1, SLICE(""));
    help_write("adir/log.1.incr.aof.cut-1-5", SLICE("rest"));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_eq(loaded.manifest.n, 0);
    made_release(&m);
}

Test(load, a_command_that_is_not_accepted_stops_the_start) {
    struct made two = usual_log();

    made_batch(&two, "REFUSE", UINT64_MAX);
    help_write(INCR2, bytes_slice(&two.b));
    refused("not this one");
    made_release(&two);
}

Test(load, an_empty_rdb_base_is_refused) {
    help_write("adir/log.1.base.rdb", SLICE(""));
    plain_file(INCR1, "SET a 1");
    help_write(MANIFEST,
               SLICE("file log.1.base.rdb seq 1 type b\nfile log.1.incr.aof seq 1 type i\n"));
    refused("is empty, which no RDB file is");
}

Test(load, an_empty_base_is_refused_where_it_must_have_held_something) {
    help_write("adir/log.2.base.aof", SLICE(""));
    plain_file(INCR2, "SET a 1");
    help_write(MANIFEST,
               SLICE("file log.2.base.aof seq 2 type b\nfile log.2.incr.aof seq 2 type i\n"));
    refused("is empty (0 bytes) while increments hold data");
    help_write(INCR2, SLICE(""));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    help_write(BASE, SLICE(""));
    plain_file(INCR1, "SET a 1");
    help_write(MANIFEST,
               SLICE("file log.1.base.aof seq 1 type b\nfile log.1.incr.aof seq 1 type i\n"));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_str_eq(commands(), "SET a 1;");
}

Test(load, an_old_single_file_becomes_the_base) {
    plain_file("log", "SET a 1;SET b 2");
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_str_eq(commands(), "SET a 1;SET b 2;");
    cr_assert_not(help_exists("log"));
    cr_assert(help_exists("adir/log"));
    cr_assert(slice_eq(help_read(MANIFEST), SLICE("file log seq 1 type b\n")));
    cr_assert_eq(load_as(true), 0);
    cr_assert_str_eq(commands(), "SET a 1;SET b 2;");
}

Test(load, an_upgrade_that_was_interrupted_is_completed) {
    plain_file("log", "SET a 1");
    help_write(MANIFEST, SLICE("file log seq 1 type b\n"));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_str_eq(commands(), "SET a 1;");
    cr_assert(help_exists("adir/log"));
}

Test(load, a_snapshot_where_no_log_is_yet_is_imported) {
    help_write("dump.rdb", SLICE("REDIS0010..."));
    cr_assert_eq(load_as(true), 0);
    cr_assert(loaded.imported);
    cr_assert_eq(loaded.manifest.n, 0);
    cr_assert_str_eq(commands(), "<REDIS0010... alone>;");
}

Test(load, a_base_may_be_an_rdb_with_commands_behind_it) {
    struct bytes b = {0};

    bytes_append(&b, "REDIS0010\0\0\0", 12); /* the zeros are content */
    help_write("adir/log.1.base.rdb", bytes_slice(&b));
    plain_file("adir/log.1.incr.aof", "SET a 1");
    help_write("adir/log.manifest", SLICE("file log.1.base.rdb seq 1 type b\n"
                                          "file log.1.incr.aof seq 1 type i\n"));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_str_eq(commands(), "<REDIS0010>;SET a 1;");
    cr_assert_eq(loaded.base_bytes, 12);
    bytes_append_str(&b, "*2\r\n$3\r\nDEL\r\n$1\r\nx\r\n");
    help_write("adir/log.1.base.rdb", bytes_slice(&b));
    cr_assert_eq(load_as(true), 0, "%s", err.text);
    cr_assert_str_eq(commands(), "<REDIS0010>;DEL x;SET a 1;");
    bytes_release(&b);
}

Test(load, a_broken_rdb_part_is_refused_with_its_reason) {
    help_write("adir/log.1.base.rdb", SLICE("REDIS"));
    help_write("adir/log.manifest", SLICE("file log.1.base.rdb seq 1 type b\n"));
    refused("its RDB part: it is short");
}

Test(load, header_only_files_are_told_from_others) {
    struct made m = {0};

    made_header(&m, 1, 1);
    help_write("adir/h", bytes_slice(&m.b));
    cr_expect(aof_is_header_only(dir, "h"));
    m.b.p[10] ^= 1;
    help_write("adir/h", bytes_slice(&m.b));
    cr_expect_not(aof_is_header_only(dir, "h"), "a damaged header");
    help_write("adir/h", SLICE(""));
    cr_expect(aof_is_header_only(dir, "h"));
    plain_file("adir/h", "SET a 1");
    cr_expect_not(aof_is_header_only(dir, "h"));
    cr_expect_not(aof_is_header_only(dir, "absent"));
    made_release(&m);
}
