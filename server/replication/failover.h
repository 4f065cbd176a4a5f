/* SPDX-License-Identifier: BSD-3-Clause
 *
 * failover - FAILOVER: this master hands its part over to one of its replicas, which has
 * everything.
 *
 *   NONE --FAILOVER--> WAIT_SYNC --a replica has it all--> IN_PROGRESS --it has taken over--> NONE
 *                          |  ABORT, time up                    | ABORT, refused
 *                          +------------------------------------+---------------> NONE, a master
 *
 * No client writes from WAIT_SYNC on, and nothing is added to the stream but questions how far the
 * replicas are. In IN_PROGRESS this server is the replica of the target already, and asks it to
 * take over with its PSYNC. Main thread only.
 */
#ifndef STET_REPLICATION_FAILOVER_H
#define STET_REPLICATION_FAILOVER_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct call;
struct replica;
struct replication;

enum failover_state { FAILOVER_NONE, FAILOVER_WAIT_SYNC, FAILOVER_IN_PROGRESS };

struct failover {
    enum failover_state state;
    char host[256]; /* of the target; "": any replica */
    int port;
    bool force;        /* when the time is up it takes over whatever it has */
    uint64_t until_us; /* monotonic; 0: no limit */
};

/* Whether nothing may be added to the stream, because a replica is to catch up with it. */
bool failover_waits(const struct replication *r);

/* Every turn: goes on once a replica has everything, or the time is up. */
void failover_step(struct replication *r);

/* The target's answer to the PSYNC of IN_PROGRESS: it has taken over, or not. */
void failover_accepted(struct replication *r);
void failover_refused(struct replication *r);

/* PSYNC id offset FAILOVER: its master asks this replica to take over. */
bool failover_asked(const struct call *x);

/* 0: this server is a master now, and the PSYNC can be served; -1: refused and answered. */
int failover_take_over(struct call *x, struct slice id);

#endif
