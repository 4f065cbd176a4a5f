/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dice - seeded choices. Each part of the simulation rolls dice of its own, so that a change in one
 * part does not shift the choices of the others.
 */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_u64(struct dice *d) {
    uint64_t z = (d->state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static inline struct dice dice_new(uint64_t seed, uint64_t stream) {
    struct dice d = {seed * 0x2545f4914f6cdd1d + stream};

    d.state = dice_u64(&d);
    return d;
}

/* 0 .. n-1; n > 0 */
static inline uint64_t dice_below(struct dice *d, uint64_t n) {
    return dice_u64(d) % n;
}

static inline bool dice_one_in(struct dice *d, uint64_t n) {
    return dice_below(d, n) == 0;
}

static inline bool dice_percent(struct dice *d, unsigned percent) {
    return dice_below(d, 100) < percent;
}

/* 1 .. n, small numbers more often: every power of two is as likely as the next. */
static inline uint64_t dice_small(struct dice *d, uint64_t n) {
    uint64_t top = 1;

    while (top < n && !dice_one_in(d, 4)) top *= 2;
    return 1 + dice_below(d, top < n ? top : n);
}

#endif
