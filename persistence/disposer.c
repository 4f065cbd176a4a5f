/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/disposer.h"

#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <pthread.h>
#include <stdint.h>

struct entry {
    struct entry *next;
    void (*what)(const struct entry *en);
    int fd, dirfd;
    char *name;
    disposer_opened_fn *opened;
    void (*run)(void *arg);
    void *arg;
};

struct disposer {
    pthread_mutex_t mu;
    pthread_cond_t work, done; /* an entry came, or it stops; one is carried out */
    struct entry *first, **last;
    uint64_t added, carried_out; /* entries */
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

static void close_one(const struct entry *en) {
    io_close(en->fd);
}

static void unlink_one(const struct entry *en) {
    io_unlink(en->dirfd, en->name, NULL);
}

static void open_one(const struct entry *en) {
    struct err e = {0};
    int fd = io_open_read(en->dirfd, en->name, &e);

    en->opened(en->arg, fd, &e);
}

static void run_one(const struct entry *en) {
    en->run(en->arg);
}

/* With mu held, which it gives up meanwhile. */
static void carry_out(struct disposer *d, struct entry *en) {
    d->first = en->next;
    if (!d->first) d->last = &d->first;
    pthread_mutex_unlock(&d->mu);
    en->what(en);
    mem_free(en->name);
    mem_free(en);
    pthread_mutex_lock(&d->mu);
    d->carried_out++;
    pthread_cond_broadcast(&d->done);
}

static void *disposer_main(void *arg) {
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
        carry_out(d, en);
    }
    pthread_mutex_unlock(&d->mu);
    return NULL;
}

/* With mu held. Without a thread the entries stay until there is one. */
static void start(struct disposer *d) {
    if (!d->started) d->started = thread_start(&d->thread, "aof-dispose", disposer_main, d) == 0;
}

static void add(struct disposer *d, struct entry entry) {
    struct entry *en = mem_alloc(sizeof *en);

    *en = entry;
    pthread_mutex_lock(&d->mu);
    *d->last = en;
    d->last = &en->next;
    d->added++;
    start(d);
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->mu);
}

void disposer_close(struct disposer *d, int fd) {
    if (fd >= 0) add(d, (struct entry){.what = close_one, .fd = fd});
}

void disposer_unlink(struct disposer *d, int dirfd, const char *name) {
    if (!name[0]) return;
    add(d, (struct entry){.what = unlink_one, .dirfd = dirfd, .name = mem_strdup(name)});
}

void disposer_open(struct disposer *d, int dirfd, const char *name, disposer_opened_fn *opened,
                   void *arg) {
    add(d, (struct entry){.what = open_one,
                          .dirfd = dirfd,
                          .name = mem_strdup(name),
                          .opened = opened,
                          .arg = arg});
}

void disposer_run(struct disposer *d, void (*run)(void *arg), void *arg) {
    add(d, (struct entry){.what = run_one, .run = run, .arg = arg});
}

void disposer_wait(struct disposer *d) {
    uint64_t until;

    pthread_mutex_lock(&d->mu);
    until = d->added;
    while (d->carried_out < until) pthread_cond_wait(&d->done, &d->mu);
    pthread_mutex_unlock(&d->mu);
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
