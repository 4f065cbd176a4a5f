/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_writer.h"

#include "persistence/io.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    RETRY_MS = 100, /* between attempts of a write that fails */
    EVERYSEC_MS = 1000,
    SLICE_NS = 100 * 1000,
    SPARE_BUFFER_MAX = 1 << 20,
    GROUP_BYTES_MAX = 256 * 1024, /* batches up to this together are copied into one write */
    WRITER = 0,                   /* of the workers */
    SYNCER = 1,
    WORKERS = 3,
    FLIGHTS = 64,
};

enum entry_kind { ENTRY_BATCH, ENTRY_SWITCH, ENTRY_POLICY };

struct entry {
    struct entry *next;
    enum entry_kind kind;
    bool payload;
    struct bytes data;
    uint64_t end;
    int fd;
    enum aof_fsync policy;
};

/* A thread. All are alike under `always`; otherwise the first writes and the second syncs. */
struct worker {
    struct aof_writer *w;
    pthread_t thread;
    pthread_cond_t work; /* something to do, restart, stop */
    bool idle, timed;    /* waits; only for its second to pass */
    bool syncing;
    int fd, next_fd; /* its own open file, and one that takes its place; -1: none */
};

/* A sync under way, or one that is over and waits for those that began before it. */
struct flight {
    uint64_t upto;
    bool done;
};

struct aof_writer {
    pthread_mutex_t mu;
    pthread_cond_t progress; /* written, synced or an error changed */
    struct worker worker[WORKERS];
    struct flight flight[FLIGHTS]; /* a ring, in the order in which they began */
    uint64_t flights_begun, flights_over;
    uint64_t begun; /* up to here there was a sync, or is one under way */
    bool writing;   /* somebody is at the queue */
    bool parallel;  /* every worker has an open file of its own */
    void (*wake)(void *arg);
    void *wake_arg;
    atomic_bool wake_pending;

    struct entry *first, **last;
    struct bytes spare, group;
    bool stopping, abandon, hold;
    int fd;
    uint64_t generation; /* counts restarts: a sync of an older file says nothing */
    enum aof_fsync policy;
    _Atomic uint64_t written, synced;
    atomic_int write_error, sync_error; /* of `st`, as last announced */
    uint64_t payload_end;               /* end of the last batch that needs a sync of its own */
    uint64_t wanted;                    /* somebody waits for this to be synced */
    uint64_t last_sync_us;
    uint64_t slowest_write_us, slowest_sync_us; /* since somebody asked */
    struct aof_writer_state st;
};

static uint64_t now_us(void) {
    return clock_real_ns() / 1000;
}

void aof_histogram_add(struct aof_histogram *h, uint64_t us) {
    int i = us ? 64 - __builtin_clzl(us) : 0;

    h->bucket[i < 31 ? i : 31]++;
    h->count++;
    h->sum_us += us;
    if (us > h->max_us) h->max_us = us;
}

static void timed_wait(pthread_cond_t *c, pthread_mutex_t *mu, uint64_t us) {
    uint64_t at = clock_real_ns() + us * 1000;
    struct timespec ts = {(time_t)(at / 1000000000), (long)(at % 1000000000)};

    pthread_cond_clockwait(c, mu, CLOCK_MONOTONIC, &ts);
}

/* With mu held. */
static void announce(struct aof_writer *w) {
    atomic_store_explicit(&w->write_error, w->st.write_error, memory_order_relaxed);
    atomic_store_explicit(&w->sync_error, w->st.sync_error, memory_order_relaxed);
    pthread_cond_broadcast(&w->progress);
    if (!atomic_exchange(&w->wake_pending, true)) w->wake(w->wake_arg);
}

/* ---------------------------------------------------------------- the writer thread */

/* One attempt at a group of batches. What got through of a failed one is cut off again, so that no
 * half batch stays behind if we go down; *done is what remains in the file in spite of that. */
static int write_group(struct aof_writer *w, int fd, uint64_t start, struct slice data,
                       size_t *done) {
    uint64_t began = now_us(), took;
    size_t got = 0;
    struct err e;
    int rc = io_write_all(fd, data.p + *done, data.n - *done, &got, &e);

    took = now_us() - began;
    pthread_mutex_lock(&w->mu);
    aof_histogram_add(&w->st.write_time, took);
    if (took > w->slowest_write_us) w->slowest_write_us = took;
    pthread_mutex_unlock(&w->mu);
    *done += got;
    if (rc == 0) return 0;
    if (*done > 0 && io_truncate(fd, (off_t)start, NULL) == 0) *done = 0;
    return e.code;
}

/* Writes until it is through, or the file is given up. With mu held on entry and return. */
static void write_until_done(struct worker *me, struct slice data, uint64_t end, bool payload) {
    struct aof_writer *w = me->w;
    uint64_t generation = w->generation, start;
    size_t done = 0;
    int code;

    for (;;) {
        int fd = w->fd;

        if (w->generation != generation) done = 0, generation = w->generation;
        if (end <= atomic_load(&w->written)) return; /* a restart has overtaken it */
        if (w->st.sync_error || fd < 0) {
            if (w->stopping) return;
            pthread_cond_wait(&me->work, &w->mu);
            continue;
        }
        start = w->st.file_bytes;
        pthread_mutex_unlock(&w->mu);
        code = write_group(w, fd, start, data, &done);
        pthread_mutex_lock(&w->mu);
        if (code == 0) break;
        w->st.write_error = code;
        announce(w);
        if (w->stopping && w->abandon) return;
        timed_wait(&me->work, &w->mu, RETRY_MS * 1000);
    }
    w->st.write_error = 0;
    /* After a failed sync, or in a file that was replaced, bytes written mean nothing. */
    if (w->generation != generation || w->st.sync_error) return;
    w->st.file_bytes += data.n;
    if (payload) {
        w->payload_end = end;
        if (!w->st.oldest_unsynced_us) w->st.oldest_unsynced_us = now_us();
    }
    atomic_store(&w->written, end);
}

/* The oldest syncs that are over are taken into account, up to one that is not. */
static void land(struct aof_writer *w) {
    while (w->flights_over < w->flights_begun && w->flight[w->flights_over % FLIGHTS].done) {
        uint64_t upto = w->flight[w->flights_over++ % FLIGHTS].upto;

        if (atomic_load(&w->synced) < upto) atomic_store(&w->synced, upto);
    }
}

/* The file was replaced while this thread synced the old one. With mu held. */
static void renew_file(struct worker *me) {
    int old = me->fd;

    if (me->next_fd < 0) return;
    me->fd = me->next_fd;
    me->next_fd = -1;
    if (old < 0) return;
    pthread_mutex_unlock(&me->w->mu);
    close(old);
    pthread_mutex_lock(&me->w->mu);
}

static uint64_t flights_in_the_air(const struct aof_writer *w) {
    return w->flights_begun - w->flights_over;
}

static void note_sync(struct aof_writer *w, uint64_t began) {
    uint64_t took = now_us() - began;

    w->st.syncs++;
    aof_histogram_add(&w->st.sync_time, took);
    if (took > w->slowest_sync_us) w->slowest_sync_us = took;
}

/* One fdatasync of what is written so far. With mu held on entry and return.
 *
 * Several may be under way at once: the journal of a file system takes them together, and each
 * costs less than it would alone. They count in the order in which they began, so that nothing is
 * called synced behind one that failed. */
static void sync_once(struct worker *me) {
    struct aof_writer *w = me->w;
    uint64_t generation = w->generation, began = now_us();
    struct flight *f;
    struct err e = {0};
    int rc, fd;

    while (flights_in_the_air(w) == FLIGHTS) pthread_cond_wait(&w->progress, &w->mu);
    if (generation != w->generation || w->st.sync_error || w->fd < 0) return;
    f = &w->flight[w->flights_begun++ % FLIGHTS];
    *f = (struct flight){.upto = w->begun = atomic_load(&w->written)};
    w->st.sync_started_us = w->last_sync_us = began;
    w->st.oldest_unsynced_us = 0;
    fd = me->fd >= 0 ? me->fd : dup(w->fd); /* the shared one may be closed meanwhile */
    me->syncing = true;
    pthread_mutex_unlock(&w->mu);
    rc = fd < 0 ? err_set(&e, errno, "dup") : io_sync(fd, &e);
    if (fd >= 0 && fd != me->fd) close(fd);
    pthread_mutex_lock(&w->mu);
    me->syncing = false;
    note_sync(w, began);
    if (generation == w->generation) {
        if (rc < 0) w->st.sync_error = e.code ? e.code : EIO;
        f->done = rc == 0;
        if (!w->st.sync_error) land(w);
        if (flights_in_the_air(w) == 0) w->st.sync_started_us = 0;
        announce(w);
    }
    renew_file(me);
}

/* Syncs all of the old file; false if that cannot be any more. */
static bool settle_old_file(struct worker *me) {
    struct aof_writer *w = me->w;

    while (w->fd >= 0 && atomic_load(&w->synced) < atomic_load(&w->written) && !w->st.sync_error) {
        if (w->begun < atomic_load(&w->written))
            sync_once(me);
        else
            pthread_cond_wait(&w->progress, &w->mu);
    }
    return !w->st.sync_error;
}

/* Every thread gets an open file of its own, before anything is written to it: so each is told of
 * a sync that fails. Returns in `old` what is to be closed, and how many. */
static int open_for_workers(struct aof_writer *w, int *old) {
    int n = 0;

    w->parallel = w->fd >= 0;
    for (int i = 0; i < WORKERS; i++) {
        struct worker *o = &w->worker[i];
        int fd = w->fd < 0 ? -1 : io_open_again(w->fd);

        if (fd < 0) w->parallel = false;
        if (o->next_fd >= 0) old[n++] = o->next_fd;
        o->next_fd = -1;
        if (o->syncing) {
            o->next_fd = fd;
        } else {
            if (o->fd >= 0) old[n++] = o->fd;
            o->fd = fd;
        }
    }
    return n;
}

static void adopt_file(struct aof_writer *w, int fd, uint64_t size) {
    int old[2 * WORKERS + 1], n;

    old[0] = w->fd;
    w->fd = fd;
    w->generation++;
    w->flights_begun = w->flights_over = 0;
    w->begun = atomic_load(&w->written);
    w->st.sync_started_us = 0;
    w->st.file_bytes = size;
    n = 1 + open_for_workers(w, old + 1);
    pthread_mutex_unlock(&w->mu);
    for (int i = 0; i < n; i++)
        if (old[i] >= 0) close(old[i]);
    pthread_mutex_lock(&w->mu);
}

static void entry_drop(struct aof_writer *w, struct entry *en) {
    if (en->data.cap && !w->spare.p && en->data.cap <= SPARE_BUFFER_MAX) {
        w->spare = en->data;
        w->spare.n = 0;
    } else {
        bytes_release(&en->data);
    }
    mem_free(en);
}

/* Takes the first entry, and with it the batches that follow: they are written as one. The bytes
 * are in w->group, or still in the entry if it is alone. What has to wait for a restart stays
 * alone: the restart tells entry by entry what its file is to hold. */
static struct entry *take_group(struct aof_writer *w) {
    bool now = w->fd >= 0 && !w->st.sync_error;
    struct entry *en = w->first;

    bytes_clear(&w->group);
    w->first = en->next;
    while (now && en->kind == ENTRY_BATCH && w->first && w->first->kind == ENTRY_BATCH &&
           w->group.n + en->data.n + w->first->data.n <= GROUP_BYTES_MAX) {
        struct entry *next = w->first;

        bytes_append(&w->group, en->data.p, en->data.n);
        next->payload |= en->payload;
        w->first = next->next;
        entry_drop(w, en);
        en = next;
    }
    if (w->group.n) bytes_append(&w->group, en->data.p, en->data.n);
    if (!w->first) w->last = &w->first;
    return en;
}

static void run_entry(struct worker *me, struct entry *en) {
    struct aof_writer *w = me->w;

    switch (en->kind) {
    case ENTRY_BATCH:
        write_until_done(me, bytes_slice(w->group.n ? &w->group : &en->data), en->end, en->payload);
        break;
    case ENTRY_POLICY:
        w->policy = en->policy;
        pthread_cond_signal(&w->worker[SYNCER].work);
        break;
    case ENTRY_SWITCH:
        if (settle_old_file(me))
            adopt_file(w, en->fd, 0);
        else
            close(en->fd);
        break;
    }
}

/* ---------------------------------------------------------------- the threads */

/* With mu held: is there something to sync right now, other than what was just written? */
static bool sync_is_due(const struct aof_writer *w, uint64_t *wait_us) {
    uint64_t age;

    *wait_us = 0;
    if (w->fd < 0 || w->st.sync_error || atomic_load(&w->written) <= w->begun) return false;
    if (w->wanted > w->begun) return true;
    if (w->payload_end <= w->begun) return false;
    if (w->policy != AOF_FSYNC_EVERYSEC || w->hold) return false;
    age = now_us() - w->last_sync_us;
    if (age >= EVERYSEC_MS * 1000) return true;
    *wait_us = EVERYSEC_MS * 1000 - age;
    return false;
}

/* These threads work in microseconds and then wait for the disk. A short scheduling slice (Linux
 * 6.12 and later: sched_runtime of an ordinary thread) lets them run as soon as the disk answers,
 * though the event loop is busy on the same core. Elsewhere this changes nothing. */
static void ask_for_short_slices(void) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attr = {.size = sizeof attr, .policy = SCHED_OTHER, .runtime_ns = SLICE_NS};

    attr.nice = getpriority(PRIO_PROCESS, 0);
    syscall(SYS_sched_setattr, 0, &attr, 0);
}

static void wake_all(struct aof_writer *w) {
    for (int i = 0; i < WORKERS; i++) pthread_cond_signal(&w->worker[i].work);
}

/* With mu held. A thread that waits for its second to pass needs no signal. */
static void wake_syncer(struct aof_writer *w) {
    struct worker *o = &w->worker[SYNCER];
    uint64_t wait_us;

    if (!o->idle || o->timed) return;
    if (sync_is_due(w, &wait_us) || wait_us) pthread_cond_signal(&o->work);
}

/* Under `always` whoever is free writes what has come and syncs it, while others still sync what
 * came before. */
static bool may_write(const struct worker *me) {
    const struct aof_writer *w = me->w;

    if (w->writing || !w->first) return false;
    return me == &w->worker[WRITER] || (w->policy == AOF_FSYNC_ALWAYS && w->parallel);
}

static bool must_drop(const struct aof_writer *w) {
    return w->stopping && (w->abandon || w->st.sync_error || w->fd < 0);
}

static void write_queue(struct worker *me) {
    struct aof_writer *w = me->w;

    w->writing = true;
    while (w->first && !must_drop(w)) {
        struct entry *en = take_group(w);

        run_entry(me, en);
        entry_drop(w, en);
    }
    w->writing = false;
    if (w->policy == AOF_FSYNC_ALWAYS && w->payload_end > w->begun && w->fd >= 0 &&
        !w->st.sync_error)
        sync_once(me);
    else
        announce(w);
    wake_syncer(w);
    if (w->stopping) wake_all(w);
}

static bool is_over(const struct worker *me) {
    const struct aof_writer *w = me->w;

    if (!w->stopping || w->writing) return false;
    return me != &w->worker[WRITER] || !w->first || must_drop(w);
}

static void *worker_run(void *arg) {
    struct worker *me = arg;
    struct aof_writer *w = me->w;

    mem_thread_init();
    ask_for_short_slices();
    pthread_mutex_lock(&w->mu);
    while (!is_over(me)) {
        uint64_t wait_us = 0;

        if (may_write(me)) {
            write_queue(me);
            continue;
        }
        if (me == &w->worker[SYNCER] && sync_is_due(w, &wait_us)) {
            sync_once(me);
            continue;
        }
        me->idle = true;
        me->timed = wait_us > 0;
        if (wait_us)
            timed_wait(&me->work, &w->mu, wait_us);
        else
            pthread_cond_wait(&me->work, &w->mu);
        me->idle = false;
    }
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

/* ---------------------------------------------------------------- the main thread's side */

static pthread_t start_thread(void *(*run)(void *), void *arg, const char *name) {
    pthread_t id;
    sigset_t all, old;

    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    CHECK(pthread_create(&id, NULL, run, arg) == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_setname_np(id, name);
    return id;
}

struct aof_writer *aof_writer_new(void (*wake)(void *arg), void *arg) {
    struct aof_writer *w = mem_calloc(sizeof *w);

    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->progress, NULL);
    w->wake = wake;
    w->wake_arg = arg;
    w->last = &w->first;
    w->fd = -1;
    w->policy = AOF_FSYNC_EVERYSEC;
    for (int i = 0; i < WORKERS; i++) {
        static const char *const names[] = {"aof-writer", "aof-sync", "aof-always", "aof-always"};
        struct worker *o = &w->worker[i];

        o->w = w;
        o->fd = o->next_fd = -1;
        pthread_cond_init(&o->work, NULL);
        o->thread = start_thread(worker_run, o, names[i]);
    }
    return w;
}

void aof_writer_free(struct aof_writer *w, bool abandon) {
    pthread_mutex_lock(&w->mu);
    w->stopping = true;
    w->abandon = abandon;
    wake_all(w);
    pthread_cond_broadcast(&w->progress);
    pthread_mutex_unlock(&w->mu);
    for (int i = 0; i < WORKERS; i++) pthread_join(w->worker[i].thread, NULL);
    while (w->first) {
        struct entry *en = w->first;

        w->first = en->next;
        if (en->kind == ENTRY_SWITCH) close(en->fd);
        bytes_release(&en->data);
        mem_free(en);
    }
    for (int i = 0; i < WORKERS; i++) {
        if (w->worker[i].fd >= 0) close(w->worker[i].fd);
        if (w->worker[i].next_fd >= 0) close(w->worker[i].next_fd);
    }
    if (w->fd >= 0) close(w->fd);
    bytes_release(&w->spare);
    bytes_release(&w->group);
    mem_free(w);
}

static void enqueue(struct aof_writer *w, struct entry *en) {
    *w->last = en;
    w->last = &en->next;
    for (int i = 0; i < WORKERS; i++) {
        if (!w->worker[i].idle || !may_write(&w->worker[i])) continue;
        pthread_cond_signal(&w->worker[i].work);
        break;
    }
}

void aof_writer_push(struct aof_writer *w, struct bytes *batch, uint64_t end, bool payload) {
    struct entry *en = mem_alloc(sizeof *en);

    *en = (struct entry){.kind = ENTRY_BATCH, .payload = payload, .data = *batch, .end = end};
    pthread_mutex_lock(&w->mu);
    *batch = w->spare;
    w->spare = (struct bytes){0};
    enqueue(w, en);
    pthread_mutex_unlock(&w->mu);
}

static void push_control(struct aof_writer *w, enum entry_kind kind, int fd,
                         enum aof_fsync policy) {
    struct entry *en = mem_alloc(sizeof *en);

    *en = (struct entry){.kind = kind, .fd = fd, .policy = policy};
    pthread_mutex_lock(&w->mu);
    enqueue(w, en);
    pthread_mutex_unlock(&w->mu);
}

void aof_writer_switch(struct aof_writer *w, int fd) {
    push_control(w, ENTRY_SWITCH, fd, AOF_FSYNC_NO);
}

void aof_writer_set_policy(struct aof_writer *w, enum aof_fsync policy) {
    push_control(w, ENTRY_POLICY, -1, policy);
}

void aof_writer_restart(struct aof_writer *w, int fd, uint64_t size, uint64_t position) {
    struct entry **at;

    pthread_mutex_lock(&w->mu);
    w->last = &w->first;
    for (at = &w->first; *at;) {
        struct entry *en = *at;

        if (en->kind == ENTRY_POLICY || (en->kind == ENTRY_BATCH && en->end > position)) {
            at = &en->next;
            w->last = at;
            continue;
        }
        *at = en->next;
        if (en->kind == ENTRY_SWITCH) close(en->fd);
        bytes_release(&en->data);
        mem_free(en);
    }
    w->last = at;
    atomic_store(&w->written, position);
    atomic_store(&w->synced, position);
    w->payload_end = w->wanted = 0;
    w->st.sync_error = w->st.write_error = 0;
    atomic_store(&w->sync_error, 0);
    atomic_store(&w->write_error, 0);
    w->st.oldest_unsynced_us = 0;
    w->last_sync_us = now_us();
    adopt_file(w, fd, size);
    wake_all(w);
    pthread_mutex_unlock(&w->mu);
}

void aof_writer_want_sync(struct aof_writer *w, uint64_t position) {
    pthread_mutex_lock(&w->mu);
    if (w->wanted < position) w->wanted = position;
    pthread_cond_signal(&w->worker[SYNCER].work);
    pthread_mutex_unlock(&w->mu);
}

void aof_writer_hold_sync(struct aof_writer *w, bool hold) {
    pthread_mutex_lock(&w->mu);
    w->hold = hold;
    pthread_cond_signal(&w->worker[SYNCER].work);
    pthread_mutex_unlock(&w->mu);
}

void aof_writer_take_slowest(struct aof_writer *w, uint64_t *write_us, uint64_t *sync_us) {
    pthread_mutex_lock(&w->mu);
    *write_us = w->slowest_write_us;
    *sync_us = w->slowest_sync_us;
    w->slowest_write_us = w->slowest_sync_us = 0;
    pthread_mutex_unlock(&w->mu);
}

void aof_writer_get_state(struct aof_writer *w, struct aof_writer_state *out) {
    atomic_store(&w->wake_pending, false);
    pthread_mutex_lock(&w->mu);
    w->st.written = atomic_load(&w->written);
    w->st.synced = atomic_load(&w->synced);
    *out = w->st;
    pthread_mutex_unlock(&w->mu);
}

void aof_writer_poll(struct aof_writer *w, int *write_error, int *sync_error) {
    atomic_store(&w->wake_pending, false);
    *write_error = atomic_load_explicit(&w->write_error, memory_order_relaxed);
    *sync_error = atomic_load_explicit(&w->sync_error, memory_order_relaxed);
}

uint64_t aof_writer_written(const struct aof_writer *w) {
    return atomic_load_explicit(&w->written, memory_order_acquire);
}

uint64_t aof_writer_synced(const struct aof_writer *w) {
    return atomic_load_explicit(&w->synced, memory_order_acquire);
}

bool aof_writer_wait_synced(struct aof_writer *w, uint64_t position, int deadline_ms) {
    uint64_t until = now_us() + (uint64_t)deadline_ms * 1000, now;
    bool ok;

    pthread_mutex_lock(&w->mu);
    if (w->wanted < position) w->wanted = position;
    pthread_cond_signal(&w->worker[SYNCER].work);
    while (atomic_load(&w->synced) < position && !w->st.sync_error && (now = now_us()) < until)
        timed_wait(&w->progress, &w->mu, until - now);
    ok = atomic_load(&w->synced) >= position;
    pthread_mutex_unlock(&w->mu);
    return ok;
}
