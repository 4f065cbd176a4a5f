/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The replication stream in files that are damaged, recovered, restored, or read by other programs.
 */
#include "stream_help.h"

#include "persistence/aof_backup.h"
#include "persistence/aof_stream.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(stream_damage, .init = live_begin, .fini = live_end, .timeout = 300);

/* ---------------------------------------------------------------- damage and other histories */

static void flip(const char *name, size_t at) {
    FILE *f = fopen(name, "r+");
    int c;

    cr_assert(f);
    fseek(f, (long)at, SEEK_SET);
    c = fgetc(f);
    fseek(f, (long)at, SEEK_SET);
    fputc(c ^ 1, f);
    fclose(f);
}

Test(stream_damage, a_reader_stops_at_damage) {
    static const char *const name = "adir/log.2.incr.aof";
    size_t from, size;

    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_settle();
    from = help_read(name).n;
    live_data(2, 2);
    live_note(10);
    live_settle();
    live_data(3, 1);
    live_settle();
    size = help_read(name).n;
    for (size_t at = from; at < size; at += 7) {
        struct bytes got = {0};
        struct err e = {0};
        struct aof_stream_reader *r;

        flip(name, at);
        r = aof_stream_open(live_aof, 1, &e);
        cr_assert(r);
        while (live_read(r, &got, 10000, &e) == 1) continue;
        cr_assert_eq(live_read(r, &got, 10000, &e), -1, "at %zu", at);
        cr_assert_lt(got.n, live_sent.n);
        cr_assert(memcmp(got.p, live_sent.p, got.n) == 0);
        aof_stream_close(r);
        bytes_release(&got);
        flip(name, at);
    }
    live_expect_read(1, 1000);
}

Test(stream_damage, a_failed_sync_loses_the_way_back_but_not_the_place) {
    live_start();
    live_options.policy = AOF_FSYNC_ALWAYS;
    aof_set_options(live_aof, &live_options);
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_settle();
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 1});
    live_data(1, 1);
    while (aof_phase(live_aof) != AOF_RECOVERING) live_turn();
    io_fault_reset();
    live_something();
    live_becomes_on();
    live_something();
    live_settle();
    cr_assert(aof_stream_is_kept(live_aof));
    cr_assert_not(aof_stream_covers(live_aof, ID_A, 1));
    cr_assert(aof_stream_covers(live_aof, ID_A, live_model.now.offset + 1));
    live_restart();
    live_expect_loaded(&live_model);
}

static bool has_forked(void) {
    struct aof_info i;

    aof_get_info(live_aof, &i);
    return i.last_fork_us > 0 && i.rewrite_in_progress;
}

/* The stream is that of the new increment from its header on, although the writer has it later. */
Test(stream_damage, a_stream_that_begins_during_a_recovery_is_found_in_the_new_file) {
    live_start();
    live_options.policy = AOF_FSYNC_ALWAYS;
    aof_set_options(live_aof, &live_options);
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_settle();
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 1});
    live_data(1, 1);
    while (aof_phase(live_aof) != AOF_RECOVERING) live_turn();
    io_fault_reset();
    io_fault_set(IO_RENAME, (struct io_fault){.delay_ms = 300});
    while (!has_forked()) live_turn();
    live_stream_begins(ID_B, 1000, -1);
    live_data(1, 2);
    io_fault_reset();
    live_becomes_on();
    live_data(1, 1);
    live_settle();
    cr_assert(aof_stream_covers(live_aof, ID_B, 1001));
    live_expect_read(1001, 1000);
    live_restart();
    live_expect_loaded(&live_model);
}

/* A backup that is sealed, in place and restored; and a recovery to a moment. */
Test(stream_damage, another_history_has_no_stream) {
    struct err e = {0};
    uint64_t position;

    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_settle();
    position = aof_appended(live_aof);
    live_data(2, 1);
    live_stop();
    cr_assert_eq(system("cp -r adir backup; echo stet-backup 1 0 0 >backup/.sealed; mv adir old"),
                 0);
    cr_assert_eq(aof_backup_restore("backup", &live_options.names, &e), 0, "%s", e.text);
    for (int again = 0; again < 2; again++) {
        live_start();
        cr_assert(live_nothing_loaded());
        cr_assert(!help_exists("adir/.restored"));
        live_stop();
    }
    live_options.names.dirname = live_loading.names.dirname = "backup";
    for (int again = 0; again < 2; again++) {
        live_start();
        cr_assert(live_nothing_loaded());
        cr_assert(!help_exists("backup/.restored") && !help_exists("backup/.sealed"));
        live_stop();
    }
    live_options.names.dirname = live_loading.names.dirname = "old";
    live_loading.until = (struct aof_moment){.given = true, .position = position};
    live_start();
    cr_assert(live_nothing_loaded());
    live_loading.until.given = false;
    live_restart();
    cr_assert(live_nothing_loaded());
}

/* ---------------------------------------------------------------- other programs */

/* A log with every kind of mark; the server has stopped. */
static void make_log(void) {
    live_start();
    live_stream_begins(ID_A, 0, -1);
    for (int i = 0; i < 200; i++) {
        live_something();
        if (i % 7 == 0) live_turn();
        if (i == 90) live_stream_is(ID_B, live_model.now.offset, live_model.now.db);
        if (i == 100) live_rewrite();
    }
    live_settle();
}

static int run(const char *fmt, const char *arg) {
    char command[8192];
    int n = snprintf(command, sizeof command, fmt, arg);

    snprintf(command + n, sizeof command - (size_t)n, " >out.txt 2>&1");
    return system(command);
}

Test(stream_damage, redis_loads_it) {
    struct bytes want = {0};

    if (run("command -v redis-server redis-check-aof%s", "") != 0) return;
    make_log();
    live_show_data(&want);
    live_stop();
    help_write("want", bytes_slice(&want));
    cr_assert_eq(run("redis-check-aof adir/log.manifest%s", ""), 0, "%.*s",
                 (int)help_read("out.txt").n, help_read("out.txt").p);
    help_write("look", SLICE("redis-server --port 0 --unixsocket s.sock --appendonly yes "
                             "--appenddirname adir --appendfilename log --save '' >log.txt 2>&1 &\n"
                             "for i in $(seq 200); do\n"
                             "  redis-cli -s s.sock ping 2>&1 | grep -q PONG && break\n"
                             "  sleep 0.05\n"
                             "done\n"
                             "for db in 0 1 2 3; do for k in 0 1 2 3 4 5 6 7 8; do\n"
                             "  echo \"$db k$k $(redis-cli -s s.sock -n $db get k$k)\"\n"
                             "done; done >got\n"
                             "redis-cli -s s.sock shutdown nosave\n"
                             "wait\n"
                             "cat log.txt; diff want got\n"));
    cr_assert_eq(run("sh look%s", ""), 0, "%.*s", (int)help_read("out.txt").n,
                 help_read("out.txt").p);
    bytes_release(&want);
}

Test(stream_damage, the_check_tool_knows_its_marks) {
    struct bytes was = {0}, is = {0};

    if (!live_tool[0]) return;
    make_log();
    live_show_data(&was);
    live_stop();
    cr_assert_eq(run("%s adir/log.manifest", live_tool), 0, "%.*s", (int)help_read("out.txt").n,
                 help_read("out.txt").p);
    cr_assert_eq(run("%s --salvage saved adir/log.manifest", live_tool), 0, "%.*s",
                 (int)help_read("out.txt").n, help_read("out.txt").p);
    live_options.names.dirname = live_loading.names.dirname = "saved";
    live_start();
    live_show_data(&is);
    cr_assert_str_eq(bytes_cstr(&is), bytes_cstr(&was));
    cr_assert(live_nothing_loaded());
    bytes_release(&was);
    bytes_release(&is);
}

/* What --fix cuts, it cuts from the stream too. */
Test(stream_damage, a_repaired_log_has_the_stream_of_what_is_left) {
    struct aof_stream_state before;
    size_t whole;
    struct bytes file = {0};

    if (!live_tool[0]) return;
    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_settle();
    before = live_model;
    whole = help_read("adir/log.2.incr.aof").n;
    live_data(2, 1);
    live_settle();
    live_stop();
    bytes_append(&file, help_read("adir/log.2.incr.aof").p, help_read("adir/log.2.incr.aof").n);
    file.p[whole + 20] ^= 1;
    help_write("adir/log.2.incr.aof", bytes_slice(&file));
    cr_assert_eq(run("%s --fix --yes adir/log.manifest", live_tool), 0, "%.*s",
                 (int)help_read("out.txt").n, help_read("out.txt").p);
    live_start();
    live_expect_loaded(&before);
    live_model = before;
    live_sent.n = before.now.offset;
    live_stream_begins(ID_B, live_model.now.offset, live_model.now.db);
    live_data(3, 2);
    live_settle();
    live_expect_read(1, 1000);
    live_restart();
    live_expect_loaded(&live_model);
    bytes_release(&file);
}

/* So is what --truncate-to-timestamp cuts, in any file. */
Test(stream_damage, a_log_cut_at_a_time_has_the_stream_of_that_time) {
    struct aof_stream_state before;

    if (!live_tool[0]) return;
    clock_set_virtual(1700000000000);
    live_start();
    live_stream_begins(ID_A, 0, -1);
    for (int i = 0; i < 3; i++) {
        char option[4400];

        live_something();
        live_data(1, 1);
        live_settle();
        before = live_model;
        clock_advance_ms(5000);
        live_data(2, 1);
        if (i) live_something();
        live_note(20);
        live_settle();
        live_stop();
        snprintf(option, sizeof option, "%s --truncate-to-timestamp %lld", live_tool,
                 (long long)(1700000000 + 5 * i + 2));
        cr_assert_eq(run("yes | %s adir/log.manifest", option), 0, "%.*s",
                     (int)help_read("out.txt").n, help_read("out.txt").p);
        live_start();
        live_expect_loaded(&before);
        live_model = before;
        live_sent.n = before.now.offset;
        live_stream_begins(i % 2 ? ID_A : ID_B, live_model.now.offset, live_model.now.db);
        live_data(3, 2);
        live_settle();
        live_expect_read(1, 1000);
        live_restart();
        live_expect_loaded(&live_model);
        live_stream_begins(live_model.now.id, live_model.now.offset, live_model.now.db);
    }
    clock_set_real();
}

Test(stream_damage, a_format_that_is_not_known_is_refused_and_not_cut) {
    struct aof_epoch h = {.id = 7, .epoch = 2, .ms = 1, .version = 3};
    struct bytes file = {0};
    struct err e = {0};

    live_start();
    live_data(1, 1);
    live_settle();
    live_stop();
    file.n = aof_mark_header(bytes_room(&file, AOF_MARK_MAX), &h, 0);
    bytes_append_str(&file, "#{\r\nwhatever it is\r\n");
    help_write("adir/log.1.incr.aof", bytes_slice(&file));
    cr_assert_eq(live_try_start(&e), -1);
    cr_assert(strstr(e.text, "is of a format that this version does not know"), "%s", e.text);
    cr_assert(slice_eq(help_read("adir/log.1.incr.aof"), bytes_slice(&file)));
    if (live_tool[0]) {
        cr_assert_neq(run("%s --fix --yes adir/log.manifest", live_tool), 0);
        cr_assert(slice_eq(help_read("adir/log.1.incr.aof"), bytes_slice(&file)));
    }
    bytes_release(&file);
}
