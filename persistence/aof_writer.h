/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_writer - the threads that own the append-only file's descriptor.
 *
 * The main thread pushes whole batches; they are written in order, those that queued up together
 * with one write(2). Under `everysec` and `no` the first thread writes and the second calls
 * fdatasync(2), so a sync never holds up the next write.
 *
 * Under `always` all threads do the same: a free thread writes the queue and syncs it, while the
 * others still sync earlier groups. Each of several syncs under way costs less than one alone (the
 * journal takes them together), and no group waits for a sync that began before it came. They count
 * in the order in which they began. Each thread has an open file of its own, because the kernel
 * tells a failed write-back once to each open file: a sync must not succeed because another one was
 * told. Where that cannot be had (no /proc), one thread writes and syncs. Small groups are written
 * into room that was made ahead (aof_room.h). Before a large one is appended, what stands in the
 * room is synced and the rest of it cut off: so a power cut leaves no room between data.
 *
 * The threads begin with the first file or batch: a server without an AOF has none of them.
 *
 * Shared, all under `mu`: the queue and the positions. The main thread never touches the
 * descriptor.
 *
 * File switch, policy change and forced syncs are entries of the same queue, so each happens at an
 * exact position. A switch waits until everything in the old file is synced.
 *
 * Failures. A write that fails is retried until it goes through (what got through of it is cut off
 * again first); meanwhile aof_writer_state tells the errno. A sync that fails is final: nothing is
 * written any more until aof_writer_restart gives a new file.
 *
 * Invariants: synced <= written; both rise only; `written` stands at the end of a batch.
 */
#ifndef STET_PERSISTENCE_AOF_WRITER_H
#define STET_PERSISTENCE_AOF_WRITER_H

#include "storage/base/bytes.h"

#include <stdint.h>

enum aof_fsync { AOF_FSYNC_ALWAYS, AOF_FSYNC_EVERYSEC, AOF_FSYNC_NO };

struct aof_histogram {
    uint64_t count, sum_us, max_us;
    uint64_t bucket[32]; /* bucket[i]: up to 2^i microseconds */
};

void aof_histogram_add(struct aof_histogram *h, uint64_t us);

struct aof_writer_state {
    uint64_t written, synced;
    uint64_t file_bytes;      /* of the current file */
    int write_error;          /* errno of the write under retry, 0: none */
    int sync_error;           /* errno of the sync that failed for good, 0: none */
    uint64_t sync_started_us; /* a sync is under way since, 0: none */
    uint64_t syncs;
    struct aof_histogram write_time, sync_time;
};

struct aof_writer;
struct disposer;

/* `wake` is called from the threads, once per group of progress, until the main thread looks at
 * the state again. `closing` closes files that are replaced, because close(2) may wait for the
 * disk; it outlives the writer. */
struct aof_writer *aof_writer_new(void (*wake)(void *arg), void *arg, struct disposer *closing);

/* Ends the threads. What is queued is written first unless `abandon`. Closes the file. */
void aof_writer_free(struct aof_writer *w, bool abandon);

/* Takes over `fd` (append mode, `size` bytes long, everything in it synced) at `position`. Entries
 * of the queue that end at or before it are dropped; a failed sync is forgotten. `room`: the writer
 * may keep text that Redis skips after the content (aof_room.h). */
void aof_writer_restart(struct aof_writer *w, int fd, uint64_t size, uint64_t position, bool room);

/* The same where nothing may wait for the disk: the files are open. */
enum { AOF_WRITER_THREADS = 3 };
struct aof_writer_files {
    int fd, own[AOF_WRITER_THREADS]; /* the same file, opened once more for each thread; or -1 */
};
void aof_writer_restart_with(struct aof_writer *w, const struct aof_writer_files *f, uint64_t size,
                             uint64_t position, bool room);

/* Opens the file of `fd` for each thread. `fd` below 0: none. Any thread. */
void aof_writer_open_files(struct aof_writer_files *f, int fd);

enum aof_batch_kind {
    AOF_BATCH_MARK,   /* says nothing new and needs no sync of its own */
    AOF_BATCH_DATA,   /* is synced as the policy says */
    AOF_BATCH_HEADER, /* is synced before anything is written after it, whatever the policy */
};

/* Moves the bytes of `batch` into the queue; `batch` gets an empty buffer back, with room where one
 * is to be had. `end` is the position after them. Never blocks for the disk. */
void aof_writer_push(struct aof_writer *w, struct bytes *batch, uint64_t end,
                     enum aof_batch_kind kind);

/* From here on the AOF goes to `fd` (empty). The old file is synced and closed first. */
void aof_writer_switch(struct aof_writer *w, int fd, bool room);

/* A switch was asked for, and the old file may still be written to. */
bool aof_writer_is_switching(const struct aof_writer *w);
void aof_writer_set_policy(struct aof_writer *w, enum aof_fsync policy);

/* The file is given up as after a failed sync, with this errno. Any thread. */
void aof_writer_fail(struct aof_writer *w, int code);

/* Asks for everything pushed so far to be synced soon, whatever the policy. */
void aof_writer_want_sync(struct aof_writer *w, uint64_t position);

/* While held (a child saves and no-appendfsync-on-rewrite is set), `everysec` does not sync. */
void aof_writer_hold_sync(struct aof_writer *w, bool hold);

/* The short look after a wake-up, without the lock: re-arms it, tells the errors. */
void aof_writer_poll(struct aof_writer *w, int *write_error, int *sync_error);

/* The whole state. Also re-arms the wake-up. */
void aof_writer_get_state(struct aof_writer *w, struct aof_writer_state *out);

/* The longest write and sync since the last call, in microseconds. */
void aof_writer_take_slowest(struct aof_writer *w, uint64_t *write_us, uint64_t *sync_us);

/* Cheap: two loads, without the lock. */
uint64_t aof_writer_written(const struct aof_writer *w);
uint64_t aof_writer_synced(const struct aof_writer *w);

/* Waits until `position` is synced (true) or the disk fails or deadline_ms passes (false). For
 * start-up and shutdown only. */
bool aof_writer_wait_synced(struct aof_writer *w, uint64_t position, int deadline_ms);

#endif
