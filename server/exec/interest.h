/* SPDX-License-Identifier: BSD-3-Clause
 *
 * interest - the keys that clients wait for (blocking) or watch (WATCH). Finding out whether a
 * change concerns a client costs one look-up, and none while there are no such keys.
 */
#ifndef STET_EXEC_INTEREST_H
#define STET_EXEC_INTEREST_H

#include "storage/base/list.h"
#include "storage/ds/table.h"

struct interest {
    struct list waits;   /* struct key_wait (blocking), the oldest first */
    struct list watches; /* struct watch */
    struct list ready;   /* in interests.ready while its waiters are to try again */
    uint64_t hash;
    int db;
    bool pinned;      /* it stays, even if no client waits or watches */
    uint32_t holds;   /* users that only count changes of the key (MIGRATE) */
    uint64_t touched; /* how often it was */
    uint64_t moved;   /* how often MIGRATE has deleted it here, as the other server has it */
    size_t n;
    char key[];
};

struct entry;

/* One WATCH of one key. */
struct watch {
    struct list of_key; /* in interest.watches */
    struct interest *on;
    const struct entry *seen; /* the entry at the key when WATCH came, NULL: none */
    bool *broken;             /* set when the key changes */
};

struct interests {
    struct table *of_db; /* ndbs of them */
    int ndbs;
    struct list ready; /* keys that changed and have blocked clients, which are to try again */
    size_t n;
};

void interests_init(struct interests *all, int ndbs);
void interests_release(struct interests *all);

/* NULL: no client waits for the key or watches it. */
static inline struct interest *interest_find(const struct interests *all, int db, struct slice key,
                                             uint64_t hash) {
    return __builtin_expect(all->n == 0, 1) ? NULL : table_find(&all->of_db[db], key, hash);
}

/* Makes one if there is none. */
struct interest *interest_get(struct interests *all, int db, struct slice key);

/* The key changed: breaks every WATCH of it and wakes its blocked clients. */
void interest_touched(struct interests *all, struct interest *k);

/* The key's time was over, or it was evicted: breaks only a WATCH that saw an entry there. */
void interest_vanished(struct interests *all, struct interest *k);

/* Only wakes the blocked clients: they try again before the loop waits. */
void interest_wakes(struct interests *all, struct interest *k);

/* To be called whenever a client stops waiting or watching. */
void interest_drop(struct interests *all, struct interest *k);

static inline struct slice interest_key(const struct interest *k) {
    return (struct slice){k->key, k->n};
}

void interests_each(const struct interests *all, void (*visit)(void *interest, void *arg),
                    void *arg);

#endif
