/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/access.h"

#include "conf/conf.h"
#include "storage/base/clock.h"
#include "storage/base/rng.h"

enum { COUNTER_AT_FIRST = ACCESS_FREQUENCY_AT_FIRST, COUNTER_MAX = 255, ACCESS_FINE = 32 };

uint16_t access_minutes_now(void) {
    return (uint16_t)(clock_cached_ms() / 60000);
}

static void set(struct entry *key, unsigned counter) {
    uint16_t now = access_minutes_now();

    key->access[0] = (uint8_t)now;
    key->access[1] = (uint8_t)(now >> 8);
    key->access[2] = (uint8_t)counter;
}

unsigned access_frequency(const struct engine *e, const struct entry *key) {
    uint16_t since = (uint16_t)(access_minutes_now() - (key->access[0] | key->access[1] << 8));
    unsigned periods = e->v->lfu_decay_time ? since / (unsigned)e->v->lfu_decay_time : 0;
    unsigned counter = key->access[2];

    return counter > periods ? counter - periods : 0;
}

void access_count(const struct engine *e, struct entry *key) {
    unsigned counter = access_frequency(e, key);
    uint64_t above = counter > COUNTER_AT_FIRST ? counter - COUNTER_AT_FIRST : 0;

    if (counter < COUNTER_MAX && rng_below(above * (uint64_t)e->v->lfu_log_factor + 1) == 0)
        counter++;
    set(key, counter);
}

void access_count_first(struct entry *key) {
    set(key, COUNTER_AT_FIRST);
}

void access_note_change(const struct engine *e, const struct db *db, struct slice key,
                        uint64_t hash) {
    struct entry *found = db_find(db, key, hash);

    if (found) access_note_time(e, found);
}

void access_tick(struct engine *e) {
    uint64_t ms = (uint64_t)clock_cached_ms();

    e->lru_clock = (uint32_t)(ms / 1000) & 0xffffff;
    e->lru_fine = (uint8_t)(ms % 1000 * ACCESS_FINE / 1000);
}

static uint32_t last_use(const struct entry *key) {
    return key->access[0] | (uint32_t)key->access[1] << 8 | (uint32_t)key->access[2] << 16;
}

uint32_t access_idle_fine(const struct engine *e, const struct entry *key) {
    uint32_t now = e->lru_clock * ACCESS_FINE + e->lru_fine;

    return (now - (last_use(key) * ACCESS_FINE + key->access_fine)) & ((ACCESS_FINE << 24) - 1);
}

uint32_t access_idle_s(const struct engine *e, const struct entry *key) {
    return (e->lru_clock - last_use(key)) & 0xffffff;
}

void access_set(const struct engine *e, struct entry *key, int64_t idle_s, int frequency) {
    uint32_t at;

    if (access_is_lfu(e->v)) {
        if (frequency >= 0) set(key, (unsigned)frequency);
        return;
    }
    if (idle_s < 0) return;
    at = e->lru_clock - (idle_s < 0xffffff ? (uint32_t)idle_s : 0xffffff);
    key->access[0] = (uint8_t)at;
    key->access[1] = (uint8_t)(at >> 8);
    key->access[2] = (uint8_t)(at >> 16);
    key->access_fine = 0;
}
