/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

uint8_t choose(struct choices *c) {
    return c->p < c->end ? *c->p++ : 0;
}

uint16_t choose_16(struct choices *c) {
    uint8_t low = choose(c);

    return (uint16_t)(low | choose(c) << 8);
}

struct slice choose_bytes(struct choices *c, size_t n) {
    struct slice s = slice_of(c->p, n < choices_left(c) ? n : choices_left(c));

    c->p += s.n;
    return s;
}

char *fuzz_copy(struct slice s) {
    return s.n ? mem_dup(s.p, s.n) : mem_alloc(1);
}

uint64_t fuzz_sum(struct slice s) {
    uint64_t sum = 0;

    for (size_t i = 0; i < s.n; i++) sum += (uint8_t)s.p[i];
    return sum;
}

/* ---------------------------------------------------------------- files */

enum { FILES = 8, FIRST_FD = 5000 };

static struct file {
    char name[64]; /* "": no file */
    struct bytes b;
} files[FILES];

static struct file *file_at(int fd) {
    return fd >= FIRST_FD && fd < FIRST_FD + FILES ? &files[fd - FIRST_FD] : NULL;
}

static struct file *file_named(const char *name) {
    for (struct file *f = files; f < files + FILES; f++)
        if (strcmp(f->name, name) == 0) return f;
    return NULL;
}

static int no_file(void) {
    errno = ENOENT;
    return -1;
}

static int mem_open(int dirfd, const char *name, int flags) {
    struct file *f = file_named(name);

    (void)dirfd;
    if (!f && flags & O_CREAT && (f = file_named("")))
        snprintf(f->name, sizeof f->name, "%s", name);
    if (!f) return no_file();
    if (flags & O_TRUNC) bytes_clear(&f->b);
    return FIRST_FD + (int)(f - files);
}

static int mem_reopen(int fd) {
    return fd;
}

static int mem_close(int fd) {
    (void)fd;
    return 0;
}

static ssize_t mem_read(int fd, void *p, size_t n, off_t at) {
    const struct file *f = file_at(fd);

    if (!f || at < 0) return no_file();
    if ((size_t)at >= f->b.n) return 0;
    if (n > f->b.n - (size_t)at) n = f->b.n - (size_t)at;
    if (n) memcpy(p, f->b.p + at, n);
    return (ssize_t)n;
}

static int mem_truncate(int fd, off_t size) {
    struct file *f = file_at(fd);

    if (!f) return no_file();
    if ((size_t)size > f->b.n)
        memset(bytes_room(&f->b, (size_t)size - f->b.n), 0, (size_t)size - f->b.n);
    f->b.n = (size_t)size;
    return 0;
}

static ssize_t mem_write(int fd, const void *p, size_t n, off_t at) {
    struct file *f = file_at(fd);
    size_t from = !f ? 0 : at < 0 ? f->b.n : (size_t)at;

    if (!f) return no_file();
    if (n == 0) return 0;
    if (from + n > f->b.n) mem_truncate(fd, (off_t)(from + n));
    memcpy(f->b.p + from, p, n);
    return (ssize_t)n;
}

static int mem_sync(int fd) {
    (void)fd;
    return 0;
}

static int mem_unlink(int dirfd, const char *name, int flags) {
    struct file *f = file_named(name);

    (void)dirfd, (void)flags;
    if (!f) return no_file();
    f->name[0] = '\0';
    bytes_clear(&f->b);
    return 0;
}

static int mem_rename(int from, const char *old, int to, const char *name) {
    struct file *f = file_named(old);

    if (!f) return no_file();
    if (file_named(name)) mem_unlink(to, name, 0);
    snprintf(f->name, sizeof f->name, "%s", name);
    (void)from;
    return 0;
}

static int mem_link(int from, const char *old, int to, const char *name) {
    (void)from, (void)old, (void)to, (void)name;
    errno = EPERM;
    return -1;
}

static int mem_clone(int to, int from) {
    (void)to, (void)from;
    errno = EOPNOTSUPP;
    return -1;
}

static int mem_mkdir(int dirfd, const char *name) {
    (void)dirfd, (void)name;
    errno = EPERM;
    return -1;
}

static int mem_stat(int dirfd, const char *name, struct stat *st) {
    const struct file *f = name ? file_named(name) : file_at(dirfd);

    if (!f) return no_file();
    *st = (struct stat){.st_mode = S_IFREG | 0644, .st_nlink = 1, .st_size = (off_t)f->b.n};
    st->st_ino = (ino_t)(f - files + 1);
    return 0;
}

static int mem_list(int dirfd, bool (*see)(void *arg, const char *name), void *arg) {
    (void)dirfd, (void)see, (void)arg;
    return 0;
}

static int mem_lock(int fd, uint64_t byte) {
    (void)fd, (void)byte;
    return 0;
}

static int mem_create_private(int dirfd, const char *name) {
    return mem_open(dirfd, name, O_CREAT | O_TRUNC);
}

static bool mem_is_written(int fd) {
    (void)fd;
    return false;
}

static const struct io_backend backend = {
    .open = mem_open,
    .reopen = mem_reopen,
    .create_private = mem_create_private,
    .close = mem_close,
    .read = mem_read,
    .write = mem_write,
    .sync = mem_sync,
    .sync_dir = mem_sync,
    .truncate = mem_truncate,
    .rename = mem_rename,
    .unlink = mem_unlink,
    .link = mem_link,
    .clone = mem_clone,
    .mkdir = mem_mkdir,
    .stat = mem_stat,
    .list = mem_list,
    .lock = mem_lock,
    .is_written = mem_is_written,
};

int fuzz_file(const char *name, struct slice content) {
    int fd = mem_open(-1, name, O_CREAT | O_TRUNC);

    CHECK(fd >= 0);
    bytes_append(&file_at(fd)->b, content.p, content.n);
    return fd;
}

struct slice fuzz_file_bytes(int fd) {
    return bytes_slice(&file_at(fd)->b);
}

/* ---------------------------------------------------------------- a file on the disk */

static char disk_file[64];

static void remove_disk_file(void) {
    unlink(disk_file);
}

const char *fuzz_disk_file(struct slice content) {
    int fd;

    if (disk_file[0]) {
        fd = open(disk_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    } else {
        snprintf(disk_file, sizeof disk_file, "/dev/shm/stet-fuzz-file-XXXXXX");
        fd = mkstemp(disk_file);
        atexit(remove_disk_file);
    }
    CHECK(fd >= 0 && write(fd, content.p, content.n) == (ssize_t)content.n);
    close(fd);
    return disk_file;
}

void fuzz_on_disk(bool on) {
    io_use(on ? &io_system : &backend);
}

/* ---------------------------------------------------------------- the process */

static void set_up(void) {
    mem_thread_init();
    log_set_level(LOG_AT_NOTHING);
    clock_set_virtual(INT64_C(1700000000000));
    clock_refresh();
    io_use(&backend);
}

void fuzz_begin(void) {
    static bool is_set_up;

    if (!is_set_up) set_up();
    is_set_up = true;
    for (struct file *f = files; f < files + FILES; f++) {
        f->name[0] = '\0';
        bytes_clear(&f->b);
    }
}
