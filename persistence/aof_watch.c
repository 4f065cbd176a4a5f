/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_watch.h"

#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { EVERY_MS = 500 };

struct aof_watch {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stopping;
    int dirfd;         /* -1: nothing is watched */
    uint64_t watching; /* counts aof_watch_begin(): a look at an earlier directory says nothing */
    char *path, *manifest;
    void (*gone)(void *arg);
    void *arg;
};

struct aof_watch *aof_watch_new(const char *manifest, void (*gone)(void *arg), void *arg) {
    struct aof_watch *w = mem_calloc(sizeof *w);

    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->dirfd = -1;
    w->manifest = mem_strdup(manifest);
    w->gone = gone;
    w->arg = arg;
    return w;
}

/* Only a path that leads elsewhere, or nowhere, counts: a disk that cannot be read is another
 * matter.
 */
static bool is_gone(const char *path, const char *manifest, const struct io_stat *dir) {
    struct io_stat now;
    char name[4096];

    if (io_stat(AT_FDCWD, path, &now) < 0) return errno == ENOENT || errno == ENOTDIR;
    if (now.device != dir->device || now.inode != dir->inode) return true;
    snprintf(name, sizeof name, "%s/%s", path, manifest);
    return io_stat(AT_FDCWD, name, &now) < 0 && errno == ENOENT;
}

/* With mu held, which it gives up while it looks: the main thread takes it too. */
static void look(struct aof_watch *w) {
    uint64_t watching = w->watching;
    struct io_stat dir;
    char *path;
    bool gone;
    int fd;

    if (w->dirfd < 0) return;
    fd = dup(w->dirfd); /* that one may be closed meanwhile */
    path = mem_strdup(w->path);
    pthread_mutex_unlock(&w->mu);
    gone = fd >= 0 && io_fstat(fd, &dir) == 0 && is_gone(path, w->manifest, &dir);
    mem_free(path);
    io_close(fd);
    pthread_mutex_lock(&w->mu);
    if (!gone || watching != w->watching || w->dirfd < 0) return;
    w->dirfd = -1;
    w->gone(w->arg);
}

static void *run(void *arg) {
    struct aof_watch *w = arg;

    mem_thread_init();
    pthread_mutex_lock(&w->mu);
    while (!w->stopping) {
        uint64_t at = clock_real_ns() + EVERY_MS * UINT64_C(1000000);
        struct timespec ts = {(time_t)(at / 1000000000), (long)(at % 1000000000)};

        pthread_cond_clockwait(&w->changed, &w->mu, CLOCK_MONOTONIC, &ts);
        if (!w->stopping) look(w);
    }
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

static void start(struct aof_watch *w) {
    sigset_t all, old;

    if (w->started) return;
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    w->started = pthread_create(&w->thread, NULL, run, w) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void aof_watch_begin(struct aof_watch *w, const char *path, int dirfd) {
    pthread_mutex_lock(&w->mu);
    mem_free(w->path);
    w->path = mem_strdup(path);
    w->dirfd = dirfd;
    w->watching++;
    start(w);
    pthread_mutex_unlock(&w->mu);
}

void aof_watch_end(struct aof_watch *w) {
    pthread_mutex_lock(&w->mu);
    w->dirfd = -1;
    pthread_mutex_unlock(&w->mu);
}

void aof_watch_free(struct aof_watch *w) {
    pthread_mutex_lock(&w->mu);
    w->stopping = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mu);
    if (w->started) pthread_join(w->thread, NULL);
    mem_free(w->path);
    mem_free(w->manifest);
    mem_free(w);
}
