/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/disposer.h"

#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <pthread.h>

struct entry {
    struct entry *next;
    int fd, dirfd;
    char *name; /* NULL: close `fd` */
};

struct disposer {
    pthread_mutex_t mu;
    pthread_cond_t work, done; /* an entry came, or it stops; the queue is empty */
    struct entry *first, **last;
    bool started, busy, stopping;
    pthread_t thread;
};

struct disposer *disposer_new(void) {
    struct disposer *d = mem_calloc(sizeof *d);

    pthread_mutex_init(&d->mu, NULL);
    pthread_cond_init(&d->work, NULL);
    pthread_cond_init(&d->done, NULL);
    d->last = &d->first;
    return d;
}

static void carry_out(struct entry *en) {
    if (en->name)
        io_unlink(en->dirfd, en->name, NULL);
    else
        io_close(en->fd);
    mem_free(en->name);
    mem_free(en);
}

static void *run(void *arg) {
    struct disposer *d = arg;

    mem_thread_init();
    pthread_mutex_lock(&d->mu);
    for (;;) {
        struct entry *en = d->first;

        d->busy = en != NULL;
        if (!en) {
            pthread_cond_broadcast(&d->done);
            if (d->stopping) break;
            pthread_cond_wait(&d->work, &d->mu);
            continue;
        }
        d->first = en->next;
        if (!d->first) d->last = &d->first;
        pthread_mutex_unlock(&d->mu);
        carry_out(en);
        pthread_mutex_lock(&d->mu);
    }
    pthread_mutex_unlock(&d->mu);
    return NULL;
}

/* With mu held. Without a thread the entries stay until there is one. */
static void start(struct disposer *d) {
    if (!d->started) d->started = thread_start(&d->thread, "aof-dispose", run, d) == 0;
}

static void add(struct disposer *d, struct entry entry) {
    struct entry *en = mem_alloc(sizeof *en);

    *en = entry;
    pthread_mutex_lock(&d->mu);
    *d->last = en;
    d->last = &en->next;
    start(d);
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->mu);
}

void disposer_close(struct disposer *d, int fd) {
    if (fd >= 0) add(d, (struct entry){.fd = fd});
}

void disposer_unlink(struct disposer *d, int dirfd, const char *name) {
    if (name[0]) add(d, (struct entry){.dirfd = dirfd, .name = mem_strdup(name)});
}

bool disposer_is_busy(struct disposer *d) {
    bool busy;

    pthread_mutex_lock(&d->mu);
    busy = d->first || d->busy;
    pthread_mutex_unlock(&d->mu);
    return busy;
}

/* With mu held. */
static bool drained(struct disposer *d, int deadline_ms) {
    uint64_t at = clock_real_ns() + (uint64_t)deadline_ms * 1000000;
    struct timespec ts = {(time_t)(at / 1000000000), (long)(at % 1000000000)};

    while ((d->first || d->busy) && clock_real_ns() < at)
        pthread_cond_clockwait(&d->done, &d->mu, CLOCK_MONOTONIC, &ts);
    return !d->first && !d->busy;
}

void disposer_free(struct disposer *d, int deadline_ms) {
    bool ended = true;

    pthread_mutex_lock(&d->mu);
    if (d->started) {
        ended = drained(d, deadline_ms);
        d->stopping = true;
        pthread_cond_signal(&d->work);
    }
    pthread_mutex_unlock(&d->mu);
    if (!ended) return; /* the thread hangs at the disk: it ends with the process */
    if (d->started) pthread_join(d->thread, NULL);
    mem_free(d);
}
