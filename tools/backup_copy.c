/* SPDX-License-Identifier: BSD-3-Clause
 *
 * backup_copy - a backup on another disk: copied under the name `<id>.partial`, summed, synced,
 * read again, and renamed. A copy that did not end has that name, and the next attempt replaces it.
 */
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "tools/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

struct copying {
    struct progress progress;
    uint64_t done;
    struct bytes sums;
};

static int copy_bytes(struct copying *c, int from, int to, struct sha256 *s, struct err *e) {
    char *chunk = mem_alloc(CHUNK);
    off_t at = 0;
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = io_read_at(from, chunk, CHUNK, at, e)) != 0) {
        if (n < 0 || io_write_all(to, chunk, (size_t)n, NULL, e) < 0) rc = -1;
        if (rc < 0) break;
        sha256_add(s, chunk, (size_t)n);
        at += n;
        c->done += (uint64_t)n;
        progress_at(&c->progress, c->done);
    }
    mem_free(chunk);
    return rc;
}

/* The copy gets the permissions of the file. */
static int copy_file(struct copying *c, int fromdir, const char *name, int todir, struct err *e) {
    int from = backup_open_file(fromdir, name, e), to = -1, rc = -1;
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX + 1];
    struct io_stat st;
    struct sha256 s;

    if (from < 0) return -1;
    sha256_begin(&s);
    to = io_create(todir, name, e);
    if (to < 0) goto out;
    if (copy_bytes(c, from, to, &s, e) < 0) goto out;
    if (io_fstat(from, &st) == 0 && io_set_access(to, &st, e) < 0) goto out;
    if (io_sync(to, e) < 0) goto out;
    sha256_end(&s, digest);
    sha256_hex(digest, hex);
    bytes_printf(&c->sums, "%s  %s\n", hex, name);
    rc = 0;
out:
    io_close(to);
    io_close(from);
    return rc;
}

static int copy_files(const struct backup *b, int to, struct err *e) {
    struct copying c = {.done = 0};
    const char *name;
    int rc = 0;

    progress_begin(&c.progress, "copy", b->bytes);
    for (size_t i = 0; rc == 0 && (name = backup_file(b, i)); i++)
        rc = copy_file(&c, b->dirfd, name, to, e);
    progress_end(&c.progress);
    if (rc == 0) rc = io_replace(to, BACKUP_SUMS, bytes_slice(&c.sums), e);
    bytes_release(&c.sums);
    return rc;
}

/* ---------------------------------------------------------------- the directory */

static bool remove_one(void *arg, const char *name) {
    const int *dirfd = arg;

    unlinkat(*dirfd, name, 0);
    return true;
}

/* What an earlier attempt has left. A link is not followed. */
static int remove_left_over(int dirfd, const char *name, struct err *e) {
    struct stat st;
    int fd;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return 0;
    if (!S_ISDIR(st.st_mode)) return err_set(e, ENOTDIR, "'%s' is in the way", name);
    fd = io_open_subdir(dirfd, name, false, e);
    if (fd < 0) return -1;
    io_list(fd, remove_one, &fd, NULL);
    io_close(fd);
    return io_remove_dir(dirfd, name, e);
}

static int read_again(const char *to, const char *name, struct err *e) {
    struct bytes path = {0};
    struct backup copy;
    bool has_sums;
    int rc;

    bytes_printf(&path, "%s/%s", to, name);
    rc = backup_open(&copy, bytes_cstr(&path), e);
    if (rc == 0) rc = backup_verify(&copy, &has_sums, e);
    backup_close(&copy);
    bytes_release(&path);
    return rc;
}

int backup_copy(struct backup *b, const char *to, struct err *e) {
    char partial[AOF_NAME_MAX + 16];
    int dirfd, subdir = -1, rc = -1;
    struct stat st;
    bool has_sums;

    if (!b->is_sealed)
        return err_set(e, EINVAL, "'%s' was never sealed: there is no '" AOF_SEAL "' in it",
                       b->path);
    snprintf(partial, sizeof partial, "%s.partial", b->id);
    dirfd = io_open_dir(to, true, e);
    if (dirfd < 0) return -1;
    if (fstatat(dirfd, b->id, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        err_set(e, EEXIST, "'%s/%s' is there already", to, b->id);
        goto out;
    }
    /* The copy's sums are made anew: those of the source have to hold. */
    if (faccessat(b->dirfd, BACKUP_SUMS, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
        backup_verify(b, &has_sums, e) < 0)
        goto out;
    if (remove_left_over(dirfd, partial, e) < 0) goto out;
    subdir = io_open_subdir(dirfd, partial, true, e);
    if (subdir < 0 || copy_files(b, subdir, e) < 0 || io_sync_dir(subdir, e) < 0) goto out;
    if (read_again(to, partial, e) < 0) goto out;
    if (io_rename(dirfd, partial, b->id, e) == 0) rc = io_sync_dir(dirfd, e);
out:
    io_close(subdir);
    io_close(dirfd);
    return rc;
}
