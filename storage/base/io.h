/* SPDX-License-Identifier: BSD-3-Clause
 *
 * io - the only place that opens, makes, writes, syncs, links, renames or removes data files.
 *
 * The calls go to a backend: the operating system, or a simulated disk in tests (io_use). Every
 * call that changes something, and every open, is a fault point: it can be made slow, fail with an
 * errno a number of times, write short, or end the process before it is carried out (io_fault_*).
 * Names are relative to a directory descriptor. Any thread.
 *
 * A file that has another name (links above 1: a backup shares its bytes) is never written here:
 * io_create() gives the name a file of its own, io_open_append() and io_open_write() refuse with
 * EMLINK, and io_own() replaces the name by a copy first.
 */
#ifndef STET_BASE_IO_H
#define STET_BASE_IO_H

#include "storage/base/bytes.h"
#include "storage/base/err.h"

#include <stdint.h>
#include <sys/types.h>

enum io_op {
    IO_OPEN,
    IO_WRITE,
    IO_SYNC,
    IO_RENAME,
    IO_UNLINK,
    IO_TRUNCATE,
    IO_SYNC_DIR,
    IO_LINK,
    IO_MKDIR,
    IO_OPS
};

/* ---------------------------------------------------------------- directories */

/* Opens a directory; with `create` makes it first if it is not there, and syncs its parent in any
 * case: an earlier attempt may have failed to. Returns a descriptor for io_close(), or -1. */
int io_open_dir(const char *path, bool create, struct err *e);
int io_open_subdir(int dirfd, const char *name, bool create, struct err *e);

int io_sync_dir(int dirfd, struct err *e);

/* Syncs the directory that holds `path`. */
int io_sync_parent(const char *path, struct err *e);

int io_remove_dir(int dirfd, const char *name, struct err *e); /* an empty one */

/* Shows every name but "." and ".."; the files may be removed meanwhile. `see` returns false to
 * end it. -1: the directory cannot be read. */
int io_list(int dirfd, bool (*see)(void *arg, const char *name), void *arg, struct err *e);

/* ---------------------------------------------------------------- files */

struct io_stat {
    uint64_t size, links;
    uint64_t device, inode;
    int64_t changed_ms; /* unix time of the last change of the contents */
    unsigned mode, owner, group;
    bool is_dir, is_file; /* is_file: a regular one */
};

/* Each returns a descriptor for io_close(), or -1. */
int io_create_private(int dirfd, const char *name, struct err *e); /* new; its owner's only */
int io_create(int dirfd, const char *name, struct err *e);         /* empty; for writing */
int io_create_unnamed(int dirfd, struct err *e);                /* goes with its last descriptor */
int io_open_append(int dirfd, const char *name, struct err *e); /* made if it is not there */
int io_open_write(int dirfd, const char *name, struct err *e);  /* at offsets; it is there */
int io_open_read(int dirfd, const char *name, struct err *e);

/* Another open file of the same file, not in append mode: the kernel tells a failed sync to each of
 * them, but only once each. -1: there is no way to have one. */
int io_open_again(int fd);
void io_close(int fd); /* nothing if fd < 0 */

/* All bytes or -1; *done (may be NULL) says how many got through. */
int io_write_all(int fd, const void *p, size_t n, size_t *done, struct err *e);

/* The same at an offset. A descriptor in append mode writes at the end of the file all the same. */
int io_write_at(int fd, const void *p, size_t n, off_t at, size_t *done, struct err *e);
/* Reads what stands there and writes it once more: the kernel has it as changed then, so that the
 * next sync carries it to the disk, whatever became of earlier ones. */
int io_write_again(int fd, uint64_t from, uint64_t to, struct err *e);
ssize_t io_read_at(int fd, void *p, size_t n, off_t at, struct err *e);
int io_sync(int fd, struct err *e); /* fdatasync */
int io_truncate(int fd, off_t size, struct err *e);
int io_rename(int dirfd, const char *from, const char *to, struct err *e);

/* From one directory to another of the same file system. */
int io_move(int fromfd, const char *from, int tofd, const char *to, struct err *e);
int io_unlink(int dirfd, const char *name, struct err *e);

/* The file in another directory, under the same name. io_copy: bytes of its own, synced; shared by
 * the file system until one side is written (FICLONE) where it can do that. io_link: a copy shared
 * like that, else a hard link, else a copy. */
int io_copy(int dirfd, const char *name, int to, struct err *e);
int io_link(int dirfd, const char *name, int to, struct err *e);

/* Copies the first `size` bytes to a file of another name in the same directory, synced. Returns
 * its descriptor, which stands in append mode, or -1 and there is no such file. */
int io_copy_as(int dirfd, const char *name, const char *copy, uint64_t size, struct err *e);

/* The name gets a copy of the file, durably: what has the old one under another name keeps it.
 * io_own: only if there is another name. */
int io_renew(int dirfd, const char *name, struct err *e);
int io_own(int dirfd, const char *name, struct err *e);

int io_stat(int dirfd, const char *name, struct io_stat *st); /* -1: it is not there */
int io_fstat(int fd, struct io_stat *st);

/* The file gets the permissions of `st`, and its owner and group if this process may set them. */
int io_set_access(int fd, const struct io_stat *st, struct err *e);
int64_t io_size(int fd, struct err *e);

/* Another open file of it, of this process or any other, may write. False too if the file system
 * or the permissions do not let us know. */
bool io_is_written(int dirfd, const char *name);

bool io_exists(int dirfd, const char *name);

/* Publishes `data` as `name`: temp file, fsync, rename, fsync of the directory. After a failure the
 * name may stand for the old contents or the new ones, now and after a power cut. */
int io_replace(int dirfd, const char *name, struct slice data, struct err *e);

/* The same for a file that is the operator's (configuration, users): it keeps its owner and its
 * permissions, and a symbolic link stays one. Where the file cannot be replaced by rename(2), as
 * one that is mounted by itself, it is written in place: until that is done and synced the old
 * contents stand beside it as "<name>.before-rewrite". */
int io_rewrite(const char *path, struct slice data, struct err *e);

/* A rewrite in place did not end, so that the file may be a mixture: true, and the path of the old
 * contents is in `copy`. */
bool io_rewrite_was_cut(const char *path, struct bytes *copy);

/* The whole contents of a file, appended to `out`. */
int io_read_file(const char *path, struct bytes *out, struct err *e);

/* Opens the directory that holds `path`; *name is the rest. */
int io_open_folder(const char *path, const char **name, struct err *e);

/* An exclusive record lock on one byte of file `name` (made if need be), which a forked child does
 * not hold and which ends with the process. Returns the descriptor to keep open, or -1 (code
 * EWOULDBLOCK: another process has it). *made (may be NULL): the file was not there before. */
int io_lock(int dirfd, const char *name, uint64_t byte, bool *made, struct err *e);

/* ---------------------------------------------------------------- faults */

struct io_fault {
    int delay_ms;
    int code;        /* errno to fail with, 0: none */
    int count;       /* how many calls fail; -1: until reset */
    int short_bytes; /* write only: this many get through before it fails */
};

void io_fault_set(enum io_op op, struct io_fault f);
void io_fault_reset(void);

/* Ends the process with SIGKILL before the n-th call that is a fault point (1: the next); 0: never.
 */
void io_fault_crash_at(long n);

/* "sync:delay=200", "write:code=28,count=3", "crash=7"; several are split by ';'. */
int io_fault_parse(const char *spec, struct err *e);

/* ---------------------------------------------------------------- backends */

struct stat;

/* Each call as the one of the operating system that is named: -1 and errno on failure. Directory
 * descriptors may be AT_FDCWD. */
struct io_backend {
    int (*open)(int dirfd, const char *name, int flags); /* openat, mode 0644 */
    int (*reopen)(int fd);                               /* a new open file, O_WRONLY */
    int (*create_private)(int dirfd, const char *name);  /* O_EXCL, mode 0600; may be NULL */
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *p, size_t n, off_t at);        /* pread */
    ssize_t (*write)(int fd, const void *p, size_t n, off_t at); /* pwrite; at < 0: write */
    int (*sync)(int fd);                                         /* fdatasync */
    int (*sync_dir)(int fd);                                     /* fsync */
    int (*truncate)(int fd, off_t size);
    int (*set_access)(int fd, const struct stat *like); /* owner if allowed, mode; may be NULL */
    int (*rename)(int from, const char *old, int to, const char *name);
    int (*unlink)(int dirfd, const char *name, int flags);
    int (*link)(int from, const char *old, int to, const char *name);
    int (*clone)(int to, int from); /* ioctl FICLONE */
    int (*mkdir)(int dirfd, const char *name);
    int (*stat)(int dirfd, const char *name, struct stat *st); /* name NULL: fstat of dirfd */
    int (*list)(int dirfd, bool (*see)(void *arg, const char *name), void *arg);
    int (*lock)(int fd, uint64_t byte); /* EAGAIN: another process has it */
    bool (*is_written)(int fd);         /* fcntl F_SETLEASE; `fd` only reads */
};

/* From here on calls go to `b`; NULL: the operating system. Before threads are started. */
void io_use(const struct io_backend *b);
extern const struct io_backend io_system;

#endif
