/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/evict.h"

#include "conf/conf.h"
#include "server/exec/access.h"
#include "server/exec/call.h"
#include "server/exec/keys.h"
#include "server/exec/latency.h"
#include "server/exec/push.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/lazyfree.h"

#include <math.h>

/* ---------------------------------------------------------------- the limit */

/* The AOF buffer is not counted as memory of the data set, as in Redis. */
static bool exceeded(const struct engine *e) {
    return e->v->maxmemory && mem_used() > aof_backlog(e->aof) + e->v->maxmemory;
}

static void note_state(struct engine *e, enum evict_state state) {
    struct evictions *v = e->evictions;

    v->state = state;
    if (state != EVICT_FITS && !v->exceeded_since_us) v->exceeded_since_us = clock_mono_us();
    if (state == EVICT_FITS && v->exceeded_since_us) {
        v->exceeded_us += clock_mono_us() - v->exceeded_since_us;
        v->exceeded_since_us = 0;
    }
}

uint64_t evict_exceeded_us(const struct engine *e, bool in_all) {
    const struct evictions *v = e->evictions;
    uint64_t now = v->exceeded_since_us ? clock_mono_us() - v->exceeded_since_us : 0;

    return in_all ? v->exceeded_us + now : now;
}

/* ---------------------------------------------------------------- policies */

static bool of_all_keys(int policy) {
    return policy == CONF_EVICT_ALLKEYS_LRU || policy == CONF_EVICT_ALLKEYS_LFU ||
           policy == CONF_EVICT_ALLKEYS_RANDOM || policy == CONF_EVICT_ALLKEYS_LRM;
}

static bool at_random(int policy) {
    return policy == CONF_EVICT_ALLKEYS_RANDOM || policy == CONF_EVICT_VOLATILE_RANDOM;
}

/* The higher, the sooner it goes. */
static uint64_t score_of(const struct engine *e, const struct entry *key) {
    if (access_is_lru(e->v)) return access_idle_fine(e, key);
    if (access_is_lfu(e->v)) return 255 - access_frequency(e, key);
    return UINT64_MAX - (uint64_t)entry_expire(key);
}

static size_t candidates_in(const struct engine *e, const struct db *db) {
    return of_all_keys((int)e->v->maxmemory_policy) ? db->keys.count : db->expires.count;
}

/* ---------------------------------------------------------------- the pool */

static bool is_in_pool(const struct evictions *v, const struct entry *key) {
    for (unsigned i = 0; i < v->n; i++)
        if (v->pool[i].key == key) return true;
    return false;
}

/* A pool that is full loses its lowest for a higher one. */
static void offer(struct engine *e, const struct db *db, struct entry *key) {
    struct evictions *v = e->evictions;
    uint64_t score = score_of(e, key);
    struct slice name;
    unsigned at;

    if (v->n == EVICT_POOL && score <= v->pool[0].score) return;
    if (is_in_pool(v, key)) return;
    if (v->n == EVICT_POOL) memmove(v->pool, v->pool + 1, --v->n * sizeof *v->pool);
    for (at = v->n; at > 0 && v->pool[at - 1].score > score; at--) v->pool[at] = v->pool[at - 1];
    name = entry_key(key);
    v->pool[at] = (struct evict_candidate){key, hash_bytes(name.p, name.n), score, db->id};
    v->n++;
}

enum { SAMPLE_MAX = 64 };

static void sample(struct engine *e, const struct db *db) {
    size_t wanted = (size_t)e->v->maxmemory_samples, tries = wanted * 4;
    bool all = of_all_keys((int)e->v->maxmemory_policy);
    void *found[SAMPLE_MAX];

    if (wanted > SAMPLE_MAX - TABLE_SLOTS) wanted = SAMPLE_MAX - TABLE_SLOTS;
    for (size_t got = 0; got < wanted && tries > 0; tries--) {
        size_t n = 1;

        if (all)
            n = table_sample_bucket(&db->keys, found);
        else if (e->v->maxmemory_policy == CONF_EVICT_VOLATILE_TTL)
            n = expiry_sample_next(&db->expires, wanted, found);
        else
            found[0] = expiry_random(&db->expires);
        for (size_t i = 0; i < n; i++) offer(e, db, found[i]);
        got += n;
    }
}

/* Still the key that was offered, and not used since. */
static bool still_holds(const struct engine *e, const struct evict_candidate *c) {
    const struct db *db = &e->ks.dbs[c->db];
    struct slice name;

    if (!table_holds(&db->keys, c->key, c->hash)) return false;
    name = entry_key(c->key);
    if (hash_bytes(name.p, name.n) != c->hash) return false;
    if (!of_all_keys((int)e->v->maxmemory_policy) && !(c->key->flags & ENTRY_EXPIRES)) return false;
    return score_of(e, c->key) >= c->score;
}

static bool take_from_pool(struct engine *e, struct ref *out) {
    struct evictions *v = e->evictions;

    while (v->n > 0) {
        const struct evict_candidate *c = &v->pool[--v->n];

        if (!still_holds(e, c)) continue;
        *out = (struct ref){entry_key(c->key), c->hash, c->key, &e->ks.dbs[c->db]};
        return true;
    }
    return false;
}

/* ---------------------------------------------------------------- choosing */

static bool choose_at_random(struct engine *e, struct ref *out) {
    size_t all = 0, nth;

    for (int i = 0; i < e->ks.ndbs; i++) all += candidates_in(e, &e->ks.dbs[i]);
    if (all == 0) return false;
    nth = rng_below(all);
    for (int i = 0; i < e->ks.ndbs; i++) {
        struct db *db = &e->ks.dbs[i];
        size_t here = candidates_in(e, db);
        struct entry *key;
        struct slice name;

        if (nth >= here) {
            nth -= here;
            continue;
        }
        key = of_all_keys((int)e->v->maxmemory_policy) ? table_random(&db->keys)
                                                       : expiry_random(&db->expires);
        name = entry_key(key);
        *out = (struct ref){name, hash_bytes(name.p, name.n), key, db};
        return true;
    }
    return false;
}

static bool choose(struct engine *e, struct ref *out) {
    struct evictions *v = e->evictions;
    int policy = (int)e->v->maxmemory_policy;
    bool any;

    if (policy == CONF_EVICT_NONE) return false;
    if (at_random(policy)) return choose_at_random(e, out);
    if (v->policy != policy) v->n = 0;
    v->policy = policy;
    do {
        any = false;
        for (int i = 0; i < e->ks.ndbs; i++) {
            if (candidates_in(e, &e->ks.dbs[i]) == 0) continue;
            sample(e, &e->ks.dbs[i]);
            any = true;
        }
        if (take_from_pool(e, out)) return true;
    } while (any);
    return false;
}

/* ---------------------------------------------------------------- evicting */

enum { BUDGET_STEP_US = 50, STEPS = 10, TENACITY_WITHOUT_END = 100 };

/* How long clients may be held up: up to 10 in steps, then 15 % more each, at 100 without end. */
static uint64_t budget_us(const struct engine *e) {
    int64_t t = e->v->maxmemory_eviction_tenacity;

    if (t >= TENACITY_WITHOUT_END) return UINT64_MAX;
    if (t <= STEPS) return (uint64_t)t * BUDGET_STEP_US;
    return (uint64_t)(BUDGET_STEP_US * STEPS * pow(1.15, (double)(t - STEPS)));
}

static void evict_key(struct engine *e, struct ref *r) {
    bool lazy = e->v->lazyfree_lazy_eviction;
    uint64_t began = clock_real_ns();

    gate_changed(&e->gate, r->hash);
    key_vanishes(e, r, EVENT_EVICTED, "evicted", lazy);
    propagate_flush(&e->propagation);
    db_delete(r->db, r->e, r->hash, lazy);
    e->stats.evicted++;
    latency_note(e, "eviction-del", (clock_real_ns() - began) / 1000);
}

static bool may_evict(const struct engine *e) {
    if (e->role.is_replica && e->v->replica_ignore_maxmemory) return false;
    return !e->loading && e->pause.mode == PAUSE_NONE;
}

/* One key, or what stands in the way. What is freed on another thread is not free yet: more would
 * go than has to. */
static enum evict_state evict_one(struct engine *e) {
    struct ref r;

    if (engine_is_importing(e)) return EVICT_STUCK;
    if (lazyfree_pending() > 0) return EVICT_GOES_ON;
    if (!choose(e, &r)) return EVICT_STUCK;
    evict_key(e, &r);
    return EVICT_FITS;
}

bool evict_some(struct engine *e) {
    uint64_t began_us, budget;
    enum evict_state state = EVICT_FITS;
    bool any = false;

    if (e->busy) return false;
    if (!may_evict(e) || !exceeded(e)) {
        note_state(e, EVICT_FITS);
        return false;
    }
    began_us = clock_real_ns() / 1000;
    budget = budget_us(e);
    while (state == EVICT_FITS && exceeded(e)) {
        state = evict_one(e);
        if (state != EVICT_FITS) break;
        any = true;
        if (clock_real_ns() / 1000 - began_us >= budget) state = EVICT_GOES_ON;
    }
    if (state == EVICT_GOES_ON && !exceeded(e)) state = EVICT_FITS;
    note_state(e, state);
    latency_note(e, "eviction-cycle", clock_real_ns() / 1000 - began_us);
    return any;
}

bool evict_more(struct engine *e) {
    if (!e->v->maxmemory) return false;
    if (evict_some(e)) push_settle(e, gate_end(&e->gate));
    return e->evictions->state == EVICT_GOES_ON;
}

bool evict_is_stuck(const struct engine *e) {
    return e->v->maxmemory && e->evictions->state == EVICT_STUCK;
}
