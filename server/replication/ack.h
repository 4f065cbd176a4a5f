/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ack - replies that wait for replicas (replica-ack-min): keeps gate.acked, the position of the AOF
 * (of the stream, where there is no AOF) up to which enough replicas have everything.
 *
 *   OFF        replica-ack-min is 0, or this server is a replica: no reply waits
 *   WAITING    replies wait for the acknowledgements
 *   DEGRADED   too few came within replica-ack-timeout: no reply waits until they have caught up.
 *              It is logged, counted, and shown in INFO
 *   ENDING     this server became a replica in this turn: no gate opens. At the turn's end the
 *              clients with closed gates are disconnected, and the state is OFF
 *
 * Main thread only.
 */
#ifndef STET_REPLICATION_ACK_H
#define STET_REPLICATION_ACK_H

#include "server/replication/notes.h"
#include "storage/base/bytes.h"

struct replication;

enum ack_state { ACK_OFF, ACK_WAITING, ACK_DEGRADED, ACK_ENDING };

struct acks {
    enum ack_state state;
    struct notes notes;
    uint64_t asked;        /* offset of the stream after the last GETACK */
    uint64_t asked_us;     /* and when that was */
    uint64_t before_asked; /* and before it: what a replica answers */
    uint64_t degradations;
};

/* The parameters or the role have changed. */
void ack_configure(struct replication *r);

/* Before the AOF's batch is handed over: whether replicas are to be asked how far they are. */
bool ack_asks(struct replication *r);

/* After it: what was appended belongs to the present offset. */
void ack_note(struct replication *r);

/* What a replica that has the whole stream says when it is asked. */
uint64_t ack_of_all(const struct replication *r);

/* A replica has said how far it is, or has gone. */
void ack_count(struct replication *r);

/* Ten times a second. */
void ack_cron(struct replication *r);

void ack_info(const struct replication *r, struct bytes *out);

#endif
