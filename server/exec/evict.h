/* SPDX-License-Identifier: BSD-3-Clause
 *
 * evict - which keys are removed when memory is short: maxmemory and its policies.
 *
 * Keys are chosen by sampling. Of each sample the best are kept in a small pool from one eviction
 * to the next, so that far more keys are compared than are looked at each time; a key of the pool
 * that was used in the meantime is passed over. All keys are sampled a bucket of the table at a
 * time, keys with a time to live one by one; volatile-ttl takes from those that are due next, which
 * the index knows.
 *
 * An eviction is a change like DEL: it goes to the AOF, clients are notified, and replies wait for
 * it. The AOF buffer does not count as memory of the data set.
 */
#ifndef STET_EXEC_EVICT_H
#define STET_EXEC_EVICT_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct entry;

enum { EVICT_POOL = 16 };

struct evict_candidate {
    struct entry *key; /* may be gone */
    uint64_t hash, score;
    int db;
};

enum evict_state {
    EVICT_FITS,    /* memory is within the limit */
    EVICT_GOES_ON, /* it is not, and more keys will go */
    EVICT_STUCK,   /* it is not, and there is nothing to evict */
};

struct evictions {
    struct evict_candidate pool[EVICT_POOL]; /* ascending by score: the last one goes first */
    unsigned n;
    int policy; /* that the scores are of */
    enum evict_state state;
    uint64_t exceeded_since_us, exceeded_us; /* now (0: not), and before */
};

/* Evicts until memory is within the limit, for as long as maxmemory-eviction-tenacity allows.
 * True if something went. What it found holds until the next call. */
bool evict_some(struct engine *e);

/* The same before the loop waits: true if there is more to do. */
bool evict_more(struct engine *e);

/* Commands that may need memory have to be refused. */
bool evict_is_stuck(const struct engine *e);

/* For how long memory has been above the limit, in microseconds: now, and in all. */
uint64_t evict_exceeded_us(const struct engine *e, bool in_all);

#endif
