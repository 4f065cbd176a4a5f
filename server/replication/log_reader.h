/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log_reader - a replica that is further back than the memory is served from the AOF's increments:
 * a thread reads them (aof_stream.h), until the replica has come to what is in memory. What it
 * holds for a replica is two chunks and one batch of the AOF. Main thread only.
 */
#ifndef STET_REPLICATION_LOG_READER_H
#define STET_REPLICATION_LOG_READER_H

#include "storage/base/bytes.h"
#include "storage/base/list.h"
#include "storage/base/read_ahead.h"

#include <stdbool.h>
#include <stdint.h>

struct replica;
struct replication;

/* One reading for one replica. */
struct log_reading {
    struct read_ahead *thread; /* NULL: none */
    struct bytes chunk;        /* read, and not given to the replica yet, from `at` on */
    size_t at;
};

/* Readers whose thread has to end before they can be closed. */
struct log_readers {
    struct list all;
    uint64_t broken; /* the last offset that could not be read; 0: there was none */
};

/* Whether the AOF takes the stream, so that memory need not keep it for slow replicas. */
bool log_can_serve(const struct replication *r);

/* Whether a replica that asks for the stream from this offset on can be given it. */
bool log_covers(const struct replication *r, uint64_t from);

/* Begins to read for a replica from p->next on. The files stay readable from now on, whatever a
 * rewrite removes. */
bool log_begin(struct replication *r, struct replica *p, struct err *e);

/* Puts what was read into the replica's output, up to the offset `limit`. False: it cannot be had.
 */
bool log_feed(struct replication *r, struct replica *p, uint64_t limit);

static inline bool log_is_read(const struct log_reading *g) {
    return g->thread != NULL;
}

/* There is something that log_feed() would give. */
bool log_is_ready(const struct log_reading *g);

void log_stop(struct log_reading *g);

/* Now and then: closes what has ended. */
void log_cron(struct replication *r);

/* Before the AOF stops: waits until all readings have ended. */
void log_end(struct replication *r);

#endif
