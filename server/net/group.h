/* SPDX-License-Identifier: BSD-3-Clause
 *
 * group - which clients share a sync under `always`.
 *
 * A sync costs the same for one command as for fifty, and clients that wait for one send nothing
 * until it is over. So the batch stays open while there are clients that may still join it, up to
 * three fifths of those that write: they wait for the disk, and the others are served meanwhile. It
 * is handed over at once when no client is left to serve and no sync is under way; nothing ever
 * waits for time to pass. (Measured with 50 writers, throughput paired with redis-server: half
 * 1.51, three fifths 1.60, two thirds 1.54, three quarters 1.38.)
 */
#ifndef STET_NET_GROUP_H
#define STET_NET_GROUP_H

#include <stdbool.h>

struct group {
    unsigned joined;  /* have something in the batch that is open */
    unsigned fresh;   /* of these, this turn */
    unsigned gated;   /* clients with gated replies; maintained by conn_enter() */
    unsigned writers; /* how many clients write, about, in units of 1/GROUP_PARTS */
    bool progress;    /* a client was served, or has left, since the last question */
};

enum { GROUP_PARTS = 16 };

/* A client was served; `waits` if its reply has to wait for the AOF. */
static inline void group_serves(struct group *g, bool waits) {
    g->progress = true;
    g->joined += waits;
    g->fresh += waits;
}

enum group_advice {
    GROUP_CLOSE, /* the batch is to be handed over */
    GROUP_LOOK,  /* it stays open; the loop polls at once for more input */
    GROUP_WAIT,  /* it stays open until something happens: the end of a sync, if nothing else */
};

/* Once a turn, before replies leave. `syncing`: a sync is under way. */
enum group_advice group_ask(struct group *g, bool syncing);

/* The same where batches are not kept open: forgets which clients have joined. */
void group_forget(struct group *g);

#endif
