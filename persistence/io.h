/* SPDX-License-Identifier: BSD-3-Clause
 *
 * io - the only place that opens, writes, syncs, renames or unlinks data files.
 *
 * Every call is a fault point: it can be made slow, fail with an errno a number of times, write
 * short, or end the process before it is carried out (io_fault_*). Names are relative to a
 * directory descriptor. Any thread.
 */
#ifndef STET_PERSISTENCE_IO_H
#define STET_PERSISTENCE_IO_H

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
    IO_OPS
};

/* Makes the directory (its parent synced) if it is not there, and opens it. -1 on failure. */
int io_open_dir(const char *path, bool create, struct err *e);

int io_create(int dirfd, const char *name, struct err *e); /* truncates; for writing */
int io_open_append(int dirfd, const char *name, struct err *e);
int io_open_read(int dirfd, const char *name, struct err *e);

/* All bytes or -1; *done (may be NULL) says how many got through. */
int io_write_all(int fd, const void *p, size_t n, size_t *done, struct err *e);

/* The same at an offset. A descriptor in append mode writes at the end of the file all the same. */
int io_write_at(int fd, const void *p, size_t n, off_t at, size_t *done, struct err *e);
ssize_t io_read_at(int fd, void *p, size_t n, off_t at, struct err *e);
int io_sync(int fd, struct err *e); /* fdatasync */

/* Another open file of the same file, not in append mode: the kernel tells a failed sync to each of
 * them, but only once each. -1: there is no way to have one. */
int io_open_again(int fd);
int io_truncate(int fd, off_t size, struct err *e);
int io_rename(int dirfd, const char *from, const char *to, struct err *e);
int io_unlink(int dirfd, const char *name, struct err *e);

/* The file in another directory, under the same name: a copy of its own, synced; or a hard link
 * where that can be had, else a copy. */
int io_copy(int dirfd, const char *name, int to, struct err *e);
int io_link(int dirfd, const char *name, int to, struct err *e);
int io_sync_dir(int dirfd, struct err *e);
int64_t io_size(int fd, struct err *e);
bool io_exists(int dirfd, const char *name);

/* Publishes `data` as `name`: temp file, fsync, rename, fsync of the directory. */
int io_replace(int dirfd, const char *name, struct slice data, struct err *e);

/* An exclusive record lock on `name` in the directory, which a forked child does not hold and which
 * ends with the process. Returns the descriptor to keep open, or -1 (code EWOULDBLOCK: another
 * process has it). */
int io_lock(int dirfd, const char *name, struct err *e);

/* ---------------------------------------------------------------- faults */

struct io_fault {
    int delay_ms;
    int code;        /* errno to fail with, 0: none */
    int count;       /* how many calls fail; -1: until reset */
    int short_bytes; /* write only: this many get through before it fails */
};

void io_fault_set(enum io_op op, struct io_fault f);
void io_fault_reset(void);

/* Ends the process with SIGKILL before the n-th io call from now (1: the next); 0: never. */
void io_fault_crash_at(long n);

/* "sync:delay=200", "write:code=28,count=3", "crash=7"; several are split by ';'. */
int io_fault_parse(const char *spec, struct err *e);

#endif
