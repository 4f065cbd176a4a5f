/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/io.h"

#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct { atomic_int delay_ms, code, count, short_bytes; } faults[IO_OPS];
static atomic_long crash_in;

enum { COPY_BYTES = 1 << 20 };

/* What is to happen at this call: 0, or the errno to fail with. */
static int fault_point(enum io_op op) {
    int delay = atomic_load_explicit(&faults[op].delay_ms, memory_order_relaxed);

    if (atomic_load_explicit(&crash_in, memory_order_relaxed) > 0 &&
        atomic_fetch_sub(&crash_in, 1) == 1)
        kill(getpid(), SIGKILL);
    if (delay > 0) {
        struct timespec ts = {delay / 1000, delay % 1000 * 1000000L};

        while (nanosleep(&ts, &ts) < 0 && errno == EINTR) continue;
    }
    if (atomic_load_explicit(&faults[op].code, memory_order_relaxed) == 0) return 0;
    if (atomic_load(&faults[op].count) == 0) return 0;
    if (atomic_load(&faults[op].count) > 0) atomic_fetch_sub(&faults[op].count, 1);
    return atomic_load(&faults[op].code);
}

static bool fails(enum io_op op) {
    int code = fault_point(op);

    if (code) errno = code;
    return code != 0;
}

void io_fault_set(enum io_op op, struct io_fault f) {
    atomic_store(&faults[op].delay_ms, f.delay_ms);
    atomic_store(&faults[op].short_bytes, f.short_bytes);
    atomic_store(&faults[op].count, f.count);
    atomic_store(&faults[op].code, f.code);
}

void io_fault_reset(void) {
    for (int op = 0; op < IO_OPS; op++) io_fault_set((enum io_op)op, (struct io_fault){0});
    io_fault_crash_at(0);
}

void io_fault_crash_at(long n) {
    atomic_store(&crash_in, n);
}

static int parse_one_fault(const char *spec, struct err *e) {
    static const char *const names[IO_OPS] = {"open",   "write",    "sync",    "rename",
                                              "unlink", "truncate", "syncdir", "link"};
    struct io_fault f = {.count = -1};
    int op = 0;
    size_t n = strcspn(spec, ":");
    const char *p = spec[n] ? spec + n + 1 : spec + n;

    if (strncmp(spec, "crash=", 6) == 0) {
        io_fault_crash_at(atol(spec + 6));
        return 0;
    }
    while (op < IO_OPS && !(strlen(names[op]) == n && strncmp(names[op], spec, n) == 0)) op++;
    if (op == IO_OPS) return err_set(e, EINVAL, "unknown fault point '%s'", spec);
    while (*p) {
        char key[16];
        int value, used = 0;

        if (sscanf(p, "%15[a-z]=%d%n", key, &value, &used) != 2)
            return err_set(e, EINVAL, "bad fault '%s'", spec);
        if (strcmp(key, "delay") == 0) f.delay_ms = value;
        if (strcmp(key, "code") == 0) f.code = value;
        if (strcmp(key, "count") == 0) f.count = value;
        if (strcmp(key, "short") == 0) f.short_bytes = value;
        p += used;
        if (*p == ',') p++;
    }
    io_fault_set((enum io_op)op, f);
    return 0;
}

int io_fault_parse(const char *spec, struct err *e) {
    char one[128];

    while (*spec) {
        size_t n = strcspn(spec, ";");

        if (n >= sizeof one) return err_set(e, EINVAL, "fault too long: '%s'", spec);
        memcpy(one, spec, n);
        one[n] = '\0';
        if (n && parse_one_fault(one, e) < 0) return -1;
        spec += n + (spec[n] == ';');
    }
    return 0;
}

/* ---------------------------------------------------------------- files */

int io_open_dir(const char *path, bool create, struct err *e) {
    int fd;

    if (create && mkdir(path, 0755) == 0) {
        char *copy = strdup(path), *parent = dirname(copy);
        int up = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int rc = up < 0 ? -1 : io_sync_dir(up, e);

        if (up >= 0) close(up);
        (free)(copy); /* strdup's */
        if (rc < 0) return -1;
    } else if (create && errno != EEXIST) {
        return err_set(e, errno, "can't make the directory '%s': %s", path, strerror(errno));
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) err_set(e, errno, "can't open the directory '%s': %s", path, strerror(errno));
    return fd;
}

static int open_file(int dirfd, const char *name, int flags, struct err *e) {
    int fd = fails(IO_OPEN) ? -1 : openat(dirfd, name, flags | O_CLOEXEC, 0644);

    if (fd < 0) err_set(e, errno, "can't open '%s': %s", name, strerror(errno));
    return fd;
}

int io_open_again(int fd) {
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_CLOEXEC);
}

int io_create(int dirfd, const char *name, struct err *e) {
    return open_file(dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, e);
}

int io_open_append(int dirfd, const char *name, struct err *e) {
    return open_file(dirfd, name, O_RDWR | O_CREAT | O_APPEND, e);
}

int io_open_read(int dirfd, const char *name, struct err *e) {
    return open_file(dirfd, name, O_RDONLY, e);
}

/* at < 0: where the descriptor stands. */
static ssize_t write_some(int fd, const char *p, size_t n, off_t at) {
    return at < 0 ? write(fd, p, n) : pwrite(fd, p, n, at);
}

static int write_through(int fd, const char *p, size_t n, off_t at, size_t *done, struct err *e) {
    size_t off = 0;
    int code = fault_point(IO_WRITE);

    if (code) {
        size_t part = (size_t)atomic_load(&faults[IO_WRITE].short_bytes);
        ssize_t rc = part ? write_some(fd, p, part < n ? part : n, at) : 0;

        if (done) *done = rc > 0 ? (size_t)rc : 0;
        return err_set(e, code, "write: %s", strerror(code));
    }
    while (off < n) {
        ssize_t rc = write_some(fd, p + off, n - off, at < 0 ? at : at + (off_t)off);

        if (rc > 0) {
            off += (size_t)rc;
        } else if (rc == 0 || errno != EINTR) {
            if (done) *done = off;
            return err_set(e, rc == 0 ? EIO : errno, "write: %s", strerror(rc == 0 ? EIO : errno));
        }
    }
    if (done) *done = off;
    return 0;
}

int io_write_all(int fd, const void *p, size_t n, size_t *done, struct err *e) {
    return write_through(fd, p, n, -1, done, e);
}

int io_write_at(int fd, const void *p, size_t n, off_t at, size_t *done, struct err *e) {
    return write_through(fd, p, n, at, done, e);
}

ssize_t io_read_at(int fd, void *p, size_t n, off_t at, struct err *e) {
    ssize_t rc;

    do rc = pread(fd, p, n, at);
    while (rc < 0 && errno == EINTR);
    if (rc < 0) err_set(e, errno, "read: %s", strerror(errno));
    return rc;
}

int io_sync(int fd, struct err *e) {
    if (fails(IO_SYNC) || fdatasync(fd) < 0)
        return err_set(e, errno, "fdatasync: %s", strerror(errno));
    return 0;
}

int io_truncate(int fd, off_t size, struct err *e) {
    if (fails(IO_TRUNCATE) || ftruncate(fd, size) < 0)
        return err_set(e, errno, "ftruncate: %s", strerror(errno));
    return 0;
}

int io_rename(int dirfd, const char *from, const char *to, struct err *e) {
    if (fails(IO_RENAME) || renameat(dirfd, from, dirfd, to) < 0)
        return err_set(e, errno, "can't rename '%s' to '%s': %s", from, to, strerror(errno));
    return 0;
}

int io_unlink(int dirfd, const char *name, struct err *e) {
    if (fails(IO_UNLINK) || unlinkat(dirfd, name, 0) < 0)
        return err_set(e, errno, "can't remove '%s': %s", name, strerror(errno));
    return 0;
}

int io_copy(int dirfd, const char *name, int to, struct err *e) {
    int from = io_open_read(dirfd, name, e), fd = from < 0 ? -1 : io_create(to, name, e), rc = -1;
    char *buf = mem_alloc(COPY_BYTES);
    ssize_t n = -1;

    for (off_t at = 0; fd >= 0; at += n) {
        n = io_read_at(from, buf, COPY_BYTES, at, e);
        if (n <= 0 || io_write_all(fd, buf, (size_t)n, NULL, e) < 0) break;
    }
    if (fd >= 0 && n == 0) rc = io_sync(fd, e);
    mem_free(buf);
    if (from >= 0) close(from);
    if (fd >= 0) close(fd);
    return rc;
}

int io_link(int dirfd, const char *name, int to, struct err *e) {
    if (!fails(IO_LINK) && linkat(dirfd, name, to, name, 0) == 0) return 0;
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP)
        return io_copy(dirfd, name, to, e);
    return err_set(e, errno, "can't link '%s': %s", name, strerror(errno));
}

int io_sync_dir(int dirfd, struct err *e) {
    /* Some filesystems refuse fsync of a directory with EINVAL: then there is nothing to do. */
    if (fails(IO_SYNC_DIR) || (fsync(dirfd) < 0 && errno != EINVAL))
        return err_set(e, errno, "fsync of the directory: %s", strerror(errno));
    return 0;
}

int64_t io_size(int fd, struct err *e) {
    struct stat st;

    if (fstat(fd, &st) < 0) return err_set(e, errno, "fstat: %s", strerror(errno));
    return st.st_size;
}

bool io_exists(int dirfd, const char *name) {
    struct stat st;

    return fstatat(dirfd, name, &st, 0) == 0;
}

int io_replace(int dirfd, const char *name, struct slice data, struct err *e) {
    char tmp[300];
    int rc = -1, fd;

    snprintf(tmp, sizeof tmp, "temp-%s", name);
    fd = io_create(dirfd, tmp, e);
    if (fd < 0) return -1;
    if (io_write_all(fd, data.p, data.n, NULL, e) < 0) goto out;
    if (io_sync(fd, e) < 0) goto out;
    if (io_rename(dirfd, tmp, name, e) < 0) goto out;
    rc = io_sync_dir(dirfd, e);
out:
    close(fd);
    if (rc < 0) unlinkat(dirfd, tmp, 0);
    return rc;
}

int io_lock(int dirfd, const char *name, struct err *e) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0) return err_set(e, errno, "can't open '%s': %s", name, strerror(errno));
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        int code = errno == EACCES || errno == EAGAIN ? EWOULDBLOCK : errno;

        close(fd);
        return err_set(e, code, "can't lock '%s': %s", name, strerror(code));
    }
    return fd;
}
