/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/backup.h"

#include "persistence/aof_history.h"
#include "persistence/aof_reader.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAIL ".manifest"

/* ---------------------------------------------------------------- the directory */

/* O_NONBLOCK: opening a FIFO does not wait. */
int backup_open_file(int dirfd, const char *name, struct err *e) {
    int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0) return err_set(e, errno, "cannot open '%s': %s", name, strerror(errno));
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) return fd;
    close(fd);
    return err_set(e, EINVAL, "'%s' is no regular file", name);
}

bool backup_is_plain(const char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~') return false;
    return true;
}

static bool find_manifest(void *arg, const char *name) {
    struct backup *b = arg;
    size_t n = strlen(name), tail = sizeof TAIL - 1;

    if (n <= tail || n - tail >= sizeof b->stem || strcmp(name + n - tail, TAIL) != 0) return true;
    if (strncmp(name, "temp-", 5) == 0 || !backup_is_plain(name)) return true;
    snprintf(b->stem, sizeof b->stem, "%.*s", (int)(n - tail), name);
    return false;
}

static int check_names(struct backup *b, struct err *e) {
    const char *name;

    for (size_t i = 0; (name = backup_file(b, i)); i++) {
        int fd = backup_open_file(b->dirfd, name, e);
        int64_t size = fd < 0 ? 0 : io_size(fd, NULL);

        if (fd < 0) return -1;
        b->bytes += size > 0 ? (uint64_t)size : 0;
        close(fd);
    }
    return 0;
}

/* The last part of the path, without slashes at its end. */
static void name_id(struct backup *b) {
    size_t n = strlen(b->path), from;

    while (n > 1 && b->path[n - 1] == '/') n--;
    for (from = n; from > 0 && b->path[from - 1] != '/';) from--;
    snprintf(b->id, sizeof b->id, "%.*s", (int)(n - from), b->path + from);
}

int backup_open(struct backup *b, const char *path, struct err *e) {
    struct err why;
    int fd;

    *b = (struct backup){.path = path};
    name_id(b);
    b->dirfd = io_open_dir(path, false, e);
    if (b->dirfd < 0) return -1;
    io_list(b->dirfd, find_manifest, b, NULL);
    if (!b->stem[0]) return err_set(e, ENOENT, "'%s' holds no manifest: it is no backup", path);
    aof_manifest_name(b->stem, b->manifest);
    fd = backup_open_file(b->dirfd, b->manifest, &why);
    if (fd >= 0) close(fd);
    if (fd < 0 || aof_manifest_read(b->dirfd, b->manifest, &b->m, &why) != 0)
        return err_set(e, why.code, "'%s': %.400s", path, why.text);
    b->is_sealed = aof_seal_read(b->dirfd, &b->seal, &why) == 0;
    if (!b->is_sealed && why.code != ENOENT)
        return err_set(e, why.code, "'%s': %.400s", path, why.text);
    if (b->is_sealed) aof_manifest_drop_history(&b->m);
    if (check_names(b, &why) == 0) return 0;
    return err_set(e, why.code, "'%s': %.400s", path, why.text);
}

void backup_close(struct backup *b) {
    aof_manifest_release(&b->m);
    io_close(b->dirfd);
}

const char *backup_file(const struct backup *b, size_t i) {
    if (i < b->m.n) return b->m.files[i].name;
    if (i == b->m.n) return b->manifest;
    return i == b->m.n + 1 && b->is_sealed ? AOF_SEAL : NULL;
}

/* ---------------------------------------------------------------- moments */

static int64_t last_time(const struct backup *b, const char *name) {
    static const struct aof_reader_ops ops = {0};
    struct aof_report r = {0};
    int fd = backup_open_file(b->dirfd, name, NULL);

    if (fd < 0) return 0;
    aof_read_file(fd, &ops, NULL, &r);
    close(fd);
    return r.last_ms;
}

/* An increment that holds nothing says no time. */
void backup_find_moments(struct backup *b) {
    b->first_ms = aof_history_begins(b->dirfd, &b->m);
    for (size_t i = b->m.n; i > 0 && !b->last_ms; i--)
        if (strstr(b->m.files[i - 1].name, ".incr."))
            b->last_ms = last_time(b, b->m.files[i - 1].name);
    if (b->last_ms < b->first_ms) b->last_ms = b->first_ms;
}

/* ---------------------------------------------------------------- verify */

enum { CHUNK = 1 << 20, SUMS_MAX = 1 << 20 };

struct verifying {
    struct progress progress;
    uint64_t before;
};

static int sum_file(struct verifying *v, int dirfd, const char *name, char hex[SHA256_HEX + 1],
                    struct err *e) {
    uint8_t digest[SHA256_BYTES];
    char *chunk = mem_alloc(CHUNK);
    int fd = backup_open_file(dirfd, name, e);
    struct sha256 s;
    ssize_t n = fd < 0 ? -1 : 1;
    off_t at = 0;

    sha256_begin(&s);
    while (n > 0) {
        n = io_read_at(fd, chunk, CHUNK, at, e);
        if (n <= 0) break;
        sha256_add(&s, chunk, (size_t)n);
        at += n;
        progress_at(&v->progress, v->before + (uint64_t)at);
    }
    v->before += (uint64_t)at;
    sha256_end(&s, digest);
    sha256_hex(digest, hex);
    io_close(fd);
    mem_free(chunk);
    return n < 0 ? -1 : 0;
}

/* The sum of `name`: a line "<64 digits>  <name>". */
static const char *find_sum(const char *sums, const char *name) {
    size_t n = strlen(name);

    for (const char *line = sums; line && *line;) {
        const char *end = strchr(line, '\n');

        if (!end) return NULL;
        if ((size_t)(end - line) == SHA256_HEX + 2 + n && line[SHA256_HEX] == ' ' &&
            strncmp(line + SHA256_HEX + 2, name, n) == 0)
            return line;
        line = end + 1;
    }
    return NULL;
}

static int check_sums(struct verifying *v, const struct backup *b, const char *sums,
                      struct err *e) {
    const char *name, *line;

    for (size_t i = 0; (name = backup_file(b, i)); i++) {
        char hex[SHA256_HEX + 1];

        line = find_sum(sums, name);
        if (!line) return err_set(e, EILSEQ, BACKUP_SUMS " has no line for '%s'", name);
        if (sum_file(v, b->dirfd, name, hex, e) < 0) return -1;
        if (strncmp(line, hex, SHA256_HEX) != 0)
            return err_set(e, EILSEQ, "'%s' is not what " BACKUP_SUMS " says: it has changed",
                           name);
    }
    return 0;
}

/* 1: there are none. */
static int read_sums(const struct backup *b, struct bytes *out, struct err *e) {
    struct stat st;
    ssize_t n;
    int fd;

    if (fstatat(b->dirfd, BACKUP_SUMS, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) return 1;
    fd = backup_open_file(b->dirfd, BACKUP_SUMS, e);
    if (fd < 0) return -1;
    n = io_read_at(fd, bytes_room(out, SUMS_MAX), SUMS_MAX, 0, e);
    close(fd);
    if (n < 0) return -1;
    out->n = (size_t)n;
    bytes_cstr(out);
    return 0;
}

static void on_progress(void *arg, uint64_t done) {
    struct verifying *v = arg;

    progress_at(&v->progress, v->before + done);
}

int backup_verify(struct backup *b, bool *has_sums, struct err *e) {
    struct verifying v = {.before = 0};
    struct aof_manifest m = {0};
    struct bytes sums = {0};
    int rc = -1, found;

    if (!b->is_sealed)
        return err_set(e, EINVAL, "it was never sealed: there is no '" AOF_SEAL "' in it");
    found = read_sums(b, &sums, e);
    *has_sums = found == 0;
    progress_begin(&v.progress, "verify", found == 0 ? 2 * b->bytes : b->bytes);
    if (found == 0) found = check_sums(&v, b, bytes_cstr(&sums), e);
    if (found >= 0) rc = aof_backup_check(b->dirfd, b->stem, &m, on_progress, &v, e);
    progress_end(&v.progress);
    aof_manifest_release(&m);
    bytes_release(&sums);
    return rc;
}
