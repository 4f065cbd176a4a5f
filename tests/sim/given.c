/* SPDX-License-Identifier: BSD-3-Clause */
#include "given.h"

#include "model.h"
#include "persistence/rdb.h"
#include "storage/base/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A history may go on in two ways from the same offset, one of them lost in a cut. */
struct chunk {
    uint64_t offset; /* before it */
    size_t at, n;    /* in `bytes` */
};

static struct {
    struct chunk *chunk;
    size_t n, cap;
    struct bytes bytes;
    char why[400];
} sent;

void given_reset(void) {
    sent.n = 0;
    bytes_clear(&sent.bytes);
}

void given_sent(uint64_t offset, struct slice bytes) {
    if (sent.n == sent.cap) {
        sent.cap = sent.cap ? sent.cap * 2 : 1024;
        sent.chunk = realloc(sent.chunk, sent.cap * sizeof *sent.chunk);
    }
    sent.chunk[sent.n++] = (struct chunk){offset, sent.bytes.n, bytes.n};
    bytes_append(&sent.bytes, bytes.p, bytes.n);
}

/* How many of the bytes after `offset` are those of one chunk; 0: none was sent so. */
static size_t as_sent(uint64_t offset, const char *p, size_t n) {
    for (size_t i = sent.n; i-- > 0;) {
        const struct chunk *c = &sent.chunk[i];
        size_t skip, take;

        if (offset < c->offset || offset >= c->offset + c->n) continue;
        skip = (size_t)(offset - c->offset);
        take = c->n - skip < n ? c->n - skip : n;
        if (memcmp(sent.bytes.p + c->at + skip, p, take) == 0) return take;
    }
    return 0;
}

static const char *judge(struct given *g, const struct bytes *got) {
    for (size_t at = 0, n; at < got->n; at += n, g->at += n) {
        n = as_sent(g->at, got->p + at, got->n - at);
        if (n) continue;
        snprintf(sent.why, sizeof sent.why,
                 "a reader gives bytes after offset %llu that were not sent",
                 (unsigned long long)g->at);
        return sent.why;
    }
    return NULL;
}

/* The AOF had written all that was appended, so the reader has to come to the end of the stream. */
static const char *judge_end(const struct given *g, struct aof *a, const struct feed *s) {
    if (g->at == s->now.offset) return NULL;
    if (!aof_stream_is_kept(a) || aof_phase(a) != AOF_ON) return NULL;
    snprintf(sent.why, sizeof sent.why, "a reader ends at offset %llu, and the stream at %llu",
             (unsigned long long)g->at, (unsigned long long)s->now.offset);
    return sent.why;
}

static void end_reader(struct given *g) {
    aof_stream_close(g->reader);
    g->reader = NULL;
}

void given_end(struct given *g) {
    end_reader(g);
    if (g->state == GIVEN_OPEN) io_close(g->base_fd);
    g->state = g->state == GIVEN_OPENING ? GIVEN_DROPPED : GIVEN_NONE;
}

static void begin(struct given *g, struct aof *a, const struct feed *s, struct dice *d) {
    uint64_t back = dice_one_in(d, 2) ? dice_below(d, 100) : dice_below(d, 200000);

    g->at = s->now.offset > back ? s->now.offset - back : 0;
    if (aof_stream_covers(a, s->now.id, g->at + 1)) g->reader = aof_stream_open(a, g->at + 1, NULL);
}

/* Only damage is wrong: the stream may end or jump, and reads may fail. */
static const char *read_on(struct given *g, struct aof *a, const struct feed *s, struct dice *d) {
    struct bytes got = {0};
    struct err e = {0};
    size_t most = 1 + dice_below(d, 5000);
    bool all = aof_safe(a, AOF_LEVEL_WRITTEN) >= aof_appended(a) && aof_stream_is_open(g->reader);
    const char *why;
    int rc = 1;

    aof_on_wake(a); /* the reader learns what is written */
    for (int i = 0; i < 50 && rc > 0; i++) rc = aof_stream_read(g->reader, &got, most, &e);
    why = judge(g, &got);
    if (!why && rc == 0 && all) why = judge_end(g, a, s);
    if (!why && rc < 0 && e.code == EILSEQ) {
        snprintf(sent.why, sizeof sent.why, "after offset %llu: %.300s", (unsigned long long)g->at,
                 e.text);
        why = sent.why;
    }
    if (rc < 0 || why) end_reader(g);
    bytes_release(&got);
    return why;
}

const char *given_step(struct given *g, struct aof *a, const struct feed *s, struct dice *d) {
    if (!g->reader) {
        if (s->on && dice_one_in(d, 4)) begin(g, a, s, d);
        return NULL;
    }
    if (dice_one_in(d, 12)) {
        end_reader(g);
        return NULL;
    }
    return dice_one_in(d, 2) ? read_on(g, a, s, d) : NULL;
}

/* ---------------------------------------------------------------- the base */

static int load(int fd, const struct aof_stream_base *b, struct model *m, struct err *e) {
    struct keyspace ks = {0};
    struct rdb_load o = {
        .read = {.rules = {.list = {.fill = -2}}, .checksum = true, .ndbs = MODEL_DBS}, .ks = &ks};
    struct rdb_loaded got;
    int rc;

    keyspace_init(&ks, MODEL_DBS);
    rc = rdb_load(fd, &o, &got, e);
    if (rc == 0 && got.report.at != b->bytes) rc = err_set(e, EILSEQ, "its RDB has another length");
    if (rc == 0) rc = model_take(m, &ks, e);
    keyspace_release(&ks);
    return rc;
}

static void base_opened(void *arg, int fd, const struct err *e) {
    struct given *g = arg;

    (void)e;
    g->base_fd = fd;
    if (g->state == GIVEN_DROPPED) io_close(fd);
    g->state = g->state == GIVEN_DROPPED ? GIVEN_NONE : GIVEN_OPEN;
}

/* What was opened outlives any rewrite. */
static const char *judge_base(const struct given *g, const struct feed *s) {
    struct model m = {0};
    struct err e = {0};
    int rc;

    if (g->base_fd < 0) return NULL;
    rc = load(g->base_fd, &g->base, &m, &e);
    io_close(g->base_fd);
    if (rc < 0 && e.code != EILSEQ) return NULL; /* a call has failed */
    if (rc == 0 && feed_was_at(s, g->base.offset, model_print(&m))) return NULL;
    snprintf(sent.why, sizeof sent.why, "the base is not the data set at offset %llu: %.300s",
             (unsigned long long)g->base.offset, e.text);
    return sent.why;
}

/* Of another history than that of now the feed does not know it. */
const char *given_base(struct given *g, struct aof *a, const struct feed *s) {
    if (g->state == GIVEN_OPEN) {
        g->state = GIVEN_NONE;
        if (strcmp(g->base_id, s->now.id) == 0) return judge_base(g, s);
        io_close(g->base_fd);
    } else if (g->state == GIVEN_NONE && aof_stream_base(a, &g->base)) {
        g->state = GIVEN_OPENING;
        memcpy(g->base_id, s->now.id, sizeof g->base_id);
        aof_stream_open_base(a, base_opened, g);
    }
    return NULL;
}
