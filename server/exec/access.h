/* SPDX-License-Identifier: BSD-3-Clause
 *
 * access - when, or how often, a key was used: three bytes of its entry.
 *
 *   LRU policies (and none): the engine's clock in seconds, and five more bits of 32nds: under load
 *                            a cache may turn over several times a second
 *   LRM policies:            the same, but of the last change
 *   LFU policies:            minutes of the last decay (two bytes), a counter (the third)
 *
 * The counter rises ever more rarely the higher it is, and falls by one every lfu-decay-time
 * minutes. After a change of policy the bytes mean something else; use sets them right again.
 */
#ifndef STET_EXEC_ACCESS_H
#define STET_EXEC_ACCESS_H

#include "conf/conf.h"
#include "server/exec/engine.h"
#include "storage/entry.h"
#include "storage/keyspace.h"

static inline bool access_is_lfu(const struct conf_values *v) {
    return v->maxmemory_policy == CONF_EVICT_VOLATILE_LFU ||
           v->maxmemory_policy == CONF_EVICT_ALLKEYS_LFU;
}

static inline bool access_is_lrm(const struct conf_values *v) {
    return v->maxmemory_policy >= CONF_EVICT_VOLATILE_LRM;
}

/* The bytes are a time, and keys go by it. */
static inline bool access_is_lru(const struct conf_values *v) {
    return v->maxmemory_policy == CONF_EVICT_VOLATILE_LRU ||
           v->maxmemory_policy == CONF_EVICT_ALLKEYS_LRU || access_is_lrm(v);
}

enum { ACCESS_FREQUENCY_AT_FIRST = 5 };

/* The clock of frequencies. */
uint16_t access_minutes_now(void);

/* How often it was used, on a scale of 0 to 255, as of now. */
unsigned access_frequency(const struct engine *e, const struct entry *key);

/* For how many seconds it was not used; and in 32nds. */
uint32_t access_idle_s(const struct engine *e, const struct entry *key);
uint32_t access_idle_fine(const struct engine *e, const struct entry *key);

/* Sets the engine's clock. */
void access_tick(struct engine *e);

void access_count(const struct engine *e, struct entry *key);
void access_count_first(struct entry *key);

/* Which of the two is known (below 0: it is not) is set if the policy goes by it. */
void access_set(const struct engine *e, struct entry *key, int64_t idle_s, int frequency);

static inline void access_note_time(const struct engine *e, struct entry *key) {
    key->access[0] = (uint8_t)e->lru_clock;
    key->access[1] = (uint8_t)(e->lru_clock >> 8);
    key->access[2] = (uint8_t)(e->lru_clock >> 16);
    key->access_fine = e->lru_fine;
}

/* The key was used. */
static inline void access_note(const struct engine *e, struct entry *key) {
    if (__builtin_expect(e->v->maxmemory_policy < CONF_EVICT_VOLATILE_LFU, 1))
        access_note_time(e, key);
    else if (!access_is_lrm(e->v))
        access_count(e, key);
}

/* LRM policies: the key was changed, if it is there. */
void access_note_change(const struct engine *e, const struct db *db, struct slice key,
                        uint64_t hash);

/* The key is new. */
static inline void access_begin(const struct engine *e, struct entry *key) {
    if (__builtin_expect(access_is_lfu(e->v), 0))
        access_count_first(key);
    else
        access_note_time(e, key);
}

#endif
