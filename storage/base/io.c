/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/io.h"

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

static const struct io_backend *be = &io_system;

void io_use(const struct io_backend *b) {
    be = b ? b : &io_system;
}

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
    static const char *const names[IO_OPS] = {"open",     "write",   "sync", "rename", "unlink",
                                              "truncate", "syncdir", "link", "mkdir"};
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

/* ---------------------------------------------------------------- directories */

static int open_directory(int dirfd, const char *name, struct err *e) {
    int fd = be->open(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) err_set(e, errno, "cannot open the directory '%s': %s", name, strerror(errno));
    return fd;
}

int io_sync_parent(const char *path, struct err *e) {
    char *copy = mem_strdup(path);
    int up = open_directory(AT_FDCWD, dirname(copy), e), rc = up < 0 ? -1 : io_sync_dir(up, e);

    io_close(up);
    mem_free(copy);
    return rc;
}

int io_open_dir(const char *path, bool create, struct err *e) {
    if (create && (fails(IO_MKDIR) || be->mkdir(AT_FDCWD, path) < 0) && errno != EEXIST)
        return err_set(e, errno, "cannot make the directory '%s': %s", path, strerror(errno));
    if (create && io_sync_parent(path, e) < 0) return -1;
    return open_directory(AT_FDCWD, path, e);
}

int io_open_subdir(int dirfd, const char *name, bool create, struct err *e) {
    if (create && (fails(IO_MKDIR) || be->mkdir(dirfd, name) < 0) && errno != EEXIST)
        return err_set(e, errno, "cannot make the directory '%s': %s", name, strerror(errno));
    if (create && io_sync_dir(dirfd, e) < 0) return -1;
    return open_directory(dirfd, name, e);
}

int io_sync_dir(int dirfd, struct err *e) {
    /* Some filesystems refuse fsync of a directory with EINVAL: then there is nothing to do. */
    if (fails(IO_SYNC_DIR) || (be->sync_dir(dirfd) < 0 && errno != EINVAL))
        return err_set(e, errno, "fsync of the directory: %s", strerror(errno));
    return 0;
}

int io_remove_dir(int dirfd, const char *name, struct err *e) {
    if (fails(IO_UNLINK) || be->unlink(dirfd, name, AT_REMOVEDIR) < 0)
        return err_set(e, errno, "cannot remove '%s': %s", name, strerror(errno));
    return 0;
}

int io_list(int dirfd, bool (*see)(void *arg, const char *name), void *arg, struct err *e) {
    if (be->list(dirfd, see, arg) == 0) return 0;
    return err_set(e, errno, "cannot read the directory: %s", strerror(errno));
}

/* ---------------------------------------------------------------- files */

static int open_file(int dirfd, const char *name, int flags, struct err *e) {
    int fd = fails(IO_OPEN) ? -1 : be->open(dirfd, name, flags | O_CLOEXEC);

    if (fd < 0) err_set(e, errno, "cannot open '%s': %s", name, strerror(errno));
    return fd;
}

int io_open_again(int fd) {
    return be->reopen(fd);
}

void io_close(int fd) {
    if (fd >= 0) be->close(fd);
}

static bool has_other_names(int fd) {
    struct io_stat st;

    return io_fstat(fd, &st) == 0 && st.links > 1;
}

/* The name gets a new file in one step: there is never none. */
static int create_beside(int dirfd, const char *name, struct err *e) {
    char temp[300];
    int fd;

    snprintf(temp, sizeof temp, "temp-%.290s", name);
    fd = open_file(dirfd, temp, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, e);
    if (fd < 0 || io_rename(dirfd, temp, name, e) == 0) return fd;
    io_close(fd);
    return -1;
}

int io_create(int dirfd, const char *name, struct err *e) {
    struct io_stat st;

    if (io_stat(dirfd, name, &st) == 0 && st.links > 1) return create_beside(dirfd, name, e);
    return open_file(dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, e);
}

int io_create_private(int dirfd, const char *name, struct err *e) {
    int fd;

    if (!be->create_private) return io_create(dirfd, name, e);
    fd = fails(IO_OPEN) ? -1 : be->create_private(dirfd, name);
    if (fd < 0) err_set(e, errno, "cannot make '%s': %s", name, strerror(errno));
    return fd;
}

int io_create_unnamed(int dirfd, struct err *e) {
    char name[40];
    int fd;

    snprintf(name, sizeof name, "temp-unnamed-%d.tmp", (int)getpid());
    fd = io_create(dirfd, name, e);
    if (fd >= 0 && io_unlink(dirfd, name, e) < 0) {
        io_close(fd);
        return -1;
    }
    return fd;
}

/* O_NONBLOCK: opening a FIFO would wait for its other end. A device may be read without end. */
static int open_regular(int dirfd, const char *name, int flags, struct err *e) {
    int fd = open_file(dirfd, name, flags | O_NONBLOCK, e);
    struct io_stat st;

    if (fd < 0 || (io_fstat(fd, &st) == 0 && st.is_file)) return fd;
    io_close(fd);
    return err_set(e, EINVAL, "'%s' is not a regular file", name);
}

static int open_own(int dirfd, const char *name, int flags, struct err *e) {
    int fd = open_regular(dirfd, name, flags, e);

    if (fd < 0 || !has_other_names(fd)) return fd;
    io_close(fd);
    return err_set(e, EMLINK, "'%s' has another name: its bytes are shared", name);
}

int io_open_append(int dirfd, const char *name, struct err *e) {
    return open_own(dirfd, name, O_RDWR | O_CREAT | O_APPEND, e);
}

int io_open_write(int dirfd, const char *name, struct err *e) {
    return open_own(dirfd, name, O_RDWR, e);
}

int io_open_read(int dirfd, const char *name, struct err *e) {
    return open_regular(dirfd, name, O_RDONLY, e);
}

static int write_through(int fd, const char *p, size_t n, off_t at, size_t *done, struct err *e) {
    size_t off = 0;
    int code = fault_point(IO_WRITE);

    if (code) {
        size_t part = (size_t)atomic_load(&faults[IO_WRITE].short_bytes);
        ssize_t rc = part ? be->write(fd, p, part < n ? part : n, at) : 0;

        if (done) *done = rc > 0 ? (size_t)rc : 0;
        return err_set(e, code, "write: %s", strerror(code));
    }
    while (off < n) {
        ssize_t rc = be->write(fd, p + off, n - off, at < 0 ? at : at + (off_t)off);

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

    do rc = be->read(fd, p, n, at);
    while (rc < 0 && errno == EINTR);
    if (rc < 0) err_set(e, errno, "read: %s", strerror(errno));
    return rc;
}

int io_write_again(int fd, uint64_t from, uint64_t to, struct err *e) {
    char *buf = mem_alloc(COPY_BYTES);
    int rc = 0;

    while (rc == 0 && from < to) {
        size_t want = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES;
        ssize_t n = io_read_at(fd, buf, want, (off_t)from, e);

        if (n == 0) err_set(e, EIO, "a file has become shorter while it was read");
        rc = n > 0 ? io_write_at(fd, buf, (size_t)n, (off_t)from, NULL, e) : -1;
        from += n > 0 ? (uint64_t)n : 0;
    }
    mem_free(buf);
    return rc;
}

int io_sync(int fd, struct err *e) {
    if (fails(IO_SYNC) || be->sync(fd) < 0)
        return err_set(e, errno, "fdatasync: %s", strerror(errno));
    return 0;
}

int io_truncate(int fd, off_t size, struct err *e) {
    if (fails(IO_TRUNCATE) || be->truncate(fd, size) < 0)
        return err_set(e, errno, "ftruncate: %s", strerror(errno));
    return 0;
}

int io_move(int fromfd, const char *from, int tofd, const char *to, struct err *e) {
    if (fails(IO_RENAME) || be->rename(fromfd, from, tofd, to) < 0)
        return err_set(e, errno, "cannot rename '%s' to '%s': %s", from, to, strerror(errno));
    return 0;
}

int io_rename(int dirfd, const char *from, const char *to, struct err *e) {
    return io_move(dirfd, from, dirfd, to, e);
}

int io_unlink(int dirfd, const char *name, struct err *e) {
    if (fails(IO_UNLINK) || be->unlink(dirfd, name, 0) < 0)
        return err_set(e, errno, "cannot remove '%s': %s", name, strerror(errno));
    return 0;
}

/* ---------------------------------------------------------------- copies */

/* The first `size` bytes, or all of them if the file has fewer. */
static int copy_bytes(int from, int to, uint64_t size, struct err *e) {
    char *buf = mem_alloc(COPY_BYTES);
    uint64_t at = 0;
    int rc = 0;

    while (rc == 0 && at < size) {
        size_t want = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
        ssize_t n = io_read_at(from, buf, want, (off_t)at, e);

        if (n == 0) break;
        rc = n < 0 ? -1 : io_write_all(to, buf, (size_t)n, NULL, e);
        at += n > 0 ? (uint64_t)n : 0;
    }
    mem_free(buf);
    return rc;
}

static bool clone_file(int from, int to) {
    return !fails(IO_LINK) && be->clone(to, from) == 0;
}

/* All of the file, as a new one, synced. -1: there is no such file. `clone_only`: not byte by byte.
 */
static int copy_file(int dirfd, const char *name, int to, const char *as, bool clone_only,
                     struct err *e) {
    int from = io_open_read(dirfd, name, e), fd = from < 0 ? -1 : io_create(to, as, e), rc = -1;

    if (fd >= 0 && clone_file(from, fd))
        rc = 0;
    else if (fd >= 0 && !clone_only)
        rc = copy_bytes(from, fd, UINT64_MAX, e);
    if (rc == 0) rc = io_sync(fd, e);
    io_close(from);
    io_close(fd);
    if (fd >= 0 && rc < 0) be->unlink(to, as, 0);
    return rc;
}

int io_copy(int dirfd, const char *name, int to, struct err *e) {
    return copy_file(dirfd, name, to, name, false, e);
}

int io_link(int dirfd, const char *name, int to, struct err *e) {
    if (copy_file(dirfd, name, to, name, true, NULL) == 0) return 0;
    if (!fails(IO_LINK) && be->link(dirfd, name, to, name) == 0) return 0;
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP)
        return io_copy(dirfd, name, to, e);
    return err_set(e, errno, "cannot link '%s': %s", name, strerror(errno));
}

int io_copy_as(int dirfd, const char *name, const char *copy, uint64_t size, struct err *e) {
    int from = io_open_read(dirfd, name, e), fd = from < 0 ? -1 : io_create(dirfd, copy, e);
    bool ok = fd >= 0;

    if (ok && clone_file(from, fd))
        ok = io_truncate(fd, (off_t)size, e) == 0;
    else if (ok)
        ok = copy_bytes(from, fd, size, e) == 0;
    ok = ok && io_sync(fd, e) == 0;
    io_close(from);
    if (ok || fd < 0) return fd;
    io_close(fd);
    be->unlink(dirfd, copy, 0);
    return -1;
}

int io_own(int dirfd, const char *name, struct err *e) {
    struct io_stat st;

    if (io_stat(dirfd, name, &st) < 0)
        return err_set(e, errno, "cannot look at '%s': %s", name, strerror(errno));
    return st.links < 2 ? 0 : io_renew(dirfd, name, e);
}

int io_renew(int dirfd, const char *name, struct err *e) {
    char temp[300];

    snprintf(temp, sizeof temp, "temp-%.290s", name);
    if (copy_file(dirfd, name, dirfd, temp, false, e) < 0) return -1;
    if (io_rename(dirfd, temp, name, e) == 0) return io_sync_dir(dirfd, e);
    be->unlink(dirfd, temp, 0);
    return -1;
}

/* ---------------------------------------------------------------- looking */

static int stat_as(int dirfd, const char *name, struct io_stat *out) {
    struct stat st;

    if (be->stat(dirfd, name, &st) < 0) return -1;
    *out = (struct io_stat){
        .size = (uint64_t)st.st_size,
        .links = st.st_nlink,
        .device = st.st_dev,
        .inode = st.st_ino,
        .changed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st.st_mode),
        .is_file = S_ISREG(st.st_mode),
        .mode = st.st_mode & 07777,
        .owner = st.st_uid,
        .group = st.st_gid,
    };
    return 0;
}

int io_stat(int dirfd, const char *name, struct io_stat *st) {
    return stat_as(dirfd, name, st);
}

int io_fstat(int fd, struct io_stat *st) {
    return stat_as(fd, NULL, st);
}

int io_set_access(int fd, const struct io_stat *st, struct err *e) {
    struct stat like = {.st_mode = st->mode, .st_uid = st->owner, .st_gid = st->group};

    if (!be->set_access || be->set_access(fd, &like) == 0) return 0;
    return err_set(e, errno, "cannot set permissions: %s", strerror(errno));
}

int64_t io_size(int fd, struct err *e) {
    struct io_stat st;

    if (io_fstat(fd, &st) < 0) return err_set(e, errno, "fstat: %s", strerror(errno));
    return (int64_t)st.size;
}

bool io_is_written(int dirfd, const char *name) {
    int fd = io_open_read(dirfd, name, NULL);
    bool yes = fd >= 0 && be->is_written && be->is_written(fd);

    io_close(fd);
    return yes;
}

bool io_exists(int dirfd, const char *name) {
    struct io_stat st;

    return io_stat(dirfd, name, &st) == 0;
}

/* ---------------------------------------------------------------- publishing, locks */

int io_replace(int dirfd, const char *name, struct slice data, struct err *e) {
    char tmp[300];
    bool renamed = false;
    int rc = -1, fd;

    snprintf(tmp, sizeof tmp, "temp-%.290s", name);
    fd = io_create(dirfd, tmp, e);
    if (fd < 0) return -1;
    if (io_write_all(fd, data.p, data.n, NULL, e) < 0) goto out;
    if (io_sync(fd, e) < 0) goto out;
    if (io_rename(dirfd, tmp, name, e) < 0) goto out;
    renamed = true;
    rc = io_sync_dir(dirfd, e);
out:
    io_close(fd);
    if (!renamed) be->unlink(dirfd, tmp, 0);
    return rc;
}

/* The name may have gone to another file between opening and locking. */
static bool is_still(int dirfd, const char *name, int fd) {
    struct io_stat a, b;

    return io_fstat(fd, &a) == 0 && io_stat(dirfd, name, &b) == 0 && a.inode == b.inode &&
           a.device == b.device;
}

int io_lock(int dirfd, const char *name, uint64_t byte, bool *made, struct err *e) {
    for (;;) {
        bool there = io_exists(dirfd, name);
        int fd = open_file(dirfd, name, O_RDWR | O_CREAT, e);

        if (fd < 0) return -1;
        if (be->lock(fd, byte) < 0) {
            int code = errno == EACCES || errno == EAGAIN ? EWOULDBLOCK : errno;

            io_close(fd);
            return err_set(e, code, "cannot lock '%s': %s", name, strerror(code));
        }
        if (is_still(dirfd, name, fd)) {
            if (made) *made = !there;
            return fd;
        }
        io_close(fd);
    }
}
