/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_stream_read - a reader's thread: from files to the bytes of the stream.
 *
 * What may be read ends at a batch's end, so a batch or a line that is not whole there is damage.
 * Commands are passed over by their lengths alone: the batch's checksum says that they are as they
 * were written.
 */
#include "persistence/aof_stream_internal.h"

#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/num.h"

#include <errno.h>
#include <limits.h>

enum { CHUNK = 1 << 20, LINE_MAX_BYTES = 1023 };

enum local { LOCAL_NO, LOCAL_NEXT, LOCAL_IN_MULTI };

/* A batch under way. Places are indexes of r->buf, which moves. */
struct walk {
    struct aof_stream_reader *r;
    struct err *e;
    size_t at;
    size_t run; /* commands of the stream from here to `at` are not collected yet */
    enum local local;
};

/* ---------------------------------------------------------------- the window */

static struct stream_part part_now(struct aof_stream_reader *r, bool *gone) {
    struct stream_part p;

    pthread_mutex_lock(&r->mu);
    p = r->parts[r->part];
    *gone = r->gone;
    pthread_mutex_unlock(&r->mu);
    return p;
}

/* Up to where the file may be read. */
static uint64_t limit_of(const struct aof_stream_reader *r, const struct stream_part *p) {
    uint64_t written = atomic_load(&r->written);
    uint64_t limit = written > p->position ? written - p->position : 0;

    return p->closed && p->size < limit ? p->size : limit;
}

static int damaged(struct aof_stream_reader *r, size_t at, const char *what, struct err *e) {
    err_set(e, EILSEQ, "the replication stream in the AOF: %s at offset %llu of a file", what,
            (unsigned long long)(r->at + (at - r->done)));
    return -1;
}

/* Has `n` bytes from `at` on in memory. */
static int need(struct aof_stream_reader *r, size_t at, size_t n, struct err *e) {
    bool gone;
    struct stream_part p;
    uint64_t from, limit;

    if (r->buf.n >= at && r->buf.n - at >= n) return 0;
    p = part_now(r, &gone);
    limit = limit_of(r, &p);
    from = r->at + (r->buf.n - r->done);
    if (n > limit || at - r->done + r->at > limit - n)
        return damaged(r, at, "a batch that does not end", e);
    while (r->buf.n - at < n) {
        size_t want = n - (r->buf.n - at) > CHUNK ? n - (r->buf.n - at) : CHUNK;
        ssize_t got;

        if (want > limit - from) want = (size_t)(limit - from);
        got = io_read_at(p.fd, bytes_room(&r->buf, want), want, (off_t)from, e);
        if (got == 0) return damaged(r, at, "the file is too short", e);
        if (got < 0) return -1;
        r->buf.n += (size_t)got;
        from += (uint64_t)got;
    }
    return 0;
}

/* What is parsed goes. */
static void consumed(struct aof_stream_reader *r, size_t upto) {
    r->at += upto - r->done;
    r->done = upto;
    if (r->done < CHUNK && r->done < r->buf.n) return;
    bytes_consume(&r->buf, r->done);
    r->done = 0;
}

/* The line at `at`, without its CRLF; *next is the index after that. */
static int take_line(struct aof_stream_reader *r, size_t at, struct slice *line, size_t *next,
                     struct err *e) {
    for (size_t n = 2; n <= LINE_MAX_BYTES; n++) {
        const char *p, *nl;

        if (need(r, at, n, e) < 0) return -1;
        p = r->buf.p + at;
        nl = memchr(p + n - 1, '\n',
                    (r->buf.n - at > LINE_MAX_BYTES ? LINE_MAX_BYTES : r->buf.n - at) - n + 1);
        if (!nl) {
            n = r->buf.n - at;
            continue;
        }
        if (nl[-1] != '\r') break;
        *line = slice_of(p, (size_t)(nl - p) - 1);
        *next = at + line->n + 2;
        return 0;
    }
    return damaged(r, at, "a line that does not end", e);
}

/* ---------------------------------------------------------------- commands */

/* "<type><number>\r\n" at w->at, which moves after it. */
static int take_length(struct walk *w, char type, int64_t most, int64_t *out) {
    struct slice line;
    size_t next;

    if (take_line(w->r, w->at, &line, &next, w->e) < 0) return -1;
    if (line.n < 2 || line.p[0] != type || !num_parse_i64(line.p + 1, line.n - 1, out) ||
        *out < 0 || *out > most)
        return damaged(w->r, w->at, "no command", w->e);
    w->at = next;
    return 0;
}

/* Passes over one command; *word is its name if it has no arguments. The slice holds until more is
 * read. */
static int take_command(struct walk *w, struct slice *word) {
    int64_t argc, length = 0;

    *word = (struct slice){0};
    if (take_length(w, '*', INT_MAX, &argc) < 0) return -1;
    for (int64_t i = 0; i < argc; i++) {
        if (take_length(w, '$', INT64_MAX / 2, &length) < 0) return -1;
        if (need(w->r, w->at, (size_t)length + 2, w->e) < 0) return -1;
        w->at += (size_t)length + 2;
    }
    if (argc == 1) *word = slice_of(w->r->buf.p + w->at - length - 2, (size_t)length);
    return 0;
}

/* ---------------------------------------------------------------- collecting */

static void collect(struct aof_stream_reader *r, const char *p, size_t n) {
    uint64_t end = r->offset + n;
    size_t skip = 0;

    if (end >= r->from) {
        if (r->offset + 1 < r->from) skip = (size_t)(r->from - r->offset - 1);
        bytes_append(&r->ready, p + skip, n - skip);
    }
    r->offset = end;
}

static void collect_run(struct walk *w) {
    struct aof_stream_reader *r = w->r;

    if (w->at > w->run) collect(r, r->buf.p + w->run, w->at - w->run);
    w->run = w->at;
}

static int walk_command(struct walk *w) {
    enum local was = w->local;
    struct slice word;

    if (take_command(w, &word) < 0) return -1;
    if (was == LOCAL_NO) return 0;
    if (was == LOCAL_NEXT)
        w->local = slice_is(word, "multi") ? LOCAL_IN_MULTI : LOCAL_NO;
    else if (slice_is(word, "exec"))
        w->local = LOCAL_NO;
    w->run = w->at;
    return 0;
}

/* A '#' line inside a batch that is not its trailer. */
static int walk_line(struct walk *w, struct slice line) {
    struct aof_stream_reader *r = w->r;
    struct aof_stream got = {0};
    uint64_t position = aof_position_at(&r->epoch, r->at + (w->at - r->done));
    struct bytes note = {0};
    int n = 0;

    if (line.n > 1 && line.p[1] == 'T') return 0;
    switch (aof_stream_parse(line, &r->epoch, position, &got)) {
    case AOF_STREAM_AT:
        if (got.offset != r->offset) return damaged(r, w->at, "a gap", w->e);
        return 0;
    case AOF_STREAM_PAST: return 0;
    case AOF_STREAM_LOCAL: w->local = LOCAL_NEXT; return 0;
    case AOF_STREAM_NOTE:
        n = aof_stream_read_note(line, &note);
        if (n > 0) collect(r, note.p, (size_t)n);
        bytes_release(&note);
        return n > 0 ? 0 : damaged(r, w->at, "a '#>' mark that is damaged", w->e);
    case AOF_STREAM_END: return err_set(w->e, ENOENT, "the replication stream ends in the AOF");
    case AOF_STREAM_BAD: break;
    }
    return damaged(r, w->at, "a mark that is damaged", w->e);
}

/* ---------------------------------------------------------------- batches and lines between them
 */

static int check_trailer(struct walk *w, struct slice line, size_t body) {
    struct aof_stream_reader *r = w->r;
    uint64_t begin = aof_position_at(&r->epoch, r->at);
    struct aof_trailer t;
    size_t n = w->at - body;

    if (!aof_mark_parse_trailer(line, &r->epoch, begin + (w->at - r->done), &t) || t.length != n ||
        t.crc != crc64(aof_batch_seed(&r->epoch, begin), r->buf.p + body, n))
        return damaged(r, w->at, "a batch whose checksum does not match", w->e);
    return 0;
}

/* r->done is at the begin mark. */
static int take_batch(struct aof_stream_reader *r, size_t body, struct err *e) {
    struct walk w = {.r = r, .e = e, .at = body, .run = body};
    size_t next;

    for (;;) {
        struct slice line;

        if (need(r, w.at, 1, e) < 0) return -1;
        if (r->buf.p[w.at] != '#') {
            if (walk_command(&w) < 0) return -1;
            continue;
        }
        collect_run(&w);
        if (take_line(r, w.at, &line, &next, e) < 0) return -1;
        if (line.n > 1 && line.p[1] == '}') {
            if (check_trailer(&w, line, body) < 0) return -1;
            break;
        }
        if (walk_line(&w, line) < 0) return -1;
        w.at = w.run = next;
    }
    consumed(r, next);
    return 0;
}

/* The header, batch or synced mark at r->done. */
static int take_unit(struct aof_stream_reader *r, struct err *e) {
    struct slice line;
    struct aof_epoch h;
    uint64_t unsynced;
    int64_t ms;
    size_t next;

    if (take_line(r, r->done, &line, &next, e) < 0) return -1;
    if (slice_eq(line, SLICE("#{")) && r->epoch.id) {
        size_t before = r->ready.n;
        uint64_t offset = r->offset;

        if (take_batch(r, next, e) == 0) return 0;
        r->ready.n = before; /* nothing of a batch that does not hold */
        r->offset = offset;
        return -1;
    }
    if (aof_mark_parse_header(line, r->at, r->at ? r->epoch.id : 0, &h))
        r->epoch = h;
    else if (!aof_mark_parse_synced(line, &r->epoch, aof_position_at(&r->epoch, r->at), &unsynced,
                                    &ms))
        return damaged(r, r->done, "neither a batch nor a mark", e);
    consumed(r, next);
    return 0;
}

static void next_part(struct aof_stream_reader *r) {
    pthread_mutex_lock(&r->mu);
    io_close(r->parts[r->part].fd);
    r->parts[r->part].fd = PART_READ;
    r->part++;
    pthread_mutex_unlock(&r->mu);
    bytes_clear(&r->buf);
    r->done = 0;
    r->at = 0;
}

static int why_not_open(struct aof_stream_reader *r, struct err *e) {
    pthread_mutex_lock(&r->mu);
    *e = r->why;
    pthread_mutex_unlock(&r->mu);
    return -1;
}

/* 1: there is something to read now, 0: not yet, -1: never. */
static int is_there_more(struct aof_stream_reader *r, struct err *e) {
    for (;;) {
        bool gone, is_last;
        struct stream_part p = part_now(r, &gone);

        if (gone) return err_set(e, ENOENT, "the replication stream does not go on in the AOF");
        if (p.fd == PART_OPENING) return 0;
        if (p.fd == PART_FAILED) return why_not_open(r, e);
        if (r->at < limit_of(r, &p)) return 1;
        pthread_mutex_lock(&r->mu);
        is_last = r->part + 1 >= r->nparts;
        pthread_mutex_unlock(&r->mu);
        if (!p.closed || r->at < p.size || is_last) return 0;
        next_part(r);
    }
}

static void give(struct aof_stream_reader *r, struct bytes *out, size_t max) {
    size_t n = r->ready.n - r->given;

    if (n > max) n = max;
    bytes_append(out, r->ready.p + r->given, n);
    r->given += n;
    if (r->given < r->ready.n) return;
    bytes_clear(&r->ready);
    r->given = 0;
}

int aof_stream_read(struct aof_stream_reader *r, struct bytes *out, size_t max, struct err *e) {
    size_t before = out->n;
    int rc = 1;

    while (out->n - before < max) {
        if (r->ready.n > r->given) {
            give(r, out, max - (out->n - before));
            continue;
        }
        rc = is_there_more(r, e);
        if (rc <= 0) break;
        rc = take_unit(r, e);
        if (rc < 0) break;
    }
    if (out->n > before) return 1;
    return rc < 0 ? -1 : 0;
}
