/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/log_reader.h"

#include "persistence/aof_stream.h"
#include "server/replication/replication.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <unistd.h>

struct log_reader {
    struct list link; /* in log_readers.all */
    struct aof_stream_reader *stream;
    atomic_bool ended; /* its thread does not use it any more */
};

bool log_can_serve(const struct replication *r) {
    return aof_phase(r->e->aof) == AOF_ON && aof_stream_is_kept(r->e->aof);
}

/* A replica that comes again for what cannot be read would be sent away for ever. */
bool log_covers(const struct replication *r, uint64_t from) {
    return from > r->log_readers.broken && aof_stream_covers(r->e->aof, r->stream.id, from);
}

/* ---------------------------------------------------------------- the thread */

static enum read_ahead_result read_log(void *arg, struct bytes *out, struct err *e) {
    struct log_reader *g = arg;
    int rc = aof_stream_read(g->stream, out, READ_AHEAD_BYTES, e);

    return rc > 0 ? READ_AHEAD_SOME : rc == 0 ? READ_AHEAD_LATER : READ_AHEAD_FAILED;
}

static void end_reader(void *arg) {
    struct log_reader *g = arg;

    atomic_store(&g->ended, true);
}

bool log_begin(struct replication *r, struct replica *p, struct err *e) {
    struct log_reader *g = mem_calloc(sizeof *g);
    struct read_ahead_ops ops = {.read = read_log,
                                 .wake = r->app.wake,
                                 .release = end_reader,
                                 .arg = g,
                                 .wake_arg = r->app.arg};

    list_init(&g->link);
    list_append(&r->log_readers.all, &g->link);
    g->stream = aof_stream_open(r->e->aof, p->next, e);
    if (g->stream) p->log.thread = read_ahead_start("repl-log", &ops, e);
    if (!p->log.thread) atomic_store(&g->ended, true);
    return p->log.thread != NULL;
}

/* ---------------------------------------------------------------- feeding */

enum { OUTPUT_MAX = 256 * 1024 };

static size_t give(struct replica *p, uint64_t limit) {
    struct log_reading *g = &p->log;
    size_t n = g->chunk.n - g->at, safe = (size_t)(limit + 1 - p->next);
    size_t pending = out_pending(&p->s->out),
           room = pending < OUTPUT_MAX ? OUTPUT_MAX - pending : 0;

    if (n > safe) n = safe;
    if (n > room) n = room;
    out_append(&p->s->out, g->chunk.p + g->at, n);
    g->at += n;
    p->next += n;
    if (n) p->s->ops->wake(p->s);
    return n;
}

static bool fetch(struct log_reading *g, struct err *e, bool *failed) {
    enum read_ahead_result rc;

    bytes_release(&g->chunk);
    g->at = 0;
    rc = read_ahead_take(g->thread, &g->chunk, e);
    *failed = rc == READ_AHEAD_FAILED || rc == READ_AHEAD_END;
    return rc == READ_AHEAD_SOME;
}

bool log_feed(struct replication *r, struct replica *p, uint64_t limit) {
    struct log_reading *g = &p->log;
    bool failed = false;
    struct err e = {0};

    if (!g->thread && !log_begin(r, p, &e)) failed = true;
    while (!failed && p->next <= limit && p->next < r->stream.first) {
        if (g->at == g->chunk.n && !fetch(g, &e, &failed)) break;
        if (give(p, limit) == 0) break;
    }
    if (failed) {
        log_warning("A replica cannot be served from the AOF: %s", e.text);
        if (p->next > r->log_readers.broken) r->log_readers.broken = p->next;
    }
    if (p->next >= r->stream.first) log_stop(g);
    return !failed;
}

bool log_is_ready(const struct log_reading *g) {
    return g->at < g->chunk.n || read_ahead_is_ready(g->thread);
}

void log_stop(struct log_reading *g) {
    read_ahead_stop(g->thread);
    bytes_release(&g->chunk);
    *g = (struct log_reading){0};
}

/* ---------------------------------------------------------------- ends */

void log_cron(struct replication *r) {
    list_each_safe (it, next, &r->log_readers.all) {
        struct log_reader *g = list_entry(it, struct log_reader, link);

        if (!atomic_load(&g->ended)) continue;
        if (g->stream) aof_stream_close(g->stream);
        list_remove(&g->link);
        mem_free(g);
    }
}

enum { END_TRIES = 5000 };

void log_end(struct replication *r) {
    list_each (it, &r->replicas.all) log_stop(&list_entry(it, struct replica, link)->log);
    for (int i = 0; i < END_TRIES && !list_empty(&r->log_readers.all); i++) {
        log_cron(r);
        usleep(1000);
    }
}
