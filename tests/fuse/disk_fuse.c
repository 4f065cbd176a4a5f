/* SPDX-License-Identifier: BSD-3-Clause
 *
 * disk_fuse - mounts the simulated disk of tests/sim, so that a real server writes to it.
 *
 *   disk_fuse MOUNTPOINT SEED        (in the foreground; ends when it is unmounted)
 *
 * Orders come as extended attributes of the root:
 *   user.cut   "ORDERED DATA SIZE NAMES TORN"   power cut; the numbers are percents (disk.h)
 *   user.fail  "OP CODE COUNT"                  so many calls of this kind fail
 *   user.slow  "OP MS"                          each call of this kind takes so long; 0: no longer
 *   user.evict ""                               clean pages leave the cache
 * OP is a name of io's fault points. What the model is stands in tests/sim/disk.h.
 */
#define FUSE_USE_VERSION 35

#include "tests/sim/disk.h"
#include "tests/sim/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER; /* the model runs one call at a time */
static struct { int code, count, delay_ms; } fault[IO_OPS];

/* ---------------------------------------------------------------- what the model asks for */

void sched_yield_point(void) {}

void sched_sleep(uint64_t ns) {
    (void)ns;
}

bool sched_wait(const void *object, uint64_t until_ns) {
    (void)object, (void)until_ns;
    return false;
}

_Noreturn void sched_stop(enum sched_end why) {
    (void)why;
    abort();
}

void sched_kill(int process) {
    (void)process;
}

int sched_process(void) {
    return 1;
}

const char *sched_name(void) {
    return "fuse";
}

uint64_t sched_now_ns(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int64_t sched_wall_us(void) {
    return (int64_t)time(NULL) * 1000000;
}

static struct disk_verdict judge(void *arg, enum io_op op, size_t n) {
    (void)arg, (void)n;
    if (fault[op].count <= 0) return (struct disk_verdict){0};
    fault[op].count--;
    return (struct disk_verdict){.fate = FATE_ERROR, .code = fault[op].code};
}

/* ---------------------------------------------------------------- calls */

/* The slow part of a call holds up no other one. */
static void enter(enum io_op op) {
    struct timespec ts = {fault[op].delay_ms / 1000, fault[op].delay_ms % 1000 * 1000000L};

    if (fault[op].delay_ms) nanosleep(&ts, NULL);
    pthread_mutex_lock(&mu);
}

static int leave(long rc) {
    int code = errno;

    pthread_mutex_unlock(&mu);
    return rc < 0 ? -code : (int)rc;
}

static int f_getattr(const char *path, struct stat *st, struct fuse_file_info *fi) {
    pthread_mutex_lock(&mu);
    return leave(fi ? disk_backend.stat((int)fi->fh, NULL, st)
                    : disk_backend.stat(AT_FDCWD, path, st));
}

static int open_at(const char *path, int flags, struct fuse_file_info *fi) {
    int fd;

    enter(IO_OPEN);
    fd = disk_backend.open(AT_FDCWD, path, flags);
    if (fd >= 0) fi->fh = (uint64_t)fd;
    fi->direct_io = 1;
    return leave(fd < 0 ? -1 : 0);
}

static int f_open(const char *path, struct fuse_file_info *fi) {
    return open_at(path, fi->flags & ~O_APPEND, fi);
}

static int f_create(const char *path, mode_t mode, struct fuse_file_info *fi) {
    (void)mode;
    return open_at(path, (fi->flags & ~O_APPEND) | O_CREAT, fi);
}

static int f_opendir(const char *path, struct fuse_file_info *fi) {
    return open_at(path, O_RDONLY | O_DIRECTORY, fi);
}

static int f_release(const char *path, struct fuse_file_info *fi) {
    (void)path;
    pthread_mutex_lock(&mu);
    return leave(disk_backend.close((int)fi->fh));
}

static int f_read(const char *path, char *p, size_t n, off_t at, struct fuse_file_info *fi) {
    (void)path;
    pthread_mutex_lock(&mu);
    return leave(disk_backend.read((int)fi->fh, p, n, at));
}

static int f_write(const char *path, const char *p, size_t n, off_t at, struct fuse_file_info *fi) {
    (void)path;
    enter(IO_WRITE);
    return leave(disk_backend.write((int)fi->fh, p, n, at));
}

static int f_truncate(const char *path, off_t size, struct fuse_file_info *fi) {
    int fd, rc;

    enter(IO_TRUNCATE);
    fd = fi ? (int)fi->fh : disk_backend.open(AT_FDCWD, path, O_RDWR);
    rc = fd < 0 ? -1 : disk_backend.truncate(fd, size);
    if (!fi && fd >= 0) disk_backend.close(fd);
    return leave(rc);
}

static int f_fsync(const char *path, int datasync, struct fuse_file_info *fi) {
    (void)path, (void)datasync;
    enter(IO_SYNC);
    return leave(disk_backend.sync((int)fi->fh));
}

static int f_fsyncdir(const char *path, int datasync, struct fuse_file_info *fi) {
    (void)path, (void)datasync;
    enter(IO_SYNC_DIR);
    return leave(disk_backend.sync_dir((int)fi->fh));
}

static int f_rename(const char *from, const char *to, unsigned flags) {
    if (flags) return -EINVAL;
    enter(IO_RENAME);
    return leave(disk_backend.rename(AT_FDCWD, from, AT_FDCWD, to));
}

static int f_unlink(const char *path) {
    enter(IO_UNLINK);
    return leave(disk_backend.unlink(AT_FDCWD, path, 0));
}

static int f_rmdir(const char *path) {
    enter(IO_UNLINK);
    return leave(disk_backend.unlink(AT_FDCWD, path, AT_REMOVEDIR));
}

static int f_link(const char *from, const char *to) {
    enter(IO_LINK);
    return leave(disk_backend.link(AT_FDCWD, from, AT_FDCWD, to));
}

static int f_mkdir(const char *path, mode_t mode) {
    (void)mode;
    enter(IO_MKDIR);
    return leave(disk_backend.mkdir(AT_FDCWD, path));
}

struct filling {
    void *buf;
    fuse_fill_dir_t fill;
};

static bool fill_one(void *arg, const char *name) {
    struct filling *f = arg;

    return f->fill(f->buf, name, NULL, 0, 0) == 0;
}

static int f_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t at,
                     struct fuse_file_info *fi, enum fuse_readdir_flags flags) {
    struct filling f = {buf, fill};

    (void)path, (void)at, (void)flags;
    pthread_mutex_lock(&mu);
    return leave(disk_backend.list((int)fi->fh, fill_one, &f));
}

/* ---------------------------------------------------------------- orders */

static int op_named(const char *name) {
    for (int op = 0; op < IO_OPS; op++)
        if (strcmp(disk_op_name[op], name) == 0) return op;
    return -1;
}

static int obey(const char *order, const char *text) {
    struct disk_cut c;
    int ordered, a, b, op;
    char name[16];

    if (strcmp(order, "user.cut") == 0 &&
        sscanf(text, "%d %u %u %u %u", &ordered, &c.data, &c.size, &c.names, &c.torn) == 5) {
        c.ordered = ordered;
        disk_power_cut(&c);
        memset(fault, 0, sizeof fault);
        return 0;
    }
    if (strcmp(order, "user.evict") == 0) {
        disk_evict();
        return 0;
    }
    if (strcmp(order, "user.fail") == 0 && sscanf(text, "%15s %d %d", name, &a, &b) == 3 &&
        (op = op_named(name)) >= 0) {
        fault[op].code = a;
        fault[op].count = b;
        return 0;
    }
    if (strcmp(order, "user.slow") == 0 && sscanf(text, "%15s %d", name, &a) == 2 &&
        (op = op_named(name)) >= 0) {
        fault[op].delay_ms = a;
        return 0;
    }
    return -EINVAL;
}

static int f_setxattr(const char *path, const char *name, const char *value, size_t n, int flags) {
    char text[128];
    int rc;

    (void)path, (void)flags;
    if (n >= sizeof text) return -E2BIG;
    memcpy(text, value, n);
    text[n] = '\0';
    pthread_mutex_lock(&mu);
    rc = obey(name, text);
    pthread_mutex_unlock(&mu);
    return rc;
}

static void *f_init(struct fuse_conn_info *conn, struct fuse_config *cfg) {
    (void)conn;
    cfg->use_ino = 1;
    cfg->hard_remove = 1;
    cfg->nullpath_ok = 1;
    cfg->entry_timeout = cfg->attr_timeout = cfg->negative_timeout = 0;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = f_init,
    .getattr = f_getattr,
    .open = f_open,
    .create = f_create,
    .opendir = f_opendir,
    .release = f_release,
    .releasedir = f_release,
    .read = f_read,
    .write = f_write,
    .truncate = f_truncate,
    .fsync = f_fsync,
    .fsyncdir = f_fsyncdir,
    .rename = f_rename,
    .unlink = f_unlink,
    .rmdir = f_rmdir,
    .link = f_link,
    .mkdir = f_mkdir,
    .readdir = f_readdir,
    .setxattr = f_setxattr,
};

int main(int argc, char **argv) {
    struct disk_options o = {.judge = judge};
    char *args[] = {argv[0], argv[1], "-f", NULL};

    if (argc != 3) {
        fprintf(stderr, "usage: disk_fuse MOUNTPOINT SEED\n");
        return 2;
    }
    disk_reset(strtoull(argv[2], NULL, 10));
    o.sync_ns = o.write_ns = 1;
    disk_set_options(&o);
    return fuse_main(3, args, &operations, NULL);
}
