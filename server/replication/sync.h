/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sync - full syncs: every replica that waits is sent a file with the data set of one moment, then
 * the stream from that moment on. The file is the AOF's base (sync_base.c), or one without a name
 * that a child writes.
 *
 * The file is sent while it grows to replicas that understand an open end ($EOF), and when it is
 * whole to the others. One that comes while a child is at work shares its file. Each reads at its
 * own speed, on a thread; a slow one holds no other up. Main thread only.
 */
#ifndef STET_REPLICATION_SYNC_H
#define STET_REPLICATION_SYNC_H

#include "persistence/child.h"
#include "server/replication/replicas.h"

#include <stdatomic.h>

enum { SNAPSHOT_MARK_CHARS = 40 };

/* SNAPSHOT_VALKEY: all, as Valkey reads it. */
enum snapshot_content { SNAPSHOT_ALL, SNAPSHOT_VALKEY, SNAPSHOT_FUNCTIONS, SNAPSHOT_NOTHING };

/* Shared by the replicas that are sent it, and by their threads. */
struct snapshot {
    atomic_int refs;
    atomic_bool whole, failed;
    atomic_bool opened; /* `fd` stands: the file, or -1 and `why` */
    int fd;
    struct err why;
    enum snapshot_content content;
    bool is_base;    /* the AOF's, not a child's */
    uint64_t bytes;  /* of its RDB; 0: all of the file, once that is whole */
    uint64_t offset; /* of the stream, at its moment */
    char mark[SNAPSHOT_MARK_CHARS + 1];
};

/* A file that a thread makes for a child: a busy disk may hold that up. */
struct sync_file;
struct file_job;

struct syncs {
    struct sync_file *file; /* for the next child; NULL: none was asked for */
    struct file_job *making;
    struct child child;
    struct snapshot *at_work; /* the child's */
    bool given_up;            /* the child is killed: nothing wants its file any more */
    bool to_disk;             /* no replica reads its file before it is whole; for the log */
    uint64_t keys_at_fork;
    int64_t failed_base; /* number of a base whose replica has gone: the next one gets a snapshot */
};

/* A replica in state WAIT is to be served. */
void sync_wanted(struct replication *r, struct replica *p);

/* Every turn and ten times a second: begins a child if one is due, notices its end. */
void sync_step(struct replication *r);

/* A replica goes. */
void sync_forget(struct replication *r, struct replica *p);

/* Puts what was read of the file into the replica's output. */
void sync_feed(struct replication *r, struct replica *p);

void sync_release(struct replication *r);

/* ---------------------------------------------------------------- of sync.c, for sync_base.c */

/* Takes the descriptor over; -1: it is not opened yet. */
struct snapshot *snapshot_new(int fd, enum snapshot_content content, uint64_t offset);

/* A thread has opened it, or could not, and drops its reference. */
void snapshot_opened(void *snapshot, int fd, const struct err *e);
/* The event loop's; the file is closed by a thread. */
void snapshot_drop(struct replication *r, struct snapshot *s);

/* The snapshot that the replica is going to get is known, and so is its place in the stream. */
void sync_begin_sending(struct replication *r, struct replica *p, struct snapshot *s);

/* ---------------------------------------------------------------- sync_base.c */

/* Serves a replica that waits with the AOF's base and increments. False: it needs a snapshot. */
bool sync_by_base(struct replication *r, struct replica *p);

/* The replica has said that it holds the base, or more. */
void sync_base_acked(struct replication *r, struct replica *p);

/* A replica goes: if it was sent the base and has not come to the end of that, something may be
 * wrong with the base or the increments. */
void sync_base_forget(struct replication *r, const struct replica *p);

static inline bool sync_is_saving(const struct syncs *s) {
    return s->at_work != NULL;
}

#endif
