/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/snapshot.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"

static bool goes_by_use(const struct conf_values *v) {
    return v->maxmemory_policy == CONF_EVICT_VOLATILE_LFU ||
           v->maxmemory_policy == CONF_EVICT_ALLKEYS_LFU;
}

static bool goes_by_age(const struct conf_values *v) {
    return v->maxmemory_policy == CONF_EVICT_VOLATILE_LRU ||
           v->maxmemory_policy == CONF_EVICT_ALLKEYS_LRU;
}

struct rdb_rules snapshot_rules(const struct conf_values *v) {
    return (struct rdb_rules){
        .hash = {v->hash_max_listpack_entries, v->hash_max_listpack_value, HASH_ALL},
        .set = {v->set_max_intset_entries, v->set_max_listpack_entries, v->set_max_listpack_value},
        .zset = {v->zset_max_listpack_entries, v->zset_max_listpack_value},
        .list = {v->list_max_listpack_size, v->list_compress_depth},
    };
}

struct rdb_save snapshot_save(const struct engine *e) {
    const struct conf_values *v = e->v;

    return (struct rdb_save){
        .ks = &e->ks,
        .compress = v->rdbcompression,
        .checksum = v->rdbchecksum,
        .incremental_fsync = v->rdb_save_incremental_fsync,
        .lru = goes_by_age(v),
        .lfu = goes_by_use(v),
        .lru_clock = e->lru_clock,
        .key_delay_us = v->rdb_key_save_delay,
        .used_memory = mem_used(),
    };
}

static uint32_t minutes_now(void) {
    return (uint32_t)(clock_wall_ms() / 60000);
}

struct rdb_load snapshot_load(struct engine *e, bool drop_due) {
    return (struct rdb_load){
        .read = {.rules = snapshot_rules(e->v), .checksum = e->v->rdbchecksum},
        .ks = &e->ks,
        .drop_due_ms = drop_due ? clock_wall_ms() : 0,
        .lru = goes_by_age(e->v),
        .lfu = goes_by_use(e->v),
        .lru_clock = e->lru_clock,
        .lfu_minutes = minutes_now(),
    };
}

void snapshot_set_access(const struct engine *e, struct entry *entry, int64_t idle_s, int freq) {
    uint32_t v;

    if (goes_by_use(e->v)) {
        if (freq < 0) return;
        v = (minutes_now() & 0xffff) | (uint32_t)freq << 16;
    } else {
        if (idle_s < 0) return;
        v = e->lru_clock - (idle_s < 0xffffff ? (uint32_t)idle_s : 0xffffff);
    }
    entry->access[0] = (uint8_t)v;
    entry->access[1] = (uint8_t)(v >> 8);
    entry->access[2] = (uint8_t)(v >> 16);
}
