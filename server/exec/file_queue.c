/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/file_queue.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <pthread.h>

struct file_job {
    struct file_job *next;
    struct file_queue *q;
    int (*run)(void *arg, struct err *e);
    void *arg;
    int rc;
    struct err err;
    bool has_ended, is_released; /* under mu; both: it is freed */
};

struct file_queue {
    pthread_mutex_t mu;
    pthread_cond_t work, ended; /* a job came, or it stops; a job has ended */
    struct file_job *first, **last;
    bool started, busy, stopping;
    pthread_t thread;
    void (*on_end)(void *arg);
    void *arg;
};

struct file_queue *file_queue_new(void (*ended)(void *arg), void *arg) {
    struct file_queue *q = mem_calloc(sizeof *q);

    pthread_mutex_init(&q->mu, NULL);
    pthread_cond_init(&q->work, NULL);
    pthread_cond_init(&q->ended, NULL);
    q->last = &q->first;
    q->on_end = ended;
    q->arg = arg;
    return q;
}

/* With mu held, which it gives up while the job runs. */
static void carry_out(struct file_queue *q) {
    struct file_job *job = q->first;

    q->first = job->next;
    if (!q->first) q->last = &q->first;
    q->busy = true;
    pthread_mutex_unlock(&q->mu);
    job->rc = job->run(job->arg, &job->err);
    pthread_mutex_lock(&q->mu);
    q->busy = false;
    job->has_ended = true;
    if (job->is_released) mem_free(job);
    pthread_cond_broadcast(&q->ended);
}

static void *run(void *arg) {
    struct file_queue *q = arg;

    mem_thread_init();
    pthread_mutex_lock(&q->mu);
    while (q->first || !q->stopping) {
        if (!q->first) {
            pthread_cond_wait(&q->work, &q->mu);
            continue;
        }
        carry_out(q);
        q->on_end(q->arg);
    }
    pthread_mutex_unlock(&q->mu);
    return NULL;
}

/* With mu held. */
static void start(struct file_queue *q) {
    if (!q->started) q->started = thread_start(&q->thread, "files", run, q) == 0;
}

struct file_job *file_queue_add(struct file_queue *q, int (*run_job)(void *arg, struct err *e),
                                void *arg) {
    struct file_job *job = mem_calloc(sizeof *job);

    job->q = q;
    job->run = run_job;
    job->arg = arg;
    pthread_mutex_lock(&q->mu);
    *q->last = job;
    q->last = &job->next;
    start(q);
    if (q->started)
        pthread_cond_signal(&q->work);
    else
        carry_out(q); /* there is no thread to be had: better late than not at all */
    pthread_mutex_unlock(&q->mu);
    return job;
}

bool file_job_has_ended(const struct file_job *job) {
    bool ended;

    pthread_mutex_lock(&job->q->mu);
    ended = job->has_ended;
    pthread_mutex_unlock(&job->q->mu);
    return ended;
}

void file_job_wait(struct file_job *job) {
    pthread_mutex_lock(&job->q->mu);
    while (!job->has_ended) pthread_cond_wait(&job->q->ended, &job->q->mu);
    pthread_mutex_unlock(&job->q->mu);
}

const struct err *file_job_error(const struct file_job *job) {
    return job->rc < 0 ? &job->err : NULL;
}

void file_job_release(void *arg) {
    struct file_job *job = arg;
    struct file_queue *q = job->q;

    pthread_mutex_lock(&q->mu);
    if (job->has_ended)
        mem_free(job);
    else
        job->is_released = true;
    pthread_mutex_unlock(&q->mu);
}

/* With mu held. */
static bool drained(struct file_queue *q, int deadline_ms) {
    uint64_t at = clock_real_ns() + (uint64_t)deadline_ms * 1000000;
    struct timespec ts = {(time_t)(at / 1000000000), (long)(at % 1000000000)};

    while ((q->first || q->busy) && clock_real_ns() < at)
        pthread_cond_clockwait(&q->ended, &q->mu, CLOCK_MONOTONIC, &ts);
    return !q->first && !q->busy;
}

void file_queue_free(struct file_queue *q, int deadline_ms) {
    bool ended;

    if (!q) return;
    pthread_mutex_lock(&q->mu);
    ended = drained(q, deadline_ms);
    q->stopping = true;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->mu);
    if (!ended) return; /* the thread hangs at the disk: it ends with the process */
    if (q->started) pthread_join(q->thread, NULL);
    mem_free(q);
}
