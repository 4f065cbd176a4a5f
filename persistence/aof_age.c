/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_age.h"

static void drop_synced(struct aof_age *g, uint64_t synced) {
    while (g->n && g->v[g->first].end <= synced) {
        g->first = (g->first + 1) % AOF_AGE_ENTRIES;
        g->n--;
    }
}

void aof_age_add(struct aof_age *g, uint64_t end, uint64_t synced, uint64_t now_us) {
    unsigned last = (g->first + g->n + AOF_AGE_ENTRIES - 1) % AOF_AGE_ENTRIES;

    if (g->n && now_us - g->v[last].since_us < AOF_AGE_STEP_US) {
        g->v[last].end = end;
        return;
    }
    drop_synced(g, synced);
    if (g->n == AOF_AGE_ENTRIES) {
        g->v[last].end = end;
        return;
    }
    last = (g->first + g->n++) % AOF_AGE_ENTRIES;
    g->v[last].end = end;
    g->v[last].since_us = now_us;
}

uint64_t aof_age_us(struct aof_age *g, uint64_t synced, uint64_t now_us) {
    drop_synced(g, synced);
    return g->n ? now_us - g->v[g->first].since_us : 0;
}
