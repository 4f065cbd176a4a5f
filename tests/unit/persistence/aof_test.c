/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log from start to stop without a server: what was appended is there after the next start.
 */
#include "server_help.h"

#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(aof, .init = server_begin, .fini = server_end);

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

Test(aof, what_was_appended_under_always_is_synced_after_a_weaker_policy_too) {
    uint64_t at;

    options.policy = AOF_FSYNC_ALWAYS;
    start();
    set("a", "1");
    at = aof_appended(aof);
    options.policy = AOF_FSYNC_NO;
    aof_set_options(aof, &options); /* within the turn: the batch is not handed over yet */
    set("b", "2");
    cr_assert(help_wait(is_synced, NULL), "a reply waits for the position of 'a'");
    cr_assert_geq(aof_safe(aof, AOF_LEVEL_SYNCED), at);
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
    while (!aof_is_settled(aof)) turn();
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
