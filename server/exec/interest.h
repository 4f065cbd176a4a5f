/* SPDX-License-Identifier: BSD-3-Clause
 *
 * interest - the keys that somebody has an eye on: clients that wait for them (blocking), and
 * transactions that must not happen if they change (WATCH). Whether a change concerns anybody is
 * one look-up, and none while nobody is interested.
 */
#ifndef STET_EXEC_INTEREST_H
#define STET_EXEC_INTEREST_H

#include "storage/base/list.h"
#include "storage/ds/table.h"

struct interest {
    struct list waits;   /* struct key_wait (blocking), the oldest first */
    struct list watches; /* struct watch (multi) */
    struct list ready;   /* in engine.ready while its waiters are to try again */
    uint64_t hash;
    int db;
    bool pinned;      /* it stays, whoever loses interest */
    uint32_t holds;   /* who only wants to know whether it is touched (MIGRATE) */
    uint64_t touched; /* how often it was */
    size_t n;
    char key[];
};

struct interests {
    struct table *of_db; /* ndbs of them */
    int ndbs;
    size_t n;
};

void interests_init(struct interests *all, int ndbs);
void interests_release(struct interests *all);

/* NULL: nobody is interested. */
static inline struct interest *interest_find(const struct interests *all, int db, struct slice key,
                                             uint64_t hash) {
    return __builtin_expect(all->n == 0, 1) ? NULL : table_find(&all->of_db[db], key, hash);
}

/* Makes one if there is none. */
struct interest *interest_get(struct interests *all, int db, struct slice key);

/* To be called whenever somebody has lost interest. */
void interest_drop(struct interests *all, struct interest *k);

static inline struct slice interest_key(const struct interest *k) {
    return (struct slice){k->key, k->n};
}

void interests_each(const struct interests *all, void (*visit)(void *interest, void *arg),
                    void *arg);

#endif
