/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The watch alone: what becomes of the lock when its file is deleted, and what counts as gone.
 */
#include "log_help.h"

#include "persistence/aof_load.h"
#include "persistence/aof_watch.h"
#include "storage/base/io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct aof_watch *watch;
static int dirfd = -1;
static atomic_int gone;

static void note_gone(void *arg, int code) {
    (void)arg;
    atomic_store(&gone, code);
}

static void begin(void) {
    help_begin();
    cr_assert_eq(mkdir("adir", 0755), 0);
    help_write("adir/log.manifest", SLICE("file a seq 1 type b\n"));
    dirfd = io_open_dir("adir", false, NULL);
    watch = aof_watch_new("log", note_gone, NULL);
    aof_watch_take_lock(watch, io_lock(dirfd, AOF_LOCK, aof_lock_byte("log"), NULL, NULL));
    aof_watch_begin(watch, "adir", dirfd);
}

static void end(void) {
    aof_watch_free(watch);
    close(dirfd);
    help_end();
}

TestSuite(watch, .init = begin, .fini = end);

/* Another process: has the lock and stays until it is killed, or only tries (exit 1: not had). */
static pid_t other(bool stays, int report) {
    pid_t pid = fork();

    if (pid == 0) {
        int dir = open("adir", O_RDONLY | O_DIRECTORY), fd;
        char had;

        fd = io_lock(dir, AOF_LOCK, aof_lock_byte("log"), NULL, NULL);
        had = fd >= 0;
        if (stays && write(report, &had, 1) == 1) pause();
        _exit(had ? 0 : 1);
    }
    return pid;
}

static bool another_gets_the_lock(void) {
    int status;

    cr_assert_gt(waitpid(other(false, -1), &status, 0), 0);
    return WEXITSTATUS(status) == 0;
}

static bool is_made_again(void *arg) {
    (void)arg;
    return help_exists("adir/.lock");
}

static bool is_gone(void *arg) {
    return atomic_load(&gone) == *(int *)arg;
}

static void wait_gone(int code) {
    cr_assert(help_wait(is_gone, &code), "%d", code);
}

static enum aof_place place(struct err *e) {
    return aof_watch_check(watch, "adir", dirfd, e);
}

Test(watch, a_lock_file_that_is_deleted_is_made_and_locked_again) {
    cr_assert_not(another_gets_the_lock());
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(unlink("adir/.lock"), 0);
        cr_assert(help_wait(is_made_again, NULL));
        cr_assert_eq(place(NULL), AOF_IN_PLACE, "waits until the look has ended");
        cr_assert_not(another_gets_the_lock());
    }
    cr_assert_eq(atomic_load(&gone), 0);
}

Test(watch, a_check_locks_again_without_waiting_for_the_thread) {
    cr_assert_eq(rename("adir/.lock", "adir/moved"), 0);
    cr_assert_eq(place(NULL), AOF_IN_PLACE);
    cr_assert_not(another_gets_the_lock());
}

Test(watch, a_lock_that_another_process_holds_or_held_is_lost) {
    struct err e;
    int fds[2];
    pid_t pid;
    char had = 0;

    cr_assert_eq(pipe(fds), 0);
    unlink("adir/.lock");
    pid = other(true, fds[1]);
    cr_assert_eq(read(fds[0], &had, 1), 1);
    if (!had) { /* the watch was quicker */
        waitpid(pid, NULL, WNOHANG);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return;
    }
    wait_gone(EBUSY);
    cr_assert_eq(place(&e), AOF_TAKEN);
    cr_assert(strstr(e.text, "adir/.lock"), "%s", e.text);
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert_eq(place(&e), AOF_ELSEWHERE, "the files may have changed");
}

Test(watch, a_missing_manifest_or_directory_is_gone) {
    struct err e;

    unlink("adir/log.manifest");
    wait_gone(ENOENT);
    cr_assert_eq(place(NULL), AOF_IN_PLACE, "a new manifest can be made");
    cr_assert_eq(rename("adir", "aside"), 0);
    cr_assert_eq(place(&e), AOF_ELSEWHERE);
    cr_assert(strstr(e.text, "deleted or moved"), "%s", e.text);
    cr_assert_eq(mkdir("adir", 0755), 0);
    cr_assert_eq(place(NULL), AOF_ELSEWHERE, "another directory of that name");
}

static void watch_files(void) {
    struct aof_manifest m = {0};

    help_write("adir/base", SLICE("b"));
    help_write("adir/incr", SLICE("i"));
    aof_manifest_add(&m, AOF_BASE, 1, "base");
    aof_manifest_add(&m, AOF_HISTORY, 0, "old");
    aof_manifest_add(&m, AOF_INCR, 1, "incr");
    aof_watch_files(watch, &m);
    aof_manifest_release(&m);
    usleep(200000); /* the files of now are seen at once */
    cr_assert_eq(atomic_load(&gone), 0);
}

static void replace(const char *name) {
    help_write("adir/other", SLICE("o"));
    cr_assert_eq(rename("adir/other", name), 0);
}

Test(watch, a_file_that_is_deleted_or_replaced_is_lost) {
    static const char *const names[] = {"adir/base", "adir/incr", "adir/log.manifest"};

    for (int i = 0; i < 6; i++) {
        atomic_store(&gone, 0);
        help_write("adir/log.manifest", SLICE("file a seq 1 type b\n"));
        aof_watch_begin(watch, "adir", dirfd);
        watch_files();
        if (i < 2)
            unlink(names[i]);
        else if (i < 5)
            replace(names[i - 2]);
        else
            help_write("adir/base", SLICE("other bytes in it"));
        wait_gone(ESTALE);
    }
}

Test(watch, what_this_process_changes_is_not_lost) {
    struct aof_manifest m = {0};

    watch_files();
    help_write("adir/incr", SLICE("an increment grows"));
    aof_watch_hold(watch);
    replace("adir/base");
    usleep(700000); /* longer than from one look to the next */
    aof_manifest_add(&m, AOF_BASE, 1, "base");
    aof_watch_files(watch, &m);
    unlink("adir/incr");
    usleep(700000);
    cr_assert_eq(atomic_load(&gone), 0);
    aof_manifest_release(&m);
}

Test(watch, an_increment_that_is_being_written_says_that_the_log_is_in_use) {
    struct err e;
    int fd;

    aof_watch_end(watch);
    help_write("adir/log.manifest", SLICE("file log.1.incr.aof seq 1 type i\n"));
    fd = io_open_append(dirfd, "log.1.incr.aof", NULL);
    cr_assert_eq(aof_check_unused(dirfd, "log", &e), 0, "there is a lock file, which decides");
    unlink("adir/.lock");
    cr_assert_eq(aof_check_unused(dirfd, "log", &e), -1);
    cr_assert_eq(e.code, EWOULDBLOCK);
    io_close(fd);
    cr_assert_eq(aof_check_unused(dirfd, "log", &e), 0);
}
