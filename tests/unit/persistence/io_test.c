/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_help.h"

#include "persistence/child.h"
#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(io, .init = help_begin, .fini = help_end);
TestSuite(child, .init = help_begin, .fini = help_end);

static int here(void) {
    int fd = io_open_dir(".", false, NULL);

    cr_assert(fd >= 0);
    return fd;
}

Test(io, replacing_leaves_the_new_file_and_no_temporary_one) {
    int dir = here();

    cr_assert_eq(io_replace(dir, "m", SLICE("one"), NULL), 0);
    cr_assert_eq(io_replace(dir, "m", SLICE("two"), NULL), 0);
    cr_assert(slice_eq(help_read("m"), SLICE("two")));
    cr_assert_not(help_exists("temp-m"));
    close(dir);
}

Test(io, a_replacement_that_fails_leaves_the_old_file) {
    static const enum io_op ops[] = {IO_OPEN, IO_WRITE, IO_SYNC, IO_RENAME};
    int dir = here();

    cr_assert_eq(io_replace(dir, "m", SLICE("one"), NULL), 0);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct err e = {0};

        io_fault_set(ops[i], (struct io_fault){.code = EIO, .count = 1});
        cr_expect_eq(io_replace(dir, "m", SLICE("two"), &e), -1);
        cr_expect_eq(e.code, EIO);
        cr_expect(slice_eq(help_read("m"), SLICE("one")));
        cr_expect_not(help_exists("temp-m"));
        cr_expect_eq(io_replace(dir, "m", SLICE("one"), &e), 0, "the fault is used up");
    }
    close(dir);
}

Test(io, a_file_with_another_name_is_never_written) {
    int dir = here(), fd;
    struct err e = {0};

    help_write("f", SLICE("shared"));
    cr_assert_eq(link("f", "other"), 0);
    cr_assert_eq(io_open_append(dir, "f", &e), -1);
    cr_assert_eq(e.code, EMLINK);
    cr_assert_eq(io_open_write(dir, "f", NULL), -1);
    fd = io_create(dir, "f", NULL);
    cr_assert_eq(io_write_all(fd, "own", 3, NULL, NULL), 0);
    close(fd);
    cr_assert(slice_eq(help_read("other"), SLICE("shared")), "io_create made a new file");
    cr_assert(slice_eq(help_read("f"), SLICE("own")));
    unlink("f");
    cr_assert_eq(link("other", "f"), 0);
    cr_assert_eq(io_own(dir, "f", NULL), 0);
    fd = io_open_append(dir, "f", NULL);
    cr_assert(fd >= 0, "its bytes are its own now");
    cr_assert_eq(io_write_all(fd, "!", 1, NULL, NULL), 0);
    close(fd);
    cr_assert(slice_eq(help_read("other"), SLICE("shared")));
    cr_assert(slice_eq(help_read("f"), SLICE("shared!")));
    close(dir);
}

Test(io, what_is_no_regular_file_is_not_opened, .timeout = 30) {
    int (*const opens[])(int, const char *, struct err *) = {io_open_read, io_open_write,
                                                             io_open_append};
    int dir = here();

    cr_assert_eq(mkfifo("fifo", 0644), 0);
    cr_assert_eq(symlink("/dev/zero", "device"), 0);
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        struct err e = {0};

        cr_expect_eq(opens[i](dir, "fifo", &e), -1, "nor is it waited for another end of it");
        cr_expect_str_eq(e.text, "'fifo' is not a regular file");
        cr_expect_eq(opens[i](dir, "device", NULL), -1);
    }
    close(dir);
}

Test(io, a_short_write_says_how_far_it_came) {
    int dir = here(), fd = io_create(dir, "f", NULL);
    size_t done = 99;
    struct err e;

    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = 1, .short_bytes = 4});
    cr_assert_eq(io_write_all(fd, "0123456789", 10, &done, &e), -1);
    cr_assert_eq(done, 4);
    cr_assert_eq(e.code, ENOSPC);
    cr_assert_not_null(strstr(e.text, "No space left on device"), "%s", e.text);
    cr_assert_eq(io_write_all(fd, "456789", 6, &done, &e), 0);
    cr_assert_eq(done, 6);
    cr_assert(slice_eq(help_read("f"), SLICE("0123456789")));
    close(fd);
    close(dir);
}

Test(io, a_directory_is_made_when_asked_for) {
    struct err e;
    int fd;

    cr_assert_eq(io_open_dir("new", false, &e), -1);
    cr_assert_not_null(strstr(e.text, "'new'"), "%s", e.text);
    fd = io_open_dir("new", true, &e);
    cr_assert(fd >= 0);
    close(fd);
    cr_assert_eq(io_open_dir("no/such/parent", true, &e), -1);
}

Test(io, faults_are_read_from_text) {
    int dir = here();
    struct err e;

    cr_assert_eq(io_fault_parse("open:code=13,count=2;sync:delay=0", &e), 0);
    cr_expect_eq(io_create(dir, "f", &e), -1);
    cr_expect_eq(e.code, EACCES);
    cr_expect_eq(io_create(dir, "f", NULL), -1);
    close(io_create(dir, "f", NULL));
    cr_expect(help_exists("f"));
    cr_expect_eq(io_fault_parse("nothing:code=1", &e), -1);
    cr_expect_eq(io_fault_parse("open:code", &e), -1);
    close(dir);
}

Test(io, the_process_ends_before_the_call_that_was_named, .signal = SIGKILL) {
    int dir = here();

    io_fault_crash_at(2);
    close(io_create(dir, "first", NULL));
    close(io_create(dir, "second", NULL));
}

static int try_lock(void *arg, int report_fd) {
    struct err e = {0};

    (void)report_fd;
    return io_lock(*(int *)arg, ".lock", 0, NULL, &e) >= 0 ? 10 : e.code == EWOULDBLOCK ? 20 : 30;
}

static bool has_ended(void *arg) {
    static int status;
    struct child *c = arg;

    if (!child_reap(c, &status)) return false;
    c->started_us = (uint64_t)status; /* passed to the waiting thread */
    return true;
}

Test(io, a_lock_is_not_inherited_and_not_had_twice) {
    int dir = here(), fd = io_lock(dir, ".lock", 0, NULL, NULL);
    struct child c = {0};

    cr_assert(fd >= 0);
    cr_assert_eq(child_start(&c, try_lock, &dir, NULL), 0);
    cr_assert(help_wait(has_ended, &c));
    cr_assert_eq(WEXITSTATUS((int)c.started_us), 20);
    close(fd);
    cr_assert_eq(child_start(&c, try_lock, &dir, NULL), 0);
    cr_assert(help_wait(has_ended, &c));
    cr_assert_eq(WEXITSTATUS((int)c.started_us), 10);
    close(dir);
}

/* ---------------------------------------------------------------- child */

static int report_and_fail(void *arg, int fd) {
    struct child_progress p = {.keys_done = 12, .cow_bytes = child_private_dirty()};
    struct err e;

    (void)arg;
    child_report(fd, &p);
    err_set(&e, ENOSPC, "cannot write '%s'", "x");
    child_fail(fd, &e);
    return 3;
}

static int sleep_on(void *arg, int fd) {
    (void)arg, (void)fd;
    while (pause() < 0) continue;
    return 0;
}

Test(child, what_it_has_to_say_arrives) {
    struct child c = {0};

    cr_assert_eq(child_start(&c, report_and_fail, NULL, NULL), 0);
    cr_assert(help_wait(has_ended, &c));
    cr_assert_eq(c.pid, 0);
    cr_assert_eq(WEXITSTATUS((int)c.started_us), 3);
    cr_assert_eq(c.progress.keys_done, 12);
    cr_assert_gt(c.progress.cow_bytes, 0);
    cr_assert_eq(c.error.code, ENOSPC);
    cr_assert_str_eq(c.error.text, "cannot write 'x'");
}

Test(child, it_can_be_ended) {
    struct child c = {0};
    int status;

    cr_assert_eq(child_start(&c, sleep_on, NULL, NULL), 0);
    cr_assert_eq(child_reap(&c, &status), 0);
    child_kill(&c, SIGTERM);
    cr_assert(help_wait(has_ended, &c));
    cr_assert_eq(WTERMSIG((int)c.started_us), SIGTERM);
    child_kill(&c, SIGTERM); /* of no child: nothing */
}
