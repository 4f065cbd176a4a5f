/* SPDX-License-Identifier: BSD-3-Clause
 *
 * disk - a simulated disk below storage/base/io.
 *
 * Every file has two states: what the page cache holds, which every process reads, and what is
 * durable. Each change (sectors of 512 bytes that were written, a new size, names set or removed)
 * is pending until a sync makes it durable: fdatasync of a file for its contents and size, fsync of
 * a directory for its names, nothing for both. A power cut keeps what is durable and, by seed, some
 * of what is pending; a process death keeps everything.
 *
 * A failed sync leaves the contents in the cache but marks them clean: some sectors were written,
 * by seed, and the others never will be, unless they are written again. Each open file is told of
 * it once, by its next sync.
 *
 * Sectors are atomic where they hold what was synced: a cut never changes a byte of one that the
 * pending write does not change. Bytes that it changes may come out old, new, zero or as garbage.
 *
 * disk.c is what the calls do; disk_cut.c what becomes durable and what a cut leaves.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "storage/base/io.h"

/* What is to happen at a call. `part` bytes of a write go through before. */
enum disk_fate { FATE_NONE, FATE_ERROR, FATE_KILL, FATE_CUT, FATE_CHILD_DIES, FATE_HANG };

struct disk_verdict {
    enum disk_fate fate;
    int code;
    size_t part;
    uint64_t delay_ns;
};

/* An easier disk, to find out what a seed that fails depends on. */
enum {
    EASY_NAMES = 1, /* names are durable at once */
    EASY_SYNCS = 2, /* after a failed sync pages stay dirty */
    EASY_TEARS = 4, /* no sector is torn */
    EASY_ORDER = 8, /* a cut keeps what came first */
};

struct disk_options {
    unsigned easy;
    uint64_t sync_ns, write_ns; /* how long the calls take at the most */
    bool clones;                /* FICLONE works */
    bool trace;
    /* Asked before each call that changes something, and each open. May be NULL. */
    struct disk_verdict (*judge)(void *arg, enum io_op op, size_t n);
    void *arg;
};

extern const struct io_backend disk_backend;
extern const char *const disk_op_name[IO_OPS];

/* An empty disk. */
void disk_reset(uint64_t seed);
void disk_set_options(const struct disk_options *o);

/* The descriptors and locks of a process go. */
void disk_process_ends(int process);

/* How much of what is pending a cut keeps; percents. */
struct disk_cut {
    bool ordered; /* what came first is kept, up to some point */
    unsigned data, size, names, torn;
};

/* All processes have ended. */
void disk_power_cut(const struct disk_cut *c);

/* Pages that are clean leave the cache: what a failed sync did not write shows as it was before. */
void disk_evict(void);

/* A copy to go back to. disk_restore frees it. */
struct disk *disk_save(void);
void disk_restore(struct disk *saved);
void disk_free(struct disk *saved);

int disk_dup(int fd);
size_t disk_open_files(int process);

/* The first rule that was broken, or NULL: a file with two names was written. */
const char *disk_complaint(void);

#endif
