/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pace - how a long computation of a lower layer tells what called it that time goes by.
 *
 * The caller may then do something else for a while, as long as it leaves alone what the
 * computation reads and writes.
 */
#ifndef STET_BASE_PACE_H
#define STET_BASE_PACE_H

#include <stddef.h>

/* All-zero: nothing is told. */
struct pace {
    void (*step)(void *arg, size_t n); /* n small pieces of work were done */
    void *arg;
};

#define PACE_NONE (&(const struct pace){0})

enum {
    PACE_EVERY = 64,
    PACE_BYTES = 256, /* that are copied or written: one step */
};

static inline void pace_step(const struct pace *p, size_t n) {
    if (p->step) p->step(p->arg, n);
}

/* In a loop, with its index. */
static inline void pace_at(const struct pace *p, size_t i) {
    if (i % PACE_EVERY == PACE_EVERY - 1) pace_step(p, PACE_EVERY);
}

#endif
