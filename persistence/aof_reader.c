/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_reader_internal.h"

#include "persistence/aof_room.h"
#include "persistence/rdb.h"
#include "storage/base/check.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    CHUNK = 1 << 20,
    NOTE_MAX = 1023, /* the longest '#' line that Redis skips, CRLF included */
};

__attribute__((format(printf, 2, 3))) static void explain(struct reader *rd, const char *fmt, ...) {
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rd->r->why, sizeof rd->r->why, fmt, ap);
    va_end(ap);
    rd->r->at = rd->w.base + rd->w.at;
}

/* ---------------------------------------------------------------- the window */

/* Drops what lies before the unit, makes room, reads on. 1 more bytes came, 0 none are left, -1
 * the system failed. Arguments that were parsed already move along. */
static int window_fill(struct reader *rd, size_t want) {
    struct window *w = &rd->w;
    const char *old = w->buf;
    size_t drop = w->unit, room;
    uint64_t from = w->base + w->n;
    ssize_t got;

    if (from >= w->end) return 0;
    if (drop) {
        memmove(w->buf, w->buf + drop, w->n - drop);
        w->base += drop;
        w->n -= drop;
        w->at -= drop;
        w->unit = 0;
    }
    if (w->cap - w->n < CHUNK || w->cap < want) {
        w->cap = w->cap + w->cap / 2 + CHUNK;
        if (w->cap < want) w->cap = want;
        w->buf = mem_realloc(w->buf, w->cap);
    }
    for (size_t i = 0; i < rd->args.n; i++)
        rd->args.v[i].p = w->buf + (rd->args.v[i].p - old) - drop;
    room = w->cap - w->n;
    if (room > w->end - from) room = (size_t)(w->end - from);
    got = io_read_at(w->fd, w->buf + w->n, room, (off_t)from, NULL);
    if (got < 0) {
        rd->failed = true;
        return -1;
    }
    w->n += (size_t)got;
    if (rd->ops->progress) rd->ops->progress(rd->arg, w->base + w->n);
    return got > 0;
}

/* True if `n` bytes from the current place are in memory, after reading what is needed. */
static bool window_need(struct reader *rd, size_t n) {
    while (rd->w.n - rd->w.at < n)
        if (window_fill(rd, rd->w.at - rd->w.unit + n) <= 0) return false;
    return true;
}

/* The '#' line at the current place, without its line end; moves past it. */
static enum outcome take_line(struct reader *rd, struct slice *line, uint64_t *offset) {
    size_t seen = 0;
    const char *nl;

    for (;;) {
        const char *p = rd->w.buf + rd->w.at;
        size_t have = rd->w.n - rd->w.at;

        nl = memchr(p + seen, '\n', have - seen);
        if (nl) break;
        seen = have;
        if (seen > NOTE_MAX) {
            explain(rd, "a '#' line of more than %d bytes", NOTE_MAX);
            return OUT_BAD;
        }
        if (!window_need(rd, seen + 1)) {
            explain(rd, "a '#' line without an end");
            return OUT_SHORT;
        }
    }
    *offset = rd->w.base + rd->w.at;
    *line = (struct slice){rd->w.buf + rd->w.at, (size_t)(nl - (rd->w.buf + rd->w.at))};
    if (line->n + 1 > NOTE_MAX) {
        explain(rd, "a '#' line of more than %d bytes", NOTE_MAX);
        return OUT_BAD;
    }
    rd->w.at += line->n + 1;
    rd->unit_lines++;
    if (line->n && line->p[line->n - 1] == '\r') line->n--;
    return OUT_UNIT;
}

/* ---------------------------------------------------------------- commands */

/* Follows which commands are bytes of the stream, and what it has selected. */
static void count_in_stream(struct reader *rd, const struct request *req) {
    const struct slice *argv = rd->args.v + req->first;
    int64_t db;

    if (rd->local == LOCAL_NEXT) {
        if (!slice_is(argv[0], "select")) rd->r->stream_local = true;
        bool multi = req->argc == 1 && slice_is(argv[0], "multi");

        rd->local = multi ? LOCAL_IN_MULTI : LOCAL_NO;
        return;
    }
    if (rd->local == LOCAL_IN_MULTI) {
        if (req->argc == 1 && slice_is(argv[0], "exec")) rd->local = LOCAL_NO;
        return;
    }
    rd->stream.now.offset += req->bytes;
    if (req->argc == 2 && slice_is(argv[0], "select") && num_parse_i64(argv[1].p, argv[1].n, &db) &&
        db >= 0 && db <= INT32_MAX) {
        rd->stream.now.db = (int)db;
        return; /* a SELECT changes no data, and a message may follow it */
    }
    rd->stream.now.data_end = rd->stream.now.offset;
    rd->stream.now.data_db = rd->stream.now.db;
}

static enum outcome take_command(struct reader *rd, struct parsed *out) {
    static const struct request_limits limits = {REQUEST_BULK_MAX, REQUEST_LOG_ARGS_MAX, true};
    struct request_partial *partial = NULL;
    struct request req;
    const char *error = NULL;
    size_t need;
    enum request_result rc;

    while ((rc = request_parse(rd->w.buf + rd->w.at, rd->w.n - rd->w.at, &limits, &partial,
                               &rd->args, &req, &need, &error)) == REQUEST_MORE) {
        if (need > rd->w.end - (rd->w.base + rd->w.at) || !window_need(rd, need)) {
            request_partial_free(&partial);
            explain(rd, "the file ends inside a command");
            return OUT_SHORT;
        }
    }
    request_partial_free(&partial);
    if (rc == REQUEST_BAD) {
        explain(rd, "not a command: %s", error);
        return OUT_BAD;
    }
    if (req.argc == 0) {
        explain(rd, "a command without a name");
        return OUT_BAD;
    }
    *out = (struct parsed){req.first, req.argc};
    rd->w.at += req.bytes;
    rd->unit_lines += 1 + 2 * req.argc;
    if (rd->in_stream && rd->stream.now.id[0]) count_in_stream(rd, &req);
    return OUT_UNIT;
}

static bool is_word(const struct reader *rd, const struct parsed *c, const char *word) {
    return c->argc == 1 && slice_is(rd->args.v[c->first], word);
}

static void keep_command(struct reader *rd, const struct parsed *c) {
    if (rd->ncmds == rd->cmds_cap) {
        rd->cmds_cap = rd->cmds_cap ? rd->cmds_cap * 2 : 64;
        rd->cmds = mem_realloc(rd->cmds, rd->cmds_cap * sizeof *rd->cmds);
    }
    rd->cmds[rd->ncmds++] = *c;
}

/* Takes one command and keeps it, following MULTI and EXEC in *in_multi. */
static enum outcome take_kept(struct reader *rd, bool *in_multi) {
    struct parsed c;
    enum outcome rc = take_command(rd, &c);

    if (rc != OUT_UNIT) return rc;
    if (is_word(rd, &c, "multi")) {
        if (*in_multi) {
            explain(rd, "a MULTI inside a transaction: its EXEC is missing");
            return OUT_BAD;
        }
        *in_multi = true;
    } else if (is_word(rd, &c, "exec")) {
        if (!*in_multi) {
            explain(rd, "an EXEC without its MULTI");
            return OUT_BAD;
        }
        *in_multi = false;
    } else {
        keep_command(rd, &c);
    }
    return OUT_UNIT;
}

static bool is_time(struct slice line) {
    return line.n > 4 && memcmp(line.p, "#TS:", 4) == 0;
}

static void note_time(struct reader *rd, struct slice line) {
    int64_t sec;

    if (!is_time(line)) return;
    if (num_parse_i64(line.p + 4, line.n - 4, &sec) && sec < INT64_MAX / 1000)
        rd->unit_ms = sec * 1000;
}

/* ---------------------------------------------------------------- units */

/* A mark at offset `at` says how much before it was not synced when it was written. */
static void note_synced(struct reader *rd, uint64_t at, uint64_t unsynced) {
    const struct aof_epoch *h = &rd->r->epoch;

    rd->unit_synced = unsynced < at - h->offset ? at - unsynced : h->offset;
}

static bool batch_holds(struct reader *rd, struct slice line, uint64_t trailer_at, size_t body,
                        uint64_t begin_at) {
    const struct aof_epoch *h = &rd->r->epoch;
    size_t n = (size_t)(trailer_at - (rd->w.base + body));
    struct aof_trailer t;

    if (!aof_mark_parse_trailer(line, h, aof_position_at(h, trailer_at), &t)) {
        explain(rd, "a trailer whose check fails");
        return false;
    }
    if (t.length != n ||
        t.crc != crc64(aof_batch_seed(h, aof_position_at(h, begin_at)), rd->w.buf + body, n)) {
        explain(rd, "a batch whose checksum does not match");
        return false;
    }
    rd->unit_ms = t.ms;
    note_synced(rd, trailer_at, t.unsynced);
    return true;
}

/* The stream is somewhere else from here on. */
static void move_stream(struct reader *rd, const struct aof_stream *to) {
    rd->stream_moved = true;
    if (aof_stream_goes_on(&rd->stream, to)) return;
    rd->run_begins = true;
    rd->run_first = to->offset;
}

static void end_stream(struct reader *rd) {
    rd->stream = (struct aof_stream_state){0};
    rd->stream_moved = true;
}

/* A mark of the replication stream inside a batch; false: it is none, or damaged. */
static bool take_stream_line(struct reader *rd, struct slice line, uint64_t at) {
    const struct aof_epoch *h = &rd->r->epoch;
    struct aof_stream got = {0};
    int n;

    if (rd->local != LOCAL_NO) return false;
    switch (aof_stream_parse(line, h, aof_position_at(h, at), &got)) {
    case AOF_STREAM_AT: move_stream(rd, &got); return true;
    case AOF_STREAM_PAST:
        aof_stream_add_past(&rd->stream, got.id, got.offset);
        rd->stream_moved = true;
        return true;
    case AOF_STREAM_END: end_stream(rd); return true;
    case AOF_STREAM_LOCAL: rd->local = LOCAL_NEXT; return rd->stream.now.id[0] != '\0';
    case AOF_STREAM_NOTE:
        n = aof_stream_read_note(line, NULL);
        rd->stream.now.offset += n > 0 ? (uint64_t)n : 0;
        return n > 0 && rd->stream.now.id[0];
    case AOF_STREAM_BAD: break;
    }
    return false;
}

/* The unit's commands are done; may it end here? */
static bool batch_may_end(struct reader *rd, bool in_multi) {
    if (in_multi) explain(rd, "a batch that ends inside a transaction");
    if (rd->local != LOCAL_NO) explain(rd, "a '#-' mark without its command");
    return !in_multi && rd->local == LOCAL_NO;
}

/* Reads from the end of the begin mark to the end of the trailer. */
static enum outcome take_batch(struct reader *rd) {
    uint64_t begin_at = rd->w.base + rd->w.unit;
    size_t body_len = rd->w.at - rd->w.unit;
    bool in_multi = false;

    rd->unit_marked = true;
    rd->in_stream = rd->r->epoch.version >= 2;
    for (;;) {
        enum outcome rc;
        struct slice line;
        uint64_t at;

        if (!window_need(rd, 1)) {
            explain(rd, "a batch without its trailer");
            return OUT_SHORT;
        }
        if (rd->w.buf[rd->w.at] != '#') {
            rc = take_kept(rd, &in_multi);
            if (rc != OUT_UNIT) return rc;
            continue;
        }
        rc = take_line(rd, &line, &at);
        if (rc != OUT_UNIT) return rc;
        if (line.n >= 2 && line.p[1] == '}') {
            if (!batch_may_end(rd, in_multi)) return OUT_BAD;
            return batch_holds(rd, line, at, rd->w.unit + body_len, begin_at) ? OUT_UNIT : OUT_BAD;
        }
        if ((line.n < 2 || line.p[1] != 'T') && (in_multi || !take_stream_line(rd, line, at))) {
            explain(rd, "a mark inside a batch");
            return OUT_BAD;
        }
    }
}

/* Room that content follows: another server appended the content to a file of ours that was not
 * closed. If the file still ends in room, no server did so, and a batch is missing here. */
static enum outcome take_room(struct reader *rd) {
    if (rd->r->room) {
        explain(rd, "room where a batch should be");
        return OUT_BAD;
    }
    if (!rd->in_room) rd->before_room = rd->r->good;
    rd->in_room = rd->r->room_inside = true;
    return OUT_UNIT;
}

/* Every mark before a header was written before it, and a file is synced before it gets one. */
static void note_header(struct reader *rd, const struct aof_epoch *h) {
    struct aof_report *r = rd->r;

    if (h->offset == 0) {
        r->start = *h;
        r->has_start = true;
    }
    r->epoch = *h;
    r->has_header = true;
    rd->unit_marked = true;
    rd->unit_ms = h->ms;
    rd->unit_synced = h->offset;
}

/* A '#' line between units: header, begin mark, synced mark, or an annotation of another
 * program. */
static enum outcome take_mark(struct reader *rd) {
    struct aof_report *r = rd->r;
    struct slice line;
    uint64_t at, unsynced;
    int64_t ms;
    enum outcome rc = take_line(rd, &line, &at);

    if (rc != OUT_UNIT) return rc;
    if (slice_eq(line, SLICE("#{")) && r->has_header) return take_batch(rd);
    if (line.n > 5 && memcmp(line.p, "#stet", 5) == 0) {
        struct aof_epoch h;

        if (!aof_mark_parse_header(line, at, r->has_header ? r->epoch.id : 0, &h)) {
            if (aof_mark_is_newer(line, at, r->has_header ? r->epoch.id : 0)) {
                explain(rd, "is of a format that this version does not know: '%.16s'", line.p);
                return OUT_NEWER;
            }
            explain(rd, "a header line whose check fails");
            return OUT_BAD;
        }
        note_header(rd, &h);
        return OUT_UNIT;
    }
    if (line.n > 2 && line.p[1] == '=' && r->has_header) {
        if (!aof_mark_parse_synced(line, &r->epoch, aof_position_at(&r->epoch, at), &unsynced,
                                   &ms)) {
            explain(rd, "a synced mark whose check fails");
            return OUT_BAD;
        }
        rd->unit_marked = true;
        rd->unit_ms = ms;
        note_synced(rd, at, unsynced);
        return OUT_UNIT;
    }
    if (r->has_header && aof_room_is_line(line)) return take_room(rd);
    /* After a mark only this server has written, and only #TS is an annotation; a begin mark in a
     * file without a header means that the header is damaged. */
    if (r->has_header ? !r->unmarked && !is_time(line) : slice_eq(line, SLICE("#{"))) {
        explain(rd, r->has_header ? "a '#' line that is no mark" : "a batch without a header");
        return OUT_BAD;
    }
    note_time(rd, line);
    return OUT_UNIT;
}

/* One command outside batches, or all of a transaction. */
static enum outcome take_unmarked(struct reader *rd) {
    bool in_multi = false;

    do {
        enum outcome rc;

        if (!window_need(rd, 1)) {
            explain(rd, "the file ends inside a transaction");
            return OUT_SHORT;
        }
        if (rd->w.buf[rd->w.at] == '#') {
            struct slice line;
            uint64_t at;

            rc = take_line(rd, &line, &at);
        } else if (rd->w.buf[rd->w.at] == '*') {
            rc = take_kept(rd, &in_multi);
        } else {
            explain(rd, "expected '*', found 0x%02x", (unsigned char)rd->w.buf[rd->w.at]);
            rc = OUT_BAD;
        }
        if (rc != OUT_UNIT) return rc;
    } while (in_multi);
    return OUT_UNIT;
}

static enum outcome take_unit(struct reader *rd) {
    rd->args.n = rd->ncmds = 0;
    rd->unit_ms = 0;
    rd->unit_lines = 0;
    rd->unit_synced = 0;
    rd->unit_marked = rd->in_stream = rd->run_begins = false;
    rd->local = LOCAL_NO;
    rd->w.unit = rd->w.at;
    if (!window_need(rd, 1)) return OUT_END;
    if (rd->w.buf[rd->w.at] == '#') return take_mark(rd);
    return take_unmarked(rd);
}

/* From the unit under way on, up to the end: commands only, of which the last may be torn? Room, a
 * mark or a hole say that this is a piece of a batch whose first sectors were lost. */
static bool rest_is_foreign(const struct reader *rd) {
    static const struct aof_reader_ops none = {0};
    struct aof_report ignored = {.has_header = true, .unmarked = true};
    struct reader probe = {.w = {.fd = rd->w.fd, .end = rd->w.end}, .ops = &none, .r = &ignored};
    enum outcome rc = OUT_UNIT;

    probe.w.base = rd->w.base + rd->w.unit;
    while (rc == OUT_UNIT && window_need(&probe, 2)) {
        const char *p = probe.w.buf + probe.w.at;

        if (p[0] == '#' && p[1] != 'T') break;
        rc = take_unit(&probe);
    }
    rc = rc == OUT_UNIT && window_need(&probe, 2) ? OUT_BAD : rc;
    mem_free(probe.w.buf);
    mem_free(probe.args.v);
    mem_free(probe.cmds);
    return rc != OUT_BAD && !probe.failed;
}

static void tell_soon(struct reader *rd, size_t i) {
    const struct parsed *c = &rd->cmds[i];

    if (i < rd->ncmds) rd->ops->soon(rd->arg, c->argc, rd->args.v + c->first);
}

static enum outcome deliver_commands(struct reader *rd) {
    bool soon = rd->ops->soon && rd->ops->command;
    struct err e;

    for (size_t i = 0; soon && i < AOF_SOON; i++) tell_soon(rd, i);
    for (size_t i = 0; i < rd->ncmds; i++) {
        const struct parsed *c = &rd->cmds[i];

        if (soon) tell_soon(rd, i + AOF_SOON);
        if (rd->ops->command && rd->ops->command(rd->arg, c->argc, rd->args.v + c->first, &e) < 0) {
            rd->w.at = (size_t)(rd->args.v[c->first].p - rd->w.buf);
            explain(rd, "%s", e.text);
            return OUT_STOP;
        }
    }
    return OUT_UNIT;
}

static enum outcome deliver(struct reader *rd) {
    uint64_t offset = rd->w.base + rd->w.unit;

    if (rd->in_room && rd->ncmds && !rest_is_foreign(rd)) {
        explain(rd, "a piece of a batch whose beginning is lost");
        return OUT_BAD;
    }

    if (rd->ops->wanted && !rd->r->stopped &&
        !rd->ops->wanted(rd->arg, rd->r, rd->w.base + rd->w.at, rd->unit_ms)) {
        rd->r->stopped = true;
        rd->r->stopped_at = offset;
    }
    if (rd->r->stopped) return OUT_UNIT;
    if (rd->unit_ms && rd->ops->time) rd->ops->time(rd->arg, offset, rd->unit_ms);
    return deliver_commands(rd);
}

static void tell_place(struct reader *rd) {
    const struct aof_report *r = rd->r;
    struct aof_stream_point p = {r->stream.now.offset, rd->w.base + rd->w.unit, r->epoch};

    if (rd->run_begins) rd->indexed = rd->run_first;
    if (!rd->ops->place || rd->run_begins || !rd->in_stream || !r->stream.now.id[0]) return;
    if (p.offset - rd->indexed < AOF_STREAM_INDEX_BYTES) return;
    rd->indexed = p.offset;
    rd->ops->place(rd->arg, &p);
}

/* Commands that are in no stream have changed the data: it is not the stream's any more. */
static void keep_stream(struct reader *rd) {
    struct aof_report *r = rd->r;

    if (r->stopped) return;
    if (rd->ncmds && !rd->in_stream && rd->stream.now.id[0]) end_stream(rd);
    tell_place(rd);
    if (rd->run_begins) {
        r->stream_begins = true;
        r->stream_at_head = r->has_start && r->units == 1;
        r->stream_at = rd->w.base + rd->w.unit;
        r->stream_first = rd->run_first;
        r->stream_epoch = r->epoch;
    }
    if (rd->stream_moved)
        r->stream = rd->stream;
    else
        r->stream.now = rd->stream.now;
    rd->stream_moved = false;
}

static void unit_done(struct reader *rd) {
    struct aof_report *r = rd->r;

    keep_stream(rd);
    r->units++;
    r->commands += rd->ncmds;
    r->lines += rd->unit_lines;
    if (rd->unit_ms) r->last_ms = rd->unit_ms;
    r->unmarked = !rd->unit_marked;
    r->good = rd->w.base + rd->w.at;
    if (rd->unit_synced > r->synced) r->synced = rd->unit_synced;
    if (rd->ncmds == 0) return;
    r->has_data = true;
    rd->in_room = false; /* another server appended this */
}

/* ---------------------------------------------------------------- a whole file */

/* What cannot be loaded though its checksum holds was written so: by a newer server, by modules, or
 * with more databases. */
static enum aof_verdict judge_rdb(int fd, const struct err *e) {
    int64_t size = io_size(fd, NULL);
    struct aof_epoch h;
    enum rdb_sum sum;
    uint64_t end;

    if (e->code == EIO || size < 0) return AOF_UNREADABLE;
    if (!aof_read_last_header(fd, (uint64_t)size, &h, &end)) end = (uint64_t)size;
    sum = rdb_check_sum(fd, end);
    if (sum == RDB_SUM_OFF && e->code == EPROTONOSUPPORT) return AOF_FOREIGN;
    return sum == RDB_SUM_GOOD ? AOF_FOREIGN : AOF_BAD_RDB;
}

/* The window begins anew after the RDB. Its checksum may end in zeros, which are content. */
static int take_preamble(struct reader *rd) {
    struct window *w = &rd->w;
    struct aof_report *r = rd->r;
    uint64_t end = 0;
    struct err e;

    if (!rd->ops->preamble) {
        snprintf(r->why, sizeof r->why, "begins with an RDB preamble, which is not read here");
        r->verdict = AOF_FOREIGN;
        return -1;
    }
    if (rd->ops->preamble(rd->arg, w->fd, &end, &e) < 0) {
        snprintf(r->why, sizeof r->why, "its RDB part: %.230s", e.text);
        r->verdict = judge_rdb(w->fd, &e);
        return -1;
    }
    w->n = w->at = w->unit = 0;
    w->base = end;
    if (w->end < end) w->end = end;
    r->good = end;
    r->has_data = r->has_preamble = true;
    return 0;
}

bool aof_read_header(int fd, struct aof_epoch *h) {
    char head[AOF_MARK_MAX];
    ssize_t n = io_read_at(fd, head, sizeof head, 0, NULL);
    const char *nl = n > 0 ? memchr(head, '\n', (size_t)n) : NULL;

    return nl && nl > head &&
           aof_mark_parse_header(slice_of(head, (size_t)(nl - head) - 1), 0, 0, h);
}

bool aof_read_last_header(int fd, uint64_t size, struct aof_epoch *h, uint64_t *at) {
    char tail[AOF_MARK_MAX];
    size_t n = size < sizeof tail ? (size_t)size : sizeof tail, from;

    if (n < 4 || io_read_at(fd, tail, n, (off_t)(size - n), NULL) != (ssize_t)n) return false;
    if (memcmp(tail + n - 2, "\r\n", 2) != 0) return false;
    for (from = n - 2; from > 0 && tail[from] != '#';) from--;
    *at = size - (n - from);
    return aof_mark_parse_header(slice_of(tail + from, n - 2 - from), *at, 0, h);
}

void aof_read_file(int fd, const struct aof_reader_ops *ops, void *arg, struct aof_report *out) {
    aof_read_file_after(fd, NULL, ops, arg, out);
}

void aof_read_file_after(int fd, const struct aof_stream_state *before,
                         const struct aof_reader_ops *ops, void *arg, struct aof_report *out) {
    struct reader rd = {.w = {.fd = fd}, .ops = ops, .arg = arg, .r = out};
    struct err e;
    int64_t size = io_size(fd, &e);
    enum outcome rc = OUT_END;

    *out = (struct aof_report){.verdict = AOF_UNREADABLE};
    if (before) {
        rd.stream = out->stream = *before;
        rd.indexed = before->now.offset;
    }
    if (size < 0 || aof_reader_find_end(&rd, (uint64_t)size) < 0) {
        snprintf(out->why, sizeof out->why, "cannot be read");
        return;
    }
    if (rdb_is_one(fd, 0) && take_preamble(&rd) < 0) goto out;
    do {
        rc = take_unit(&rd);
        if (rc == OUT_UNIT) rc = deliver(&rd);
        if (rc == OUT_UNIT) unit_done(&rd);
    } while (rc == OUT_UNIT);
    out->verdict = aof_reader_judge(&rd, rc);
out:
    mem_free(rd.w.buf);
    mem_free(rd.args.v);
    mem_free(rd.cmds);
}
