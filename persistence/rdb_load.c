/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_load - what a file holds goes into a keyspace.
 */
#include "persistence/rdb.h"
#include "storage/base/hash.h"

#include <errno.h>

struct load {
    const struct rdb_load *o;
    struct rdb_loaded *out;
};

static int on_size(void *arg, int id, uint64_t keys, uint64_t expires, struct err *e) {
    struct load *l = arg;
    struct db *db = &l->o->ks->dbs[id];

    (void)expires;
    (void)e;
    if (db->keys.count == 0 && keys) table_reserve(&db->keys, keys);
    return 0;
}

static void note_access(const struct load *l, const struct rdb_key *k, struct entry *e) {
    uint32_t v = l->o->lru_clock;

    if (l->o->lfu && k->freq >= 0)
        v = (l->o->lfu_minutes & 0xffff) | (uint32_t)k->freq << 16;
    else if (l->o->lru && k->idle_s >= 0)
        v -= (uint32_t)k->idle_s;
    e->access[0] = (uint8_t)v;
    e->access[1] = (uint8_t)(v >> 8);
    e->access[2] = (uint8_t)(v >> 16);
}

static int on_key(void *arg, const struct rdb_key *k, struct entry *e, struct err *err) {
    struct load *l = arg;
    struct db *db = &l->o->ks->dbs[k->db];
    struct slice key = entry_key(e);
    uint64_t hash = hash_bytes(key.p, key.n);
    struct entry *old;

    if (l->o->drop_due_ms && k->expire_ms != ENTRY_NO_EXPIRE && k->expire_ms <= l->o->drop_due_ms) {
        l->out->due++;
        entry_free(e);
        return 0;
    }
    old = db_find(db, key, hash);
    if (old && !l->o->merge) {
        entry_free(e);
        return err_set(err, EEXIST, "the key is there already");
    }
    if (old) db_delete(db, old, hash, false);
    note_access(l, k, e);
    db_add(db, e, hash);
    l->out->keys++;
    return 0;
}

static void on_progress(void *arg, uint64_t done, uint64_t total) {
    struct load *l = arg;

    if (l->o->progress) l->o->progress(l->o->arg, done, total);
}

int rdb_load(int fd, const struct rdb_load *o, struct rdb_loaded *out, struct err *e) {
    static const struct rdb_sink sink = {.size = on_size, .key = on_key, .progress = on_progress};
    struct load l = {o, out};
    struct rdb_read read = o->read;

    *out = (struct rdb_loaded){0};
    read.ndbs = o->ks->ndbs;
    return rdb_read(fd, &read, &sink, &l, &out->report, e);
}
