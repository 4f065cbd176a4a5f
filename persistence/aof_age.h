/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_age - how long the oldest append that is not on the disk yet has been waiting.
 *
 * A ring of (position, time): appends within AOF_AGE_STEP_US of each other share an entry, and so
 * do all later ones when the ring is full. The answer is exact to a step as long as it is not, and
 * never too small. Main thread only.
 */
#ifndef STET_PERSISTENCE_AOF_AGE_H
#define STET_PERSISTENCE_AOF_AGE_H

#include <stdint.h>

enum { AOF_AGE_ENTRIES = 64, AOF_AGE_STEP_US = 10000 };

/* All-zero: nothing is waiting. */
struct aof_age {
    struct {
        uint64_t end;      /* position after the appends */
        uint64_t since_us; /* when the first of them was made; monotonic */
    } v[AOF_AGE_ENTRIES];
    unsigned first, n;
};

/* Something was appended that ends at `end`; `synced` is what is on the disk. */
void aof_age_add(struct aof_age *g, uint64_t end, uint64_t synced, uint64_t now_us);

/* 0: nothing is waiting. */
uint64_t aof_age_us(struct aof_age *g, uint64_t synced, uint64_t now_us);

#endif
