/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_restore - a start from a backup: reads and checks its files, then makes the AOF's directory
 * of them.
 */
#include "persistence/aof_backup.h"
#include "persistence/aof_internal.h"
#include "storage/base/io.h"
#include "storage/base/log.h"

#include <errno.h>
#include <stdio.h>

struct checking {
    void (*progress)(void *arg, uint64_t done);
    void *arg;
    uint64_t before;   /* bytes of the files that are checked */
    bool knows_end;    /* the files say positions */
    uint64_t end;      /* of the last one */
    const char *empty; /* the base, if it has no bytes */
};

static void on_rdb_progress(void *arg, uint64_t done, uint64_t total) {
    const struct checking *c = arg;

    (void)total;
    if (c->progress) c->progress(c->arg, c->before + done);
}

static int check_rdb(void *arg, int fd, uint64_t *end, struct err *e) {
    struct rdb_report r;

    if (rdb_check_slowly(fd, false, on_rdb_progress, arg, &r, e) < 0) return -1;
    *end = r.at;
    return 0;
}

static void on_progress(void *arg, uint64_t offset) {
    const struct checking *c = arg;

    if (c->progress) c->progress(c->arg, c->before + offset);
}

/* A copied increment that has lost all its bytes ends where the file before it does. */
static int note_file(struct checking *c, int fd, const struct aof_file *f,
                     const struct aof_report *r, struct err *e) {
    c->before += r->raw_size;
    if (f->type == AOF_BASE) {
        c->knows_end = aof_file_position(fd, f, &c->end);
        if (r->raw_size == 0) c->empty = f->name;
        return 0;
    }
    if (r->size > 0) {
        c->knows_end = r->has_header;
        c->end = aof_position_at(&r->epoch, r->size);
    }
    if (!c->empty || !r->has_start) return 0;
    return err_set(e, EILSEQ, "'%s' is empty, but '%s' was written after a base with content",
                   c->empty, f->name);
}

static int check_file(struct checking *c, int dirfd, const struct aof_file *f, struct err *e) {
    static const struct aof_reader_ops ops = {.preamble = check_rdb, .progress = on_progress};
    struct aof_report r;
    int fd = io_open_read(dirfd, f->name, e), rc;

    if (fd < 0) return -1;
    aof_read_file(fd, &ops, c, &r);
    if (r.verdict == AOF_WHOLE)
        rc = note_file(c, fd, f, &r, e);
    else
        rc = err_set(e, EILSEQ, "'%s' is damaged: %s at offset %llu", f->name, r.why,
                     (unsigned long long)r.at);
    io_close(fd);
    return rc;
}

/* A copy may lack its last file, the end of it, or the end of the manifest: all that is left holds.
 */
static int check_seal(const struct checking *c, int dirfd, const struct aof_manifest *m,
                      struct err *e) {
    struct aof_seal seal;

    if (aof_seal_read(dirfd, &seal, NULL) < 0) return 0;
    if (!aof_manifest_last_incr(m))
        return err_set(e, EILSEQ,
                       "its manifest names no increment: it was copied in part. Copy it "
                       "again, or delete '" AOF_SEAL "' to use what is there");
    if (!c->knows_end || c->end >= seal.position) return 0;
    return err_set(e, EILSEQ,
                   "it ends at position %llu, but was sealed at %llu: it was copied in part. Copy "
                   "it again, or delete '" AOF_SEAL "' to use what is there",
                   (unsigned long long)c->end, (unsigned long long)seal.position);
}

int aof_backup_check(int dirfd, const char *stem, struct aof_manifest *m,
                     void (*progress)(void *arg, uint64_t done), void *arg, struct err *e) {
    struct checking c = {.progress = progress, .arg = arg};
    char name[AOF_NAME_MAX + 16];
    int rc;

    aof_manifest_name(stem, name);
    rc = aof_manifest_read(dirfd, name, m, e);
    if (rc == 1) return err_set(e, ENOENT, "there is no '%s' in it", name);
    if (rc < 0 || aof_manifest_check_gaps(dirfd, m, name, e) < 0) return -1;
    aof_manifest_drop_history(m);
    for (size_t i = 0; i < m->n; i++)
        if (check_file(&c, dirfd, &m->files[i], e) < 0) return -1;
    return check_seal(&c, dirfd, m, e);
}

/* Hidden and temporary files are no data. */
static bool first_visible(void *arg, const char *name) {
    char *found = arg;

    if (name[0] == '.' || strncmp(name, "temp-", 5) == 0) return true;
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

/* The AOF goes on in the last increment, and what is damaged in others may be cut, as in a base
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

/* Removes the directory that the backup's takes the place of, empty but for hidden and temporary
 * files of a start that did not end. */
static int remove_empty(int cwd, const char *name, const char *stem, struct err *e) {
    int fd, lock, rc;

    if (!io_exists(cwd, name)) return 0;
    fd = io_open_subdir(cwd, name, false, e);
    lock = fd < 0 ? -1 : io_lock(fd, AOF_LOCK, aof_lock_byte(stem), NULL, e);
    rc = lock < 0 ? -1 : aof_backup_remove_dir(cwd, name, e);
    io_close(lock);
    io_close(fd);
    return rc;
}

int aof_mark_restored(int dirfd, struct err *e) {
    int fd = io_create(dirfd, AOF_RESTORED, e);

    if (fd < 0) return -1;
    io_close(fd);
    return io_sync_dir(dirfd, e);
}

/* An earlier restore that did not end may have left a directory under the temporary name. */
static int make_directory(int from, const struct aof_names *to, const struct aof_manifest *m,
                          struct err *e) {
    char temp[AOF_NAME_MAX + 32];
    int cwd = io_open_dir(".", false, e), fd = -1, rc = -1;

    if (cwd < 0) return -1;
    snprintf(temp, sizeof temp, "%s.restoring", to->dirname);
    if (io_exists(cwd, temp) && aof_backup_remove_dir(cwd, temp, e) < 0) goto out;
    fd = io_open_subdir(cwd, temp, true, e);
    if (fd < 0 || aof_mark_restored(fd, e) < 0 || take_files(from, fd, m, e) < 0) goto out;
    if (aof_publish_manifest(fd, to->filename, m, e) < 0) goto out;
    if (remove_empty(cwd, to->dirname, to->filename, e) < 0) goto out;
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
        return err_set(e, why.code, "cannot restore from '%s': %.400s", from, why.text);
    dirfd = io_open_dir(from, false, e);
    if (dirfd < 0) return -1;
    if (aof_backup_check(dirfd, to->filename, &m, NULL, NULL, &why) == 0)
        rc = make_directory(dirfd, to, &m, &why);
    if (rc < 0) err_set(e, why.code, "cannot restore from '%s': %.400s", from, why.text);
    if (rc == 0) log_notice("Restored the append-only file from '%s'", from);
    aof_manifest_release(&m);
    io_close(dirfd);
    return rc;
}
