/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/group.h"

enum {
    FADES = 32, /* the estimate falls by 1/FADES of the difference a turn */
    SHARE = 3,  /* a batch stays open for this share of the writers */
    SHARE_OF = 5,
};

/* How many clients write, about: as many as waited at the same time lately. */
static void estimate(struct group *g) {
    unsigned now = (g->gated + g->fresh) * GROUP_PARTS;

    if (now >= g->writers)
        g->writers = now;
    else
        g->writers -= (g->writers - now + FADES - 1) / FADES;
    g->fresh = 0;
}

enum group_advice group_ask(struct group *g, bool syncing) {
    bool progress = g->progress;

    estimate(g);
    g->progress = false;
    if (g->joined > 0 && g->joined * GROUP_PARTS * SHARE_OF < g->writers * SHARE) {
        if (progress) return GROUP_LOOK;
        if (syncing) return GROUP_WAIT;
    }
    g->joined = 0;
    return GROUP_CLOSE;
}

void group_forget(struct group *g) {
    g->joined = g->fresh = 0;
    g->progress = false;
}
