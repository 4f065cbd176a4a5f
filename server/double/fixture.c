/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fixture - TEST SNAPSHOT, RESTORE, DROP: data sets that are kept under a name.
 *
 * A fixture has two copies of the data set. One is never changed. The other is ready to take the
 * place of the data set in use, which is an exchange of pointers; a thread then makes the next one
 * from the first. A RESTORE that comes earlier waits for it, and no other client does.
 */
#include "conf/conf.h"
#include "server/double/impl.h"
#include "server/exec/keys.h"
#include "server/exec/snapshot.h"
#include "server/exec/tracking.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <pthread.h>
#include <stdatomic.h>

struct fixture {
    struct fixture *next;
    struct test_double *d;
    char *name;
    struct keyspace kept; /* read by the thread; written before it begins */
    struct keyspace ready;
    struct snapshot_code code;
    pthread_t thread;
    bool running;     /* the thread was started, and is not collected yet */
    atomic_bool done; /* it has filled `ready` */
};

/* ---------------------------------------------------------------- copies */

static void copy_entry(void *entry, void *arg) {
    const struct entry *e = entry;
    struct slice key = entry_key(e);

    db_add(arg, entry_copy(e, key, entry_expire(e), PACE_NONE), hash_bytes(key.p, key.n));
}

static void copy_keyspace(struct keyspace *to, const struct keyspace *from) {
    for (int i = 0; i < from->ndbs; i++) table_each(&from->dbs[i].keys, copy_entry, &to->dbs[i]);
}

static void *make_ready(void *arg) {
    struct fixture *f = arg;

    mem_thread_init();
    copy_keyspace(&f->ready, &f->kept);
    atomic_store(&f->done, true);
    if (f->d->e->hooks.wake) f->d->e->hooks.wake(f->d->e->hooks.arg);
    return NULL;
}

/* Where no thread is to be had the copy is made here. */
static void begin_copy(struct fixture *f) {
    atomic_store(&f->done, false);
    keyspace_init(&f->ready, f->kept.ndbs);
    f->running = thread_start(&f->thread, "fixture", make_ready, f) == 0;
    if (f->running) return;
    copy_keyspace(&f->ready, &f->kept);
    atomic_store(&f->done, true);
}

static void collect(struct fixture *f) {
    if (f->running) pthread_join(f->thread, NULL);
    f->running = false;
}

/* ---------------------------------------------------------------- names */

static struct fixture **place_of(struct test_double *d, struct slice name) {
    struct fixture **at = &d->fixtures;

    while (*at && !slice_eq(slice_str((*at)->name), name)) at = &(*at)->next;
    return at;
}

static void release_keyspace(struct keyspace *ks) {
    for (int i = 0; i < ks->ndbs; i++) db_clear(&ks->dbs[i], true);
    keyspace_release(ks);
}

static void drop(struct fixture **at) {
    struct fixture *f = *at;

    *at = f->next;
    collect(f);
    release_keyspace(&f->kept);
    release_keyspace(&f->ready);
    mem_free(f->code.v);
    mem_free(f->name);
    mem_free(f);
}

void fixtures_free(struct test_double *d) {
    while (d->fixtures) drop(&d->fixtures);
}

bool fixtures_are_idle(const struct test_double *d) {
    for (const struct fixture *f = d->fixtures; f; f = f->next)
        if (!atomic_load(&f->done)) return false;
    return true;
}

/* ---------------------------------------------------------------- the commands */

int test_snapshot(struct call *x) {
    struct test_double *d = x->e->test_double;
    struct fixture **at = place_of(d, x->argv[2]), *f;

    if (memchr(x->argv[2].p, '\0', x->argv[2].n))
        return reply_err(x, "ERR a name has no NUL in it");
    if (*at) drop(at);
    f = mem_calloc(sizeof *f);
    f->d = d;
    f->name = mem_alloc(x->argv[2].n + 1);
    memcpy(f->name, x->argv[2].p, x->argv[2].n);
    f->name[x->argv[2].n] = '\0';
    keyspace_init(&f->kept, x->e->ks.ndbs);
    copy_keyspace(&f->kept, &x->e->ks);
    f->code = snapshot_take_code(x->e);
    f->next = d->fixtures;
    d->fixtures = f;
    begin_copy(f);
    reply_int(&x->r, (int64_t)keyspace_count(&f->kept));
    return 0;
}

static struct fixture *wanted(const struct blocked *b) {
    const char *name = errand_job(b);

    return *place_of(b->s->e->test_double, slice_str(name));
}

/* Dropped meanwhile counts as ready: the answer says so. */
static bool is_ready(const struct blocked *b) {
    const struct fixture *f = wanted(b);

    return !f || atomic_load(&f->done);
}

/* What was there is freed on another thread. Other clients see every key as changed. */
static void restore(struct test_double *d, struct blocked *b) {
    struct engine *e = d->e;
    struct fixture *f = wanted(b);
    struct snapshot_aside old;

    if (!f) return;
    collect(f);
    snapshot_set_aside(e, &old);
    keyspace_exchange(&e->ks, &f->ready);
    keyspace_release(&f->ready);
    snapshot_end_aside(e, &old, true);
    snapshot_compile(e, &f->code);
    gate_all_changed(&e->gate);
    all_touched(e);
    tracking_all_changed(e);
    e->dirty++;
    b->args[1] = (int64_t)keyspace_count(&e->ks);
    if (d->app.replaced) d->app.replaced(d->app.arg);
    begin_copy(f);
}

static void answer_restore(struct blocked *b, struct reply *r) {
    if (wanted(b))
        reply_int(r, b->args[1]);
    else
        reply_error_text(r, "ERR the snapshot was dropped", strlen("ERR the snapshot was dropped"));
}

int test_restore(struct call *x) {
    struct fixture *f = *place_of(x->e->test_double, x->argv[2]);

    if (!f) return reply_err(x, "ERR no such snapshot");
    if (x->e->role.is_replica) return reply_err(x, "ERR the data set of a replica is its master's");
    errand(x, &(struct errand){is_ready, restore, mem_strdup(f->name), false}, answer_restore, 0,
           0);
    return 0;
}

int test_drop(struct call *x) {
    struct fixture **at = place_of(x->e->test_double, x->argv[2]);

    reply_int(&x->r, *at != NULL);
    if (*at) drop(at);
    return 0;
}
