/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log through changes, without a server: rewrites, another directory, on and off, a disk that
 * fails.
 */
#include "server_help.h"

#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(aof_changes, .init = server_begin, .fini = server_end);

/* ---------------------------------------------------------------- rewriting */

Test(aof_changes, a_rewrite_keeps_the_data_and_leaves_only_the_new_files) {
    start();
    for (int i = 0; i < 1000; i++) set("often", "again");
    set_in(2, "b", "2");
    rewrite();
    cr_assert(manifest_is("file log.2.base.aof seq 2 type b\nfile log.2.incr.aof seq 2 type i\n"));
    cr_assert_not(help_exists("adir/log.1.base.aof"));
    cr_assert_not(help_exists("adir/log.1.incr.aof"));
    cr_assert_lt(info().current_size, 2000);
    set("c", "3");
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), 3);
    cr_assert_str_eq(get_in(2, "b"), "2");
    cr_assert_str_eq(get_in(0, "c"), "3");
    stop();
}

/* What is appended at each turn of a rewrite, whatever state that is in, is there afterwards. */
static void append_until_idle(const char *prefix, int *n) {
    char key[32];

    do {
        for (int i = 0; i < 3; i++) {
            snprintf(key, sizeof key, "%s%d", prefix, (*n)++);
            set_in(i, key, "v");
        }
        turn();
    } while (info().rewrite_in_progress);
}

Test(aof_changes, what_is_appended_during_rewrites_is_kept) {
    int n = 0;

    start();
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
        append_until_idle("k", &n);
        cr_assert(info().last_rewrite_ok);
    }
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), (size_t)n);
    stop();
}

Test(aof_changes, a_rewrite_at_a_time) {
    start();
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_BUSY);
    cr_assert(help_wait(is_idle, NULL));
    cr_assert_eq(info().rewrites, 1);
    stop();
}

static bool has_child(void *arg) {
    (void)arg;
    turn();
    return aof_child(aof) > 0;
}

Test(aof_changes, a_rewrite_whose_child_dies_changes_nothing) {
    start();
    set("a", "1");
    io_fault_set(IO_OPEN,
                 (struct io_fault){.delay_ms = 500}); /* the child hangs in its first call */
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    cr_assert(help_wait(has_child, NULL));
    aof_kill_child(aof);
    io_fault_reset();
    cr_assert(help_wait(is_idle, NULL));
    cr_assert_not(info().last_rewrite_ok);
    cr_assert_eq(info().consecutive_failures, 1);
    set("b", "2");
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), 2);
    cr_assert_not(help_exists("adir/log.2.base.aof"));
    stop();
}

Test(aof_changes, a_manifest_that_cannot_be_published_leaves_the_old_log_going) {
    start();
    set("a", "1");
    cr_assert(help_wait(is_written, NULL));
    io_fault_set(IO_RENAME, (struct io_fault){.code = ENOSPC, .count = -1});
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    cr_assert(help_wait(is_idle, NULL));
    cr_assert_not(info().last_rewrite_ok);
    io_fault_reset();
    set("b", "2");
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), 2);
    rewrite();
    stop();
}

/* The room at the end of the old increment cannot be cut off, so the new one gets no header. */
static void hold_the_header_up(void) {
    char key[16];

    options.policy = AOF_FSYNC_ALWAYS;
    start();
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        set(key, "v");
        cr_assert(help_wait(is_synced, NULL));
    }
    io_fault_set(IO_TRUNCATE, (struct io_fault){.code = EIO, .count = -1});
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
}

static bool has_no_child(void *arg) {
    return !has_child(arg);
}

Test(aof_changes, a_base_is_not_published_before_the_header_after_it_is_durable) {
    hold_the_header_up();
    cr_assert(help_wait(has_child, NULL));
    cr_assert(help_wait(has_no_child, NULL));
    for (int i = 0; i < 200; i++) {
        turn();
        cr_assert_not(help_exists("adir/log.2.base.aof"));
        usleep(1000);
    }
    io_fault_reset();
    cr_assert(help_wait(is_idle, NULL));
    cr_assert(info().last_rewrite_ok);
    cr_assert(manifest_is("file log.2.base.aof seq 2 type b\nfile log.2.incr.aof seq 2 type i\n"));
    cr_assert_gt(help_read("adir/log.2.incr.aof").n, 0);
    stop();
    options.policy = AOF_FSYNC_NO;
}

/* A base that is kept would go on taking the space that the header needs. */
Test(aof_changes, a_rewrite_is_given_up_if_the_header_cannot_be_written) {
    hold_the_header_up();
    cr_assert(help_wait(is_idle, NULL));
    cr_assert_not(info().last_rewrite_ok);
    cr_assert_not(help_exists("adir/log.2.base.aof"));
    io_fault_reset();
    cr_assert(help_wait(accepts, NULL));
    aof_bgrewrite(aof); /* scheduled, if the file of the first one is still being removed */
    cr_assert(help_wait(is_quiet, NULL));
    cr_assert(info().last_rewrite_ok);
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), 40);
    stop();
    options.policy = AOF_FSYNC_NO;
}

Test(aof_changes, growth_starts_a_rewrite) {
    options.auto_percentage = 100;
    options.auto_min_size = 10000;
    start();
    for (int i = 0; i < 500; i++) {
        set("a", "some-value-that-takes-room");
        if (i % 50 == 0) cr_assert(help_wait(is_written, NULL));
    }
    cr_assert(help_wait(is_written, NULL));
    cr_assert(help_wait(is_idle, NULL));
    cr_assert_gt(info().rewrites, 0);
    stop();
    start();
    cr_assert_str_eq(get_in(0, "a"), "some-value-that-takes-room");
    stop();
}

/* ---------------------------------------------------------------- where the directory is */

static bool has_manifest(void *arg) {
    (void)arg;
    turn();
    return help_exists("adir/log.manifest");
}

/* The rewrite is quicker than the watch: it finds the other directory first. */
Test(aof_changes, a_rewrite_begins_no_log_in_a_directory_that_took_the_place_of_its_own) {
    start();
    set("a", "1");
    cr_assert(help_wait(is_written, NULL));
    cr_assert_eq(rename("adir", "aside"), 0);
    cr_assert_eq(mkdir("adir", 0755), 0);
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    cr_assert(help_wait(has_manifest, NULL), "the recovery makes one");
    cr_assert(strstr(help_read("adir/log.manifest").p, " type b\n"), "its first log has a base");
    wait_phase(AOF_ON);
    crash();
    start();
    cr_assert_str_eq(get_in(0, "a"), "1");
    stop();
}

Test(aof_changes, a_rewrite_locks_a_directory_again_whose_lock_file_was_deleted) {
    start();
    set("a", "1");
    cr_assert_eq(unlink("adir/.lock"), 0);
    rewrite();
    cr_assert(help_exists("adir/.lock"));
    cr_assert_eq(aof_phase(aof), AOF_ON);
    stop();
}

/* ---------------------------------------------------------------- on and off */

Test(aof_changes, enabling_at_run_time_takes_what_is_there_and_what_comes) {
    int n = 0;

    keyspace_init(&ks, 4);
    aof = aof_new(&ks, &options, &hooks);
    cr_assert_eq(aof_phase(aof), AOF_OFF);
    cr_assert_eq(aof_backlog(aof), 0);
    store(0, SLICE("old"), SLICE("1"));
    aof_enable(aof);
    cr_assert_eq(aof_phase(aof), AOF_ENABLING);
    cr_assert_eq(aof_current_level(aof), AOF_LEVEL_NONE);
    append_until_idle("k", &n);
    wait_phase(AOF_ON);
    set("new", "2");
    cr_assert(help_wait(is_written, NULL), "what came meanwhile does not stand in the way");
    stop();
    start();
    cr_assert_str_eq(get_in(0, "old"), "1");
    cr_assert_str_eq(get_in(0, "new"), "2");
    cr_assert_eq(keyspace_count(&ks), (size_t)n + 2);
    stop();
}

/* Each sync takes 300 ms, so that what is written meanwhile waits for the next one. */
Test(aof_changes, an_enabling_is_told_as_ended_once_what_came_meanwhile_is_safe) {
    int n = 0;

    keyspace_init(&ks, 4);
    options.policy = AOF_FSYNC_ALWAYS;
    aof = aof_new(&ks, &options, &hooks);
    aof_enable(aof);
    while (aof_child(aof) == 0) turn();
    io_fault_set(IO_SYNC, (struct io_fault){.delay_ms = 300});
    while (aof_phase(aof) != AOF_ON) {
        char key[16];

        snprintf(key, sizeof key, "k%d", n++);
        set(key, "1");
        turn();
    }
    cr_assert_lt(info().synced, aof_appended(aof));
    cr_assert_eq(info().phase, AOF_ENABLING);
    while (info().phase != AOF_ON) turn();
    cr_assert_geq(info().synced, aof_appended(aof));
    io_fault_reset();
    stop();
}

/* A client that waits until both fields of INFO are 0 has waited for the end of the rewrite. */
Test(aof_changes, an_enabling_that_must_wait_is_told_as_a_scheduled_rewrite) {
    struct aof_info info;

    start();
    aof_disable(aof);
    others_child = true;
    aof_enable(aof);
    aof_get_info(aof, &info);
    cr_expect(info.rewrite_scheduled && !info.rewrite_in_progress);
    others_child = false;
    wait_phase(AOF_ON);
    aof_get_info(aof, &info);
    cr_expect(!info.rewrite_scheduled && !info.rewrite_in_progress);
    stop();
}

Test(aof_changes, disabling_keeps_the_log_and_enabling_replaces_it) {
    start();
    set("a", "1");
    aof_disable(aof);
    cr_assert_eq(aof_phase(aof), AOF_OFF);
    cr_assert_eq(aof_current_level(aof), AOF_LEVEL_NONE);
    store(0, SLICE("unlogged"), SLICE("2"));
    for (int i = 0; i < 3; i++) turn();
    aof_enable(aof);
    wait_phase(AOF_ON);
    set("c", "3");
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), 3);
    cr_assert_str_eq(get_in(0, "unlogged"), "2");
    stop();
}

Test(aof_changes, switching_on_and_off_in_any_state_loses_nothing_that_was_on) {
    start();
    for (int i = 0; i < 40; i++) {
        char key[16];

        snprintf(key, sizeof key, "k%d", i);
        set(key, "v");
        for (int k = 0; k < i % 5; k++) turn();
        aof_disable(aof);
        for (int k = 0; k < i % 3; k++) turn();
        aof_enable(aof);
        for (int k = 0; k < i % 7; k++) turn();
    }
    wait_phase(AOF_ON);
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), 40);
    stop();
}

/* ---------------------------------------------------------------- a disk that fails */

Test(aof_changes, a_full_disk_refuses_writes_until_there_is_room) {
    start();
    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = -1});
    set("a", "1");
    cr_assert(help_wait(refuses, NULL));
    cr_assert_str_eq(aof_refusal(aof), "Errors writing to the AOF file: No space left on device");
    cr_assert_lt(aof_safe(aof, AOF_LEVEL_WRITTEN), aof_appended(aof), "the gate stays closed");
    cr_assert_not(info().last_write_ok);
    io_fault_reset();
    cr_assert(help_wait(accepts, NULL));
    cr_assert(help_wait(is_written, NULL));
    stop();
    start();
    cr_assert_str_eq(get_in(0, "a"), "1");
    stop();
}

Test(aof_changes, after_a_failed_sync_durability_is_rebuilt_from_memory) {
    uint64_t doubtful;

    options.policy = AOF_FSYNC_ALWAYS;
    start();
    set("a", "1");
    cr_assert(help_wait(is_synced, NULL));
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 1});
    set("b", "2");
    aof_hand_over(aof);
    doubtful = aof_appended(aof);
    wait_phase(AOF_RECOVERING);
    cr_assert_str_eq(aof_refusal(aof), "Errors writing to the AOF file: Input/output error");
    cr_assert_lt(aof_safe(aof, AOF_LEVEL_SYNCED), doubtful);
    wait_phase(AOF_ON);
    cr_assert_geq(aof_safe(aof, AOF_LEVEL_SYNCED), doubtful, "now it is durable, in a new base");
    cr_assert_null(aof_refusal(aof));
    set("c", "3");
    cr_assert(help_wait(is_synced, NULL));
    crash();
    start();
    cr_assert_eq(keyspace_count(&ks), 3);
    stop();
}

Test(aof_changes, recovery_waits_for_a_disk_that_goes_on_failing) {
    options.policy = AOF_FSYNC_ALWAYS;
    start();
    set("a", "1");
    cr_assert(help_wait(is_synced, NULL));
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 4});
    set("b", "2");
    wait_phase(AOF_RECOVERING);
    set("c", "3"); /* an expiry, say: what is executed must not be lost either */
    wait_phase(AOF_ON);
    cr_assert(help_wait(is_synced, NULL));
    crash();
    start();
    cr_assert_eq(keyspace_count(&ks), 3);
    stop();
}

Test(aof_changes, a_failed_sync_during_a_rewrite_is_recovered_from) {
    options.policy = AOF_FSYNC_ALWAYS;
    start();
    set("a", "1");
    cr_assert(help_wait(is_synced, NULL));
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    set("b", "2");
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 2});
    aof_hand_over(aof);
    cr_assert(help_wait(is_idle, NULL));
    set("c", "3");
    cr_assert(help_wait(is_synced, NULL));
    wait_phase(AOF_ON);
    crash();
    start();
    cr_assert_eq(keyspace_count(&ks), 3);
    stop();
}

/* The child hangs at its first call, so that the sync fails while the base is being made. */
Test(aof_changes, a_sync_that_fails_while_enabling_begins_it_again) {
    options.policy = AOF_FSYNC_ALWAYS;
    start();
    set("a", "1");
    aof_disable(aof);
    io_fault_set(IO_OPEN, (struct io_fault){.delay_ms = 500});
    aof_enable(aof);
    cr_assert(help_wait(has_child, NULL));
    io_fault_reset();
    io_fault_set(IO_SYNC, (struct io_fault){.code = EIO, .count = 1});
    set("b", "2");
    cr_assert_eq(aof_phase(aof), AOF_ENABLING);
    wait_phase(AOF_ON);
    cr_assert_eq(info().consecutive_failures, 0);
    cr_assert_gt(info().rewrites, 1, "the first attempt was given up");
    set("c", "3");
    cr_assert(help_wait(is_synced, NULL));
    crash();
    start();
    cr_assert_eq(keyspace_count(&ks), 3);
    stop();
}
