/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check_aof_scan - finds the batches of a file whose checksums hold, whatever stands between them.
 *
 * A trailer proves itself by its check, which includes id and position, and it says how long its
 * batch is. So the search goes by trailers: no begin mark has to be found, and bytes that were
 * copied into a value do not pass. Without the header line of an epoch its batches cannot be
 * judged.
 */
#include "protocol/request.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "tools/check_aof.h"

enum { CHUNK = 1 << 20, PAGE = 4096, BEGIN = 4 }; /* of the begin mark "#{\r\n" */

struct scan {
    int fd;
    uint64_t size;
    struct aof_epoch *epoch;
    bool *has_epoch;
    uint64_t lower; /* end of the last line or batch that holds */
    bool gap;
    void (*see)(void *arg, const struct unit *u);
    void *arg;
};

/* ---------------------------------------------------------------- commands of a unit */

static bool take_select(const struct slice *argv, size_t argc, int64_t *db) {
    return argc == 2 && slice_is(argv[0], "select") && num_parse_i64(argv[1].p, argv[1].n, db);
}

static void count_commands(struct unit *u, char *p, size_t n, bool (*one_db)(void *arg, int64_t db),
                           void *arg) {
    static const struct request_limits limits = {REQUEST_BULK_MAX, REQUEST_LOG_ARGS_MAX, true};
    struct request_args args = {0};
    struct request_partial *partial = NULL;
    const char *error, *nl;
    struct request req;
    bool first = true;
    int64_t db;
    size_t need;

    for (size_t at = 0; at < n; at += req.bytes) {
        args.n = 0;
        if (p[at] == '#') {
            nl = memchr(p + at, '\n', n - at);
            req.bytes = nl ? (size_t)(nl + 1 - (p + at)) : n - at;
            continue;
        }
        if (request_parse(p + at, n - at, &limits, &partial, &args, &req, &need, &error) !=
            REQUEST_READY)
            break;
        if (req.argc == 0) continue;
        if (req.argc == 1 &&
            (slice_is(args.v[req.first], "multi") || slice_is(args.v[req.first], "exec")))
            continue;
        u->commands++;
        if (take_select(args.v + req.first, req.argc, &db)) {
            u->selects_first |= first;
            u->selects_last = db;
            if (one_db) one_db(arg, db);
        }
        first = false;
    }
    request_partial_free(&partial);
    mem_free(args.v);
}

size_t check_drop_marks(char *p, size_t n) {
    static const struct request_limits limits = {REQUEST_BULK_MAX, REQUEST_LOG_ARGS_MAX, true};
    struct request_args args = {0};
    struct request_partial *partial = NULL;
    const char *error, *nl;
    struct request req;
    size_t need, to = 0;

    for (size_t at = 0; at < n; at += req.bytes) {
        bool dropped = p[at] == '#' && (n - at < 4 || memcmp(p + at, "#TS:", 4) != 0);

        args.n = 0;
        if (p[at] == '#') {
            nl = memchr(p + at, '\n', n - at);
            req.bytes = nl ? (size_t)(nl + 1 - (p + at)) : n - at;
        } else if (request_parse(p + at, n - at, &limits, &partial, &args, &req, &need, &error) !=
                   REQUEST_READY) {
            req.bytes = n - at; /* no commands: as it is */
        }
        if (dropped) continue;
        memmove(p + to, p + at, req.bytes);
        to += req.bytes;
    }
    request_partial_free(&partial);
    mem_free(args.v);
    return to;
}

void check_unit_commands(int fd, struct unit *u, bool (*one_db)(void *arg, int64_t db), void *arg) {
    char *buf = mem_alloc((size_t)u->length + 1);

    u->commands = 0;
    u->selects_first = false;
    u->selects_last = -1;
    if (io_read_at(fd, buf, (size_t)u->length, (off_t)u->body, NULL) == (ssize_t)u->length)
        count_commands(u, buf, (size_t)u->length, one_db, arg);
    mem_free(buf);
}

/* ---------------------------------------------------------------- lines that hold */

static bool body_holds(const struct scan *s, const struct aof_trailer *t, uint64_t begin) {
    uint64_t crc = aof_batch_seed(s->epoch, aof_position_at(s->epoch, begin)), left = t->length;
    char *buf = mem_alloc(CHUNK);
    uint64_t at = begin + BEGIN;
    bool ok = io_read_at(s->fd, buf, BEGIN, (off_t)begin, NULL) == BEGIN &&
              memcmp(buf, AOF_BEGIN_MARK.p, BEGIN) == 0;

    while (ok && left > 0) {
        size_t want = left < CHUNK ? (size_t)left : CHUNK;

        ok = io_read_at(s->fd, buf, want, (off_t)at, NULL) == (ssize_t)want;
        if (ok) crc = crc64(crc, buf, want);
        at += want;
        left -= want;
    }
    mem_free(buf);
    return ok && crc == t->crc;
}

static void passed(struct scan *s, uint64_t from, uint64_t to) {
    s->gap |= from != s->lower;
    s->lower = to;
}

static bool take_trailer(struct scan *s, struct slice line, uint64_t at, uint64_t end) {
    struct aof_trailer t;
    struct unit u = {.marked = true};

    if (!aof_mark_parse_trailer(line, s->epoch, aof_position_at(s->epoch, at), &t)) return false;
    if (t.length + BEGIN > at || at - t.length - BEGIN < s->lower) return false;
    u.offset = at - t.length - BEGIN;
    if (!body_holds(s, &t, u.offset)) return false;
    u.body = u.offset + BEGIN;
    u.length = t.length;
    u.end = end;
    u.position = aof_position_at(s->epoch, u.offset);
    u.ms = t.ms;
    passed(s, u.offset, end);
    u.after_gap = s->gap;
    s->gap = false;
    s->see(s->arg, &u);
    return true;
}

/* A line at `at`, without its CRLF; `end` is the offset after the CRLF. */
static void take_line(struct scan *s, struct slice line, uint64_t at, uint64_t end) {
    uint64_t unsynced;
    struct aof_epoch h;
    int64_t ms;

    if (at < s->lower) return;
    if (aof_mark_parse_header(line, at, *s->has_epoch ? s->epoch->id : 0, &h)) {
        *s->epoch = h;
        *s->has_epoch = true;
        passed(s, at, end);
        return;
    }
    if (!*s->has_epoch || take_trailer(s, line, at, end)) return;
    if (aof_mark_parse_synced(line, s->epoch, aof_position_at(s->epoch, at), &unsynced, &ms))
        passed(s, at, end);
}

/* ---------------------------------------------------------------- the search */

/* Every '#' of a piece of the file that begins at offset `at`. Returns how much of it is done:
 * what may be the beginning of a line that is cut off is looked at with the next piece. */
static size_t search(struct scan *s, const char *buf, size_t n, uint64_t at, bool is_last) {
    const char *p = buf, *end = buf + n;

    while ((p = memchr(p, '#', (size_t)(end - p)))) {
        size_t have = (size_t)(end - p), most = have < AOF_MARK_MAX ? have : AOF_MARK_MAX;
        const char *nl = memchr(p, '\n', most);

        if (!nl && have < AOF_MARK_MAX && !is_last) return (size_t)(p - buf);
        if (nl && nl > p && nl[-1] == '\r')
            take_line(s, slice_of(p, (size_t)(nl - p) - 1), at + (uint64_t)(p - buf),
                      at + (uint64_t)(nl + 1 - buf));
        p++;
    }
    return n;
}

void check_scan(int fd, uint64_t from, struct aof_epoch *epoch, bool *has_epoch,
                void (*see)(void *arg, const struct unit *u), void *arg) {
    struct aof_epoch own = {0};
    int64_t size = io_size(fd, NULL);
    struct scan s = {.fd = fd,
                     .epoch = epoch ? epoch : &own,
                     .has_epoch = has_epoch,
                     .lower = from,
                     .see = see,
                     .arg = arg};
    char *buf = mem_alloc(CHUNK);
    ssize_t got;

    s.size = size > 0 ? (uint64_t)size : 0;
    for (uint64_t at = from; at < s.size;) {
        size_t done;

        got = io_read_at(fd, buf, CHUNK, (off_t)at, NULL);
        if (got == 0) break;
        if (got < 0) { /* a bad place of the disk is passed over */
            at = (at / PAGE + 1) * PAGE;
            continue;
        }
        done = search(&s, buf, (size_t)got, at, at + (uint64_t)got >= s.size);
        at += done ? done : (uint64_t)got;
    }
    mem_free(buf);
}
