/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_load - what a file holds goes into a keyspace.
 */
#include "persistence/rdb.h"
#include "storage/base/hash.h"

#include <errno.h>

enum { AHEAD = 24 }; /* keys whose places in the table are being fetched from memory */

struct load {
    const struct rdb_load *o;
    struct rdb_loaded *out;
    struct waiting {
        struct entry *e;
        uint64_t hash, at;
        int db;
    } waiting[AHEAD]; /* a ring: the oldest one is at `first` */
    unsigned first, n;
};

/* Into its database, unless the key is there. */
static int insert(struct load *l, const struct waiting *w, struct err *err) {
    struct db *db = &l->o->ks->dbs[w->db];
    struct entry *old = db_find(db, entry_key(w->e), w->hash);

    if (old && !l->o->merge) {
        struct bytes text = {0};

        bytes_append_quoted(&text, entry_key(w->e));
        err_set(err, EEXIST, "offset %llu: key %.300s of database %d is there already",
                (unsigned long long)w->at, bytes_cstr(&text), w->db);
        bytes_release(&text);
        entry_free(w->e);
        return -1;
    }
    if (old) db_delete(db, old, w->hash, false);
    db_add(db, w->e, w->hash);
    l->out->keys++;
    return 0;
}

static int insert_oldest(struct load *l, struct err *err) {
    struct waiting w = l->waiting[l->first];

    l->first = (l->first + 1) % AHEAD;
    l->n--;
    return insert(l, &w, err);
}

static int on_size(void *arg, int id, uint64_t keys, uint64_t expires, struct err *e) {
    struct load *l = arg;
    struct db *db = &l->o->ks->dbs[id];

    (void)expires;
    while (l->n)
        if (insert_oldest(l, e) < 0) return -1;
    if (db->keys.count == 0 && keys) table_reserve(&db->keys, keys);
    return 0;
}

static void note_access(const struct load *l, const struct rdb_key *k, struct entry *e) {
    uint32_t v = l->o->lru_clock;

    if (l->o->lfu)
        v = l->o->lfu_minutes | (k->freq >= 0 ? (uint32_t)k->freq : l->o->lfu_first) << 16;
    else if (l->o->lru && k->idle_s >= 0)
        v -= (uint32_t)k->idle_s;
    e->access[0] = (uint8_t)v;
    e->access[1] = (uint8_t)(v >> 8);
    e->access[2] = (uint8_t)(v >> 16);
}

static int on_key(void *arg, const struct rdb_key *k, struct entry *e, struct err *err) {
    struct load *l = arg;
    struct slice key = entry_key(e);
    uint64_t hash = hash_bytes(key.p, key.n);

    if (l->o->drop_due_ms && k->expire_ms != ENTRY_NO_EXPIRE && k->expire_ms <= l->o->drop_due_ms) {
        l->out->due++;
        entry_free(e);
        return 0;
    }
    note_access(l, k, e);
    table_prefetch_bucket(&l->o->ks->dbs[k->db].keys, hash);
    l->waiting[(l->first + l->n++) % AHEAD] = (struct waiting){e, hash, k->at, k->db};
    return l->n < AHEAD ? 0 : insert_oldest(l, err);
}

static int on_function(void *arg, struct slice code, struct err *e) {
    struct load *l = arg;

    return l->o->library(l->o->library_arg, code, l->o->merge, e);
}

static void on_progress(void *arg, uint64_t done, uint64_t total) {
    struct load *l = arg;

    if (l->o->progress) l->o->progress(l->o->arg, done, total);
}

int rdb_load(int fd, const struct rdb_load *o, struct rdb_loaded *out, struct err *e) {
    const struct rdb_sink sink = {.size = on_size,
                                  .key = on_key,
                                  .function = o->library ? on_function : NULL,
                                  .progress = on_progress};
    struct load l = {.o = o, .out = out};
    struct rdb_read read = o->read;
    int rc;

    *out = (struct rdb_loaded){0};
    read.ndbs = o->ks->ndbs;
    rc = rdb_read(fd, &read, &sink, &l, &out->report, e);
    while (l.n) {
        if (insert_oldest(&l, rc < 0 ? NULL : e) < 0) rc = -1;
    }
    return rc;
}
