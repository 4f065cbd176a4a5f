/* SPDX-License-Identifier: BSD-3-Clause
 *
 * io_system - the backend of io that is the operating system.
 */
#include "storage/base/io.h"

#include "storage/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int sys_open(int dirfd, const char *name, int flags) {
    return openat(dirfd, name, flags, 0644);
}

static int sys_reopen(int fd) {
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_CLOEXEC);
}

static int sys_create_private(int dirfd, const char *name) {
    return openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
}

static int sys_set_access(int fd, const struct stat *like) {
    struct stat st;

    if (fstat(fd, &st) < 0) return -1;
    if (st.st_uid != like->st_uid || st.st_gid != like->st_gid) {
        /* Another owner is the privilege of root, which the server need not be. */
        if (fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM) return -1;
    }
    return fchmod(fd, like->st_mode & 07777);
}

static ssize_t sys_write(int fd, const void *p, size_t n, off_t at) {
    return at < 0 ? write(fd, p, n) : pwrite(fd, p, n, at);
}

static int sys_rename(int from, const char *old, int to, const char *name) {
    return renameat(from, old, to, name);
}

static int sys_link(int from, const char *old, int to, const char *name) {
    return linkat(from, old, to, name, 0);
}

static int sys_clone(int to, int from) {
    return ioctl(to, FICLONE, from);
}

static int sys_mkdir(int dirfd, const char *name) {
    return mkdirat(dirfd, name, 0755);
}

static int sys_stat(int dirfd, const char *name, struct stat *st) {
    return name ? fstatat(dirfd, name, st, 0) : fstat(dirfd, st);
}

static bool is_dot(const char *name) {
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* All names first, so that files may be removed while they are shown. */
static int sys_list(int dirfd, bool (*see)(void *arg, const char *name), void *arg) {
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct bytes names = {0};

    if (!d) {
        int code = errno;

        if (fd >= 0) close(fd);
        errno = code;
        return -1;
    }
    for (const struct dirent *ent; (ent = readdir(d));)
        if (!is_dot(ent->d_name)) bytes_append(&names, ent->d_name, strlen(ent->d_name) + 1);
    closedir(d);
    for (size_t at = 0; at < names.n; at += strlen(names.p + at) + 1)
        if (!see(arg, names.p + at)) break;
    bytes_release(&names);
    return 0;
}

static int sys_lock(int fd, uint64_t byte) {
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};

    return fcntl(fd, F_SETLK, &lock);
}

/* The kernel gives no read lease on a file that is open for writing. If a process wants to write
 * while we hold the lease, we get a signal: one that is ignored, instead of SIGIO, which kills. */
static bool sys_is_written(int fd) {
    bool yes;

    if (fcntl(fd, F_SETSIG, SIGURG) < 0) return false;
    yes = fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;
    if (!yes) fcntl(fd, F_SETLEASE, F_UNLCK);
    return yes;
}

const struct io_backend io_system = {
    .open = sys_open,
    .reopen = sys_reopen,
    .create_private = sys_create_private,
    .close = close,
    .read = pread,
    .write = sys_write,
    .sync = fdatasync,
    .sync_dir = fsync,
    .truncate = ftruncate,
    .set_access = sys_set_access,
    .rename = sys_rename,
    .unlink = unlinkat,
    .link = sys_link,
    .clone = sys_clone,
    .mkdir = sys_mkdir,
    .stat = sys_stat,
    .list = sys_list,
    .lock = sys_lock,
    .is_written = sys_is_written,
};
