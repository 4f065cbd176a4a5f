/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/load_sync.h"

#include "conf/conf.h"
#include "server/app.h"
#include "server/exec/keys.h"
#include "server/exec/snapshot.h"
#include "server/exec/tracking.h"
#include "server/load.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>

/* Libraries of functions of a data set that is not in use yet. */
struct libraries {
    struct bytes *v;
    size_t n;
};

/* ---------------------------------------------------------------- reading the file */

static int read_file(struct app *a, struct replication_load *l, struct rdb_load *o, struct err *e) {
    struct rdb_loaded got;
    int rc, db;

    o->read.start = l->start;
    o->progress = app_on_load_progress;
    o->arg = a;
    a->engine.loading_began_ms = clock_wall_ms();
    rc = rdb_load(l->fd, o, &got, e);
    if (rc < 0) return -1;
    if (got.report.at != l->start + l->size)
        return err_set(e, EILSEQ, "the RDB ends at %llu, and %llu bytes have come",
                       (unsigned long long)got.report.at, (unsigned long long)(l->start + l->size));
    db = got.report.stream.db;
    l->stream_db = got.report.stream.id[0] && db >= 0 && db < a->engine.ks.ndbs ? db : 0;
    a->engine.loaded_keys = got.keys;
    a->engine.loaded_due = got.due;
    log_notice("Done loading RDB, keys loaded: %llu, keys expired: %llu.",
               (unsigned long long)got.keys, (unsigned long long)got.due);
    return 0;
}

/* ---------------------------------------------------------------- the data set in use */

/* Clients see every key as changed; what was there is freed on another thread. */
static void empty(struct engine *e) {
    struct snapshot_aside old;

    snapshot_set_aside(e, &old);
    snapshot_end_aside(e, &old, true);
}

static int load_in_place(struct app *a, struct replication_load *l, struct err *e) {
    struct engine *eng = &a->engine;
    struct rdb_load o = snapshot_load(eng, false);
    int rc;

    log_notice("MASTER <-> REPLICA sync: Flushing old data");
    empty(eng);
    log_notice("MASTER <-> REPLICA sync: Loading DB in memory");
    eng->loading = true;
    rc = read_file(a, l, &o, e);
    eng->loading = false;
    if (rc < 0) empty(eng);
    return rc;
}

/* ---------------------------------------------------------------- beside it */

static int keep_library(void *arg, struct slice code, bool replace, struct err *e) {
    struct libraries *to = arg;

    (void)replace;
    (void)e;
    to->v = mem_realloc(to->v, (to->n + 1) * sizeof *to->v);
    to->v[to->n] = (struct bytes){0};
    bytes_append(&to->v[to->n++], code.p, code.n);
    return 0;
}

static void release_libraries(struct libraries *l) {
    for (size_t i = 0; i < l->n; i++) bytes_release(&l->v[i]);
    mem_free(l->v);
}

static int compile(struct engine *e, const struct libraries *l, struct err *err) {
    for (size_t i = 0; i < l->n; i++)
        if (e->libraries.load(e, bytes_slice(&l->v[i]), false, err) < 0) return -1;
    return 0;
}

/* The new data set takes the place of the old one; where its libraries do not compile, the old one
 * comes back. */
static int swap(struct engine *e, struct keyspace *in, const struct libraries *libraries,
                struct err *err) {
    struct snapshot_aside old;
    int rc;

    log_notice("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    snapshot_set_aside(e, &old);
    keyspace_exchange(&e->ks, in);
    rc = compile(e, libraries, err);
    if (rc < 0) keyspace_exchange(&e->ks, in);
    snapshot_end_aside(e, &old, rc == 0);
    all_touched(e);
    tracking_all_changed(e);
    return rc;
}

static int load_beside(struct app *a, struct replication_load *l, struct err *e) {
    struct engine *eng = &a->engine;
    struct rdb_load o = snapshot_load(eng, false);
    struct libraries libraries = {0};
    struct keyspace in;
    int rc;

    log_notice("MASTER <-> REPLICA sync: Loading DB in memory");
    keyspace_init(&in, eng->ks.ndbs);
    o.ks = &in;
    o.library = keep_library;
    o.library_arg = &libraries;
    eng->async_loading = true;
    rc = read_file(a, l, &o, e);
    eng->async_loading = false;
    if (rc == 0) rc = swap(eng, &in, &libraries, e);
    for (int i = 0; i < in.ndbs; i++) db_clear(&in.dbs[i], true);
    keyspace_release(&in);
    release_libraries(&libraries);
    return rc;
}

/* ---------------------------------------------------------------- the AOF */

/* The file that was loaded becomes the base of the AOF; where it cannot, a new base is written. */
static void renew_aof(struct app *a, struct replication_load *l) {
    if (!a->v->appendonly) return;
    if (l->name) {
        aof_enable_with(a->aof, l->name);
        l->taken = true;
        return;
    }
    if (aof_phase(a->aof) != AOF_OFF) aof_disable(a->aof);
    aof_enable(a->aof);
}

/* The AOF still has the old data set. */
static bool take_back(struct app *a) {
    struct err e;

    if (aof_phase(a->aof) != AOF_ON) return false;
    if (app_reload_log(a, &e) == 0) return true;
    log_warning("The old data set cannot be read from the AOF: %s", e.text);
    return false;
}

int app_load_sync(void *app, struct replication_load *l, struct err *e) {
    struct app *a = app;
    int rc;

    rdb_saver_cancel(&a->engine.saver);
    rc = l->serve_old ? load_beside(a, l, e) : load_in_place(a, l, e);
    a->engine.dirty++;
    if (rc == 0)
        renew_aof(a, l);
    else
        l->kept = l->serve_old || take_back(a);
    if (rc < 0 && !l->kept) renew_aof(a, &(struct replication_load){.fd = -1});
    app_take_aof_options(a);
    return rc;
}
