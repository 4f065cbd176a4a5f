/* SPDX-License-Identifier: BSD-3-Clause
 *
 * failover - FAILOVER: this master hands its part over to one of its replicas, which has
 * everything.
 *
 *   NONE --FAILOVER--> WAIT_SYNC --a replica has it all--> IN_PROGRESS --it has taken over--> NONE
 *                          |  ABORT, time up                    | ABORT, refused
 *                          +------------------------------------+---------------> NONE, a master
 *
 * Writes are held from WAIT_SYNC on. Main thread only.
 */
#ifndef STET_REPLICATION_FAILOVER_H
#define STET_REPLICATION_FAILOVER_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct call;
struct replication;

enum failover_state { FAILOVER_NONE, FAILOVER_WAIT_SYNC, FAILOVER_IN_PROGRESS };

struct failover {
    enum failover_state state;
};

/* Whether nothing may be added to the stream, because a replica is to catch up with it. */
bool failover_waits(const struct replication *r);

/* PSYNC id offset FAILOVER: its master asks this replica to take over. */
bool failover_asked(const struct call *x);
int failover_take_over(struct call *x, struct slice id, int64_t from);

#endif
