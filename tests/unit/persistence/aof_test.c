/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log from start to stop without a server: what was appended is there after the next start,
 * through rewrites, changes of configuration and a disk that fails.
 */
#include "log_help.h"

#include "persistence/aof.h"
#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct keyspace ks;
static struct aof *aof;
static int selected; /* of the log being read */
static struct aof_options options = {.names = {".", "adir", "log", "dump.rdb"},
                                     .policy = AOF_FSYNC_NO,
                                     .checksum = true,
                                     .load_truncated = true,
                                     .rewrite_incremental_fsync = true};

static void no_wake(void *arg) {
    (void)arg;
}

static bool others_child; /* a snapshot's is at work */

static bool may_fork(void *arg) {
    (void)arg;
    return aof_child(aof) == 0 && !others_child;
}

static const struct aof_hooks hooks = {.wake = no_wake, .may_fork = may_fork};

/* ---------------------------------------------------------------- a very small server */

static void store(int db, struct slice key, struct slice value) {
    uint64_t hash = hash_bytes(key.p, key.n);
    struct db *d = &ks.dbs[db];

    db_set_string(d, key, hash, db_find(d, key, hash), value, ENTRY_NO_EXPIRE, 0);
}

static int replay(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    int64_t n;

    (void)arg;
    if (slice_is(argv[0], "select") && argc == 2 && num_parse_i64(argv[1].p, argv[1].n, &n))
        selected = (int)n;
    else if (slice_is(argv[0], "set") && argc >= 3)
        store(selected, argv[1], argv[2]);
    else
        return err_set(e, EINVAL, "what is '%.*s'?", (int)argv[0].n, argv[0].p);
    return 0;
}

static const struct aof_load_options loading = {
    .names = {".", "adir", "log", "dump.rdb"}, .load_truncated = true, .command = replay};

static int try_start(struct err *e) {
    keyspace_init(&ks, 4);
    selected = 0;
    aof = aof_new(&ks, &options, &hooks);
    return aof_start(aof, &loading, e);
}

static void start(void) {
    struct err e = {0};

    cr_assert_eq(try_start(&e), 0, "%s", e.text);
    cr_assert_eq(aof_phase(aof), AOF_ON);
}

static void stop(void) {
    bool ok = aof_stop(aof, 20000);

    aof = NULL;
    keyspace_release(&ks);
    cr_assert(ok, "everything became durable");
}

/* The end of a process that had no time to clean up. */
static void crash(void) {
    aof_stop(aof, 0);
    aof = NULL;
    keyspace_release(&ks);
}

static void begin(void) {
    help_begin();
    clock_refresh();
}

static void end(void) {
    io_fault_reset();
    if (aof) crash();
    help_end();
}

TestSuite(aof, .init = begin, .fini = end);

static void append(int db, const struct bytes *resp, size_t ncommands) {
    struct aof_unit u = {bytes_slice(resp), ncommands, db, db, false};

    aof_append(aof, &u);
}

static void set_in(int db, const char *key, const char *value) {
    struct bytes b = {0};
    char words[200];

    snprintf(words, sizeof words, "SET %s %s", key, value);
    put_command(&b, words);
    store(db, slice_str(key), slice_str(value));
    append(db, &b, 1);
    bytes_release(&b);
}

static void set(const char *key, const char *value) {
    set_in(0, key, value);
}

static const char *get_in(int db, const char *key) {
    static char text[200];
    uint64_t hash = hash_bytes(key, strlen(key));
    struct entry *e = db_find(&ks.dbs[db], slice_str(key), hash);
    struct slice s;

    if (!e) return "-";
    s = entry_string(e);
    snprintf(text, sizeof text, "%.*s", (int)s.n, s.p);
    return text;
}

static struct aof_info info(void) {
    struct aof_info i;

    aof_get_info(aof, &i);
    return i;
}

/* One turn of a loop. */
static void turn(void) {
    aof_on_wake(aof);
    aof_cron(aof);
    aof_hand_over(aof);
}

static bool is_written(void *arg) {
    (void)arg;
    turn();
    return aof_safe(aof, AOF_LEVEL_WRITTEN) >= aof_appended(aof);
}

static bool is_synced(void *arg) {
    (void)arg;
    turn();
    return aof_safe(aof, AOF_LEVEL_SYNCED) >= aof_appended(aof);
}

static bool has_no_backlog(void *arg) {
    (void)arg;
    return aof_backlog(aof) == 0;
}

static bool is_idle(void *arg) {
    (void)arg;
    turn();
    return !info().rewrite_in_progress;
}

static bool is_quiet(void *arg) {
    return is_idle(arg) && !info().rewrite_scheduled;
}

static bool in_phase(void *arg) {
    turn();
    return aof_phase(aof) == *(enum aof_phase *)arg;
}

static void wait_phase(enum aof_phase phase) {
    cr_assert(help_wait(in_phase, &phase), "phase %d", phase);
}

static void rewrite(void) {
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    cr_assert(help_wait(is_idle, NULL));
    cr_assert(info().last_rewrite_ok);
}

static bool refuses(void *arg) {
    (void)arg;
    turn();
    return aof_refusal(aof) != NULL;
}

static bool accepts(void *arg) {
    return !refuses(arg);
}

static bool manifest_is(const char *text) {
    return slice_eq(help_read("adir/log.manifest"), slice_str(text));
}

/* ---------------------------------------------------------------- start, append, stop */

Test(aof, a_first_start_makes_base_increment_and_manifest) {
    start();
    cr_assert(manifest_is("file log.1.base.aof seq 1 type b\nfile log.1.incr.aof seq 1 type i\n"));
    cr_assert_gt(help_read("adir/log.1.base.aof").n, 0, "a base is never empty");
    stop();
}

Test(aof, what_was_appended_is_there_after_the_next_start) {
    for (int round = 0; round < 5; round++) {
        char text[16];

        start();
        for (int i = 0; i < round; i++) {
            snprintf(text, sizeof text, "r%d", i);
            cr_assert_str_eq(get_in(i % 3, text), text);
        }
        cr_assert_eq(keyspace_count(&ks), (size_t)round);
        snprintf(text, sizeof text, "r%d", round);
        set_in(round % 3, text, text);
        stop();
    }
}

Test(aof, without_checksums_the_file_holds_commands_only) {
    options.checksum = false;
    start();
    set("a", "1");
    set("b", "2");
    stop();
    cr_assert(
        slice_eq(help_read("adir/log.1.incr.aof"),
                 SLICE("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
                       "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n")));
    start();
    cr_assert_str_eq(get_in(0, "b"), "2");
    stop();
}

Test(aof, checksums_can_be_turned_on_and_off_between_starts) {
    for (int i = 0; i < 6; i++) {
        char key[16];

        options.checksum = i % 2;
        start();
        cr_assert_eq(keyspace_count(&ks), (size_t)i);
        snprintf(key, sizeof key, "k%d", i);
        set(key, "v");
        stop();
    }
}

Test(aof, a_group_stands_between_multi_and_exec) {
    struct bytes group = {0};

    options.checksum = false;
    start();
    put_command(&group, "SET a 1");
    append(2, &group, 1);
    bytes_clear(&group);
    put_command(&group, "SET b 1");
    put_command(&group, "SET c 1");
    append(2, &group, 2);
    stop();
    cr_assert(slice_eq(
        help_read("adir/log.1.incr.aof"),
        SLICE("*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*1\r\n$"
              "5\r\nMULTI\r\n"
              "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n1\r\n"
              "*1\r\n$4\r\nEXEC\r\n")));
    bytes_release(&group);
}

Test(aof, positions_rise_and_reach_what_was_appended) {
    uint64_t before, at;

    start();
    before = aof_appended(aof);
    set("a", "1");
    at = aof_appended(aof);
    cr_assert_gt(at, before);
    cr_assert_lt(aof_safe(aof, AOF_LEVEL_WRITTEN), at, "not before it was handed over");
    cr_assert_gt(aof_backlog(aof), 0);
    aof_hand_over(aof);
    cr_assert(help_wait(is_written, NULL));
    aof_want_sync(aof);
    cr_assert(help_wait(is_synced, NULL));
    cr_assert(help_wait(has_no_backlog, NULL));
    cr_assert_eq(aof_safe(aof, AOF_LEVEL_NONE), UINT64_MAX);
    stop();
    start();
    cr_assert_geq(aof_appended(aof), at, "no position is used twice");
    stop();
}

Test(aof, the_level_follows_the_policy) {
    start();
    cr_assert_eq(aof_current_level(aof), AOF_LEVEL_WRITTEN);
    options.policy = AOF_FSYNC_ALWAYS;
    aof_set_options(aof, &options);
    cr_assert_eq(aof_current_level(aof), AOF_LEVEL_SYNCED);
    set("a", "1");
    cr_assert(help_wait(is_synced, NULL));
    stop();
}

Test(aof, a_clean_stop_vouches_for_everything) {
    struct slice s;

    start();
    set("a", "1");
    stop();
    s = help_read("adir/log.1.incr.aof");
    ((char *)s.p)[s.n / 2] ^= 1;
    help_write("adir/log.1.incr.aof", s);
    cr_assert_eq(try_start(NULL), -1, "damage to it is no torn tail");
}

Test(aof, an_idle_log_vouches_for_what_it_holds) {
    struct slice s;

    options.policy = AOF_FSYNC_ALWAYS;
    start();
    set("a", "1");
    cr_assert(help_wait(is_synced, NULL));
    for (int i = 0; i < 4; i++) turn();
    cr_assert(help_wait(has_no_backlog, NULL), "the mark is written too");
    crash();
    s = help_read("adir/log.1.incr.aof");
    cr_assert_eq(memcmp(s.p + s.n - 2, "\r\n", 2), 0);
    ((char *)s.p)[100] ^= 1;
    help_write("adir/log.1.incr.aof", s);
    cr_assert_eq(try_start(NULL), -1);
}

Test(aof, a_torn_tail_starts_a_new_epoch_and_new_positions) {
    struct slice s;
    uint64_t at;

    start();
    set("a", "1");
    cr_assert(help_wait(is_written, NULL));
    set("b", "2");
    cr_assert(help_wait(is_written, NULL));
    at = aof_appended(aof);
    crash();
    s = help_read("adir/log.1.incr.aof");
    help_write("adir/log.1.incr.aof", slice_of(s.p, s.n - 3));
    start();
    cr_assert_geq(aof_appended(aof), at - 3);
    set("c", "3");
    stop();
    start();
    cr_assert_str_eq(get_in(0, "a"), "1");
    cr_assert_str_eq(get_in(0, "b"), "-");
    cr_assert_str_eq(get_in(0, "c"), "3");
    stop();
}

Test(aof, a_second_server_finds_the_directory_locked) {
    static const struct aof_load_options again = {
        .names = {".", "adir", "log", "dump.rdb"}, .load_truncated = true, .command = replay};
    pid_t pid;
    int status;

    start();
    pid = fork();
    if (pid == 0) {
        struct err e = {0};
        struct aof *other = aof_new(&ks, &options, &hooks);

        if (aof_start(other, &again, &e) == 0) _exit(1);
        _exit(strstr(e.text, "another server is using") ? 7 : 2);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(WEXITSTATUS(status), 7);
    stop();
}

Test(aof, reading_again_delivers_the_same) {
    struct err e;

    start();
    set("a", "1");
    set_in(1, "b", "2");
    for (int i = 0; i < 2; i++) db_clear(&ks.dbs[i], false);
    selected = 0;
    cr_assert_eq(aof_read_again(aof, &loading, &e), 0);
    cr_assert_str_eq(get_in(0, "a"), "1");
    cr_assert_str_eq(get_in(1, "b"), "2");
    set("c", "3");
    stop();
    start();
    cr_assert_eq(keyspace_count(&ks), 3);
    stop();
}

static bool is_slow; /* the first command is read once the increment after it is gone, or in vain */

static int replay_slowly(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    for (int i = 0; is_slow && i < 300 && access("adir/log.2.incr.aof", F_OK) == 0; i++)
        usleep(1000);
    is_slow = false;
    return replay(arg, argc, argv, e);
}

/* A rewrite's thread publishes its files and removes the old ones meanwhile. */
Test(aof, reading_again_while_a_rewrite_ends_finds_all_files) {
    struct aof_load_options slow = loading;
    struct err e = {0};

    slow.command = replay_slowly;
    start();
    set("a", "1");
    rewrite();
    set("b", "2");
    io_fault_set(IO_RENAME, (struct io_fault){.delay_ms = 20});
    cr_assert_eq(aof_bgrewrite(aof), AOF_BGREWRITE_STARTED);
    while (aof_child(aof) == 0) turn();
    while (aof_child(aof) != 0) turn(); /* its base is published by a thread now */
    is_slow = true;
    db_clear(&ks.dbs[0], false);
    cr_assert_eq(aof_read_again(aof, &slow, &e), 0, "%s", e.text);
    cr_assert_str_eq(get_in(0, "a"), "1");
    cr_assert_str_eq(get_in(0, "b"), "2");
    stop();
}

/* ---------------------------------------------------------------- rewriting */

Test(aof, a_rewrite_keeps_the_data_and_leaves_only_the_new_files) {
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

Test(aof, what_is_appended_during_rewrites_is_kept) {
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

Test(aof, a_rewrite_at_a_time) {
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

Test(aof, a_rewrite_whose_child_dies_changes_nothing) {
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

Test(aof, a_manifest_that_cannot_be_published_leaves_the_old_log_going) {
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

Test(aof, a_base_is_not_published_before_the_header_after_it_is_durable) {
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
Test(aof, a_rewrite_is_given_up_if_the_header_cannot_be_written) {
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

Test(aof, growth_starts_a_rewrite) {
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
Test(aof, a_rewrite_begins_no_log_in_a_directory_that_took_the_place_of_its_own) {
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

Test(aof, a_rewrite_locks_a_directory_again_whose_lock_file_was_deleted) {
    start();
    set("a", "1");
    cr_assert_eq(unlink("adir/.lock"), 0);
    rewrite();
    cr_assert(help_exists("adir/.lock"));
    cr_assert_eq(aof_phase(aof), AOF_ON);
    stop();
}

/* ---------------------------------------------------------------- on and off */

Test(aof, enabling_at_run_time_takes_what_is_there_and_what_comes) {
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

/* A client that waits until both fields of INFO are 0 has waited for the end of the rewrite. */
Test(aof, an_enabling_that_must_wait_is_told_as_a_scheduled_rewrite) {
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

Test(aof, disabling_keeps_the_log_and_enabling_replaces_it) {
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

Test(aof, switching_on_and_off_in_any_state_loses_nothing_that_was_on) {
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

Test(aof, a_full_disk_refuses_writes_until_there_is_room) {
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

Test(aof, after_a_failed_sync_durability_is_rebuilt_from_memory) {
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

Test(aof, recovery_waits_for_a_disk_that_goes_on_failing) {
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

Test(aof, a_failed_sync_during_a_rewrite_is_recovered_from) {
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
Test(aof, a_sync_that_fails_while_enabling_begins_it_again) {
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
