/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_writer_internal.h"
#include "persistence/disposer.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

enum {
    EVERYSEC_MS = 1000,
    SLICE_NS = 100 * 1000,
    SPARE_BUFFER_MAX = 1 << 20,
    GROUP_BYTES_MAX = 256 * 1024, /* batches up to this together are copied into one write */
    WRITER = 0,                   /* of the workers */
    SYNCER = 1,
};

void aof_histogram_add(struct aof_histogram *h, uint64_t us) {
    int i = us ? 64 - __builtin_clzl(us) : 0;

    h->bucket[i < 31 ? i : 31]++;
    h->count++;
    h->sum_us += us;
    if (us > h->max_us) h->max_us = us;
}

void writer_timed_wait(pthread_cond_t *c, pthread_mutex_t *mu, uint64_t us) {
    uint64_t at = clock_real_ns() + us * 1000;
    struct timespec ts = {(time_t)(at / 1000000000), (long)(at % 1000000000)};

    pthread_cond_clockwait(c, mu, CLOCK_MONOTONIC, &ts);
}

/* With mu held. */
void writer_announce(struct aof_writer *w) {
    atomic_store_explicit(&w->write_error, w->st.write_error, memory_order_relaxed);
    atomic_store_explicit(&w->sync_error, w->st.sync_error, memory_order_relaxed);
    pthread_cond_broadcast(&w->progress);
    if (!atomic_exchange(&w->wake_pending, true)) w->wake(w->wake_arg);
}

/* ---------------------------------------------------------------- the queue */

static void entry_drop(struct aof_writer *w, struct entry *en) {
    if (en->kind == ENTRY_SWITCH) atomic_fetch_sub(&w->switches, 1);
    if (en->data.cap && !w->spare.p && en->data.cap <= SPARE_BUFFER_MAX) {
        w->spare = en->data;
        w->spare.n = 0;
    } else {
        bytes_release(&en->data);
    }
    mem_free(en);
}

static bool may_join(const struct entry *en) {
    return en->kind == ENTRY_BATCH && en->batch != AOF_BATCH_HEADER;
}

/* Takes the first entry, and with it the batches that follow: they are written as one. The bytes
 * are in w->group, or still in the entry if it is alone. An entry that must wait for a restart is
 * not grouped, because the restart drops entries one by one. */
static struct entry *take_group(struct aof_writer *w) {
    bool now = w->fd >= 0 && !w->st.sync_error;
    struct entry *en = w->first;

    bytes_clear(&w->group);
    w->first = en->next;
    while (now && may_join(en) && w->first && may_join(w->first) &&
           w->group.n + en->data.n + w->first->data.n <= GROUP_BYTES_MAX) {
        struct entry *next = w->first;

        bytes_append(&w->group, en->data.p, en->data.n);
        if (en->batch == AOF_BATCH_DATA) next->batch = AOF_BATCH_DATA;
        w->first = next->next;
        entry_drop(w, en);
        en = next;
    }
    if (w->group.n) bytes_append(&w->group, en->data.p, en->data.n);
    if (!w->first) w->last = &w->first;
    return en;
}

/* A restart meanwhile has given the writer another file than this one. */
static void switch_file(struct worker *me, const struct entry *en) {
    struct aof_writer *w = me->w;
    struct aof_writer_files files;
    uint64_t generation = w->generation;

    if (writer_settle(me)) writer_close_file(me);
    pthread_mutex_unlock(&w->mu);
    aof_writer_open_files(&files, en->fd);
    pthread_mutex_lock(&w->mu);
    if (w->st.sync_error || generation != w->generation)
        writer_discard(w, &files);
    else
        writer_adopt(w, &files, 0, en->room);
}

/* Replies may wait for the sync of what `always` has written. */
static void change_policy(struct aof_writer *w, enum aof_fsync policy) {
    uint64_t written = atomic_load(&w->written);

    if (w->policy == AOF_FSYNC_ALWAYS && policy != w->policy && w->wanted < written)
        w->wanted = written;
    w->policy = policy;
    pthread_cond_signal(&w->worker[SYNCER].work);
}

static void run_entry(struct worker *me, struct entry *en) {
    struct aof_writer *w = me->w;

    switch (en->kind) {
    case ENTRY_BATCH:
        writer_write(me, w->group.n ? &w->group : &en->data, en->end, en->batch);
        if (en->batch == AOF_BATCH_HEADER) writer_settle(me);
        break;
    case ENTRY_POLICY: change_policy(w, en->policy); break;
    case ENTRY_SWITCH: switch_file(me, en); break;
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
    age = writer_now_us() - w->last_sync_us;
    if (age >= EVERYSEC_MS * 1000) return true;
    *wait_us = EVERYSEC_MS * 1000 - age;
    return false;
}

/* These threads work in microseconds and then wait for the disk. A short scheduling slice (Linux
 * 6.12 and later: sched_runtime of an ordinary thread) lets them run as soon as the disk answers,
 * even if the event loop is busy on the same core. Elsewhere this changes nothing. */
static void ask_for_short_slices(void) {
    thread_schedule(SCHED_OTHER, 0, SLICE_NS);
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

/* Under `always` a free thread writes the queue and syncs it, while others still sync earlier
 * groups. */
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
        writer_sync(me);
    else
        writer_announce(w);
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
            writer_sync(me);
            continue;
        }
        me->idle = true;
        me->timed = wait_us > 0;
        if (wait_us)
            writer_timed_wait(&me->work, &w->mu, wait_us);
        else
            pthread_cond_wait(&me->work, &w->mu);
        me->idle = false;
    }
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

/* ---------------------------------------------------------------- the main thread's side */

/* The threads begin with the first file or batch. One that cannot be started counts as a failed
 * sync: so the AOF goes on in new files, with another attempt. With mu held. */
static void run_threads(struct aof_writer *w) {
    static const char *const names[] = {"aof-writer", "aof-sync", "aof-always"};

    while (w->running < WORKERS) {
        struct worker *o = &w->worker[w->running];
        int code = thread_start(&o->thread, names[w->running], worker_run, o);

        if (code) {
            log_warning("Cannot start a thread for the AOF: %s", strerror(code));
            w->st.sync_error = code;
            writer_announce(w);
            return;
        }
        w->running++;
    }
}

struct aof_writer *aof_writer_new(void (*wake)(void *arg), void *arg, struct disposer *closing) {
    struct aof_writer *w = mem_calloc(sizeof *w);

    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->progress, NULL);
    w->wake = wake;
    w->wake_arg = arg;
    w->closing = closing;
    w->last = &w->first;
    w->fd = -1;
    w->policy = AOF_FSYNC_EVERYSEC;
    for (int i = 0; i < WORKERS; i++) {
        struct worker *o = &w->worker[i];

        o->w = w;
        o->fd = o->next_fd = -1;
        pthread_cond_init(&o->work, NULL);
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
    for (int i = 0; i < w->running; i++) pthread_join(w->worker[i].thread, NULL);
    while (w->first) {
        struct entry *en = w->first;

        w->first = en->next;
        if (en->kind == ENTRY_SWITCH) io_close(en->fd);
        bytes_release(&en->data);
        mem_free(en);
    }
    for (int i = 0; i < WORKERS; i++) {
        io_close(w->worker[i].fd);
        io_close(w->worker[i].next_fd);
    }
    if (!abandon && !w->st.sync_error && (w->room.end || w->room.litter))
        io_truncate(w->fd, (off_t)w->st.file_bytes, NULL);
    io_close(w->fd);
    bytes_release(&w->spare);
    bytes_release(&w->group);
    mem_free(w);
}

/* The idle thread to wake for the queue; NULL: a thread is at it already. With mu held. */
static struct worker *idle_writer(struct aof_writer *w) {
    for (int i = 0; i < WORKERS; i++)
        if (w->worker[i].idle && may_write(&w->worker[i])) return &w->worker[i];
    return NULL;
}

/* With mu held, which it gives up first: a woken thread must not find the mutex taken. */
static void enqueue(struct aof_writer *w, struct entry *en) {
    struct worker *o;

    *w->last = en;
    w->last = &en->next;
    run_threads(w);
    o = idle_writer(w);
    pthread_mutex_unlock(&w->mu);
    if (o) pthread_cond_signal(&o->work);
}

void aof_writer_push(struct aof_writer *w, struct bytes *batch, uint64_t end,
                     enum aof_batch_kind kind) {
    struct entry *en = mem_alloc(sizeof *en);

    *en = (struct entry){.kind = ENTRY_BATCH, .batch = kind, .data = *batch, .end = end};
    pthread_mutex_lock(&w->mu);
    *batch = w->spare;
    w->spare = (struct bytes){0};
    enqueue(w, en);
}

static void push_control(struct aof_writer *w, struct entry control) {
    struct entry *en = mem_alloc(sizeof *en);

    *en = control;
    pthread_mutex_lock(&w->mu);
    enqueue(w, en);
}

void aof_writer_switch(struct aof_writer *w, int fd, bool room) {
    atomic_fetch_add(&w->switches, 1);
    push_control(w, (struct entry){.kind = ENTRY_SWITCH, .fd = fd, .room = room});
}

bool aof_writer_is_switching(const struct aof_writer *w) {
    return atomic_load(&w->switches) > 0;
}

void aof_writer_set_policy(struct aof_writer *w, enum aof_fsync policy) {
    bool at_once;

    pthread_mutex_lock(&w->mu);
    at_once = w->running == 0 && !w->first;
    if (at_once) w->policy = policy;
    pthread_mutex_unlock(&w->mu);
    if (!at_once) push_control(w, (struct entry){.kind = ENTRY_POLICY, .policy = policy});
}

void aof_writer_restart(struct aof_writer *w, int fd, uint64_t size, uint64_t position, bool room) {
    struct aof_writer_files files;

    aof_writer_open_files(&files, fd);
    aof_writer_restart_with(w, &files, size, position, room);
}

void aof_writer_restart_with(struct aof_writer *w, const struct aof_writer_files *f, uint64_t size,
                             uint64_t position, bool room) {
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
        if (en->kind == ENTRY_SWITCH) disposer_close(w->closing, en->fd);
        entry_drop(w, en);
    }
    w->last = at;
    atomic_store(&w->written, position);
    atomic_store(&w->synced, position);
    w->payload_end = w->wanted = 0;
    w->st.sync_error = w->st.write_error = 0;
    atomic_store(&w->sync_error, 0);
    atomic_store(&w->write_error, 0);
    w->last_sync_us = writer_now_us();
    writer_adopt(w, f, size, room);
    if (f->fd >= 0) run_threads(w);
    wake_all(w);
    pthread_mutex_unlock(&w->mu);
}

void aof_writer_fail(struct aof_writer *w, int code) {
    pthread_mutex_lock(&w->mu);
    if (w->fd >= 0 && !w->st.sync_error) {
        w->st.sync_error = code;
        writer_announce(w);
    }
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
    uint64_t until = writer_now_us() + (uint64_t)deadline_ms * 1000, now;
    bool ok;

    pthread_mutex_lock(&w->mu);
    if (w->wanted < position) w->wanted = position;
    pthread_cond_signal(&w->worker[SYNCER].work);
    while (atomic_load(&w->synced) < position && !w->st.sync_error &&
           (now = writer_now_us()) < until)
        writer_timed_wait(&w->progress, &w->mu, until - now);
    ok = atomic_load(&w->synced) >= position;
    pthread_mutex_unlock(&w->mu);
    return ok;
}
