/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/snapshot.h"

#include "server/exec/access.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

void snapshot_forget(struct engine *e) {
    for (int i = 0; i < e->ks.ndbs; i++) db_clear(&e->ks.dbs[i], false);
    if (e->libraries.clear) e->libraries.clear(e);
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
        .lru = access_is_lru(v),
        .lfu = access_is_lfu(v),
        .lru_clock = e->lru_clock,
        .lfu_minutes = access_minutes_now(),
        .lfu_decay = (uint32_t)v->lfu_decay_time,
        .key_delay_us = v->rdb_key_save_delay,
        .used_memory = mem_used(),
    };
}

struct rdb_load snapshot_load(struct engine *e, bool drop_due) {
    return (struct rdb_load){
        .read = {.rules = snapshot_rules(e->v), .checksum = e->v->rdbchecksum && !e->skip_sums},
        .ks = &e->ks,
        .drop_due_ms = drop_due ? clock_wall_ms() : 0,
        .lru = access_is_lru(e->v),
        .lfu = access_is_lfu(e->v),
        .lru_clock = e->lru_clock,
        .lfu_minutes = access_minutes_now(),
        .lfu_first = ACCESS_FREQUENCY_AT_FIRST,
        .library = e->libraries.load,
        .library_arg = e,
    };
}
