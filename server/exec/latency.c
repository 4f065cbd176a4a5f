/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/latency.h"

#include "conf/conf.h"
#include "server/exec/engine.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

const struct latency_event *latency_find(const struct latency *l, const char *name, size_t n) {
    for (size_t i = 0; i < l->n; i++)
        if (strlen(l->events[i]->name) == n && strncasecmp(l->events[i]->name, name, n) == 0)
            return l->events[i];
    return NULL;
}

static struct latency_event *event_get(struct latency *l, const char *name) {
    struct latency_event *t = (struct latency_event *)latency_find(l, name, strlen(name));

    if (t) return t;
    t = mem_calloc(sizeof *t);
    t->name = name;
    l->events = mem_realloc(l->events, (l->n + 1) * sizeof *l->events);
    l->events[l->n++] = t;
    return t;
}

void latency_note(struct engine *e, const char *name, uint64_t us) {
    uint64_t ms = us / 1000, threshold = (uint64_t)e->v->latency_monitor_threshold;
    int64_t now = clock_wall_ms() / 1000;
    struct latency_event *t;
    struct latency_sample *last;

    if (threshold == 0 || ms < threshold) return;
    if (ms > UINT32_MAX) ms = UINT32_MAX;
    t = event_get(e->latency, name);
    if (ms > t->max_ms) t->max_ms = (uint32_t)ms;
    last = &t->v[(t->next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
    if (t->n > 0 && last->at_s == now) {
        if (ms > last->ms) last->ms = (uint32_t)ms;
        return;
    }
    t->v[t->next] = (struct latency_sample){now, (uint32_t)ms};
    t->next = (t->next + 1) % LATENCY_SAMPLES;
    if (t->n < LATENCY_SAMPLES) t->n++;
}

void latency_forget(struct latency *l, size_t i) {
    mem_free(l->events[i]);
    memmove(l->events + i, l->events + i + 1, (--l->n - i) * sizeof *l->events);
}

void latency_release(struct latency *l) {
    while (l->n > 0) latency_forget(l, l->n - 1);
    mem_free(l->events);
    *l = (struct latency){0};
}
