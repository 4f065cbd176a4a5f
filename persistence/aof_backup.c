/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_backup.h"

#include "persistence/aof_internal.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define PARTIAL ".partial"

const char *const aof_backup_phase_name[BACKUP_PHASES] = {"idle",     "starting", "open",
                                                          "rotating", "linking",  "removing"};

static const unsigned next[BACKUP_PHASES] = {
    [BACKUP_IDLE] = 1u << BACKUP_STARTING | 1u << BACKUP_REMOVING,
    [BACKUP_STARTING] = 1u << BACKUP_OPEN | 1u << BACKUP_IDLE,
    [BACKUP_OPEN] = 1u << BACKUP_ROTATING | 1u << BACKUP_REMOVING,
    [BACKUP_ROTATING] = 1u << BACKUP_LINKING | 1u << BACKUP_OPEN,
    [BACKUP_LINKING] = 1u << BACKUP_IDLE | 1u << BACKUP_OPEN,
    [BACKUP_REMOVING] = 1u << BACKUP_IDLE,
};

static void enter(struct aof_backup *b, enum aof_backup_phase to) {
    CHECK(next[b->phase] & (1u << to));
    log_verbose("backup: %s -> %s", aof_backup_phase_name[b->phase], aof_backup_phase_name[to]);
    b->phase = to;
    b->waits = to == BACKUP_STARTING || to == BACKUP_LINKING || to == BACKUP_REMOVING;
}

static void note_failure(struct aof_backup *b, const char *why) {
    b->failed = true;
    snprintf(b->why, sizeof b->why, "%s", why);
    log_warning("Backup '%s': %s", b->id, why);
}

/* ---------------------------------------------------------------- on the thread */

/* Reduces the manifest to the files of the backup: the base, and the increments before the current
 * one. An attempt at a rewrite that failed may have named a later one, which is empty. */
static void leave_closed(struct aof_job *job) {
    struct aof_manifest *m = &job->manifest;
    size_t n = 0;

    aof_manifest_drop_history(m);
    while (n < m->n && strcmp(m->files[n].name, job->current) != 0) n++;
    m->n = n;
}

static int link_files(const struct aof_job *job, int to, struct err *e) {
    const struct aof_manifest *m = &job->manifest;

    for (size_t i = 0; i < m->n; i++) {
        const char *name = m->files[i].name;

        if (io_exists(to, name)) continue;
        if (io_link(job->a->dirfd, name, to, e) < 0) return -1;
    }
    return io_sync_dir(to, e);
}

static int run_start(struct aof_job *job) {
    char partial[BACKUP_ID_MAX + 16];
    int dirfd = io_open_dir(job->backup_dir, true, &job->err), to, rc;

    if (dirfd < 0) return -1;
    leave_closed(job);
    snprintf(partial, sizeof partial, "%s" PARTIAL, job->backup_id);
    to = io_open_subdir(dirfd, partial, true, &job->err);
    rc = to < 0 ? -1 : link_files(job, to, &job->err);
    io_close(to);
    io_close(dirfd);
    return rc;
}

/* Files that were linked at the start, and that a rewrite has replaced since. */
struct sealed {
    const struct aof_manifest *m;
    int dirfd;
};

static bool remove_if_useless(void *arg, const char *name) {
    const struct sealed *s = arg;
    bool needed = name[0] == '.';

    for (size_t i = 0; !needed && i < s->m->n; i++) needed = strcmp(s->m->files[i].name, name) == 0;
    if (!needed) io_unlink(s->dirfd, name, NULL);
    return true;
}

static void remove_useless(const struct aof_manifest *m, int to) {
    struct sealed s = {m, to};

    io_list(to, remove_if_useless, &s, NULL);
}

static int write_manifest(const struct aof_job *job, int to, struct err *e) {
    return aof_publish_manifest(to, job->stem, &job->manifest, e);
}

static uint64_t bytes_of(const struct aof_manifest *m, int dirfd) {
    uint64_t total = 0;
    struct io_stat st;

    for (size_t i = 0; i < m->n; i++)
        if (io_stat(dirfd, m->files[i].name, &st) == 0) total += st.size;
    return total;
}

/* The seal is durable before the directory gets its name. */
static int write_seal(const struct aof_job *job, int to, struct err *e) {
    struct bytes line = {0};
    int rc;

    bytes_printf(&line, "stet-backup 1 %llu %lld\n", (unsigned long long)job->backup_position,
                 (long long)clock_wall_ms());
    rc = io_replace(to, AOF_SEAL, bytes_slice(&line), e);
    bytes_release(&line);
    return rc;
}

static int run_seal(struct aof_job *job) {
    char partial[BACKUP_ID_MAX + 16];
    int dirfd = io_open_dir(job->backup_dir, false, &job->err), to, rc = -1;

    if (dirfd < 0) return -1;
    leave_closed(job);
    snprintf(partial, sizeof partial, "%s" PARTIAL, job->backup_id);
    to = io_open_subdir(dirfd, partial, false, &job->err);
    if (to < 0) goto out;
    if (link_files(job, to, &job->err) < 0) goto out;
    remove_useless(&job->manifest, to);
    if (write_manifest(job, to, &job->err) < 0) goto out;
    if (write_seal(job, to, &job->err) < 0) goto out;
    job->base_bytes = bytes_of(&job->manifest, to);
    if (io_rename(dirfd, partial, job->backup_id, &job->err) < 0) goto out;
    rc = io_sync_dir(dirfd, &job->err);
out:
    io_close(to);
    io_close(dirfd);
    return rc;
}

struct removal {
    int dirfd, rc;
    struct err *e;
};

static bool remove_if_partial(void *arg, const char *name) {
    struct removal *r = arg;
    const char *tail = strstr(name, PARTIAL);

    if (strncmp(name, "backup-", 7) == 0 && tail && !tail[sizeof PARTIAL - 1])
        r->rc = aof_backup_remove_dir(r->dirfd, name, r->e);
    return r->rc == 0;
}

/* Everything that was never sealed. */
static int remove_partial(int dirfd, struct err *e) {
    struct removal r = {.dirfd = dirfd, .e = e};

    return io_list(dirfd, remove_if_partial, &r, e) < 0 ? -1 : r.rc;
}

/* Renamed first: under the new name it is no backup any more, whatever happens during the
 * removal. */
static int run_remove(struct aof_job *job) {
    char partial[BACKUP_ID_MAX + 16];
    int dirfd = io_open_dir(job->backup_dir, false, &job->err), rc = 0;

    if (dirfd < 0) return -1;
    snprintf(partial, sizeof partial, "%s" PARTIAL, job->backup_id);
    if (job->backup_id[0] && io_exists(dirfd, job->backup_id))
        rc = io_rename(dirfd, job->backup_id, partial, &job->err);
    if (rc == 0)
        rc = job->backup_id[0] ? aof_backup_remove_dir(dirfd, partial, &job->err)
                               : remove_partial(dirfd, &job->err);
    io_close(dirfd);
    return rc;
}

/* ---------------------------------------------------------------- commands */

bool aof_backup_busy(const struct aof *a) {
    return a->backup.phase != BACKUP_IDLE && a->backup.phase != BACKUP_OPEN;
}

const struct aof_backup *aof_backup_state(const struct aof *a) {
    return &a->backup;
}

static int expect(const struct aof *a, enum aof_backup_phase phase, struct err *e) {
    if (a->backup.phase == phase) return 0;
    if (aof_backup_busy(a)) return err_set(e, EBUSY, "another BACKUP command is running");
    return err_set(e, EINVAL,
                   phase == BACKUP_OPEN ? "no backup was started"
                                        : "a backup is under way: seal it or abort it first");
}

static int name_dir(struct aof_backup *b, const char *dir, struct err *e) {
    if (!dir || !dir[0])
        return err_set(e, EINVAL, "there is no directory for backups, see 'backup-dir'");
    if (strlen(dir) >= sizeof b->dir) return err_set(e, ENAMETOOLONG, "'backup-dir' is too long");
    snprintf(b->dir, sizeof b->dir, "%s", dir);
    return 0;
}

int aof_backup_start(struct aof *a, const char *dir, int64_t ttl_ms, struct err *e) {
    struct aof_backup *b = &a->backup;

    if (expect(a, BACKUP_IDLE, e) < 0) return -1;
    if (a->phase != AOF_ON)
        return err_set(e, EINVAL, "a backup is made of the append-only file, which is not on");
    if (name_dir(b, dir, e) < 0) return -1;
    b->failed = false;
    b->started_ms = clock_wall_ms();
    b->ends_ms = ttl_ms ? b->started_ms + ttl_ms : 0;
    snprintf(b->id, sizeof b->id, "backup-%lld", (long long)b->started_ms);
    enter(b, BACKUP_STARTING);
    aof_backup_step(a);
    return 0;
}

int aof_backup_seal(struct aof *a, struct err *e) {
    if (expect(a, BACKUP_OPEN, e) < 0) return -1;
    a->backup.failed = false;
    enter(&a->backup, BACKUP_ROTATING);
    aof_backup_step(a);
    return 0;
}

static void begin_removal(struct aof *a) {
    a->backup.failed = false;
    enter(&a->backup, BACKUP_REMOVING);
    aof_backup_step(a);
}

int aof_backup_abort(struct aof *a, struct err *e) {
    if (expect(a, BACKUP_OPEN, e) < 0) return -1;
    begin_removal(a);
    return 0;
}

int aof_backup_remove(struct aof *a, const char *dir, const char *id, struct err *e) {
    struct aof_backup *b = &a->backup;

    if (expect(a, BACKUP_IDLE, e) < 0 || name_dir(b, dir, e) < 0) return -1;
    if (a->phase != AOF_ON) return err_set(e, EINVAL, "the append-only file is not on");
    if ((id[0] && strncmp(id, "backup-", 7) != 0) || strchr(id, '/') || strlen(id) >= sizeof b->id)
        return err_set(e, EINVAL, "'%.100s' is no backup", id);
    snprintf(b->id, sizeof b->id, "%s", id);
    begin_removal(a);
    return 0;
}

/* ---------------------------------------------------------------- steps */

static int (*const runs[BACKUP_PHASES])(struct aof_job *job) = {
    [BACKUP_STARTING] = run_start, [BACKUP_LINKING] = run_seal, [BACKUP_REMOVING] = run_remove};

static void fail(struct aof *a, const char *why) {
    struct aof_backup *b = &a->backup;

    note_failure(b, why);
    if (b->phase == BACKUP_STARTING || b->phase == BACKUP_REMOVING)
        enter(b, BACKUP_IDLE);
    else
        enter(b, BACKUP_OPEN);
}

static void job_ended(struct aof *a) {
    struct aof_backup *b = &a->backup;
    struct aof_job *job = &a->job;

    aof_manifest_release(&job->manifest);
    if (job->rc < 0) {
        fail(a, job->err.text);
        return;
    }
    if (b->phase == BACKUP_STARTING) {
        enter(b, BACKUP_OPEN);
        return;
    }
    if (b->phase == BACKUP_LINKING) {
        snprintf(b->last_id, sizeof b->last_id, "%s", b->id);
        snprintf(b->last_dir, sizeof b->last_dir, "%s", b->dir);
        b->last_position = b->position;
        b->last_bytes = job->base_bytes;
        b->last_ms = clock_wall_ms();
        log_notice("Backup '%s/%s' is sealed at position %llu", b->dir, b->id,
                   (unsigned long long)b->position);
    }
    enter(b, BACKUP_IDLE);
}

static void begin_job(struct aof *a) {
    struct aof_backup *b = &a->backup;

    if (a->job.active || a->rw != RW_IDLE) return;
    snprintf(a->job.backup_dir, sizeof a->job.backup_dir, "%s", b->dir);
    snprintf(a->job.backup_id, sizeof a->job.backup_id, "%s", b->id);
    a->job.backup_position = b->position;
    if (aof_job_start(a, runs[b->phase]))
        b->waits = false;
    else
        fail(a, "no thread could be started");
}

void aof_backup_rotated(struct aof *a, const char *error) {
    if (a->backup.phase != BACKUP_ROTATING) return;
    if (error) {
        fail(a, error);
        return;
    }
    a->backup.position = a->fork_position;
    enter(&a->backup, BACKUP_LINKING);
}

void aof_backup_step(struct aof *a) {
    struct aof_backup *b = &a->backup;

    aof_listing_step(a);
    if (b->phase == BACKUP_OPEN && b->ends_ms && clock_wall_ms() >= b->ends_ms) {
        log_warning("Backup '%s' was not sealed in time: it is removed", b->id);
        begin_removal(a);
        return;
    }
    if (!aof_backup_busy(a)) return;
    if (b->phase == BACKUP_ROTATING) {
        if (a->phase != AOF_ON)
            fail(a, "the append-only file is not on any more");
        else if (a->rw == RW_IDLE)
            aof_rewrite_begin(a, RW_FOR_BACKUP);
        return;
    }
    if (!b->waits) {
        if (aof_job_collect(a)) job_ended(a);
        return;
    }
    if (b->phase == BACKUP_LINKING && a->phase != AOF_ON)
        fail(a, "the append-only file is not on any more");
    else if (!aof_writer_is_switching(a->w) &&
             (b->phase != BACKUP_LINKING || aof_writer_synced(a->w) >= b->position))
        begin_job(a); /* it links files that are not written to any more */
}
