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

    for (size_t i = 0; !needed && i < s->m->n; i++)
        needed = belongs(s->m, i) && strcmp(s->m->files[i].name, name) == 0;
    if (!needed) io_unlink(s->dirfd, name, NULL);
    return true;
}

static void remove_useless(const struct aof_manifest *m, int to) {
    struct sealed s = {m, to};

    io_list(to, remove_if_useless, &s, NULL);
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
    struct io_stat st;

    for (size_t i = 0; i < m->n; i++)
        if (belongs(m, i) && io_stat(dirfd, m->files[i].name, &st) == 0) total += st.size;
    return total;
}

static int run_seal(struct aof_job *job) {
    char partial[BACKUP_ID_MAX + 16];
    int dirfd = io_open_dir(job->backup_dir, false, &job->err), to, rc = -1;

    if (dirfd < 0) return -1;
    snprintf(partial, sizeof partial, "%s" PARTIAL, job->backup_id);
    to = io_open_subdir(dirfd, partial, false, &job->err);
    if (to < 0) goto out;
    if (link_files(job, to, &job->err) < 0) goto out;
    remove_useless(&job->manifest, to);
    if (write_manifest(job, to, &job->err) < 0) goto out;
    job->base_bytes = bytes_of(&job->manifest, to);
    if (io_rename(dirfd, partial, job->backup_id, &job->err) < 0) goto out;
    rc = io_sync_dir(dirfd, &job->err);
out:
    io_close(to);
    io_close(dirfd);
    return rc;
}

static bool remove_one(void *arg, const char *name) {
    const int *dirfd = arg;

    io_unlink(*dirfd, name, NULL);
    return true;
}

static int remove_dir(int dirfd, const char *name, struct err *e) {
    int fd = io_open_subdir(dirfd, name, false, e), rc;

    if (fd < 0) return -1;
    rc = io_list(fd, remove_one, &fd, e);
    io_close(fd);
    if (rc < 0 || io_remove_dir(dirfd, name, e) < 0) return -1;
    return io_sync_dir(dirfd, e);
}

struct removal {
    int dirfd, rc;
    struct err *e;
};

static bool remove_if_partial(void *arg, const char *name) {
    struct removal *r = arg;
    const char *tail = strstr(name, PARTIAL);

    if (strncmp(name, "backup-", 7) == 0 && tail && !tail[sizeof PARTIAL - 1])
        r->rc = remove_dir(r->dirfd, name, r->e);
    return r->rc == 0;
}

/* Everything that was never sealed. */
static int remove_partial(int dirfd, struct err *e) {
    struct removal r = {.dirfd = dirfd, .e = e};

    return io_list(dirfd, remove_if_partial, &r, e) < 0 ? -1 : r.rc;
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
    else if (!aof_writer_is_switching(a->w) &&
             (b->phase != BACKUP_LINKING || aof_writer_synced(a->w) >= b->position))
        begin_job(a); /* what it links is not written to any more */
}

/* ---------------------------------------------------------------- looking */

struct measured {
    int fd;
    struct aof_backup_entry *b;
};

static bool count_file(void *arg, const char *name) {
    struct measured *m = arg;
    struct io_stat st;

    if (name[0] == '.' || io_stat(m->fd, name, &st) < 0) return true;
    m->b->files++;
    m->b->bytes += st.size;
    return true;
}

static void measure(int dirfd, const char *name, struct aof_backup_entry *b) {
    struct measured m = {.fd = io_open_subdir(dirfd, name, false, NULL), .b = b};
    struct io_stat st;

    if (m.fd < 0) return;
    if (io_fstat(m.fd, &st) == 0) b->when_ms = st.changed_ms;
    io_list(m.fd, count_file, &m, NULL);
    io_close(m.fd);
}

struct showing {
    int dirfd;
    void (*see)(void *arg, const struct aof_backup_entry *b);
    void *arg;
};

static bool show_backup(void *arg, const char *name) {
    const struct showing *s = arg;
    size_t n = strnlen(name, BACKUP_ID_MAX), tail = sizeof PARTIAL - 1;
    struct aof_backup_entry b = {.sealed = true};
    char id[BACKUP_ID_MAX];

    if (strncmp(name, "backup-", 7) != 0 || n >= sizeof id) return true;
    memcpy(id, name, n + 1);
    if (n > tail && strcmp(id + n - tail, PARTIAL) == 0) {
        id[n - tail] = '\0';
        b.sealed = false;
    }
    b.id = id;
    measure(s->dirfd, name, &b);
    s->see(s->arg, &b);
    return true;
}

void aof_backup_each(const char *dir, void (*see)(void *arg, const struct aof_backup_entry *b),
                     void *arg) {
    struct showing s = {.dirfd = io_open_dir(dir, false, NULL), .see = see, .arg = arg};

    if (s.dirfd < 0) return;
    io_list(s.dirfd, show_backup, &s, NULL);
    io_close(s.dirfd);
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
    io_close(fd);
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

static bool first_visible(void *arg, const char *name) {
    char *found = arg;

    if (name[0] == '.') return true;
    snprintf(found, AOF_NAME_MAX, "%s", name);
    return false;
}

static int expect_no_data(const struct aof_names *to, struct err *e) {
    char found[AOF_NAME_MAX] = "";
    int cwd = io_open_dir(".", false, e), dir, rc = 0;

    if (cwd < 0) return -1;
    dir = io_open_subdir(cwd, to->dirname, false, NULL);
    if (dir >= 0) rc = io_list(dir, first_visible, found, e);
    io_close(dir);
    if (found[0]) rc = err_set(e, EEXIST, "there is data already: '%s/%s'", to->dirname, found);
    for (int i = 0; rc == 0 && i < 2; i++) {
        const char *name = i ? to->dbfilename : to->filename;

        if (name && name[0] && io_exists(cwd, name))
            rc = err_set(e, EEXIST, "there is data already: '%s'", name);
    }
    io_close(cwd);
    return rc;
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
    fd = io_open_subdir(cwd, temp, true, e);
    if (fd < 0 || take_files(from, fd, m, e) < 0) goto out;
    if (aof_publish_manifest(fd, to->filename, m, e) < 0) goto out;
    /* It may be there, empty but for hidden files of a start that did not end. */
    if (io_exists(cwd, to->dirname) && remove_dir(cwd, to->dirname, e) < 0) goto out;
    if (io_rename(cwd, temp, to->dirname, e) < 0) goto out;
    rc = io_sync_dir(cwd, e);
out:
    io_close(fd);
    io_close(cwd);
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
    io_close(dirfd);
    return rc;
}
