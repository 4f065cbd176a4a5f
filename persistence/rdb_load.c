/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_load - loads the contents of a file into a keyspace.
 *
 * Two threads: one reads the file and builds the values, the caller's puts them into the tables.
 * Between them stands a short queue of pieces, some hundred keys each. Only the caller's thread
 * touches the keyspace, runs libraries, and is told of progress.
 */
#include "persistence/key_delay.h"
#include "persistence/rdb.h"
#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <errno.h>
#include <pthread.h>

enum {
    PIECE_ITEMS = 1024,
    PIECES = 4,
    AHEAD = 24,        /* keys whose places in the table are being fetched from memory */
    WAIT_NS = 2000000, /* for the disk, until progress is told again: clients are served then */
};

/* What the reader found. */
struct item {
    enum { ITEM_KEY, ITEM_SIZE, ITEM_LIBRARY } kind;
    int db;
    union {
        struct entry *e;
        uint64_t keys;      /* so many are announced */
        struct bytes *code; /* of a library */
    };
    uint64_t hash, at;
};

struct piece {
    unsigned n;
    uint64_t done, total; /* bytes of the file, when it was handed over */
    struct item v[PIECE_ITEMS];
};

struct load {
    const struct rdb_load *o;
    struct rdb_loaded *out;
    int fd;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    struct piece *pieces;  /* a ring of PIECES */
    unsigned first, ready; /* the oldest that is ready, and how many are */
    bool ended, given_up;  /* by the reader; by the caller */

    /* the reader's */
    struct piece *filling;
    uint64_t done, total, due;
    unsigned arena;
    int rc;
    struct err err;
};

/* ---------------------------------------------------------------- between the two */

/* Hands `filling` over and waits for an empty one; false if the loader has given up. */
static bool hand_over(struct load *l) {
    bool wanted;

    l->filling->done = l->done;
    l->filling->total = l->total;
    pthread_mutex_lock(&l->mu);
    l->ready++;
    pthread_cond_signal(&l->changed);
    while (l->ready == PIECES && !l->given_up) pthread_cond_wait(&l->changed, &l->mu);
    wanted = !l->given_up;
    l->filling = &l->pieces[(l->first + l->ready) % PIECES];
    pthread_mutex_unlock(&l->mu);
    l->filling->n = 0;
    return wanted;
}

static void end_reading(struct load *l) {
    pthread_mutex_lock(&l->mu);
    l->ended = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mu);
}

/* The next piece. NULL: there is none yet, or (`ended`) there is none any more. */
static struct piece *take(struct load *l, bool *ended) {
    uint64_t at = clock_real_ns() + WAIT_NS;
    struct timespec ts = {(time_t)(at / 1000000000), (long)(at % 1000000000)};
    struct piece *p = NULL;
    int rc = 0;

    pthread_mutex_lock(&l->mu);
    while (l->ready == 0 && !l->ended && rc == 0)
        rc = pthread_cond_clockwait(&l->changed, &l->mu, CLOCK_MONOTONIC, &ts);
    if (l->ready > 0) p = &l->pieces[l->first];
    *ended = l->ready == 0 && l->ended;
    pthread_mutex_unlock(&l->mu);
    return p;
}

static void give_back(struct load *l, bool give_up) {
    pthread_mutex_lock(&l->mu);
    l->first = (l->first + 1) % PIECES;
    l->ready--;
    l->given_up |= give_up;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->mu);
}

/* ---------------------------------------------------------------- the reader */

static int add(struct load *l, struct item it, struct err *e) {
    l->filling->v[l->filling->n++] = it;
    if (l->filling->n < PIECE_ITEMS || hand_over(l)) return 0;
    return err_set(e, ECANCELED, "given up");
}

static int on_size(void *arg, int id, uint64_t keys, uint64_t expires, struct err *e) {
    (void)expires;
    return add(arg, (struct item){.kind = ITEM_SIZE, .db = id, .keys = keys}, e);
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

    if (l->o->drop_due_ms && k->expire_ms != ENTRY_NO_EXPIRE && k->expire_ms <= l->o->drop_due_ms) {
        l->due++;
        entry_free(e);
        return 0;
    }
    note_access(l, k, e);
    return add(
        l,
        (struct item){
            .kind = ITEM_KEY, .db = k->db, .e = e, .hash = hash_bytes(key.p, key.n), .at = k->at},
        err);
}

static int on_function(void *arg, struct slice code, struct err *e) {
    struct bytes *copy = mem_calloc(sizeof *copy);
    const struct load *l = arg;

    bytes_append(copy, code.p, code.n);
    return add(arg,
               (struct item){.kind = ITEM_LIBRARY, .code = copy, .at = l->out->report.value_at}, e);
}

static void on_progress(void *arg, uint64_t done, uint64_t total) {
    struct load *l = arg;

    l->done = done;
    l->total = total;
}

static void *reader_run(void *arg) {
    struct load *l = arg;
    const struct rdb_sink sink = {.size = on_size,
                                  .key = on_key,
                                  .function = l->o->library ? on_function : NULL,
                                  .progress = on_progress};
    struct rdb_read read = l->o->read;

    mem_thread_init();
    mem_same_arena_as(l->arena);
    read.ndbs = l->o->ks->ndbs;
    l->rc = rdb_read(l->fd, &read, &sink, l, &l->out->report, &l->err);
    if (l->filling->n) hand_over(l);
    end_reading(l);
    return NULL;
}

/* ---------------------------------------------------------------- the caller */

static int refuse_twice(const struct item *it, struct err *err) {
    struct bytes text = {0};

    bytes_append_quoted(&text, entry_key(it->e));
    err_set(err, EEXIST, "offset %llu: key %.300s of database %d is there already",
            (unsigned long long)it->at, bytes_cstr(&text), it->db);
    bytes_release(&text);
    return -1;
}

/* Into its database, unless the key is there. */
static int insert(struct load *l, const struct item *it, struct err *err) {
    struct db *db = &l->o->ks->dbs[it->db];
    struct entry *old = db_find(db, entry_key(it->e), it->hash);

    if (old && !l->o->merge) return refuse_twice(it, err);
    if (old) db_delete(db, old, it->hash, false);
    db_add(db, it->e, it->hash);
    l->out->keys++;
    return 0;
}

static int accept_library(struct load *l, const struct item *it, struct err *e) {
    struct err why;

    if (l->o->library(l->o->library_arg, bytes_slice(it->code), l->o->merge, &why) == 0) return 0;
    return err_set(e, why.code, "offset %llu: %.400s", (unsigned long long)it->at, why.text);
}

static int accept(struct load *l, const struct item *it, struct err *e) {
    struct db *db = &l->o->ks->dbs[it->db];

    switch (it->kind) {
    case ITEM_KEY: return insert(l, it, e);
    case ITEM_SIZE:
        if (db->keys.count == 0 && it->keys) table_reserve(&db->keys, it->keys);
        return 0;
    case ITEM_LIBRARY: return accept_library(l, it, e);
    }
    return 0;
}

/* Frees an item that was not taken over. */
static void drop(const struct item *it) {
    if (it->kind == ITEM_KEY) entry_free(it->e);
}

static void release(const struct item *it) {
    if (it->kind != ITEM_LIBRARY) return;
    bytes_release(it->code);
    mem_free(it->code);
}

static void prefetch(const struct load *l, const struct item *it) {
    if (it->kind != ITEM_KEY) return;
    __builtin_prefetch(it->e);
    table_prefetch_bucket(&l->o->ks->dbs[it->db].keys, it->hash);
}

/* Others are served after each key then. */
static void pause_after_key(const struct load *l, const struct piece *p, const struct item *it) {
    int64_t us = l->o->key_delay_us ? *l->o->key_delay_us : 0;

    if (us == 0 || it->kind != ITEM_KEY) return;
    key_delay(us, l->out->keys);
    if (l->o->progress) l->o->progress(l->o->arg, it->at, p->total);
}

/* Takes over the items of a piece, unless something failed before: then they are dropped. */
static int accept_piece(struct load *l, const struct piece *p, int rc, struct err *e) {
    for (unsigned i = 0; i < p->n && i < AHEAD; i++) prefetch(l, &p->v[i]);
    for (unsigned i = 0; i < p->n; i++) {
        if (i + AHEAD < p->n) prefetch(l, &p->v[i + AHEAD]);
        if (rc == 0) rc = accept(l, &p->v[i], e);
        if (rc == 0) pause_after_key(l, p, &p->v[i]);
        if (rc < 0) drop(&p->v[i]);
        release(&p->v[i]);
    }
    return rc;
}

static int accept_all(struct load *l, struct err *e) {
    uint64_t done = 0, total = 0;
    bool ended = false;
    int rc = 0;

    while (!ended) {
        struct piece *p = take(l, &ended);

        if (p) {
            done = p->done;
            total = p->total;
            rc = accept_piece(l, p, rc, e);
            give_back(l, rc < 0);
        }
        if (rc == 0 && !ended && l->o->progress) l->o->progress(l->o->arg, done, total);
    }
    return rc;
}

static uint64_t size_of(int fd) {
    struct err e;
    int64_t n = io_size(fd, &e);

    return n < 0 ? 0 : (uint64_t)n;
}

static int start_reader(struct load *l, pthread_t *id, struct err *e) {
    int rc = thread_start(id, "rdb-load", reader_run, l);

    return rc == 0 ? 0 : err_set(e, rc, "cannot start a thread to read the file: %s", strerror(rc));
}

int rdb_load(int fd, const struct rdb_load *o, struct rdb_loaded *out, struct err *e) {
    struct load l = {.o = o, .out = out, .fd = fd, .total = size_of(fd), .arena = mem_arena()};
    pthread_t id;
    int rc;

    *out = (struct rdb_loaded){0};
    pthread_mutex_init(&l.mu, NULL);
    pthread_cond_init(&l.changed, NULL);
    l.pieces = mem_alloc(PIECES * sizeof *l.pieces);
    l.filling = &l.pieces[0];
    l.filling->n = 0;
    rc = start_reader(&l, &id, e);
    if (rc == 0) {
        rc = accept_all(&l, e);
        pthread_join(id, NULL);
        out->due = l.due;
        if (rc == 0 && l.rc < 0) {
            if (e) *e = l.err;
            rc = -1;
        }
    }
    mem_free(l.pieces);
    pthread_cond_destroy(&l.changed);
    pthread_mutex_destroy(&l.mu);
    return rc;
}
