/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/interest.h"

#include "storage/base/hash.h"
#include "storage/base/mem.h"

static struct slice key_of(const void *entry) {
    return interest_key(entry);
}

static bool matches(const void *entry, struct slice key) {
    return slice_eq(interest_key(entry), key);
}

static const struct table_ops ops = {key_of, matches};

void interests_init(struct interests *all, int ndbs) {
    *all = (struct interests){.of_db = mem_calloc((size_t)ndbs * sizeof *all->of_db), .ndbs = ndbs};
    for (int i = 0; i < ndbs; i++) table_init(&all->of_db[i], &ops);
    list_init(&all->ready);
}

void interests_release(struct interests *all) {
    for (int i = 0; i < all->ndbs; i++) table_release(&all->of_db[i], NULL, NULL);
    mem_free(all->of_db);
    *all = (struct interests){0};
}

struct interest *interest_get(struct interests *all, int db, struct slice key) {
    uint64_t hash = hash_bytes(key.p, key.n);
    struct interest *k = interest_find(all, db, key, hash);

    if (k) return k;
    k = mem_alloc(sizeof *k + key.n);
    list_init(&k->waits);
    list_init(&k->watches);
    list_init(&k->ready);
    k->hash = hash;
    k->db = db;
    k->pinned = false;
    k->holds = 0;
    k->touched = 0;
    k->moved = 0;
    k->n = key.n;
    memcpy(k->key, key.p, key.n);
    table_insert(&all->of_db[db], k, hash);
    all->n++;
    return k;
}

void interest_wakes(struct interests *all, struct interest *k) {
    if (!list_empty(&k->waits) && list_empty(&k->ready)) list_append(&all->ready, &k->ready);
}

void interest_touched(struct interests *all, struct interest *k) {
    k->touched++;
    interest_wakes(all, k);
    list_each (it, &k->watches) *list_entry(it, struct watch, of_key)->broken = true;
}

void interest_vanished(struct interests *all, struct interest *k) {
    k->touched++;
    interest_wakes(all, k);
    list_each (it, &k->watches) {
        struct watch *w = list_entry(it, struct watch, of_key);

        if (w->seen) *w->broken = true;
    }
}

void interest_drop(struct interests *all, struct interest *k) {
    if (k->pinned || k->holds || !list_empty(&k->waits) || !list_empty(&k->watches)) return;
    list_remove(&k->ready);
    table_remove(&all->of_db[k->db], k, k->hash);
    all->n--;
    mem_free(k);
}

void interests_each(const struct interests *all, void (*visit)(void *interest, void *arg),
                    void *arg) {
    if (all->n == 0) return;
    for (int i = 0; i < all->ndbs; i++) table_each(&all->of_db[i], visit, arg);
}
