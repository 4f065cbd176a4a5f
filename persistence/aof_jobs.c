/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_jobs - the steps that change which files the AOF is made of, as far as they wait for the
 * disk: each runs on a thread (struct aof_job) and touches nothing of struct aof but its constant
 * parts. The order of the steps, and what a crash after each one leaves, is the table "Publishing"
 * in persistence/README.md.
 */
#include "persistence/aof_internal.h"

#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

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
    int rc;

    CHECK(!job->active);
    job->run = run;
    job->a = a;
    job->purpose = a->purpose;
    job->keep = a->o.keep;
    job->err = (struct err){0};
    job->dirfd = job->lock_fd = -1;
    job->tried = job->published = false;
    job->rdb_bytes = 0;
    job->foreign = a->foreign;
    atomic_store(&job->done, false);
    snprintf(job->stem, sizeof job->stem, "%s", a->o.names.filename);
    snprintf(job->dirname, sizeof job->dirname, "%s", a->o.names.dirname);
    if (a->dirfd >= 0)
        memcpy(job->path, a->path, sizeof job->path);
    else
        aof_directory_path(&a->o.names, job->path);
    snprintf(job->base_tmp, sizeof job->base_tmp, "%s", a->base_tmp);
    snprintf(job->incr, sizeof job->incr, "%s", a->incr);
    snprintf(job->current, sizeof job->current, "%s", a->current);
    job->head = a->head;
    job->epoch = a->epoch;
    job->marks = a->checksum;
    job->fd = a->incr_fd;
    aof_writer_open_files(&job->files, -1);
    job->base[0] = '\0';
    aof_manifest_copy(&job->manifest, &a->manifest);
    aof_manifest_copy(&job->doubtful, &a->doubtful);
    aof_watch_hold(a->watch);
    a->unwatched = true;
    rc = thread_start(&job->thread, "aof-job", job_run, job);
    if (rc == 0) {
        job->active = true;
        return true;
    }
    aof_job_release(job);
    log_warning("Cannot start a thread for the AOF's files: %s", strerror(rc));
    return false;
}

void aof_job_release(struct aof_job *job) {
    aof_manifest_release(&job->manifest);
    aof_manifest_release(&job->doubtful);
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

int aof_keep_manifest(int dirfd, const char *stem, const struct aof_manifest *m,
                      char name[AOF_KEPT_NAME_MAX], struct err *e) {
    struct bytes text = {0};
    int rc;

    snprintf(name, AOF_KEPT_NAME_MAX, "%s.manifest.before-%lld", stem, (long long)clock_wall_ms());
    aof_manifest_format(m, &text);
    rc = io_replace(dirfd, name, bytes_slice(&text), e);
    bytes_release(&text);
    return rc;
}

static void creation_name(const char *stem, char *out) {
    snprintf(out, AOF_NAME_MAX + 16, ".%s.creating", stem);
}

bool aof_creation_is_under_way(int dirfd, const char *stem) {
    char name[AOF_NAME_MAX + 16];

    creation_name(stem, name);
    return io_exists(dirfd, name);
}

int aof_creation_begins(int dirfd, const char *stem, struct err *e) {
    char name[AOF_NAME_MAX + 16];
    int fd;

    creation_name(stem, name);
    fd = io_create(dirfd, name, e);
    if (fd < 0) return -1;
    io_close(fd);
    return io_sync_dir(dirfd, e);
}

int aof_creation_ends(int dirfd, const char *stem, struct err *e) {
    char name[AOF_NAME_MAX + 16];

    creation_name(stem, name);
    if (!io_exists(dirfd, name)) return 0;
    if (io_unlink(dirfd, name, e) < 0) return -1;
    return io_sync_dir(dirfd, e);
}

static int publish_manifest(struct aof_job *job) {
    job->tried = true;
    if (aof_publish_manifest(job->dirfd, job->stem, &job->manifest, &job->err) < 0) return -1;
    job->published = true;
    return 0;
}

int aof_open_directory(const char *dirname, const char *stem, bool is_ours, struct aof_opened *out,
                       struct err *e) {
    *out = (struct aof_opened){.lock_fd = -1};
    out->dirfd = io_open_dir(dirname, true, e);
    if (out->dirfd < 0) return -1;
    if (is_ours || aof_check_unused(out->dirfd, stem, e) == 0)
        out->lock_fd = io_lock(out->dirfd, AOF_LOCK, aof_lock_byte(stem), &out->made_lock, e);
    if (out->lock_fd >= 0) return 0;
    if (e->code == EWOULDBLOCK)
        err_set(e, EWOULDBLOCK, "another server is using the append only directory '%s'", dirname);
    io_close(out->dirfd);
    out->dirfd = -1;
    return -1;
}

/* The AOF in the directory was not loaded, so its data is not in memory: its manifest is kept under
 * another name. */
static int keep_aside(struct aof_job *job) {
    char name[AOF_KEPT_NAME_MAX];

    if (aof_keep_manifest(job->dirfd, job->stem, &job->manifest, name, &job->err) < 0) return -1;
    log_warning(
        "There was an append only file that this server has not loaded. It is kept: '%s/%s' "
        "names its files, and brings it back when it is renamed to '%s.manifest'",
        job->dirname, name, job->stem);
    job->manifest.n = 0;
    job->foreign = false;
    return 0;
}

/* Nothing of the directory is known yet: the AOF was off at the start, or its directory is gone. */
static int open_directory(struct aof_job *job) {
    struct aof_names n = {.dirname = job->dirname, .filename = job->stem};
    struct err *e = &job->err;
    struct aof_opened opened;

    *e = (struct err){0};
    if (aof_open_directory(job->path, job->stem, job->a->dirfd >= 0, &opened, e) < 0) return -1;
    job->dirfd = opened.dirfd;
    job->lock_fd = opened.lock_fd;
    if (io_sync_dir(job->dirfd, e) < 0 || io_sync_parent(job->path, e) < 0) goto fail;
    aof_manifest_release(&job->manifest);
    if (aof_manifest_adopt(job->dirfd, &n, &job->manifest, e) < 0) goto fail;
    job->foreign = job->manifest.n > 0;
    return 0;
fail:
    io_close(job->lock_fd);
    io_close(job->dirfd);
    job->dirfd = job->lock_fd = -1;
    return -1;
}

bool aof_is_named_first(enum rewrite_purpose p) {
    return p == RW_FOR_SIZE || aof_only_rotates(p);
}

bool aof_only_rotates(enum rewrite_purpose p) {
    return p == RW_FOR_BACKUP || p == RW_FOR_STREAM;
}

static enum aof_place check_place(struct aof_job *job) {
    return aof_watch_check(job->a->watch, job->path, job->a->dirfd, &job->err);
}

/* The directory for new files: the one that is open, if it is still that of the path and locked. A
 * new one has to begin with a base: only the recovery and enabling make it. */
static int take_place(struct aof_job *job) {
    enum aof_place place = job->a->dirfd < 0 ? AOF_ELSEWHERE : check_place(job);

    if (place == AOF_IN_PLACE) {
        job->dirfd = job->a->dirfd;
        return 0;
    }
    if (place != AOF_ELSEWHERE) return -1;
    if (job->a->dirfd >= 0 && aof_is_named_first(job->purpose)) return -1;
    return open_directory(job);
}

int aof_run_open(struct aof_job *job) {
    return open_directory(job);
}

/* PREPARE: the new increment exists durably before a manifest names it. For a rewrite the manifest
 * is published right away: an empty last increment is legal, whatever happens next. If there was no
 * AOF before, no manifest names the files until PUBLISH; `.<name>.creating` says so. */
int aof_run_prepare(struct aof_job *job) {
    const struct aof_file *f;
    bool first;

    job->fd = -1;
    if (take_place(job) < 0) return -1;
    if (job->foreign && keep_aside(job) < 0) return -1;
    first = job->manifest.n == 0;
    f = aof_manifest_add_incr(&job->manifest, job->stem);
    if (first && aof_creation_begins(job->dirfd, job->stem, &job->err) < 0) return -1;
    snprintf(job->incr, sizeof job->incr, "%s", f->name);
    job->fd = io_create(job->dirfd, f->name, &job->err);
    if (job->fd < 0) return -1;
    if (io_sync(job->fd, &job->err) < 0 || io_sync_dir(job->dirfd, &job->err) < 0) return -1;
    return aof_is_named_first(job->purpose) ? publish_manifest(job) : 0;
}

/* Removes files of failed attempts: a manifest that names none of them is durable now. */
static void remove_doubtful(struct aof_job *job) {
    for (size_t i = 0; i < job->doubtful.n; i++) {
        const char *name = job->doubtful.files[i].name;

        if (!aof_manifest_names(&job->manifest, name)) io_unlink(job->dirfd, name, NULL);
    }
}

/* If the second publishing fails, the next start drops the names. */
static void remove_history(struct aof_job *job) {
    disposer_wait(job->a->disposer); /* readers of the stream have these files open then */
    remove_doubtful(job);
    if (aof_history_prune(job->dirfd, &job->manifest, &job->keep)) publish_manifest(job);
}

static bool is_rdb(int dirfd, const char *name) {
    int fd = io_open_read(dirfd, name, NULL);
    bool yes = fd >= 0 && rdb_is_one(fd, 0);

    io_close(fd);
    return yes;
}

/* A base that does not say its position could be exchanged for another one. */
static int say_position(struct aof_job *job, int64_t size) {
    struct aof_epoch h = {.position = job->epoch.position,
                          .offset = (uint64_t)size,
                          .epoch = job->epoch.epoch,
                          .ms = job->epoch.ms};
    char line[AOF_MARK_MAX];
    int fd, rc = -1;

    rng_system(&h.id, sizeof h.id);
    fd = io_open_append(job->dirfd, job->base_tmp, &job->err);
    if (fd < 0) return -1;
    if (io_write_all(fd, line, aof_mark_header(line, &h, 0), NULL, &job->err) == 0)
        rc = io_sync(fd, &job->err);
    io_close(fd);
    return rc;
}

/* The caller has written the base, not a child. */
static int take_replacement(struct aof_job *job) {
    struct aof_file f = {.type = AOF_BASE};
    int fd = io_open_read(job->dirfd, job->base_tmp, &job->err), rc;
    int64_t size = fd < 0 ? -1 : io_size(fd, &job->err);
    uint64_t position;

    if (fd < 0) return -1;
    rc = size < 0 ? -1 : io_sync(fd, &job->err);
    if (rc == 0 && !rdb_is_one(fd, 0))
        rc = err_set(&job->err, EILSEQ, "'%s' is no RDB file", job->base_tmp);
    /* The base of a master's AOF says one. The header after it counts, if there is one. */
    if (rc == 0 && !job->marks && aof_file_position(fd, &f, &position))
        rc = err_set(&job->err, EILSEQ, "'%s' says a position of another AOF", job->base_tmp);
    io_close(fd);
    job->rdb_bytes = rc == 0 ? (uint64_t)size : 0;
    return rc == 0 && job->marks ? say_position(job, size) : rc;
}

/* The base gets its name, the manifest names it and the last increment, what they replace goes. */
static int publish_base(struct aof_job *job) {
    struct aof_file *f;
    struct io_stat st;
    bool rdb = is_rdb(job->dirfd, job->base_tmp);

    /* Before a manifest names the base, so that the two are known to join. */
    if (job->head.n && aof_write_head(job->fd, &job->head, &job->err) < 0) return -1;
    f = aof_manifest_set_base(&job->manifest, job->stem, rdb ? "rdb" : "aof");
    snprintf(job->base, sizeof job->base, "%s", f->name);
    job->tried = true;
    if (io_rename(job->dirfd, job->base_tmp, job->base, &job->err) < 0) return -1;
    if (io_sync_dir(job->dirfd, &job->err) < 0) return -1;
    job->base_bytes = io_stat(job->dirfd, job->base, &st) == 0 ? st.size : 0;
    if (rdb && !job->rdb_bytes) job->rdb_bytes = job->base_bytes;
    log_notice("Creating AOF base file %s", job->base);
    aof_manifest_retire_incrs(&job->manifest, job->purpose == RW_FOR_SIZE ? 1 : 0);
    if (job->purpose != RW_FOR_SIZE)
        aof_manifest_add(&job->manifest, AOF_INCR, job->manifest.incr_seq, job->incr);
    if (publish_manifest(job) < 0) return -1;
    if (aof_creation_ends(job->dirfd, job->stem, &job->err) < 0) return -1;
    remove_history(job);
    job->recovery_begins_ms = aof_history_begins(job->dirfd, &job->manifest);
    return 0;
}

/* PUBLISH: the child has synced the base. The writer gets the increment of a recovery when the main
 * thread learns of the end, which must not wait for the disk: so its files are opened here. */
int aof_run_publish(struct aof_job *job) {
    int rc;

    job->dirfd = job->a->dirfd;
    if (check_place(job) != AOF_IN_PLACE) return -1;
    if (job->purpose == RW_FOR_REPLACE && take_replacement(job) < 0) return -1;
    if (job->purpose == RW_FOR_RECOVERY) aof_writer_open_files(&job->files, job->fd);
    rc = publish_base(job);
    if (job->published) return rc;
    for (int i = 0; i < AOF_WRITER_THREADS; i++) io_close(job->files.own[i]);
    aof_writer_open_files(&job->files, -1);
    return rc;
}

/* ---------------------------------------------------------------- what a start removes */

struct temps {
    int dirfd;
    const char *stem;
};

/* "temp-<stem>..." is this AOF's; "temp-rewriteaof-bg-<pid>.aof", as other servers name it, is that
 * of a process that may be alive. */
static bool is_temp(const char *name, const char *stem) {
    size_t n = strlen(stem);
    int end = 0;
    long pid;

    if (strncmp(name, "temp-", 5) != 0) return false;
    if (strncmp(name + 5, stem, n) == 0 && name[5 + n] == '.') return true;
    if (sscanf(name, "temp-rewriteaof-bg-%ld.aof%n", &pid, &end) != 1 || end == 0 || name[end])
        return false;
    return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static bool remove_temp(void *arg, const char *name) {
    const struct temps *t = arg;

    if (is_temp(name, t->stem)) io_unlink(t->dirfd, name, NULL);
    return true;
}

void aof_remove_temps(int dirfd, const char *stem) {
    struct temps t = {dirfd, stem};

    io_list(dirfd, remove_temp, &t, NULL);
}
