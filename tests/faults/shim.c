/* SPDX-License-Identifier: BSD-3-Clause
 *
 * shim - a bad disk for any server, as an LD_PRELOAD library. Tests only.
 *
 * $STET_FAULTS names a control file that holds a struct control; a test maps the same file and
 * changes it while the server runs. It concerns files and directories whose path contains
 * control.match: `sync` and `write` are the calls on the contents of regular files, `other` is
 * open, close, unlink, rename, mkdir, link, truncate, stat and the sync of a directory. Every sync
 * of a file, every write that a fault touched, and every call that the first thread of the first
 * process makes is written to $STET_FAULTS.log: "sync|write|loop-CALL BEGIN_NS END_NS ERRNO PATH",
 * CLOCK_MONOTONIC. Not seen: io_uring, mmap, sync_file_range, direct system calls.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct fault {
    int64_t delay_ms;
    int64_t code;          /* errno to fail with, while count is not 0 */
    _Atomic int64_t count; /* how many more calls fail; negative: all */
    int64_t short_bytes;   /* writes: so many bytes still get through in each failing call */
};

struct control {
    struct fault sync, write;
    char match[128];
    struct fault other;
};

static struct control *control;
static int log_fd = -1;
static pid_t first_process;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("STET_FAULTS");
    char log[PATH_MAX];

    if (!path) return;
    first_process = getpid();
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    snprintf(log, sizeof log, "%s.log", path);
    log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static uint64_t now_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_ms(int64_t ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    while (ms > 0 && nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
}

/* Is the descriptor one that the faults are for? Its path goes to `path`. */
static int is_matched(int fd, char path[PATH_MAX]) {
    char link[32];

    if (!control || !control->match[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, control->match) != NULL;
}

static int is_regular(int fd) {
    struct stat st;

    return syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* The same of a name: in a directory, or a whole path. */
static int name_is_matched(int dirfd, const char *name, char path[PATH_MAX]) {
    size_t n = 0;

    if (!control || !control->match[0] || strncmp(name, "/proc/", 6) == 0) return 0;
    path[0] = 0;
    if (name[0] != '/' && dirfd >= 0) {
        is_matched(dirfd, path);
        n = strlen(path);
    }
    snprintf(path + n, PATH_MAX - n, "%s%s", n ? "/" : "", name);
    return strstr(path, control->match) != NULL;
}

/* Takes one failure if one is due. */
static int fails(struct fault *f) {
    int64_t left = atomic_load(&f->count);

    while (left > 0)
        if (atomic_compare_exchange_weak(&f->count, &left, left - 1)) return 1;
    return left < 0;
}

static void note(const char *what, uint64_t begin, int code, const char *path) {
    char line[PATH_MAX + 100];
    int n = snprintf(line, sizeof line, "%s %llu %llu %d %s\n", what, (unsigned long long)begin,
                     (unsigned long long)now_ns(), code, path);

    syscall(SYS_write, log_fd, line, (size_t)n);
}

/* A call by the event loop is told apart: it is what no server of this kind may do. */
static void note_if_loop(const char *what, uint64_t begin, const char *path) {
    char name[32];

    if (getpid() != first_process || syscall(SYS_gettid) != first_process) return;
    snprintf(name, sizeof name, "loop-%s", what);
    note(name, begin, 0, path);
}

/* A call that concerns names: made slow, or -1 and errno set. */
static int trouble(const char *what, const char *path) {
    uint64_t begin = now_ns();

    pause_ms(control->other.delay_ms);
    note_if_loop(what, begin, path);
    if (!fails(&control->other)) return 0;
    errno = (int)control->other.code;
    return -1;
}

#define REAL(name) ((__typeof__(&name))(intptr_t)dlsym(RTLD_NEXT, #name))

static int sync_directory(int fd, int (*real)(int)) {
    char path[PATH_MAX];

    if (is_matched(fd, path) && trouble("syncdir", path) < 0) return -1;
    return real(fd);
}

static int faulty_sync(int fd, const char *name) {
    int (*real)(int) = (int (*)(int))(intptr_t)dlsym(RTLD_NEXT, name);
    char path[PATH_MAX];
    uint64_t begin = now_ns();
    int rc, code;

    if (!is_regular(fd)) return sync_directory(fd, real);
    if (!is_matched(fd, path)) return real(fd);
    pause_ms(control->sync.delay_ms);
    note_if_loop("sync", begin, path);
    if (fails(&control->sync)) {
        errno = (int)control->sync.code;
        rc = -1;
    } else {
        rc = real(fd);
    }
    code = rc < 0 ? errno : 0;
    note("sync", begin, code, path);
    errno = code;
    return rc;
}

int fsync(int fd) {
    return faulty_sync(fd, "fsync");
}

int fdatasync(int fd) {
    return faulty_sync(fd, "fdatasync");
}

static ssize_t raw_write(int fd, const void *p, size_t n, int64_t at) {
    return at < 0 ? syscall(SYS_write, fd, p, n) : syscall(SYS_pwrite64, fd, p, n, at);
}

static ssize_t faulty_write(int fd, const void *p, size_t n, int64_t at) {
    char path[PATH_MAX];
    uint64_t begin;
    ssize_t rc;

    if (!control || !is_regular(fd) || !is_matched(fd, path)) return raw_write(fd, p, n, at);
    begin = now_ns();
    pause_ms(control->write.delay_ms);
    note_if_loop("write", begin, path);
    if (!fails(&control->write)) {
        rc = raw_write(fd, p, n, at);
        if (control->write.delay_ms) note("write", begin, rc < 0 ? errno : 0, path);
        return rc;
    }
    int64_t some = control->write.short_bytes;
    note("write", begin, (int)control->write.code, path);
    if (some > 0 && (size_t)some < n) return raw_write(fd, p, (size_t)some, at);
    errno = (int)control->write.code;
    return -1;
}

ssize_t write(int fd, const void *p, size_t n) {
    return faulty_write(fd, p, n, -1);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    return faulty_write(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    return faulty_write(fd, p, n, at);
}

/* Data files: one part after the other, up to the first short one. */
ssize_t writev(int fd, const struct iovec *v, int count) {
    char path[PATH_MAX];
    ssize_t sum = 0;

    if (!control || !is_regular(fd) || !is_matched(fd, path))
        return (ssize_t)syscall(SYS_writev, fd, v, count);
    for (int i = 0; i < count; i++) {
        ssize_t n = faulty_write(fd, v[i].iov_base, v[i].iov_len, -1);
        if (n < 0) return sum ? sum : n;
        sum += n;
        if ((size_t)n < v[i].iov_len) break;
    }
    return sum;
}

/* ---------------------------------------------------------------- names */

int openat(int dirfd, const char *name, int flags, ...) {
    char path[PATH_MAX];
    mode_t mode = 0;
    va_list ap;

    va_start(ap, flags);
    if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(ap, mode_t);
    va_end(ap);
    if (name_is_matched(dirfd, name, path) && trouble("open", path) < 0) return -1;
    return (int)syscall(SYS_openat, dirfd, name, flags, mode);
}

/* /proc/self/fd/N: the file of a descriptor is opened once more. */
static int reopens(const char *name, char path[PATH_MAX]) {
    int fd;

    return sscanf(name, "/proc/self/fd/%d", &fd) == 1 && is_matched(fd, path);
}

int open(const char *name, int flags, ...) {
    char path[PATH_MAX];
    mode_t mode = 0;
    va_list ap;

    va_start(ap, flags);
    if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(ap, mode_t);
    va_end(ap);
    if ((name_is_matched(AT_FDCWD, name, path) || reopens(name, path)) && trouble("open", path) < 0)
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, name, flags, mode);
}

/* As on a disk that is reached over a network or FUSE. It never fails: the descriptor is gone in
 * any case.
 */
int close(int fd) {
    char path[PATH_MAX];

    if (is_matched(fd, path)) {
        uint64_t begin = now_ns();

        pause_ms(control->other.delay_ms);
        note_if_loop("close", begin, path);
    }
    return (int)syscall(SYS_close, fd);
}

int unlinkat(int dirfd, const char *name, int flags) {
    char path[PATH_MAX];

    if (name_is_matched(dirfd, name, path) && trouble("unlink", path) < 0) return -1;
    return REAL(unlinkat)(dirfd, name, flags);
}

int unlink(const char *name) {
    return unlinkat(AT_FDCWD, name, 0);
}

int renameat(int from, const char *old, int to, const char *name) {
    char path[PATH_MAX];

    if (name_is_matched(to, name, path) && trouble("rename", path) < 0) return -1;
    return REAL(renameat)(from, old, to, name);
}

int rename(const char *old, const char *name) {
    return renameat(AT_FDCWD, old, AT_FDCWD, name);
}

int mkdirat(int dirfd, const char *name, mode_t mode) {
    char path[PATH_MAX];

    if (name_is_matched(dirfd, name, path) && trouble("mkdir", path) < 0) return -1;
    return REAL(mkdirat)(dirfd, name, mode);
}

int linkat(int from, const char *old, int to, const char *name, int flags) {
    char path[PATH_MAX];

    if (name_is_matched(to, name, path) && trouble("link", path) < 0) return -1;
    return REAL(linkat)(from, old, to, name, flags);
}

int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];

    if (is_matched(fd, path) && trouble("truncate", path) < 0) return -1;
    return (int)syscall(SYS_ftruncate, fd, size);
}

int fstatat(int dirfd, const char *name, struct stat *st, int flags) {
    char path[PATH_MAX];

    if (name_is_matched(dirfd, name, path) && trouble("stat", path) < 0) return -1;
    return (int)syscall(SYS_newfstatat, dirfd, name, st, flags);
}

int fstat(int fd, struct stat *st) {
    char path[PATH_MAX];

    if (is_matched(fd, path) && trouble("stat", path) < 0) return -1;
    return (int)syscall(SYS_fstat, fd, st);
}
