/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/read_ahead.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <string.h>
#include <time.h>

struct read_ahead {
    struct read_ahead_ops ops;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    struct bytes chunk;           /* under mu: what is ready to be taken */
    enum read_ahead_result state; /* under mu: END and FAILED are final */
    struct err err;               /* under mu, with FAILED */
    bool stopped;                 /* under mu */
};

enum { AGAIN_NS = 2 * 1000 * 1000 };

static void release(struct read_ahead *r) {
    if (r->ops.release) r->ops.release(r->ops.arg);
    bytes_release(&r->chunk);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mu);
    mem_free(r);
}

/* Until the last chunk was taken, or the time for another look has come. False: it is over. */
static bool wait_for_room(struct read_ahead *r, bool pause) {
    bool go_on;

    pthread_mutex_lock(&r->mu);
    if (pause && !r->stopped) {
        uint64_t ns = clock_real_ns() + AGAIN_NS;
        struct timespec until = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

        pthread_cond_clockwait(&r->changed, &r->mu, CLOCK_MONOTONIC, &until);
    }
    while (r->chunk.n && !r->stopped) pthread_cond_wait(&r->changed, &r->mu);
    go_on = !r->stopped;
    pthread_mutex_unlock(&r->mu);
    return go_on;
}

/* True: the main thread is to be told. */
static void publish(struct read_ahead *r, enum read_ahead_result rc, struct bytes *got,
                    const struct err *e) {
    pthread_mutex_lock(&r->mu);
    if (got->n) {
        r->chunk = *got;
        *got = (struct bytes){0};
    }
    r->state = rc;
    if (rc == READ_AHEAD_FAILED) r->err = *e;
    if (!r->stopped && rc != READ_AHEAD_LATER && r->ops.wake) r->ops.wake(r->ops.wake_arg);
    pthread_mutex_unlock(&r->mu);
}

static void *run(void *arg) {
    struct read_ahead *r = arg;
    enum read_ahead_result rc = READ_AHEAD_SOME;
    struct bytes got = {0}; /* its room is used again where nothing was read */

    mem_thread_init();
    while (wait_for_room(r, rc == READ_AHEAD_LATER) && rc <= READ_AHEAD_LATER) {
        struct err e;

        rc = r->ops.read(r->ops.arg, &got, &e);
        publish(r, rc, &got, &e);
    }
    bytes_release(&got);
    pthread_mutex_lock(&r->mu);
    while (!r->stopped) pthread_cond_wait(&r->changed, &r->mu);
    pthread_mutex_unlock(&r->mu);
    release(r);
    return NULL;
}

struct read_ahead *read_ahead_start(const char *name, const struct read_ahead_ops *ops,
                                    struct err *e) {
    struct read_ahead *r = mem_calloc(sizeof *r);
    pthread_t thread;
    int rc;

    r->ops = *ops;
    r->state = READ_AHEAD_LATER;
    pthread_mutex_init(&r->mu, NULL);
    pthread_cond_init(&r->changed, NULL);
    rc = thread_start(&thread, name, run, r);
    if (rc != 0) {
        r->ops.release = NULL;
        release(r);
        err_set(e, rc, "no thread can be started: %s", strerror(rc));
        return NULL;
    }
    pthread_detach(thread);
    return r;
}

enum read_ahead_result read_ahead_take(struct read_ahead *r, struct bytes *out, struct err *e) {
    enum read_ahead_result rc;

    pthread_mutex_lock(&r->mu);
    rc = r->chunk.n ? READ_AHEAD_SOME : r->state;
    if (rc == READ_AHEAD_SOME && !r->chunk.n) rc = READ_AHEAD_LATER;
    if (rc == READ_AHEAD_SOME) {
        *out = r->chunk;
        r->chunk = (struct bytes){0};
        pthread_cond_signal(&r->changed);
    }
    if (rc == READ_AHEAD_FAILED) *e = r->err;
    pthread_mutex_unlock(&r->mu);
    return rc;
}

bool read_ahead_is_ready(struct read_ahead *r) {
    bool ready;

    pthread_mutex_lock(&r->mu);
    ready = r->chunk.n || r->state >= READ_AHEAD_END;
    pthread_mutex_unlock(&r->mu);
    return ready;
}

void read_ahead_stop(struct read_ahead *r) {
    if (!r) return;
    pthread_mutex_lock(&r->mu);
    r->stopped = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mu);
}
