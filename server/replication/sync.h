/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sync - full syncs: a child writes the data set of one moment into a file without a name, and
 * every replica that waits is sent that file, then the stream from that moment on.
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

enum snapshot_content { SNAPSHOT_ALL, SNAPSHOT_FUNCTIONS, SNAPSHOT_NOTHING };

/* Shared by the replicas that are sent it, and by their threads. */
struct snapshot {
    atomic_int refs;
    atomic_bool whole, failed;
    int fd;
    enum snapshot_content content;
    uint64_t offset; /* of the stream, at its moment */
    char mark[SNAPSHOT_MARK_CHARS + 1];
};

struct syncs {
    struct child child;
    struct snapshot *at_work; /* the child's */
    bool given_up;            /* the child is killed: nothing wants its file any more */
    bool to_disk;             /* no replica reads its file before it is whole; for the log */
    uint64_t keys_at_fork;
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

static inline bool sync_is_saving(const struct syncs *s) {
    return s->at_work != NULL;
}

#endif
