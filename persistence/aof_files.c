/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_files - the steps that change which files the log is made of. What waits for the disk runs
 * on a thread (struct aof_job); the order of the steps, and what a crash after each one leaves, is
 * the table "Publishing" in persistence/README.md.
 */
#include "persistence/aof_internal.h"

#include "persistence/aof_rewrite.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CHILD_SILENCE_US = 120 * 1000000, /* a child that reports nothing for so long is killed */
    RETRY_FIRST_US = 1000000,         /* doubled at every failure in a row ... */
    RETRY_MAX_US = 3600 * 1000000L,   /* ... up to an hour; while recovering up to 5 seconds */
    RETRY_RECOVERY_MAX_US = 5 * 1000000,
};

static const char *const rw_name[RW_PHASES] = {"idle", "prepare", "fork", "child", "publish"};

static const unsigned rw_next[RW_PHASES] = {
    [RW_IDLE] = 1u << RW_PREPARE,
    [RW_PREPARE] = 1u << RW_FORK | 1u << RW_IDLE,
    [RW_FORK] = 1u << RW_CHILD | 1u << RW_IDLE,
    [RW_CHILD] = 1u << RW_PUBLISH | 1u << RW_IDLE,
    [RW_PUBLISH] = 1u << RW_IDLE,
};

static void rw_enter(struct aof *a, enum aof_rewrite_phase to, const char *why) {
    CHECK(rw_next[a->rw] & (1u << to));
    log_verbose("AOF rewrite: %s -> %s (%s)", rw_name[a->rw], rw_name[to], why);
    a->rw = to;
}

/* ---------------------------------------------------------------- jobs */

static void *job_run(void *arg) {
    struct aof_job *job = arg;

    mem_thread_init();
    job->rc = job->run(job);
    atomic_store(&job->done, true);
    job->a->h.wake(job->a->h.arg);
    return NULL;
}

bool aof_job_start(struct aof *a, int (*run)(struct aof_job *)) {
    struct aof_job *job = &a->job;
    sigset_t all, old;
    int rc;

    CHECK(!job->active);
    job->run = run;
    job->a = a;
    job->purpose = a->purpose;
    job->keep = a->o.keep;
    job->err = (struct err){0};
    atomic_store(&job->done, false);
    snprintf(job->stem, sizeof job->stem, "%s", a->o.names.filename);
    snprintf(job->dirname, sizeof job->dirname, "%s", a->o.names.dirname);
    snprintf(job->base_tmp, sizeof job->base_tmp, "%s", a->base_tmp);
    aof_manifest_copy(&job->manifest, &a->manifest);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&job->thread, NULL, job_run, job);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) {
        job->active = true;
        return true;
    }
    aof_manifest_release(&job->manifest);
    log_warning("Can't start a thread for the AOF's files: %s", strerror(rc));
    return false;
}

bool aof_job_collect(struct aof *a) {
    if (!a->job.active || !atomic_load(&a->job.done)) return false;
    pthread_join(a->job.thread, NULL);
    a->job.active = false;
    return true;
}

/* ---------------------------------------------------------------- steps */

int aof_publish_manifest(int dirfd, const char *stem, const struct aof_manifest *m, struct err *e) {
    char name[AOF_NAME_MAX + 16];
    struct bytes text = {0};
    int rc;

    aof_manifest_name(stem, name);
    aof_manifest_format(m, &text);
    rc = io_replace(dirfd, name, bytes_slice(&text), e);
    bytes_release(&text);
    return rc;
}

int aof_creation_begins(int dirfd, struct err *e) {
    int fd = io_create(dirfd, AOF_CREATING, e);

    if (fd < 0) return -1;
    io_close(fd);
    return io_sync_dir(dirfd, e);
}

int aof_creation_ends(int dirfd, struct err *e) {
    if (!io_exists(dirfd, AOF_CREATING)) return 0;
    if (io_unlink(dirfd, AOF_CREATING, e) < 0) return -1;
    return io_sync_dir(dirfd, e);
}

static int publish_manifest(struct aof_job *job) {
    return aof_publish_manifest(job->a->dirfd, job->stem, &job->manifest, &job->err);
}

/* The manifest names the new increment before there is anything else: an empty last one is legal.
 */
static bool is_named_first(enum rewrite_purpose p) {
    return p == RW_FOR_SIZE || p == RW_FOR_BACKUP;
}

/* PREPARE: the new increment exists durably before a manifest names it. For a rewrite the manifest
 * is published right away: an empty last increment is legal, whatever happens next. Where no log
 * was before, nothing will name the files until PUBLISH: `.creating` says so. */
static int run_prepare(struct aof_job *job) {
    bool first = job->manifest.n == 0;
    const struct aof_file *f = aof_manifest_add_incr(&job->manifest, job->stem);
    int dirfd = job->a->dirfd, rc = -1;

    if (first && aof_creation_begins(dirfd, &job->err) < 0) return -1;
    snprintf(job->incr, sizeof job->incr, "%s", f->name);
    /* What an attempt that failed has left: while enabling or recovering it may still be written
     * to, and no manifest names it; in a rewrite it may be named, and is truncated. */
    if (!is_named_first(job->purpose) && io_exists(dirfd, f->name) &&
        io_unlink(dirfd, f->name, &job->err) < 0)
        return -1;
    job->fd = io_create(dirfd, f->name, &job->err);
    if (job->fd < 0) return -1;
    if (io_sync(job->fd, &job->err) < 0) goto out;
    if (io_sync_dir(dirfd, &job->err) < 0) goto out;
    if (is_named_first(job->purpose) && publish_manifest(job) < 0) goto out;
    rc = 0;
out:
    if (rc < 0) {
        io_close(job->fd);
        job->fd = -1;
        if (!is_named_first(job->purpose)) io_unlink(dirfd, job->incr, NULL);
    }
    return rc;
}

/* If the second publishing fails, the next start drops the names. */
static void remove_history(struct aof_job *job) {
    if (aof_history_prune(job->a->dirfd, &job->manifest, &job->keep)) publish_manifest(job);
}

static bool is_rdb(int dirfd, const char *name) {
    int fd = io_open_read(dirfd, name, NULL);
    bool yes = fd >= 0 && rdb_is_one(fd, 0);

    io_close(fd);
    return yes;
}

/* PUBLISH: the base gets its name, the manifest names it and the last increment, what they replace
 * goes. The child has synced the base. */
static int run_publish(struct aof_job *job) {
    int dirfd = job->a->dirfd, fd;
    struct aof_file *f;

    f = aof_manifest_set_base(&job->manifest, job->stem,
                              is_rdb(dirfd, job->base_tmp) ? "rdb" : "aof");
    if (io_rename(dirfd, job->base_tmp, f->name, &job->err) < 0) return -1;
    if (io_sync_dir(dirfd, &job->err) < 0) return -1;
    fd = io_open_read(dirfd, f->name, &job->err);
    if (fd < 0) return -1;
    job->base_bytes = (uint64_t)io_size(fd, NULL);
    io_close(fd);
    log_notice("Creating AOF base file %s", f->name);
    aof_manifest_retire_incrs(&job->manifest, job->purpose == RW_FOR_SIZE ? 1 : 0);
    if (job->purpose != RW_FOR_SIZE) aof_manifest_add_incr(&job->manifest, job->stem);
    if (publish_manifest(job) < 0 || aof_creation_ends(dirfd, &job->err) < 0) return -1;
    remove_history(job);
    return 0;
}

/* ---------------------------------------------------------------- the machine */

static void back_off(struct aof *a) {
    uint64_t wait = RETRY_FIRST_US, most = RETRY_MAX_US;

    if (a->phase == AOF_RECOVERING) most = RETRY_RECOVERY_MAX_US;
    for (uint64_t i = 1; i < a->info.consecutive_failures && wait < most; i++) wait *= 2;
    a->retry_at_us = clock_real_ns() / 1000 + (wait < most ? wait : most);
}

static void rewrite_ended(struct aof *a, bool ok, const char *why) {
    uint64_t now = clock_real_ns() / 1000;

    if (a->purpose == RW_FOR_BACKUP) {
        rw_enter(a, RW_IDLE, ok ? "done" : why);
        aof_backup_rotated(a, ok ? NULL : why);
        return;
    }
    a->info.last_rewrite_sec = (int64_t)((now - a->rewrite_began_us) / 1000000);
    a->info.last_rewrite_ok = ok;
    a->info.consecutive_failures = ok ? 0 : a->info.consecutive_failures + 1;
    if (!ok) {
        if (a->base_tmp[0]) io_unlink(a->dirfd, a->base_tmp, NULL);
        log_warning("Background AOF rewrite failed: %s", why);
        back_off(a);
    }
    a->base_tmp[0] = '\0';
    if (a->o.no_fsync_on_rewrite) aof_writer_hold_sync(a->w, false);
    rw_enter(a, RW_IDLE, ok ? "done" : why);
}

int aof_open_directory(struct aof *a, struct err *e) {
    int dirfd, lock_fd;

    if (a->dirfd >= 0) return 0;
    dirfd = io_open_dir(a->o.names.dirname, true, e);
    if (dirfd < 0) return -1;
    lock_fd = io_lock(dirfd, ".lock", 0, NULL, e);
    if (lock_fd < 0 && e->code == EWOULDBLOCK)
        err_set(e, EWOULDBLOCK, "another server is using the append only directory '%s'",
                a->o.names.dirname);
    if (lock_fd < 0 || aof_manifest_adopt(dirfd, &a->o.names, &a->manifest, e) < 0) {
        io_close(lock_fd);
        io_close(dirfd);
        return -1;
    }
    a->dirfd = dirfd;
    a->lock_fd = lock_fd;
    return 0;
}

static const char *const purpose_name[] = {[RW_FOR_SIZE] = "rewrite",
                                           [RW_FOR_ENABLE] = "enable",
                                           [RW_FOR_RECOVERY] = "recovery",
                                           [RW_FOR_BACKUP] = "backup"};

bool aof_rewrite_begin(struct aof *a, enum rewrite_purpose purpose) {
    struct err e;

    if (a->rw != RW_IDLE || a->job.active) return false;
    if (purpose != RW_FOR_BACKUP && !a->h.may_fork(a->h.arg)) return false;
    if (purpose == RW_FOR_SIZE && aof_backup_busy(a)) return false;
    a->purpose = purpose;
    a->base_tmp[0] = '\0';
    a->rewrite_began_us = clock_real_ns() / 1000;
    if (aof_open_directory(a, &e) < 0) {
        log_warning("AOF: %s", e.text);
        a->info.consecutive_failures++;
        back_off(a);
        return false;
    }
    if (!aof_job_start(a, run_prepare)) return false;
    if (purpose != RW_FOR_BACKUP) a->info.rewrites++;
    rw_enter(a, RW_PREPARE, purpose_name[purpose]);
    return true;
}

static int run_child(void *arg, int report_fd) {
    struct aof *a = arg;
    struct aof_rewrite rw = {.ks = a->ks,
                             .dirfd = a->dirfd,
                             .file = a->base_tmp,
                             .checksum = a->o.checksum,
                             .incremental_fsync = a->o.rewrite_incremental_fsync,
                             .position = a->fork_position,
                             .key_delay_us = a->o.key_save_delay_us};
    struct rdb_save rdb;
    struct err e;

    snprintf(a->base_tmp, sizeof a->base_tmp, "temp-rewriteaof-bg-%d.aof", (int)getpid());
    if (a->h.on_fork) a->h.on_fork(a->h.arg);
    rw.rdb = aof_rdb_options(a, &rdb);
    if (aof_rewrite_write(&rw, report_fd, &e) == 0) return 0;
    child_fail(report_fd, &e);
    return 1;
}

/* The snapshot is what was appended so far; what follows goes to the new increment. While
 * recovering the writer gets the increment only when base and manifest are durable. */
void aof_rewrite_fork(struct aof *a) {
    struct err e;

    CHECK(a->rw == RW_FORK && a->buf.n == 0);
    if (a->purpose != RW_FOR_RECOVERY) {
        aof_writer_get_state(a->w, &a->st);
        a->incr_bytes_before += is_named_first(a->purpose) ? a->st.file_bytes : 0;
        aof_writer_switch(a->w, a->incr_fd, a->o.checksum);
        a->incr_fd = -1;
    }
    a->fork_position = a->appended;
    aof_begin_file(a, 0, 0);
    if (a->purpose == RW_FOR_BACKUP) {
        rewrite_ended(a, true, "");
        return;
    }
    if (child_start(&a->child, run_child, a, &e) < 0) {
        rewrite_ended(a, false, e.text);
        return;
    }
    snprintf(a->base_tmp, sizeof a->base_tmp, "temp-rewriteaof-bg-%d.aof", (int)a->child.pid);
    a->keys_at_fork = keyspace_count(a->ks);
    a->info.last_fork_us = a->child.fork_us;
    if (a->h.latency) a->h.latency(a->h.arg, "fork", a->child.fork_us);
    if (a->o.no_fsync_on_rewrite) aof_writer_hold_sync(a->w, true);
    log_notice("Background append only file rewriting started by pid %d", (int)a->child.pid);
    rw_enter(a, RW_CHILD, "forked");
}

static void prepare_ended(struct aof *a) {
    struct aof_job *job = &a->job;

    if (job->rc < 0) {
        rewrite_ended(a, false, job->err.text);
    } else {
        log_notice("Creating AOF incr file %s on %s", job->incr,
                   a->purpose == RW_FOR_BACKUP ? "backup" : "background rewrite");
        a->incr_fd = job->fd;
        if (is_named_first(a->purpose)) {
            aof_manifest_release(&a->manifest);
            a->manifest = job->manifest;
            job->manifest = (struct aof_manifest){0};
        }
        rw_enter(a, RW_FORK, "the new increment is durable");
    }
    aof_manifest_release(&job->manifest);
}

static void child_ended(struct aof *a, int status) {
    uint64_t cow = a->child.progress.cow_bytes;

    a->info.last_cow_bytes = cow;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        log_notice("Background AOF rewrite terminated with success");
        rw_enter(a, RW_PUBLISH, "the base is written");
        if (!aof_job_start(a, run_publish)) rewrite_ended(a, false, "no thread");
    } else if (WIFSIGNALED(status)) {
        char why[64];

        snprintf(why, sizeof why, "Background AOF rewrite terminated by signal %d",
                 WTERMSIG(status));
        log_warning("%s", why);
        rewrite_ended(a, false, why);
        /* SIGUSR1 is how somebody ends a child on purpose: not an error. */
        if (WTERMSIG(status) == SIGUSR1) a->info.last_rewrite_ok = true;
    } else {
        log_warning("Background AOF rewrite terminated with error");
        rewrite_ended(a, false, a->child.error.code ? a->child.error.text : "the child failed");
    }
}

static void publish_ended(struct aof *a) {
    struct aof_job *job = &a->job;

    if (job->rc < 0) {
        rewrite_ended(a, false, job->err.text);
        aof_manifest_release(&job->manifest);
        return;
    }
    aof_manifest_release(&a->manifest);
    a->manifest = job->manifest;
    job->manifest = (struct aof_manifest){0};
    a->info.base_size = job->base_bytes;
    a->incr_bytes_before = 0;
    log_notice("Background AOF rewrite finished successfully");
    if (a->purpose == RW_FOR_RECOVERY) {
        aof_writer_restart(a->w, a->incr_fd, 0, a->fork_position, a->o.checksum);
        a->incr_fd = -1;
        a->st.sync_error = a->st.write_error = 0;
        aof_enter(a, AOF_ON, "a new base and increment are durable");
        log_warning("The AOF is durable again: writes are accepted");
    } else if (a->purpose == RW_FOR_ENABLE) {
        aof_enter(a, AOF_ON, "the first manifest is durable");
    }
    rewrite_ended(a, true, "");
}

static void watch_child(struct aof *a) {
    int status;

    child_poll(&a->child);
    if (child_reap(&a->child, &status)) {
        child_ended(a, status);
        return;
    }
    if (clock_real_ns() / 1000 - a->child.heard_us > CHILD_SILENCE_US) {
        log_warning("The AOF rewrite child %d has said nothing for %d s: killed", a->child.pid,
                    CHILD_SILENCE_US / 1000000);
        child_kill(&a->child, SIGKILL);
    }
}

void aof_rewrite_step(struct aof *a) {
    if (a->rw == RW_PREPARE && aof_job_collect(a)) prepare_ended(a);
    if (a->rw == RW_CHILD) watch_child(a);
    if (a->rw == RW_PUBLISH && aof_job_collect(a)) publish_ended(a);
}

/* Ends a rewrite wherever it stands. A job cannot be called back: it is waited for. */
void aof_rewrite_abort(struct aof *a, const char *why) {
    int status;

    if (a->rw == RW_IDLE) return;
    if (a->job.active) {
        while (!atomic_load(&a->job.done)) usleep(1000);
        aof_rewrite_step(a);
        if (a->rw == RW_IDLE) return;
    }
    if (a->child.pid) {
        child_kill(&a->child, SIGKILL);
        while (!child_reap(&a->child, &status)) usleep(1000);
    }
    if (a->incr_fd >= 0) {
        io_close(a->incr_fd);
        a->incr_fd = -1;
    }
    rewrite_ended(a, false, why);
}

static bool remove_temp(void *arg, const char *name) {
    const int *dirfd = arg;

    if (strncmp(name, "temp-", 5) == 0) io_unlink(*dirfd, name, NULL);
    return true;
}

void aof_remove_temps(int dirfd) {
    io_list(dirfd, remove_temp, &dirfd, NULL);
}
