/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log_reader - a replica that is further back than the memory is served from the AOF's increments:
 * a thread reads them, until the replica has come to what is in memory.
 */
#ifndef STET_REPLICATION_LOG_READER_H
#define STET_REPLICATION_LOG_READER_H

#include <stdbool.h>
#include <stdint.h>

struct replica;
struct replication;

/* Whether the AOF takes the stream, so that memory need not keep it for slow replicas. */
bool log_can_serve(const struct replication *r);

/* Whether a replica that asks for the stream from this offset on can be given it. */
bool log_covers(const struct replication *r, uint64_t from);

/* Puts what was read into the replica's output. False: it cannot be had. */
bool log_feed(struct replication *r, struct replica *p);

#endif
