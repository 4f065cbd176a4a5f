/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_watch.h"

#include "persistence/aof_load.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EVERY_MS = 500 };

/* A file that has to stay the same one. */
struct watched {
    char name[AOF_NAME_MAX + 16];
    bool grows; /* an increment */
    bool known; /* the next three were seen */
    uint64_t device, inode, size;
};

struct aof_watch {
    pthread_mutex_t mu;
    pthread_cond_t changed; /* for the thread */
    pthread_cond_t looked;  /* `looking` has ended */
    pthread_t thread;
    bool started, stopping;
    bool looking;      /* a thread looks at the lock file; others wait for its end */
    int lock_fd;       /* replaced by the thread that is `looking` only */
    int dirfd;         /* -1: nothing is watched */
    uint64_t watching; /* counts aof_watch_begin(): results for an earlier directory are ignored */
    char *path, *stem;
    struct watched *files;
    size_t nfiles;
    uint64_t files_change; /* counts their changes: results for earlier ones are ignored */
    void (*gone)(void *arg, int code);
    void *arg;
};

struct aof_watch *aof_watch_new(const char *stem, void (*gone)(void *arg, int code), void *arg) {
    struct aof_watch *w = mem_calloc(sizeof *w);

    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_cond_init(&w->looked, NULL);
    w->dirfd = w->lock_fd = -1;
    w->stem = mem_strdup(stem);
    w->gone = gone;
    w->arg = arg;
    return w;
}

/* ---------------------------------------------------------------- looking, without mu */

static bool is_missing(void) {
    return errno == ENOENT || errno == ENOTDIR;
}

static bool is_same(const struct io_stat *a, const struct io_stat *b) {
    return a->device == b->device && a->inode == b->inode;
}

/* Only a path that leads elsewhere, or nowhere, counts: a disk that cannot be read is another
 * matter. */
static enum aof_place look_at_directory(const char *path, int dirfd, struct err *e) {
    struct io_stat open, there;

    if (io_fstat(dirfd, &open) == 0 && io_stat(AT_FDCWD, path, &there) == 0) {
        if (is_same(&open, &there)) return AOF_IN_PLACE;
    } else if (!is_missing()) {
        err_set(e, errno, "cannot look at the append only directory '%s': %s", path,
                strerror(errno));
        return AOF_UNKNOWN;
    }
    err_set(e, ENOENT, "the append only directory '%s' was deleted or moved", path);
    return AOF_ELSEWHERE;
}

static bool has_manifest(int dirfd, const char *stem) {
    char name[AOF_NAME_MAX + 16];
    struct io_stat st;

    aof_manifest_name(stem, name);
    return io_stat(dirfd, name, &st) == 0 || errno != ENOENT;
}

static bool is_lock_file(int dirfd, int lock_fd) {
    struct io_stat locked, there;

    if (io_fstat(lock_fd, &locked) < 0) return false;
    if (io_stat(dirfd, AOF_LOCK, &there) < 0) return !is_missing();
    return is_same(&locked, &there);
}

/* A new lock file, in *fd. A server that starts leaves its lock file when it ends: so one that this
 * process has not made says that the files may have changed. */
static enum aof_place lock_again(const struct aof_watch *w, const char *path, int dirfd, int *fd,
                                 struct err *e) {
    bool made;

    *fd = io_lock(dirfd, AOF_LOCK, aof_lock_byte(w->stem), &made, e);
    if (*fd < 0 && e->code != EWOULDBLOCK) return AOF_UNKNOWN;
    if (*fd < 0) {
        err_set(e, EBUSY, "another process has locked '%s/%s'", path, AOF_LOCK);
        return AOF_TAKEN;
    }
    if (made) {
        log_warning("The lock file '%s/%s' was deleted or moved. It was made and locked again. It "
                    "keeps other servers out of the append only directory: do not delete it",
                    path, AOF_LOCK);
        return AOF_IN_PLACE;
    }
    io_close(*fd);
    *fd = -1;
    err_set(e, EBUSY, "another process has made '%s/%s' anew", path, AOF_LOCK);
    return AOF_ELSEWHERE;
}

static struct watched seen(const struct watched *f, const struct io_stat *st) {
    struct watched now = *f;

    now.known = true;
    now.device = st->device;
    now.inode = st->inode;
    now.size = st->size;
    return now;
}

/* A file that cannot be looked at is another matter. */
static bool is_still(int dirfd, struct watched *f, struct err *e) {
    struct io_stat st;

    if (io_stat(dirfd, f->name, &st) < 0) {
        if (!is_missing()) return true;
        err_set(e, ESTALE, "the file '%s' of the AOF was deleted or moved", f->name);
        return false;
    }
    if (!f->known)
        *f = seen(f, &st);
    else if (f->device != st.device || f->inode != st.inode || (!f->grows && f->size != st.size)) {
        err_set(e, ESTALE, "the file '%s' of the AOF was replaced by another one", f->name);
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- looking, with mu */

/* With mu held, which it gives up while it looks: the main thread takes it too. */
static enum aof_place secure(struct aof_watch *w, const char *path, int dirfd, bool manifest_too,
                             struct err *e) {
    enum aof_place place;
    int lock_fd, fd = -1;

    while (w->looking) pthread_cond_wait(&w->looked, &w->mu);
    w->looking = true;
    lock_fd = w->lock_fd;
    pthread_mutex_unlock(&w->mu);
    place = look_at_directory(path, dirfd, e);
    if (place == AOF_IN_PLACE && manifest_too && !has_manifest(dirfd, w->stem)) {
        err_set(e, ENOENT, "the manifest in '%s' was deleted or moved", path);
        place = AOF_ELSEWHERE;
    }
    if (place == AOF_IN_PLACE && !is_lock_file(dirfd, lock_fd))
        place = lock_again(w, path, dirfd, &fd, e);
    if (fd >= 0) io_close(lock_fd); /* of a file that is not the lock file any more */
    pthread_mutex_lock(&w->mu);
    if (fd >= 0) w->lock_fd = fd;
    w->looking = false;
    pthread_cond_broadcast(&w->looked);
    return place;
}

/* With mu held, which it gives up while it looks. */
static bool files_are_there(struct aof_watch *w, int dirfd, struct err *e) {
    uint64_t change = w->files_change;
    size_t n = w->nfiles;
    struct watched *v = mem_alloc(n * sizeof *v + 1);
    bool all = true;

    if (n) memcpy(v, w->files, n * sizeof *v);
    pthread_mutex_unlock(&w->mu);
    for (size_t i = 0; i < n && all; i++) all = is_still(dirfd, &v[i], e);
    pthread_mutex_lock(&w->mu);
    if (change != w->files_change)
        all = true; /* this process has changed them meanwhile */
    else if (n)
        memcpy(w->files, v, n * sizeof *v);
    mem_free(v);
    return all;
}

static void look(struct aof_watch *w) {
    uint64_t watching = w->watching;
    struct err e = {0};
    enum aof_place place;
    char *path;
    int fd;

    if (w->dirfd < 0) return;
    fd = dup(w->dirfd); /* that one may be closed meanwhile */
    if (fd < 0) return;
    path = mem_strdup(w->path);
    place = secure(w, path, fd, true, &e);
    if (place == AOF_IN_PLACE && !files_are_there(w, fd, &e)) place = AOF_ELSEWHERE;
    pthread_mutex_unlock(&w->mu);
    mem_free(path);
    io_close(fd);
    pthread_mutex_lock(&w->mu);
    if (place == AOF_IN_PLACE || place == AOF_UNKNOWN) return;
    if (watching != w->watching || w->dirfd < 0) return;
    w->dirfd = -1;
    if (e.code == ESTALE) log_warning("AOF: %s", e.text);
    w->gone(w->arg, e.code);
}

enum aof_place aof_watch_check(struct aof_watch *w, const char *path, int dirfd, struct err *e) {
    enum aof_place place;

    pthread_mutex_lock(&w->mu);
    place = secure(w, path, dirfd, false, e);
    pthread_mutex_unlock(&w->mu);
    return place;
}

/* ---------------------------------------------------------------- the thread */

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
    if (!w->started) w->started = thread_start(&w->thread, "aof-watch", run, w) == 0;
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

/* With mu held. */
static void forget_files(struct aof_watch *w) {
    mem_free(w->files);
    w->files = NULL;
    w->nfiles = 0;
    w->files_change++;
}

void aof_watch_hold(struct aof_watch *w) {
    pthread_mutex_lock(&w->mu);
    forget_files(w);
    pthread_mutex_unlock(&w->mu);
}

void aof_watch_files(struct aof_watch *w, const struct aof_manifest *m) {
    pthread_mutex_lock(&w->mu);
    forget_files(w);
    w->files = mem_calloc((m->n + 1) * sizeof *w->files);
    aof_manifest_name(w->stem, w->files[w->nfiles++].name);
    for (size_t i = 0; i < m->n; i++) {
        const struct aof_file *f = &m->files[i];

        if (f->type == AOF_HISTORY) continue;
        w->files[w->nfiles].grows = f->type == AOF_INCR;
        snprintf(w->files[w->nfiles++].name, sizeof w->files->name, "%s", f->name);
    }
    pthread_cond_signal(&w->changed); /* the first look is at once */
    pthread_mutex_unlock(&w->mu);
}

void aof_watch_end(struct aof_watch *w) {
    pthread_mutex_lock(&w->mu);
    w->dirfd = -1;
    pthread_mutex_unlock(&w->mu);
}

int aof_watch_take_lock(struct aof_watch *w, int lock_fd) {
    int old;

    pthread_mutex_lock(&w->mu);
    old = w->lock_fd;
    w->lock_fd = lock_fd;
    pthread_mutex_unlock(&w->mu);
    return old;
}

void aof_watch_free(struct aof_watch *w) {
    pthread_mutex_lock(&w->mu);
    w->stopping = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mu);
    if (w->started) pthread_join(w->thread, NULL);
    io_close(w->lock_fd);
    mem_free(w->path);
    mem_free(w->stem);
    mem_free(w->files);
    mem_free(w);
}
