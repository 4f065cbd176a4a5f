/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/rdb_saver.h"

#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CANCEL_US = 5 * 1000000, /* a killed child that hangs at the disk is waited for so long */
    DISPOSE_MS = 1000,
};

static const char *const names[RDB_SAVER_PHASES] = {"idle", "scheduled", "child"};

static const unsigned next[RDB_SAVER_PHASES] = {
    [RDB_SAVER_IDLE] = 1u << RDB_SAVER_SCHEDULED | 1u << RDB_SAVER_CHILD,
    [RDB_SAVER_SCHEDULED] = 1u << RDB_SAVER_IDLE | 1u << RDB_SAVER_CHILD,
    [RDB_SAVER_CHILD] = 1u << RDB_SAVER_IDLE,
};

static void enter(struct rdb_saver *s, enum rdb_saver_phase to) {
    CHECK(next[s->phase] & (1u << to));
    log_debug("snapshot: %s -> %s", names[s->phase], names[to]);
    s->phase = to;
    CHECK((s->phase == RDB_SAVER_CHILD) == (s->child.pid > 0));
}

void rdb_saver_init(struct rdb_saver *s, const struct keyspace *ks,
                    const struct rdb_saver_hooks *h) {
    *s = (struct rdb_saver){.ks = ks, .h = *h, .last_ok = true, .last_took_s = -1};
    s->last_save_s = clock_wall_ms() / 1000;
}

void rdb_saver_release(struct rdb_saver *s) {
    if (s->disposer) disposer_free(s->disposer, DISPOSE_MS);
    s->disposer = NULL;
}

/* ---------------------------------------------------------------- writing */

static void temp_name(char *out, size_t size, pid_t pid) {
    snprintf(out, size, "temp-%d.rdb", (int)pid);
}

static int write_file(const struct rdb_saver *s, int (*progress)(void *, uint64_t, struct err *),
                      void *arg, struct err *e) {
    struct rdb_save o;
    const char *file;
    char temp[64];
    int dirfd, rc;

    s->h.options(s->h.arg, &o, &file);
    o.progress = progress;
    o.arg = arg;
    dirfd = io_open_dir(".", false, e);
    if (dirfd < 0) return -1;
    temp_name(temp, sizeof temp, getpid());
    rc = rdb_publish(&o, dirfd, file, temp, NULL, e);
    io_close(dirfd);
    return rc;
}

static void saved(struct rdb_saver *s, uint64_t changes) {
    s->saved_changes = changes;
    s->last_save_s = clock_wall_ms() / 1000;
    s->last_ok = true;
    s->saves++;
}

int rdb_saver_save(struct rdb_saver *s, uint64_t changes, struct err *e) {
    if (write_file(s, NULL, NULL, e) < 0) {
        log_warning("Error saving the DB: %s", e->text);
        return -1;
    }
    log_notice("DB saved on disk");
    saved(s, changes);
    return 0;
}

/* ---------------------------------------------------------------- the child */

struct run {
    struct rdb_saver *s;
    int report_fd;
    uint64_t reported_us;
};

static int report(void *arg, uint64_t keys_done, struct err *e) {
    struct run *r = arg;
    uint64_t now = clock_real_ns() / 1000;
    struct child_progress p = {.keys_done = keys_done};

    (void)e;
    if (now - r->reported_us < 1000000) return 0;
    r->reported_us = now;
    p.cow_bytes = child_private_dirty();
    child_report(r->report_fd, &p);
    return 0;
}

static int run_child(void *arg, int report_fd) {
    struct rdb_saver *s = arg;
    struct run r = {s, report_fd, 0};
    struct err e;

    if (s->h.on_fork) s->h.on_fork(s->h.arg);
    if (write_file(s, report, &r, &e) < 0) {
        child_fail(report_fd, &e);
        return 1;
    }
    r.reported_us = 0;
    report(&r, keyspace_count(s->ks), &e);
    return 0;
}

int rdb_saver_start(struct rdb_saver *s, uint64_t changes) {
    struct err e;

    s->last_try_s = clock_wall_ms() / 1000;
    if (child_start(&s->child, run_child, s, &e) < 0) {
        log_warning("Can't save in background: %s", e.text);
        s->last_ok = false;
        if (s->phase == RDB_SAVER_SCHEDULED) enter(s, RDB_SAVER_IDLE);
        return -1;
    }
    s->changes_at_fork = changes;
    s->keys_at_fork = keyspace_count(s->ks);
    if (s->h.latency) s->h.latency(s->h.arg, "fork", s->child.fork_us);
    log_notice("Background saving started by pid %d", (int)s->child.pid);
    enter(s, RDB_SAVER_CHILD);
    return 0;
}

void rdb_saver_schedule(struct rdb_saver *s) {
    if (s->phase == RDB_SAVER_IDLE) enter(s, RDB_SAVER_SCHEDULED);
}

/* "temp-123.rdb" with the number of no process. */
static bool is_left_over(const char *name) {
    int end = 0;
    long pid;

    if (sscanf(name, "temp-%ld.rdb%n", &pid, &end) != 1 || end == 0 || name[end]) return false;
    return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static bool remove_left_over(void *arg, const char *name) {
    const int *dirfd = arg;

    if (!is_left_over(name)) return true;
    log_notice("Removing '%s', which a save that did not end has left", name);
    io_unlink(*dirfd, name, NULL);
    return true;
}

void rdb_saver_remove_temps(void) {
    int dirfd = io_open_dir(".", false, NULL);

    if (dirfd >= 0) io_list(dirfd, remove_left_over, &dirfd, NULL);
    io_close(dirfd);
}

/* A killed child leaves its temporary file. It may be large, so a thread removes it. */
static void remove_temp(struct rdb_saver *s, pid_t pid) {
    char temp[64];

    temp_name(temp, sizeof temp, pid);
    if (!s->disposer) s->disposer = disposer_new();
    disposer_unlink(s->disposer, AT_FDCWD, temp);
}

static void child_ended(struct rdb_saver *s, pid_t pid, int status) {
    s->last_took_s = (int64_t)((clock_real_ns() / 1000 - s->child.started_us) / 1000000);
    s->last_cow_bytes = s->child.progress.cow_bytes;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        log_notice("Background saving terminated with success");
        saved(s, s->changes_at_fork);
    } else if (WIFSIGNALED(status)) {
        log_warning("Background saving terminated by signal %d", WTERMSIG(status));
        remove_temp(s, pid);
        /* A child is ended on purpose by SIGUSR1: not an error. */
        if (WTERMSIG(status) != SIGUSR1) s->last_ok = false;
    } else {
        log_warning("Background saving error: %s",
                    s->child.error.code ? s->child.error.text : "the child failed");
        s->last_ok = false;
    }
    enter(s, RDB_SAVER_IDLE);
}

static void watch_child(struct rdb_saver *s) {
    pid_t pid = s->child.pid;
    int status;

    child_poll(&s->child);
    if (child_reap(&s->child, &status)) {
        child_ended(s, pid, status);
    } else if (child_is_silent(&s->child)) {
        log_warning("The child %d that saves has said nothing for %d s: killed", (int)pid,
                    CHILD_SILENCE_S);
        child_kill(&s->child, SIGKILL);
    }
}

void rdb_saver_poll(struct rdb_saver *s, uint64_t changes) {
    if (s->phase == RDB_SAVER_CHILD) watch_child(s);
    if (s->phase == RDB_SAVER_SCHEDULED && s->h.may_fork(s->h.arg)) rdb_saver_start(s, changes);
}

enum rdb_saver_phase rdb_saver_abort(struct rdb_saver *s) {
    enum rdb_saver_phase was = s->phase;

    if (was == RDB_SAVER_SCHEDULED) enter(s, RDB_SAVER_IDLE);
    if (was == RDB_SAVER_CHILD) child_kill(&s->child, SIGUSR1);
    return was;
}

void rdb_saver_cancel(struct rdb_saver *s) {
    uint64_t until = clock_real_ns() / 1000 + CANCEL_US;
    pid_t pid = s->child.pid;
    int status;

    if (s->phase == RDB_SAVER_SCHEDULED) enter(s, RDB_SAVER_IDLE);
    if (s->phase != RDB_SAVER_CHILD) return;
    log_warning("There is a child saving an .rdb. Killing it!");
    child_kill(&s->child, SIGKILL);
    while (!child_reap(&s->child, &status)) {
        if (clock_real_ns() / 1000 > until) return;
        usleep(1000);
    }
    remove_temp(s, pid);
    rdb_saver_release(s); /* the file is gone before the exit, if the disk lets it */
    enter(s, RDB_SAVER_IDLE);
}
