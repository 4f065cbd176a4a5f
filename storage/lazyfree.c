/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/lazyfree.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
    size_t objects;
};

static struct {
    pthread_mutex_t mu;
    pthread_cond_t more, idle;
    struct job *first, **last;
    bool started;
    atomic_size_t pending;
    _Atomic uint64_t freed;
} q = {.mu = PTHREAD_MUTEX_INITIALIZER,
       .more = PTHREAD_COND_INITIALIZER,
       .idle = PTHREAD_COND_INITIALIZER,
       .last = &q.first};

_Noreturn static void *run(void *arg) {
    (void)arg;
    mem_thread_init();
    pthread_mutex_lock(&q.mu);
    for (;;) {
        struct job *job;

        while (!q.first) pthread_cond_wait(&q.more, &q.mu);
        job = q.first;
        q.first = job->next;
        if (!q.first) q.last = &q.first;
        pthread_mutex_unlock(&q.mu);
        job->fn(job->arg);
        atomic_fetch_add(&q.freed, job->objects);
        pthread_mutex_lock(&q.mu);
        atomic_fetch_sub(&q.pending, job->objects);
        mem_free(job);
        if (!q.first) pthread_cond_broadcast(&q.idle);
    }
}

static void start(void) {
    pthread_t id;

    CHECK(thread_start(&id, "lazyfree", run, NULL) == 0);
    pthread_detach(id);
    q.started = true;
}

void lazyfree_submit(void (*fn)(void *arg), void *arg, size_t objects) {
    struct job *job = mem_alloc(sizeof *job);

    *job = (struct job){.fn = fn, .arg = arg, .objects = objects};
    pthread_mutex_lock(&q.mu);
    if (!q.started) start();
    *q.last = job;
    q.last = &job->next;
    atomic_fetch_add(&q.pending, objects);
    pthread_cond_signal(&q.more);
    pthread_mutex_unlock(&q.mu);
}

size_t lazyfree_pending(void) {
    return atomic_load(&q.pending);
}

uint64_t lazyfree_freed(void) {
    return atomic_load(&q.freed);
}

void lazyfree_reset_stats(void) {
    atomic_store(&q.freed, 0);
}

void lazyfree_drain(void) {
    pthread_mutex_lock(&q.mu);
    while (atomic_load(&q.pending) > 0) pthread_cond_wait(&q.idle, &q.mu);
    pthread_mutex_unlock(&q.mu);
}
