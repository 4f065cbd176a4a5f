/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_files - the state machine of a rewrite (enum aof_rewrite_phase): which step has ended, which
 * comes next. It never waits for the disk: jobs (aof_jobs.c), the child and the disposer do.
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
#include <sys/wait.h>
#include <unistd.h>

enum {
    RETRY_FIRST_US = 1000000,       /* doubled at every failure in a row ... */
    RETRY_MAX_US = 3600 * 1000000L, /* ... up to an hour, or to these */
    RETRY_ENABLE_MAX_US = 60 * 1000000,
    RETRY_RECOVERY_MAX_US = 5 * 1000000,
    JOIN_ERROR_US = 1000000, /* a base waits so long for a disk that takes no writes */
};

static const char *const rw_name[RW_PHASES] = {"idle",  "open", "prepare", "fork",
                                               "child", "join", "publish", "abort"};

static const unsigned rw_next[RW_PHASES] = {
    [RW_IDLE] = 1u << RW_OPEN | 1u << RW_PREPARE,
    [RW_OPEN] = 1u << RW_IDLE,
    [RW_PREPARE] = 1u << RW_FORK | 1u << RW_IDLE | 1u << RW_ABORT,
    [RW_FORK] = 1u << RW_CHILD | 1u << RW_JOIN | 1u << RW_IDLE,
    [RW_CHILD] = 1u << RW_JOIN | 1u << RW_IDLE | 1u << RW_ABORT,
    [RW_JOIN] = 1u << RW_PUBLISH | 1u << RW_IDLE,
    [RW_PUBLISH] = 1u << RW_IDLE | 1u << RW_ABORT,
    [RW_ABORT] = 1u << RW_IDLE,
};

static void rw_enter(struct aof *a, enum aof_rewrite_phase to, const char *why) {
    CHECK(rw_next[a->rw] & (1u << to));
    log_verbose("AOF rewrite: %s -> %s (%s)", rw_name[a->rw], rw_name[to], why);
    a->rw = to;
}

/* ---------------------------------------------------------------- what a job has done */

/* Keeps files of a job whose publishing failed: a manifest on the disk may name them. So they stay
 * until a manifest without them is durable, and their numbers are not used again. */
static void keep_doubtful(struct aof *a, const struct aof_job *job) {
    if (!aof_is_named_first(a->purpose)) aof_manifest_add(&a->doubtful, AOF_INCR, 0, job->incr);
    if (job->base[0]) aof_manifest_add(&a->doubtful, AOF_BASE, 0, job->base);
}

static void use_higher_numbers(struct aof *a, const struct aof_manifest *m) {
    if (m->base_seq > a->manifest.base_seq) a->manifest.base_seq = m->base_seq;
    if (m->incr_seq > a->manifest.incr_seq) a->manifest.incr_seq = m->incr_seq;
}

static void take_manifest(struct aof *a, struct aof_job *job) {
    aof_manifest_release(&a->manifest);
    a->manifest = job->manifest;
    job->manifest = (struct aof_manifest){0};
}

/* Takes over the directory that a job has opened, even if a later step of the job failed. */
static void take_directory(struct aof *a) {
    struct aof_job *job = &a->job;
    bool opened = job->dirfd >= 0 && job->dirfd != a->dirfd;

    if (opened) {
        disposer_close(a->disposer, a->dirfd);
        a->dirfd = job->dirfd;
        disposer_close(a->disposer, aof_watch_take_lock(a->watch, job->lock_fd));
        memcpy(a->path, job->path, sizeof a->path);
    }
    if (opened || a->foreign != job->foreign) {
        aof_manifest_release(&a->manifest);
        aof_manifest_copy(&a->manifest, &job->manifest);
        if (!job->foreign) a->manifest.n = 0; /* it was kept aside, or there was none */
        a->foreign = job->foreign;
    }
}

static void open_ended(struct aof *a) {
    struct aof_job *job = &a->job;

    a->opening = false;
    take_directory(a);
    a->open_error = job->err;
    if (job->rc < 0) log_warning("AOF: %s", job->err.text);
    aof_job_release(job);
    rw_enter(a, RW_IDLE, job->rc < 0 ? "not opened" : "opened");
}

/* PREPARE has ended: takes over what it has opened, even if a later step failed. */
static void take_prepared(struct aof *a) {
    struct aof_job *job = &a->job;

    take_directory(a);
    a->incr_fd = job->fd;
    /* If the publishing failed the name may be on the disk all the same. It stays in the manifest:
     * an empty increment in the middle is legal, a gap in the numbers is not where nothing says the
     * positions. */
    if (job->tried)
        take_manifest(a, job);
    else if (job->rc < 0 && job->incr[0] && a->dirfd >= 0)
        disposer_unlink(a->disposer, a->dirfd, job->incr);
    else
        use_higher_numbers(a, &job->manifest);
    if (job->rc == 0) snprintf(a->incr, sizeof a->incr, "%s", job->incr);
    aof_job_release(job);
}

/* True if the new base is the AOF's now. */
static bool take_published(struct aof *a) {
    struct aof_job *job = &a->job;
    bool done = job->published;

    if (done) {
        take_manifest(a, job);
        aof_manifest_release(&a->doubtful);
        a->info.base_size = job->base_bytes;
        a->info.recovery_begins_ms = job->recovery_begins_ms;
        a->incr_bytes_before = 0;
        a->base_tmp[0] = '\0';
        aof_stream_map_keep(&a->stream.map, &a->manifest);
        aof_stream_take_base(a, job->rdb_bytes);
    } else {
        use_higher_numbers(a, &job->manifest);
        keep_doubtful(a, job);
    }
    a->incr[0] = '\0'; /* named, or perhaps */
    aof_job_release(job);
    return done;
}

/* ---------------------------------------------------------------- the machine */

static void back_off(struct aof *a) {
    uint64_t wait = RETRY_FIRST_US, most = RETRY_MAX_US;

    if (a->phase == AOF_RECOVERING) most = RETRY_RECOVERY_MAX_US;
    if (a->phase == AOF_ENABLING) most = RETRY_ENABLE_MAX_US;
    for (uint64_t i = 1; i < a->info.consecutive_failures && wait < most; i++) wait *= 2;
    a->retry_at_us = clock_real_ns() / 1000 + (wait < most ? wait : most);
}

/* Removes files of a failed attempt that no manifest can name. */
static void drop_leftovers(struct aof *a) {
    disposer_close(a->disposer, a->incr_fd);
    if (a->dirfd >= 0) {
        disposer_unlink(a->disposer, a->dirfd, a->base_tmp);
        if (!aof_is_named_first(a->purpose)) disposer_unlink(a->disposer, a->dirfd, a->incr);
    }
    a->incr_fd = -1;
    a->base_tmp[0] = a->incr[0] = '\0';
}

static void note_outcome(struct aof *a, bool ok, const char *why) {
    if (!ok && a->purpose == RW_FOR_STREAM) back_off(a);
    if (aof_only_rotates(a->purpose)) return;
    a->info.last_rewrite_sec = (int64_t)((clock_real_ns() / 1000 - a->rewrite_began_us) / 1000000);
    a->info.last_rewrite_ok = ok;
    a->info.consecutive_failures = ok ? 0 : a->info.consecutive_failures + 1;
    if (!ok) {
        log_warning("Background AOF rewrite failed: %s", why);
        back_off(a);
    }
    if (a->o.no_fsync_on_rewrite) aof_writer_hold_sync(a->w, false);
}

static void rewrite_ended(struct aof *a, bool ok, const char *why) {
    note_outcome(a, ok, why);
    if (!ok && a->purpose == RW_FOR_REPLACE) aof_replace_forget(a);
    if (!ok) drop_leftovers(a);
    a->base_tmp[0] = a->incr[0] = '\0';
    rw_enter(a, RW_IDLE, ok ? "done" : why);
    if (a->purpose == RW_FOR_BACKUP) aof_backup_rotated(a, ok ? NULL : why);
}

static const char *const purpose_name[] = {
    [RW_FOR_SIZE] = "rewrite",           [RW_FOR_ENABLE] = "enable", [RW_FOR_RECOVERY] = "recovery",
    [RW_FOR_BACKUP] = "backup",          [RW_FOR_STREAM] = "stream", [RW_FOR_REPLACE] = "replace",
    [RW_WHILE_OFF] = "rewrite while off"};

void aof_open_step(struct aof *a) {
    if (!a->opening || a->rw != RW_IDLE || a->job.active) return;
    if (aof_job_start(a, aof_run_open)) rw_enter(a, RW_OPEN, "appendonly yes");
}

static bool forks(enum rewrite_purpose p) {
    return !aof_only_rotates(p) && p != RW_FOR_REPLACE;
}

bool aof_rewrite_begin(struct aof *a, enum rewrite_purpose purpose) {
    if (a->rw != RW_IDLE || a->job.active) return false;
    /* A file left by an attempt may have the name that the next attempt uses. */
    if (disposer_is_busy(a->disposer)) return false;
    if (forks(purpose) && !a->h.may_fork(a->h.arg)) return false;
    /* A backup links the increments that there were when it was sealed. */
    if ((purpose == RW_FOR_SIZE || purpose == RW_FOR_STREAM) && aof_backup_busy(a)) return false;
    a->purpose = purpose;
    a->base_tmp[0] = a->incr[0] = '\0';
    if (purpose == RW_FOR_REPLACE)
        memcpy(a->base_tmp, a->replacement, sizeof a->base_tmp);
    else
        a->head.n = 0;
    a->rewrite_began_us = clock_real_ns() / 1000;
    if (!aof_job_start(a, aof_run_prepare)) return false;
    if (!aof_only_rotates(purpose)) a->info.rewrites++;
    rw_enter(a, RW_PREPARE, purpose_name[purpose]);
    return true;
}

static void name_base(struct aof *a, pid_t pid) {
    snprintf(a->base_tmp, sizeof a->base_tmp, "temp-%.200s.rewrite-%d.aof", a->o.names.filename,
             (int)pid);
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

    name_base(a, getpid());
    if (a->h.on_fork) a->h.on_fork(a->h.arg);
    rw.rdb = aof_rdb_options(a, &rdb);
    if (aof_rewrite_write(&rw, report_fd, &e) == 0) return 0;
    child_fail(report_fd, &e);
    return 1;
}

/* While recovering the writer gets the increment only when base and manifest are durable, and never
 * while the AOF is off. */
static void switch_files(struct aof *a) {
    a->fork_position = a->appended;
    a->head_end = 0;
    if (a->purpose == RW_FOR_RECOVERY || a->purpose == RW_WHILE_OFF) {
        aof_begin_epoch(a, a->incr, &a->head);
        aof_stream_note_base(a);
        return;
    }
    aof_writer_get_state(a->w, &a->st);
    a->incr_bytes_before += aof_is_named_first(a->purpose) ? a->st.file_bytes : 0;
    aof_writer_switch(a->w, a->incr_fd, a->o.checksum);
    memcpy(a->current, a->incr, sizeof a->current);
    a->incr_fd = -1;
    aof_begin_file(a, a->current);
    if (a->checksum) a->head_end = a->appended;
    if (!aof_only_rotates(a->purpose)) aof_stream_note_base(a);
}

static void begin_publishing(struct aof *a, const char *why) {
    rw_enter(a, RW_PUBLISH, why);
    if (!aof_job_start(a, aof_run_publish)) rewrite_ended(a, false, "no thread");
}

/* Only the header of the increment after it tells the new base from an older one. If the disk takes
 * no writes the rewrite is given up, because the base may take the space that the header needs. */
static void watch_join(struct aof *a) {
    if (aof_writer_synced(a->w) >= a->head_end)
        begin_publishing(a, "base and header are durable");
    else if (a->st.write_error && clock_real_ns() / 1000 - a->join_began_us > JOIN_ERROR_US)
        rewrite_ended(a, false, strerror(a->st.write_error));
}

static void base_is_there(struct aof *a, const char *why) {
    a->join_began_us = clock_real_ns() / 1000;
    rw_enter(a, RW_JOIN, why);
    watch_join(a);
}

/* The child's snapshot holds everything appended so far; later commands go to the new increment. */
void aof_rewrite_fork(struct aof *a) {
    struct err e;

    CHECK(a->rw == RW_FORK && a->buf.n == 0);
    if (a->purpose == RW_FOR_REPLACE) {
        aof_replace_go_on(a);
        base_is_there(a, "the caller has made it");
        return;
    }
    switch_files(a);
    if (aof_only_rotates(a->purpose)) {
        rewrite_ended(a, true, "");
        return;
    }
    if (child_start(&a->child, run_child, a, &e) < 0) {
        rewrite_ended(a, false, e.text);
        return;
    }
    name_base(a, a->child.pid);
    a->keys_at_fork = keyspace_count(a->ks);
    a->info.last_fork_us = a->child.fork_us;
    if (a->h.latency) a->h.latency(a->h.arg, "fork", a->child.fork_us);
    if (a->o.no_fsync_on_rewrite) aof_writer_hold_sync(a->w, true);
    log_notice("Background append only file rewriting started by pid %d", (int)a->child.pid);
    rw_enter(a, RW_CHILD, "forked");
}

static void prepare_ended(struct aof *a) {
    struct aof_job *job = &a->job;

    take_prepared(a);
    if (job->rc < 0) {
        rewrite_ended(a, false, job->err.text);
        return;
    }
    log_notice("Creating AOF incr file %s on %s", a->incr,
               aof_only_rotates(a->purpose) ? purpose_name[a->purpose] : "background rewrite");
    rw_enter(a, RW_FORK, "the new increment is durable");
}

static void child_ended(struct aof *a, int status) {
    uint64_t cow = a->child.progress.cow_bytes;

    a->info.last_cow_bytes = cow;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        log_notice("Background AOF rewrite terminated with success");
        base_is_there(a, "the child has made it");
    } else if (WIFSIGNALED(status)) {
        char why[64];

        snprintf(why, sizeof why, "Background AOF rewrite terminated by signal %d",
                 WTERMSIG(status));
        log_warning("%s", why);
        rewrite_ended(a, false, why);
        /* A child is ended on purpose by SIGUSR1: not an error. */
        if (WTERMSIG(status) == SIGUSR1) a->info.last_rewrite_ok = true;
    } else {
        log_warning("Background AOF rewrite terminated with error");
        rewrite_ended(a, false, a->child.error.code ? a->child.error.text : "the child failed");
    }
}

static void publish_ended(struct aof *a) {
    struct aof_job *job = &a->job;

    if (!take_published(a)) {
        rewrite_ended(a, false, job->err.text);
        return;
    }
    if (job->rc < 0) log_warning("AOF: %s", job->err.text); /* the next start removes it */
    log_notice("Background AOF rewrite finished successfully");
    if (a->purpose == RW_FOR_RECOVERY) {
        aof_writer_restart_with(a->w, &job->files, a->head.n, a->fork_position + a->head.n,
                                a->o.checksum);
        memcpy(a->current, job->incr, sizeof a->current);
        a->incr_fd = -1;
        a->st.sync_error = a->st.write_error = 0;
        aof_enter(a, AOF_ON, "a new base and increment are durable");
        log_warning("The AOF is durable again: writes are accepted");
    } else if (a->purpose == RW_FOR_ENABLE || a->purpose == RW_FOR_REPLACE) {
        aof_enter(a, AOF_ON, "the first manifest is durable");
    } else if (a->purpose == RW_WHILE_OFF) {
        disposer_close(a->disposer, a->incr_fd);
        a->incr_fd = -1;
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
    if (child_is_silent(&a->child)) {
        log_warning("The AOF rewrite child %d has said nothing for %d s: killed", a->child.pid,
                    CHILD_SILENCE_S);
        child_kill(&a->child, SIGKILL);
    }
}

/* An aborted rewrite ends when its job and its child have ended. What the job has published by then
 * counts. */
static void watch_abort(struct aof *a) {
    bool publishing = a->job.run == aof_run_publish;
    int status;

    if (aof_job_collect(a)) {
        if (publishing) {
            take_published(a);
            for (int i = 0; i < AOF_WRITER_THREADS; i++)
                disposer_close(a->disposer, a->job.files.own[i]);
        } else {
            take_prepared(a);
        }
    }
    if (a->child.pid) child_reap(&a->child, &status);
    if (a->job.active || a->child.pid) return;
    drop_leftovers(a);
    rw_enter(a, RW_IDLE, "all of it has ended");
}

void aof_rewrite_step(struct aof *a) {
    if (a->rw == RW_OPEN && aof_job_collect(a)) open_ended(a);
    if (a->rw == RW_PREPARE && aof_job_collect(a)) prepare_ended(a);
    if (a->rw == RW_CHILD) watch_child(a);
    if (a->rw == RW_JOIN) watch_join(a);
    if (a->rw == RW_PUBLISH && aof_job_collect(a)) publish_ended(a);
    if (a->rw == RW_ABORT) watch_abort(a);
}

/* Aborts a rewrite in any phase, without waiting for the disk: a job that has started cannot be
 * stopped. */
void aof_rewrite_abort(struct aof *a, const char *why) {
    if (a->rw == RW_IDLE || a->rw == RW_OPEN || a->rw == RW_ABORT) return;
    if (a->rw == RW_FORK || a->rw == RW_JOIN) {
        rewrite_ended(a, false, why);
        return;
    }
    if (a->child.pid) log_notice("Killing AOF child %d: %s", (int)a->child.pid, why);
    child_kill(&a->child, SIGKILL);
    if (a->purpose == RW_FOR_REPLACE) aof_replace_forget(a);
    note_outcome(a, false, why);
    rw_enter(a, RW_ABORT, why);
    if (a->purpose == RW_FOR_BACKUP) aof_backup_rotated(a, why);
    watch_abort(a);
}
