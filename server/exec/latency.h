/* SPDX-License-Identifier: BSD-3-Clause
 *
 * latency - what took longer than latency-monitor-threshold: for each kind of event the worst of
 * each second, as far as they are kept.
 */
#ifndef STET_EXEC_LATENCY_H
#define STET_EXEC_LATENCY_H

#include <stddef.h>
#include <stdint.h>

struct engine;

enum { LATENCY_SAMPLES = 160 };

struct latency_sample {
    int64_t at_s;
    uint32_t ms;
};

struct latency_event {
    const char *name;
    uint32_t max_ms;
    unsigned n, next; /* samples; where the next one goes */
    struct latency_sample v[LATENCY_SAMPLES];
};

struct latency {
    struct latency_event **events;
    size_t n;
};

/* `name` lives for ever. Nothing is noted of what was quick enough. */
void latency_note(struct engine *e, const char *name, uint64_t us);

/* NULL: there are no samples of it. */
const struct latency_event *latency_find(const struct latency *l, const char *name, size_t n);

/* The i-th sample, the oldest first. */
static inline struct latency_sample latency_at(const struct latency_event *t, unsigned i) {
    return t->v[(t->next + LATENCY_SAMPLES - t->n + i) % LATENCY_SAMPLES];
}

/* Forgets event number i. */
void latency_forget(struct latency *l, size_t i);
void latency_release(struct latency *l);

#endif
