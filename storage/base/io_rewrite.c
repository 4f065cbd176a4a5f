/* SPDX-License-Identifier: BSD-3-Clause
 *
 * io_rewrite - replaces a file that is the operator's, and reads one.
 *
 * The new contents go to a temporary file beside the old one, which no other user may read until it
 * has the permissions of the old one. A file that is a mount point cannot be renamed over (EBUSY,
 * or EXDEV): it is written in place. A crash in the middle of that leaves a mixture, and the old
 * contents, whole and durable, as "<name>.before-rewrite".
 */
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COPY_SUFFIX ".before-rewrite"

enum { NAME_BYTES = 300, READ_BYTES = 4096 };

int io_open_folder(const char *path, const char **name, struct err *e) {
    const char *slash = strrchr(path, '/');
    struct bytes folder = {0};
    int fd;

    *name = slash ? slash + 1 : path;
    if (slash)
        bytes_append(&folder, path, (size_t)(slash - path) + 1);
    else
        bytes_append_str(&folder, ".");
    fd = io_open_dir(bytes_cstr(&folder), false, e);
    bytes_release(&folder);
    return fd;
}

static int read_all(int fd, struct bytes *out, struct err *e) {
    size_t at = 0;

    for (;;) {
        ssize_t n = io_read_at(fd, bytes_room(out, READ_BYTES), READ_BYTES, (off_t)at, e);

        if (n <= 0) return (int)n;
        out->n += (size_t)n;
        at += (size_t)n;
    }
}

static int read_in(int dirfd, const char *name, struct bytes *out, struct err *e) {
    int fd = io_open_read(dirfd, name, e), rc;

    if (fd < 0) return -1;
    rc = read_all(fd, out, e);
    io_close(fd);
    return rc;
}

int io_read_file(const char *path, struct bytes *out, struct err *e) {
    return read_in(AT_FDCWD, path, out, e);
}

/* ---------------------------------------------------------------- a temporary file */

/* With the permissions of `like`, if that is there. Synced; -1: there is no such file. */
static int write_new(int dirfd, const char *temp, const char *like, struct slice data,
                     struct err *e) {
    struct io_stat st;
    bool is_there = io_stat(dirfd, like, &st) == 0;
    int fd, rc = -1;

    if (io_exists(dirfd, temp) && io_unlink(dirfd, temp, e) < 0) return -1;
    fd = is_there ? io_create_private(dirfd, temp, e) : io_create(dirfd, temp, e);
    if (fd < 0) return -1;
    if (io_write_all(fd, data.p, data.n, NULL, e) < 0) goto out;
    if (is_there && io_set_access(fd, &st, e) < 0) goto out;
    rc = io_sync(fd, e);
out:
    io_close(fd);
    if (rc < 0) io_unlink(dirfd, temp, NULL);
    return rc;
}

/* ---------------------------------------------------------------- in place */

static int put(int fd, struct slice data, struct err *e) {
    if (io_write_at(fd, data.p, data.n, 0, NULL, e) < 0) return -1;
    if (io_truncate(fd, (off_t)data.n, e) < 0) return -1;
    return io_sync(fd, e);
}

/* One that is there already is of a rewrite that did not end: it is what was whole last. */
static int keep_old(int dirfd, const char *name, const char *copy, struct slice old,
                    struct err *e) {
    char temp[NAME_BYTES];

    if (io_exists(dirfd, copy)) return 0;
    snprintf(temp, sizeof temp, "%.200s.old-%ld", name, (long)getpid());
    if (write_new(dirfd, temp, name, old, e) < 0) return -1;
    if (io_rename(dirfd, temp, copy, e) == 0) return io_sync_dir(dirfd, e);
    io_unlink(dirfd, temp, NULL);
    return -1;
}

static int drop_copy(int dirfd, const char *copy, struct err *e) {
    return io_unlink(dirfd, copy, e) < 0 ? -1 : io_sync_dir(dirfd, e);
}

static int overwrite(int dirfd, const char *name, struct slice data, struct err *e) {
    char copy[NAME_BYTES];
    struct bytes old = {0};
    struct err again;
    int fd = -1, rc = -1;

    snprintf(copy, sizeof copy, "%.200s" COPY_SUFFIX, name);
    if (read_in(dirfd, name, &old, e) < 0) goto out;
    if (keep_old(dirfd, name, copy, bytes_slice(&old), e) < 0) goto out;
    fd = io_open_write(dirfd, name, e);
    if (fd < 0) goto out;
    rc = put(fd, data, e);
    if (rc == 0 || put(fd, bytes_slice(&old), &again) == 0)
        drop_copy(dirfd, copy, NULL);
    else
        log_warning("'%s' could not be written and not be restored (%s). Its old contents are in "
                    "'%s' beside it",
                    name, again.text, copy);
out:
    io_close(fd);
    bytes_release(&old);
    return rc;
}

/* ---------------------------------------------------------------- the whole */

static int rewrite(int dirfd, const char *name, struct slice data, struct err *e) {
    char temp[NAME_BYTES];
    int rc;

    snprintf(temp, sizeof temp, "%.200s.tmp-%ld", name, (long)getpid());
    if (write_new(dirfd, temp, name, data, e) < 0) return -1;
    if (io_rename(dirfd, temp, name, e) == 0) return io_sync_dir(dirfd, e);
    rc = -1;
    if (e->code == EBUSY || e->code == EXDEV) {
        log_notice("'%s' cannot be replaced (%s): it is written in place", name, strerror(e->code));
        rc = overwrite(dirfd, name, data, e);
    }
    io_unlink(dirfd, temp, NULL);
    return rc;
}

int io_rewrite(const char *path, struct slice data, struct err *e) {
    char resolved[PATH_MAX];
    const char *target = realpath(path, resolved), *name;
    struct err unwanted;
    int dirfd, rc;

    if (!e) e = &unwanted;
    dirfd = io_open_folder(target ? target : path, &name, e);
    if (dirfd < 0) return -1;
    rc = rewrite(dirfd, name, data, e);
    io_close(dirfd);
    return rc;
}

bool io_rewrite_was_cut(const char *path, struct bytes *copy) {
    char resolved[PATH_MAX];
    const char *target = realpath(path, resolved), *slash;

    if (!target) return false;
    slash = strrchr(target, '/');
    bytes_append(copy, target, (size_t)(slash - target) + 1);
    bytes_printf(copy, "%.200s" COPY_SUFFIX, slash + 1);
    return io_exists(AT_FDCWD, bytes_cstr(copy));
}
