/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_writer_internal - the writer's inside, shared by
 *
 *   aof_writer.c       the queue, the threads, the main thread's side
 *   aof_writer_file.c  the file that is written: groups, room, syncs
 *
 * All functions: with `mu` held on entry and return, which they give up while they are at the disk.
 */
#ifndef STET_PERSISTENCE_AOF_WRITER_INTERNAL_H
#define STET_PERSISTENCE_AOF_WRITER_INTERNAL_H

#include "persistence/aof_writer.h"
#include "storage/base/clock.h"

#include <pthread.h>
#include <stdatomic.h>

enum { WORKERS = AOF_WRITER_THREADS, FLIGHTS = 64 };

enum entry_kind { ENTRY_BATCH, ENTRY_SWITCH, ENTRY_POLICY };

struct entry {
    struct entry *next;
    enum entry_kind kind;
    enum aof_batch_kind batch;
    bool room;
    struct bytes data;
    uint64_t end;
    int fd;
    enum aof_fsync policy;
};

/* A thread. All are alike under `always`; otherwise the first writes and the second syncs. */
struct worker {
    struct aof_writer *w;
    pthread_t thread;
    pthread_cond_t work; /* something to do, restart, stop */
    bool idle, timed;    /* waits; only for its second to pass */
    bool busy;           /* with its file, without the lock */
    int fd, next_fd;     /* its own open file, and one that takes its place; -1: none */
    bool renew;          /* `next_fd` takes its place, even if that is none */
};

/* A sync under way, or one that is over and waits for those that began before it. */
struct flight {
    uint64_t upto;
    bool done;
};

/* The room after the content of the file. Only the thread that is `writing` changes it. */
struct room {
    bool allowed;
    uint64_t end;         /* offset; 0: there is none */
    unsigned small, need; /* groups since the last large one; how many it takes */
    bool litter;          /* what was begun of it could not be cut off yet: nothing goes over it */
};

struct aof_writer {
    pthread_mutex_t mu;
    pthread_cond_t progress; /* written, synced or an error changed */
    struct worker worker[WORKERS];
    int running;                   /* of them */
    struct flight flight[FLIGHTS]; /* a ring, in the order in which they began */
    uint64_t flights_begun, flights_over;
    uint64_t begun; /* up to here there was a sync, or is one under way */
    bool writing;   /* a thread is at the queue */
    bool parallel;  /* every worker has an open file of its own */
    void (*wake)(void *arg);
    void *wake_arg;
    struct disposer *closing;
    atomic_bool wake_pending;

    atomic_int switches; /* in the queue */
    struct entry *first, **last;
    struct bytes spare, group;
    bool stopping, abandon, hold;
    int fd;
    struct room room;
    uint64_t generation; /* counts restarts: a sync of an older file says nothing */
    enum aof_fsync policy;
    _Atomic uint64_t written, synced;
    atomic_int write_error, sync_error; /* of `st`, as last announced */
    uint64_t payload_end;               /* end of the last batch that needs a sync of its own */
    uint64_t wanted;                    /* a caller waits for this to be synced */
    uint64_t last_sync_us;
    uint64_t slowest_write_us, slowest_sync_us; /* since the last question */
    struct aof_writer_state st;
};

static inline uint64_t writer_now_us(void) {
    return clock_real_ns() / 1000;
}

/* aof_writer.c */

void writer_timed_wait(pthread_cond_t *c, pthread_mutex_t *mu, uint64_t us);

/* The state changed: wakes the main thread and the threads that wait for progress. */
void writer_announce(struct aof_writer *w);

/* aof_writer_file.c */

/* One fdatasync of what is written so far. */
void writer_sync(struct worker *me);

/* Syncs all that is written; false if that cannot be any more. */
bool writer_settle(struct worker *me);

/* Writes until it is through, or the file is given up. */
void writer_write(struct worker *me, struct bytes *data, uint64_t end, enum aof_batch_kind kind);

/* Cuts the room off, after all is synced; tries until it works, or the file is given up. */
void writer_close_file(struct worker *me);

/* From here on these are the file; the old one is closed. With mu held. */
void writer_adopt(struct aof_writer *w, const struct aof_writer_files *f, uint64_t size, bool room);

/* Closes them, without waiting for the disk. */
void writer_discard(struct aof_writer *w, const struct aof_writer_files *f);

#endif
