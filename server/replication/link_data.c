/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/link_data.h"

#include "persistence/rdb.h"
#include "storage/base/check.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/thread.h"

#include <errno.h>

struct link_data {
    int dirfd;
    char *name; /* in dirfd, NULL: the file has none */
    bool given; /* to another owner, with its name; under mu */
    void (*wake)(void *arg);
    void *arg;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    struct bytes waiting; /* under mu, as the next five */
    bool ended, dropped;
    bool read; /* see link_data_where */
    uint64_t size;
    enum link_data_state state;
    struct err err; /* with FAILED */
    int ndbs;
    int fd; /* the thread's until the file is whole, as the next one */
    struct link_data_seen seen;
};

/* ---------------------------------------------------------------- the line before it */

bool link_data_head(struct slice line, struct link_data_head *out) {
    int64_t size;

    if (line.n < 2 || line.p[0] != '$') return false;
    *out = (struct link_data_head){.open = line.n >= 5 && memcmp(line.p, "$EOF:", 5) == 0};
    if (out->open) {
        if (line.n != 5 + LINK_DATA_MARK) return false;
        memcpy(out->mark, line.p + 5, LINK_DATA_MARK);
        return true;
    }
    if (!num_parse_i64(line.p + 1, line.n - 1, &size) || size <= 0) return false;
    out->size = (uint64_t)size;
    return true;
}

/* ---------------------------------------------------------------- the thread */

static void release(struct link_data *d) {
    if (d->name && d->fd >= 0 && !d->given) io_unlink(d->dirfd, d->name, NULL);
    io_close(d->fd);
    bytes_release(&d->waiting);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->mu);
    mem_free(d->name);
    mem_free(d);
}

static int open_file(struct link_data *d, struct err *e) {
    int dirfd;

    if (d->name) {
        d->fd = io_create(d->dirfd, d->name, e);
        return d->fd < 0 ? -1 : 0;
    }
    dirfd = io_open_dir(".", false, e);
    if (dirfd < 0) return -1;
    d->fd = io_create_unnamed(dirfd, e);
    io_close(dirfd);
    return d->fd < 0 ? -1 : 0;
}

static void publish(struct link_data *d, enum link_data_state state, const struct err *e) {
    pthread_mutex_lock(&d->mu);
    d->state = state;
    if (e) d->err = *e;
    if (!d->dropped) d->wake(d->arg);
    pthread_mutex_unlock(&d->mu);
}

/* The bytes that wait; false: there will be no more. */
static bool take(struct link_data *d, struct bytes *out) {
    bool more;

    bytes_clear(out);
    pthread_mutex_lock(&d->mu);
    while (!d->waiting.n && !d->ended && !d->dropped) pthread_cond_wait(&d->changed, &d->mu);
    more = d->waiting.n > 0 && !d->dropped;
    if (more) {
        struct bytes b = d->waiting;

        d->waiting = *out;
        *out = b;
        d->wake(d->arg);
    }
    pthread_mutex_unlock(&d->mu);
    return more;
}

static int see_aux(void *arg, struct slice name, struct slice value, struct err *e) {
    struct link_data *d = arg;
    int64_t v;

    (void)e;
    if (slice_is(name, "repl-stream-db") && num_parse_i64(value.p, value.n, &v) && v >= 0 &&
        v < d->ndbs)
        d->seen.stream_db = (int)v;
    return 0;
}

static int see_key(void *arg, const struct rdb_key *key, struct entry *entry, struct err *e) {
    struct link_data *d = arg;

    (void)key;
    (void)e;
    entry_free(entry);
    d->seen.has_keys = true;
    return 0;
}

/* Bytes after the end of the RDB would be the beginning of the stream: then the length was wrong.
 */
static int look_through(struct link_data *d, struct err *e) {
    static const struct rdb_sink sink = {.aux = see_aux, .key = see_key};
    struct rdb_read o = {.rules = {.hash = {.now_ms = PARTS_ALL}, .list = {.fill = -2}},
                         .checksum = true,
                         .ndbs = d->ndbs};
    struct rdb_report report;

    if (rdb_read(d->fd, &o, &sink, d, &report, e) < 0) return -1;
    if (report.at == d->size) return 0;
    return err_set(e, EILSEQ, "the RDB ends at %llu, and %llu bytes have come",
                   (unsigned long long)report.at, (unsigned long long)d->size);
}

static void write_file(struct link_data *d) {
    struct bytes b = {0};
    struct err e;
    int rc = open_file(d, &e);

    while (rc == 0 && take(d, &b)) rc = io_write_all(d->fd, b.p, b.n, NULL, &e);
    bytes_release(&b);
    if (rc == 0 && d->ended) rc = io_truncate(d->fd, (off_t)d->size, &e);
    if (rc == 0 && d->ended && d->read) rc = look_through(d, &e);
    if (rc < 0)
        publish(d, LINK_DATA_FAILED, &e);
    else if (d->ended)
        publish(d, LINK_DATA_WHOLE, NULL);
}

static void *run(void *arg) {
    struct link_data *d = arg;

    mem_thread_init();
    write_file(d);
    pthread_mutex_lock(&d->mu);
    while (!d->dropped) pthread_cond_wait(&d->changed, &d->mu);
    pthread_mutex_unlock(&d->mu);
    release(d);
    return NULL;
}

/* ---------------------------------------------------------------- the main thread's side */

struct link_data *link_data_new(const struct link_data_where *where, int ndbs,
                                void (*wake)(void *arg), void *arg, struct err *e) {
    struct link_data *d = mem_calloc(sizeof *d);
    pthread_t thread;
    int rc;

    d->dirfd = where->dirfd;
    d->name = where->dirfd >= 0 ? mem_strdup(where->name) : NULL;
    d->read = where->read;
    d->ndbs = ndbs;
    d->wake = wake;
    d->arg = arg;
    d->fd = -1;
    pthread_mutex_init(&d->mu, NULL);
    pthread_cond_init(&d->changed, NULL);
    rc = thread_start(&thread, "receive", run, d);
    if (rc == 0) {
        pthread_detach(thread);
        return d;
    }
    release(d);
    err_set(e, rc, "no thread: %s", strerror(rc));
    return NULL;
}

size_t link_data_room(struct link_data *d) {
    size_t n;

    pthread_mutex_lock(&d->mu);
    n = d->waiting.n;
    pthread_mutex_unlock(&d->mu);
    return n < LINK_DATA_ROOM ? LINK_DATA_ROOM - n : 0;
}

void link_data_put(struct link_data *d, const char *p, size_t n) {
    pthread_mutex_lock(&d->mu);
    DCHECK(!d->ended);
    if (d->state != LINK_DATA_FAILED) bytes_append(&d->waiting, p, n);
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->mu);
}

void link_data_end(struct link_data *d, uint64_t size) {
    pthread_mutex_lock(&d->mu);
    d->ended = true;
    d->size = size;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->mu);
}

enum link_data_state link_data_state(struct link_data *d, struct err *e) {
    enum link_data_state state;

    pthread_mutex_lock(&d->mu);
    state = d->state;
    if (state == LINK_DATA_FAILED) *e = d->err;
    pthread_mutex_unlock(&d->mu);
    return state;
}

int link_data_fd(const struct link_data *d) {
    return d->fd;
}

const struct link_data_seen *link_data_seen(const struct link_data *d) {
    return &d->seen;
}

const char *link_data_name(const struct link_data *d) {
    return d->name;
}

void link_data_give_away(struct link_data *d) {
    pthread_mutex_lock(&d->mu);
    d->given = true;
    pthread_mutex_unlock(&d->mu);
}

void link_data_drop(struct link_data *d) {
    if (!d) return;
    pthread_mutex_lock(&d->mu);
    d->dropped = true;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->mu);
}
