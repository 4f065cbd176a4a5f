/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_group - who shares a sync under `always`.
 *
 * A sync costs the same for one command as for fifty, and clients that wait for one send nothing
 * until it is over. So the batch stays open while there are clients that may still join it, up to
 * two thirds of those that write: they wait for the disk, and the rest is served meanwhile. It is
 * handed over at once when nobody is left to serve and no sync is under way; nothing ever waits for
 * time to pass.
 */
#include "server/net/conn.h"

enum { PARTS = 16, FADES = 32 }; /* of one client; of the difference, each turn */

void conn_joins(struct conn *c) {
    struct net_group *g = &c->n->group;

    g->progress = true;
    if (c->s.ngates == 0) return;
    g->joined++;
    g->fresh++;
}

/* How many clients write, about: as many as waited at the same time lately. */
static void estimate(struct net_group *g) {
    unsigned now = (g->gated + g->fresh) * PARTS;

    if (now >= g->writers)
        g->writers = now;
    else
        g->writers -= (g->writers - now) / FADES;
    g->fresh = 0;
}

bool net_expects_more(struct net *n) {
    struct net_group *g = &n->group;
    bool progress = g->progress;

    estimate(g);
    g->progress = false;
    if (aof_may_wait(n->e->aof) && g->joined * PARTS * 2 < g->writers) {
        if (progress) {
            loop_hurry(n->loop); /* what has come meanwhile */
            return true;
        }
        if (aof_is_syncing(n->e->aof)) return true;
    }
    g->joined = 0;
    return false;
}
