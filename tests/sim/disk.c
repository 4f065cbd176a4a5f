/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_internal.h"

#include "sched.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct disk *disk;
struct disk_options disk_options;

const char *const disk_op_name[IO_OPS] = {"open",     "write",   "sync", "rename", "unlink",
                                          "truncate", "syncdir", "link", "mkdir"};

enum { ROOT = 1 };

/* ---------------------------------------------------------------- contents and names */

void content_resize(struct content *c, size_t n) {
    if (n > c->cap) {
        size_t cap = c->cap ? c->cap : 1024;

        while (cap < n) cap *= 2;
        c->p = realloc(c->p, cap);
        memset(c->p + c->cap, 0, cap - c->cap);
        c->cap = cap;
    }
    if (n < c->n) memset(c->p + n, 0, c->n - n);
    c->n = n;
}

void content_copy(struct content *to, const struct content *from) {
    content_resize(to, 0);
    content_resize(to, from->n);
    if (from->n) memcpy(to->p, from->p, from->n);
}

struct name *names_find(const struct names *d, const char *text) {
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->e[i].text, text) == 0) return &d->e[i];
    return NULL;
}

void names_set(struct names *d, const char *text, int inode) {
    struct name *e = names_find(d, text);

    if (!inode) {
        if (!e) return;
        memmove(e, e + 1, (size_t)(d->e + d->n - (e + 1)) * sizeof *e);
        d->n--;
        return;
    }
    if (!e) {
        if (d->n == d->cap) {
            d->cap = d->cap ? d->cap * 2 : 8;
            d->e = realloc(d->e, d->cap * sizeof *d->e);
        }
        e = &d->e[d->n++];
        snprintf(e->text, sizeof e->text, "%s", text);
    }
    e->inode = inode;
}

int links_of(int inode) {
    int n = 0;

    for (int i = ROOT; i < disk->inodes; i++) {
        if (!disk->inode[i].is_dir) continue;
        for (size_t k = 0; k < disk->inode[i].names.n; k++)
            n += disk->inode[i].names.e[k].inode == inode;
    }
    return n;
}

static bool is_in(const struct names *d, int inode) {
    for (size_t i = 0; i < d->n; i++)
        if (d->e[i].inode == inode) return true;
    return false;
}

/* Whether nothing can lead to the file any more. */
static bool is_gone(int inode) {
    for (int i = 1; i < FILES; i++)
        if (disk->file[i].refs && disk->file[i].inode == inode) return false;
    for (int i = ROOT; i < disk->inodes; i++)
        if (is_in(&disk->inode[i].names, inode) || is_in(&disk->inode[i].durable_names, inode))
            return false;
    for (size_t i = 0; i < disk->changes; i++) {
        const struct change *c = disk->change[i];

        if (c->inode == inode) return false;
        for (int k = 0; k < c->sets; k++)
            if (c->set[k].inode == inode || c->set[k].dir == inode) return false;
    }
    return true;
}

static int inode_again(void) {
    for (int i = ROOT + 1; i < disk->inodes; i++) {
        struct inode *in = &disk->inode[i];

        if (!is_gone(i)) continue;
        free(in->cache.p);
        free(in->durable.p);
        free(in->names.e);
        free(in->durable_names.e);
        return i;
    }
    fprintf(stderr, "sim: too many files\n");
    abort();
}

static int inode_new(bool is_dir) {
    int i = disk->inodes < INODES ? disk->inodes++ : inode_again();

    disk->inode[i] = (struct inode){.used = true, .is_dir = is_dir};
    return i;
}

void disk_reset(uint64_t seed) {
    if (disk) disk_free(disk);
    disk = calloc(1, sizeof *disk);
    disk->inodes = ROOT;
    disk->dice = dice_new(seed, 3);
    disk->loss = dice_new(seed, 13);
    inode_new(true);
    disk_options = (struct disk_options){.sync_ns = 1000000, .write_ns = 10000};
}

void disk_set_options(const struct disk_options *o) {
    disk_options = *o;
}

const char *disk_complaint(void) {
    return disk->complaint;
}

/* ---------------------------------------------------------------- descriptors */

static struct file *file_of(int fd) {
    int i = fd - FIRST_FD;

    if (i < 0 || i >= FILES || !disk->fd[i].file) return NULL;
    return &disk->file[disk->fd[i].file];
}

static int fd_for(int file) {
    for (int i = 0; i < FILES; i++) {
        if (disk->fd[i].file) continue;
        disk->fd[i].file = file;
        disk->fd[i].process = sched_process();
        disk->file[file].refs++;
        return FIRST_FD + i;
    }
    errno = EMFILE;
    return -1;
}

static int file_new(int inode, int flags) {
    for (int i = 1; i < FILES; i++) {
        struct file *f = &disk->file[i];

        if (f->refs) continue;
        *f = (struct file){.inode = inode, .flags = flags, .told = disk->inode[inode].failed_syncs};
        return fd_for(i);
    }
    errno = EMFILE;
    return -1;
}

/* Closing any descriptor of a file ends the process' locks on it, as fcntl(2) says. */
static void drop_locks(int inode, int process) {
    for (int i = 0; i < LOCKS; i++)
        if (disk->inode[inode].lock[i].process == process) disk->inode[inode].lock[i].process = 0;
}

static int close_fd(int fd, int process) {
    struct file *f = file_of(fd);

    if (!f) {
        errno = EBADF;
        return -1;
    }
    drop_locks(f->inode, process);
    f->refs--;
    disk->fd[fd - FIRST_FD].file = 0;
    return 0;
}

void disk_process_ends(int process) {
    for (int i = 0; i < FILES; i++)
        if (disk->fd[i].file && disk->fd[i].process == process) close_fd(FIRST_FD + i, process);
}

size_t disk_open_files(int process) {
    size_t n = 0;

    for (int i = 0; i < FILES; i++) n += disk->fd[i].file && disk->fd[i].process == process;
    return n;
}

int disk_dup(int fd) {
    if (file_of(fd)) return fd_for(disk->fd[fd - FIRST_FD].file);
    errno = EBADF;
    return -1;
}

/* ---------------------------------------------------------------- every call */

static void trace(const char *fmt, ...) {
    va_list ap;

    if (!disk_options.trace) return;
    printf("%12.6f %-8s ", (double)sched_now_ns() / 1e9, sched_name());
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
}

static const char *fd_name(int fd) {
    static char text[2][NAME_BYTES + 16];
    static int turn;
    char *out = text[turn ^= 1];
    const struct file *f = file_of(fd);

    if (fd == AT_FDCWD) return ".";
    snprintf(out, sizeof text[0], "fd %d", fd);
    for (int i = ROOT; f && i < disk->inodes; i++)
        for (size_t k = 0; k < disk->inode[i].names.n; k++)
            if (disk->inode[i].names.e[k].inode == f->inode)
                snprintf(out, sizeof text[0], "%s(%d)", disk->inode[i].names.e[k].text, f->inode);
    return out;
}

static const char *fate_name(const struct disk_verdict *v) {
    static const char *const name[] = {
        "", "fails: ", " the process dies", " the power goes", " the child dies", " hangs"};

    return name[v->fate];
}

static struct disk_verdict begin(enum io_op op, size_t n) {
    struct disk_verdict v = {0};

    sched_yield_point();
    if (disk_options.judge) v = disk_options.judge(disk_options.arg, op, n);
    if (v.fate || v.delay_ns)
        trace("next %s: %s%s, %zu bytes before, %.3f s", disk_op_name[op], fate_name(&v),
              v.fate == FATE_ERROR ? strerror(v.code) : "", v.part, (double)v.delay_ns / 1e9);
    if (v.delay_ns) sched_sleep(v.delay_ns);
    return v;
}

/* What ends the process, or the call. True: it fails, with errno. */
static bool ends(const struct disk_verdict *v) {
    switch (v->fate) {
    case FATE_KILL: sched_stop(END_KILLED);
    case FATE_CUT: sched_stop(END_CUT);
    case FATE_CHILD_DIES:
        disk_process_ends(sched_process());
        sched_kill(sched_process());
        break; /* not reached */
    case FATE_HANG: sched_wait(NULL, SCHED_FOREVER); break;
    case FATE_ERROR: errno = v->code; return true;
    case FATE_NONE: break;
    }
    return false;
}

static bool fails(enum io_op op) {
    struct disk_verdict v = begin(op, 0);

    return ends(&v);
}

static int error(int code) {
    errno = code;
    return -1;
}

/* ---------------------------------------------------------------- paths */

/* The directory that holds the last part of `path`, which is put in `last` ("." for the directory
 * itself); 0 and errno. */
static int walk(int dirfd, const char *path, char last[NAME_BYTES]) {
    int dir = ROOT;

    if (dirfd != AT_FDCWD) {
        const struct file *f = file_of(dirfd);

        if (!f) return error(EBADF), 0;
        dir = f->inode;
    }
    snprintf(last, NAME_BYTES, ".");
    while (*path == '/') path++;
    while (*path) {
        size_t n = strcspn(path, "/");
        const struct name *e;

        if (strcmp(last, ".") != 0) {
            e = names_find(&disk->inode[dir].names, last);
            if (!e) return error(ENOENT), 0;
            dir = e->inode;
        }
        if (n >= NAME_BYTES) return error(ENAMETOOLONG), 0;
        snprintf(last, NAME_BYTES, "%.*s", (int)n, path);
        path += n;
        while (*path == '/') path++;
    }
    if (!disk->inode[dir].is_dir) return error(ENOTDIR), 0;
    return dir;
}

static int look_up(int dirfd, const char *path) {
    char last[NAME_BYTES];
    int dir = walk(dirfd, path, last);
    const struct name *e;

    if (!dir || strcmp(last, ".") == 0) return dir;
    e = names_find(&disk->inode[dir].names, last);
    return e ? e->inode : (error(ENOENT), 0);
}

static void set_name(int dir, const char *text, int inode) {
    names_set(&disk->inode[dir].names, text, inode);
}

/* ---------------------------------------------------------------- the calls */

static void check_own(int inode, const char *what) {
    if (links_of(inode) < 2 || disk->complaint) return;
    disk->complaint = what;
    trace("RULE BROKEN: %s", what);
}

static void truncate_to(int inode, size_t size) {
    if (disk->inode[inode].cache.n == size) return;
    check_own(inode, "a file with two names was truncated");
    content_resize(&disk->inode[inode].cache, size);
    change_note_size(inode, size);
}

static int open_inode(int dirfd, const char *path, int flags) {
    char last[NAME_BYTES];
    int dir = walk(dirfd, path, last), inode;

    if (!dir) return 0;
    inode = look_up(dirfd, path);
    if (inode || !(flags & O_CREAT)) return inode;
    inode = inode_new(false);
    set_name(dir, last, inode);
    change_note_names(dir, last, inode, 0, NULL, 0);
    return inode;
}

static int d_open(int dirfd, const char *path, int flags) {
    int inode, fd;

    if (fails(IO_OPEN)) return -1;
    inode = open_inode(dirfd, path, flags);
    if (!inode) return -1;
    if ((flags & O_DIRECTORY) && !disk->inode[inode].is_dir) return error(ENOTDIR);
    if (flags & O_TRUNC) truncate_to(inode, 0);
    fd = file_new(inode, flags);
    trace("open %s%s%s%s = %d (inode %d)", path, flags & O_CREAT ? " create" : "",
          flags & O_TRUNC ? " truncate" : "", flags & O_APPEND ? " append" : "", fd, inode);
    return fd;
}

static int d_reopen(int fd) {
    const struct file *f = file_of(fd);

    return f ? file_new(f->inode, O_WRONLY) : error(EBADF);
}

static int d_close(int fd) {
    trace("close %d %s", fd, fd_name(fd));
    return close_fd(fd, sched_process());
}

static ssize_t d_read(int fd, void *p, size_t n, off_t at) {
    const struct file *f = file_of(fd);
    const struct content *c;

    if (!f) return error(EBADF);
    sched_sleep(1 + dice_below(&disk->dice, disk_options.write_ns));
    c = &disk->inode[f->inode].cache;
    if ((size_t)at >= c->n) return 0;
    if (n > c->n - (size_t)at) n = c->n - (size_t)at;
    memcpy(p, c->p + at, n);
    return (ssize_t)n;
}

static void put(struct file *f, const void *p, size_t n, off_t where) {
    struct content *c = &disk->inode[f->inode].cache;
    size_t at = where < 0 || (f->flags & O_APPEND) ? c->n : (size_t)where;
    bool grew = at + n > c->n;

    if (n == 0) return;
    check_own(f->inode, "a file with two names was written");
    if (grew) content_resize(c, at + n);
    memcpy(c->p + at, p, n);
    disk->inode[f->inode].changed_ms = sched_wall_us() / 1000;
    change_note_data(f->inode, at, n, grew);
}

static ssize_t d_write(int fd, const void *p, size_t n, off_t at) {
    struct disk_verdict v = begin(IO_WRITE, n);
    struct file *f = file_of(fd);

    if (!f) return error(EBADF);
    trace("write %s %zu bytes at %lld of %zu", fd_name(fd), n, (long long)at,
          disk->inode[f->inode].cache.n);
    if (v.fate != FATE_NONE && v.part < n) {
        put(f, p, v.part, at);
        if (ends(&v) && v.part == 0) return -1;
        return (ssize_t)v.part;
    }
    sched_sleep(1 + dice_below(&disk->dice, disk_options.write_ns));
    put(f, p, n, at);
    return (ssize_t)n;
}

/* The effects come in the middle of the time that the call takes. */
static int d_sync(int fd) {
    struct disk_verdict v = begin(IO_SYNC, 0);
    struct file *f = file_of(fd);
    struct inode *in;
    int code = v.fate == FATE_ERROR ? v.code : 0;

    if (!f) return error(EBADF);
    if (v.fate != FATE_ERROR) ends(&v);
    in = &disk->inode[f->inode];
    f->refs++; /* the descriptor may be closed meanwhile */
    sched_sleep(1 + dice_below(&disk->dice, disk_options.sync_ns));
    if (code) {
        disk_lose_pages(f->inode);
        in->failed_syncs++;
    } else {
        disk_make_durable(f->inode);
    }
    sched_sleep(1 + dice_below(&disk->dice, disk_options.sync_ns));
    if (in->failed_syncs != f->told) {
        f->told = in->failed_syncs;
        code = code ? code : EIO;
    }
    f->refs--;
    trace("sync %s%s", fd_name(fd), code ? " FAILS" : "");
    return code ? error(code) : 0;
}

static int d_sync_dir(int fd) {
    const struct file *f = file_of(fd);

    if (fails(IO_SYNC_DIR)) return -1;
    if (!f) return error(EBADF);
    sched_sleep(1 + dice_below(&disk->dice, disk_options.sync_ns));
    disk_make_durable(f->inode);
    trace("sync directory %s", fd_name(fd));
    return 0;
}

static int d_truncate(int fd, off_t size) {
    const struct file *f = file_of(fd);

    if (fails(IO_TRUNCATE)) return -1;
    if (!f) return error(EBADF);
    trace("truncate %s from %zu to %lld", fd_name(fd), disk->inode[f->inode].cache.n,
          (long long)size);
    truncate_to(f->inode, (size_t)size);
    return 0;
}

static int d_rename(int from, const char *old, int to, const char *name) {
    char last[2][NAME_BYTES];
    const struct name *e;
    int dir[2], inode;

    if (fails(IO_RENAME)) return -1;
    dir[0] = walk(from, old, last[0]);
    dir[1] = walk(to, name, last[1]);
    if (!dir[0] || !dir[1]) return -1;
    e = names_find(&disk->inode[dir[0]].names, last[0]);
    if (!e) return error(ENOENT);
    inode = e->inode;
    trace("rename %s to %s", old, name);
    e = names_find(&disk->inode[dir[1]].names, last[1]);
    if (e && e->inode == inode) return 0; /* POSIX: two names of one file stay as they are */
    if (e && disk->inode[e->inode].is_dir && disk->inode[e->inode].names.n) return error(ENOTEMPTY);
    set_name(dir[0], last[0], 0);
    set_name(dir[1], last[1], inode);
    change_note_names(dir[0], last[0], 0, dir[1], last[1], inode);
    return 0;
}

static int d_unlink(int dirfd, const char *path, int flags) {
    char last[NAME_BYTES];
    int dir, inode;

    if (fails(IO_UNLINK)) return -1;
    dir = walk(dirfd, path, last);
    inode = dir ? look_up(dirfd, path) : 0;
    if (!inode) return -1;
    if (disk->inode[inode].is_dir != !!(flags & AT_REMOVEDIR))
        return error(flags & AT_REMOVEDIR ? ENOTDIR : EISDIR);
    if (disk->inode[inode].names.n) return error(ENOTEMPTY);
    trace("unlink %s (inode %d)", path, inode);
    set_name(dir, last, 0);
    change_note_names(dir, last, 0, 0, NULL, 0);
    return 0;
}

static int d_link(int from, const char *old, int to, const char *name) {
    char last[NAME_BYTES];
    int inode, dir;

    if (fails(IO_LINK)) return -1;
    inode = look_up(from, old);
    dir = inode ? walk(to, name, last) : 0;
    if (!dir) return -1;
    if (names_find(&disk->inode[dir].names, last)) return error(EEXIST);
    trace("link %s (inode %d) as %s", old, inode, name);
    set_name(dir, last, inode);
    change_note_names(dir, last, inode, 0, NULL, 0);
    return 0;
}

static int d_clone(int to, int from) {
    struct file *t = file_of(to), *f = file_of(from);

    if (!disk_options.clones) return error(EOPNOTSUPP);
    if (fails(IO_LINK)) return -1;
    if (!t || !f) return error(EBADF);
    truncate_to(t->inode, 0);
    trace("clone %s to %s", fd_name(from), fd_name(to));
    put(t, disk->inode[f->inode].cache.p, disk->inode[f->inode].cache.n, 0);
    return 0;
}

static int d_mkdir(int dirfd, const char *path) {
    char last[NAME_BYTES];
    int dir, inode;

    if (fails(IO_MKDIR)) return -1;
    dir = walk(dirfd, path, last);
    if (!dir) return -1;
    if (strcmp(last, ".") == 0 || names_find(&disk->inode[dir].names, last)) return error(EEXIST);
    inode = inode_new(true);
    trace("mkdir %s", path);
    set_name(dir, last, inode);
    change_note_names(dir, last, inode, 0, NULL, 0);
    return 0;
}

static int d_stat(int dirfd, const char *path, struct stat *st) {
    const struct file *f = path ? NULL : file_of(dirfd);
    int inode = path ? look_up(dirfd, path) : f ? f->inode : (error(EBADF), 0);

    sched_yield_point();
    if (!inode) return -1;
    *st = (struct stat){.st_ino = (ino_t)inode,
                        .st_dev = 1,
                        .st_nlink = (nlink_t)links_of(inode),
                        .st_size = (off_t)disk->inode[inode].cache.n,
                        .st_mode = disk->inode[inode].is_dir ? S_IFDIR | 0755 : S_IFREG | 0644};
    st->st_mtim.tv_sec = disk->inode[inode].changed_ms / 1000;
    st->st_mtim.tv_nsec = disk->inode[inode].changed_ms % 1000 * 1000000;
    return 0;
}

/* All names first: files may be removed while they are shown. */
static int d_list(int dirfd, bool (*see)(void *arg, const char *name), void *arg) {
    const struct file *f = file_of(dirfd);
    struct names copy = {0};

    if (!f) return error(EBADF);
    for (size_t i = 0; i < disk->inode[f->inode].names.n; i++)
        names_set(&copy, disk->inode[f->inode].names.e[i].text, 1);
    for (size_t i = 0; i < copy.n; i++)
        if (!see(arg, copy.e[i].text)) break;
    free(copy.e);
    return 0;
}

static int d_lock(int fd, uint64_t byte) {
    const struct file *f = file_of(fd);
    int self = sched_process();

    sched_yield_point();
    if (!f) return error(EBADF);
    for (int i = 0; i < LOCKS; i++) {
        if (!disk->inode[f->inode].lock[i].process || disk->inode[f->inode].lock[i].byte != byte)
            continue;
        return disk->inode[f->inode].lock[i].process == self ? 0 : error(EAGAIN);
    }
    for (int i = 0; i < LOCKS; i++) {
        if (disk->inode[f->inode].lock[i].process) continue;
        disk->inode[f->inode].lock[i].process = self;
        disk->inode[f->inode].lock[i].byte = byte;
        trace("lock %s byte %llu", fd_name(fd), (unsigned long long)byte);
        return 0;
    }
    return error(ENOLCK);
}

const struct io_backend disk_backend = {
    .open = d_open,
    .reopen = d_reopen,
    .close = d_close,
    .read = d_read,
    .write = d_write,
    .sync = d_sync,
    .sync_dir = d_sync_dir,
    .truncate = d_truncate,
    .rename = d_rename,
    .unlink = d_unlink,
    .link = d_link,
    .clone = d_clone,
    .mkdir = d_mkdir,
    .stat = d_stat,
    .list = d_list,
    .lock = d_lock,
};
