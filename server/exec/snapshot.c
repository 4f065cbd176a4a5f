/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/snapshot.h"

#include "conf/conf.h"
#include "server/exec/access.h"
#include "server/exec/call.h"
#include "server/exec/keys.h"
#include "server/exec/rules.h"
#include "server/exec/tracking.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

void snapshot_forget(struct engine *e) {
    for (int i = 0; i < e->ks.ndbs; i++) db_clear(&e->ks.dbs[i], false);
    if (e->libraries.clear) e->libraries.clear(e);
}

/* ---------------------------------------------------------------- aside */

struct snapshot_code snapshot_take_code(const struct engine *e) {
    struct snapshot_code code = {0};
    struct slice *v;

    for (const struct library *l = e->ks.libraries; l; l = l->next) code.n++;
    v = mem_alloc(((size_t)code.n + 1) * sizeof *v);
    code.n = 0;
    for (const struct library *l = e->ks.libraries; l; l = l->next) v[code.n++] = l->code;
    code.v = args_copy(code.n, v);
    mem_free(v);
    return code;
}

void snapshot_compile(struct engine *e, const struct snapshot_code *code) {
    struct err err;

    for (int i = 0; i < code->n; i++)
        if (e->libraries.load(e, code->v[i], false, &err) < 0)
            log_warning("A library of functions cannot be compiled again: %s", err.text);
}

void snapshot_set_aside(struct engine *e, struct snapshot_aside *a) {
    *a = (struct snapshot_aside){0};
    keyspace_init(&a->ks, e->ks.ndbs);
    keyspace_exchange(&e->ks, &a->ks);
    a->code = snapshot_take_code(e);
    if (e->libraries.clear) e->libraries.clear(e);
    all_touched(e);
    tracking_all_changed(e);
}

void snapshot_end_aside(struct engine *e, struct snapshot_aside *a, bool keep_loaded) {
    if (!keep_loaded) {
        keyspace_exchange(&e->ks, &a->ks);
        if (e->libraries.clear) e->libraries.clear(e);
        snapshot_compile(e, &a->code);
    }
    for (int i = 0; i < a->ks.ndbs; i++) db_clear(&a->ks.dbs[i], true);
    keyspace_release(&a->ks);
    mem_free(a->code.v);
}

/* ---------------------------------------------------------------- rules */

struct rdb_rules snapshot_rules(const struct conf_values *v) {
    return (struct rdb_rules){
        .hash = rules_of_hash(v, PARTS_ALL),
        .set = rules_of_set(v, PARTS_ALL),
        .zset = rules_of_zset(v),
        .list = rules_of_list(v),
    };
}

static struct rdb_stream stream_of(const struct propagation *p) {
    struct rdb_stream s = {.db = -1};

    if (!p->stream_db) return s;
    snprintf(s.id, sizeof s.id, "%s", p->stream_id);
    s.offset = *p->stream_offset;
    s.db = *p->stream_db;
    return s;
}

struct rdb_save snapshot_save(const struct engine *e) {
    const struct conf_values *v = e->v;

    return (struct rdb_save){
        .stream = stream_of(&e->propagation),
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
        .key_delay_us = &e->v->key_load_delay,
    };
}
