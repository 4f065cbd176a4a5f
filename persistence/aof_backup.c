/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_backup.h"

#include "persistence/aof_internal.h"
#include "persistence/io.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* A directory in the directory of backups; `made`: it must not be there yet. */
static int open_sub(int dirfd, const char *name, bool made, struct err *e) {
    int fd;

    if (made && mkdirat(dirfd, name, 0755) < 0)
        return err_set(e, errno, "can't make the directory '%s': %s", name, strerror(errno));
    if (made && io_sync_dir(dirfd, e) < 0) return -1;
    fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) err_set(e, errno, "can't open the directory '%s': %s", name, strerror(errno));
    return fd;
}

/* Whether a file belongs to the backup: its last increment is the one before the current one. */
static bool belongs(const struct aof_manifest *m, size_t i) {
    return m->files[i].type == AOF_BASE || (m->files[i].type == AOF_INCR && i + 1 < m->n);
}

static int link_files(const struct aof_job *job, int to, struct err *e) {
    const struct aof_manifest *m = &job->manifest;

    for (size_t i = 0; i < m->n; i++) {
        const char *name = m->files[i].name;

        if (!belongs(m, i) || io_exists(to, name)) continue;
        if (io_link(job->a->dirfd, name, to, e) < 0) return -1;
    }
    return io_sync_dir(to, e);
}

static int run_start(struct aof_job *job) {
    char partial[BACKUP_ID_MAX + 16];
    int dirfd = io_open_dir(job->backup_dir, true, &job->err), to, rc;

    if (dirfd < 0) return -1;
    snprintf(partial, sizeof partial, "%s" PARTIAL, job->backup_id);
    to = open_sub(dirfd, partial, true, &job->err);
    rc = to < 0 ? -1 : link_files(job, to, &job->err);
    if (to >= 0) close(to);
    close(dirfd);
    return rc;
}

/* Files that were linked at the start, and that a rewrite has replaced since. */
static void remove_useless(const struct aof_manifest *m, int to) {
    int fd = dup(to);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) return;
    rewinddir(d);
    for (const struct dirent *ent; (ent = readdir(d));) {
        bool needed = ent->d_name[0] == '.';

        for (size_t i = 0; !needed && i < m->n; i++)
            needed = belongs(m, i) && strcmp(m->files[i].name, ent->d_name) == 0;
        if (!needed) io_unlink(to, ent->d_name, NULL);
    }
    closedir(d);
}

static int write_manifest(const struct aof_job *job, int to, struct err *e) {
    struct aof_manifest m = {0};
    int rc;

    aof_manifest_copy(&m, &job->manifest);
    aof_manifest_drop_history(&m);
    m.n--; /* the current increment, the last one */
    rc = aof_publish_manifest(to, job->stem, &m, e);
    aof_manifest_release(&m);
    return rc;
}

static uint64_t bytes_of(const struct aof_manifest *m, int dirfd) {
    uint64_t total = 0;
    struct stat st;

    for (size_t i = 0; i < m->n; i++)
        if (belongs(m, i) && fstatat(dirfd, m->files[i].name, &st, 0) == 0)
            total += (uint64_t)st.st_size;
    return total;
}

static int run_seal(struct aof_job *job) {
    char partial[BACKUP_ID_MAX + 16];
    int dirfd = io_open_dir(job->backup_dir, false, &job->err), to, rc = -1;

    if (dirfd < 0) return -1;
    snprintf(partial, sizeof partial, "%s" PARTIAL, job->backup_id);
    to = open_sub(dirfd, partial, false, &job->err);
    if (to < 0) goto out;
    if (link_files(job, to, &job->err) < 0) goto out;
    remove_useless(&job->manifest, to);
    if (write_manifest(job, to, &job->err) < 0) goto out;
    job->base_bytes = bytes_of(&job->manifest, to);
    if (io_rename(dirfd, partial, job->backup_id, &job->err) < 0) goto out;
    rc = io_sync_dir(dirfd, &job->err);
out:
    if (to >= 0) close(to);
    close(dirfd);
    return rc;
}

static int remove_dir(int dirfd, const char *name, struct err *e) {
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) return err_set(e, errno, "can't open '%s': %s", name, strerror(errno));
    for (const struct dirent *ent; (ent = readdir(d));)
        if (strcmp(ent->d_name, ".") && strcmp(ent->d_name, "..")) io_unlink(fd, ent->d_name, NULL);
    closedir(d);
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
        return err_set(e, errno, "can't remove '%s': %s", name, strerror(errno));
    return io_sync_dir(dirfd, e);
}

/* Everything that was never sealed. */
static int remove_partial(int dirfd, struct err *e) {
    int fd = dup(dirfd), rc = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) return err_set(e, errno, "can't read the directory: %s", strerror(errno));
    for (const struct dirent *ent; rc == 0 && (ent = readdir(d));) {
        const char *tail = strstr(ent->d_name, PARTIAL);

        if (strncmp(ent->d_name, "backup-", 7) == 0 && tail && !tail[sizeof PARTIAL - 1])
            rc = remove_dir(dirfd, ent->d_name, e);
    }
    closedir(d);
    return rc;
}

/* By the other name it is no backup any more, whatever happens while it is removed. */
static int run_remove(struct aof_job *job) {
    char partial[BACKUP_ID_MAX + 16];
    int dirfd = io_open_dir(job->backup_dir, false, &job->err), rc = 0;

    if (dirfd < 0) return -1;
    snprintf(partial, sizeof partial, "%s" PARTIAL, job->backup_id);
    if (job->backup_id[0] && io_exists(dirfd, job->backup_id))
        rc = io_rename(dirfd, job->backup_id, partial, &job->err);
    if (rc == 0)
        rc = job->backup_id[0] ? remove_dir(dirfd, partial, &job->err)
                               : remove_partial(dirfd, &job->err);
    close(dirfd);
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
    if (aof_backup_busy(a)) return err_set(e, EBUSY, "another BACKUP command is at work");
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
    else if (b->phase != BACKUP_LINKING || aof_writer_synced(a->w) >= b->position)
        begin_job(a);
}

/* ---------------------------------------------------------------- looking */

static void measure(int dirfd, const char *name, struct aof_backup_entry *b) {
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;

    if (!d) return;
    if (fstat(fd, &st) == 0)
        b->when_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    for (const struct dirent *ent; (ent = readdir(d));) {
        if (ent->d_name[0] == '.' || fstatat(fd, ent->d_name, &st, 0) < 0) continue;
        b->files++;
        b->bytes += (uint64_t)st.st_size;
    }
    closedir(d);
}

void aof_backup_each(const char *dir, void (*see)(void *arg, const struct aof_backup_entry *b),
                     void *arg) {
    DIR *d = opendir(dir);

    if (!d) return;
    for (const struct dirent *ent; (ent = readdir(d));) {
        size_t n = strnlen(ent->d_name, BACKUP_ID_MAX), tail = sizeof PARTIAL - 1;
        struct aof_backup_entry b = {.sealed = true};
        char id[BACKUP_ID_MAX];

        if (strncmp(ent->d_name, "backup-", 7) != 0 || n >= sizeof id) continue;
        memcpy(id, ent->d_name, n + 1);
        if (n > tail && strcmp(id + n - tail, PARTIAL) == 0) {
            id[n - tail] = '\0';
            b.sealed = false;
        }
        b.id = id;
        measure(dirfd(d), ent->d_name, &b);
        see(arg, &b);
    }
    closedir(d);
}

/* ---------------------------------------------------------------- a start from a backup */

static int no_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    (void)arg;
    (void)argc;
    (void)argv;
    (void)e;
    return 0;
}

static int check_rdb(void *arg, int fd, uint64_t *end, struct err *e) {
    struct rdb_read o = {.rules = {.hash = {.now_ms = HASH_ALL}, .list = {.fill = -2}},
                         .checksum = true,
                         .ndbs = INT_MAX};
    struct rdb_report r;

    (void)arg;
    if (rdb_read(fd, &o, &(struct rdb_sink){0}, NULL, &r, e) < 0) return -1;
    *end = r.at;
    return 0;
}

static int check_file(int dirfd, const char *name, struct err *e) {
    static const struct aof_reader_ops ops = {.command = no_command, .preamble = check_rdb};
    struct aof_report r;
    int fd = io_open_read(dirfd, name, e);

    if (fd < 0) return -1;
    aof_read_file(fd, &ops, NULL, &r);
    close(fd);
    if (r.verdict == AOF_WHOLE) return 0;
    return err_set(e, EILSEQ, "'%s' is damaged: %s at offset %llu", name, r.why,
                   (unsigned long long)r.at);
}

static int check_backup(int dirfd, const char *stem, struct aof_manifest *m, struct err *e) {
    char name[AOF_NAME_MAX + 16];
    int rc;

    aof_manifest_name(stem, name);
    rc = aof_manifest_read(dirfd, name, m, e);
    if (rc == 1) return err_set(e, ENOENT, "there is no '%s' in it", name);
    if (rc < 0 || aof_manifest_check_gaps(dirfd, m, name, e) < 0) return -1;
    aof_manifest_drop_history(m);
    for (size_t i = 0; i < m->n; i++)
        if (check_file(dirfd, m->files[i].name, e) < 0) return -1;
    return 0;
}

/* A name in the directory that is data of somebody, NULL: there is none. */
static bool holds_data(const char *path, char *found, size_t size) {
    DIR *d = opendir(path);
    bool yes = false;

    if (!d) return false;
    for (const struct dirent *ent; !yes && (ent = readdir(d));) {
        yes = ent->d_name[0] != '.';
        if (yes) snprintf(found, size, "%s/%s", path, ent->d_name);
    }
    closedir(d);
    return yes;
}

static int expect_no_data(const struct aof_names *to, struct err *e) {
    char found[AOF_NAME_MAX + 300];
    struct stat st;

    if (holds_data(to->dirname, found, sizeof found))
        return err_set(e, EEXIST, "there is data already: '%s'", found);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? to->dbfilename : to->filename;

        if (name && name[0] && stat(name, &st) == 0)
            return err_set(e, EEXIST, "there is data already: '%s'", name);
    }
    return 0;
}

/* The log goes on in the last increment, and what is damaged in others may be cut, as in a base
 * that is an old single file: only another base may be the same file as the backup's. */
static int take_files(int from, int to, const struct aof_manifest *m, struct err *e) {
    for (size_t i = 0; i < m->n; i++) {
        const char *name = m->files[i].name;
        bool unchanged = m->files[i].type == AOF_BASE && strstr(name, ".base.");
        int rc = unchanged ? io_link(from, name, to, e) : io_copy(from, name, to, e);

        if (rc < 0) return -1;
    }
    return io_sync_dir(to, e);
}

/* A restore that did not end has left a directory of another name. */
static int make_directory(int from, const struct aof_names *to, const struct aof_manifest *m,
                          struct err *e) {
    char temp[AOF_NAME_MAX + 32];
    int cwd = io_open_dir(".", false, e), fd = -1, rc = -1;

    if (cwd < 0) return -1;
    snprintf(temp, sizeof temp, "%s.restoring", to->dirname);
    if (io_exists(cwd, temp) && remove_dir(cwd, temp, e) < 0) goto out;
    fd = open_sub(cwd, temp, true, e);
    if (fd < 0 || take_files(from, fd, m, e) < 0) goto out;
    if (aof_publish_manifest(fd, to->filename, m, e) < 0) goto out;
    unlinkat(cwd, to->dirname, AT_REMOVEDIR); /* if it is there, it is empty but for a lock */
    if (io_rename(cwd, temp, to->dirname, e) < 0) goto out;
    rc = io_sync_dir(cwd, e);
out:
    if (fd >= 0) close(fd);
    close(cwd);
    return rc;
}

int aof_backup_restore(const char *from, const struct aof_names *to, struct err *e) {
    struct aof_manifest m = {0};
    struct err why;
    int dirfd, rc = -1;

    if (expect_no_data(to, &why) < 0)
        return err_set(e, why.code, "can't restore from '%s': %.400s", from, why.text);
    dirfd = io_open_dir(from, false, e);
    if (dirfd < 0) return -1;
    if (check_backup(dirfd, to->filename, &m, &why) == 0) rc = make_directory(dirfd, to, &m, &why);
    if (rc < 0) err_set(e, why.code, "can't restore from '%s': %.400s", from, why.text);
    if (rc == 0) log_notice("Restored the append-only file from '%s'", from);
    aof_manifest_release(&m);
    close(dirfd);
    return rc;
}
