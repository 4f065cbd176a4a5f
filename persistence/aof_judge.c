/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_judge - judges files by their marks: whether they join, which damage is a torn tail, and
 * which bytes are proven to be durable. The rules stand in persistence/README.md ("What the loader
 * does with damage", "Evidence").
 */
#include "persistence/aof_load_internal.h"

#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool aof_is_single_file(const struct load *l, const struct aof_file *f) {
    return f->type == AOF_BASE && strcmp(f->name, l->o->names.filename) == 0;
}

/* ---------------------------------------------------------------- neighbours */

static int refuse_join(const struct load *l, const struct aof_file *f, const char *what,
                       uint64_t begins, struct err *e) {
    return err_set(
        e, EILSEQ,
        "the append only file '%s' begins at %s %llu, but '%s' before it ends at %llu: a "
        "part of the AOF is missing, or a file is of another time. Make a backup, then "
        "run: stet-check-aof --fix %s/%s.manifest",
        f->name, what, (unsigned long long)begins, l->chain.name,
        (unsigned long long)(what[0] == 'e' ? l->chain.epoch : l->chain.end), l->o->names.dirname,
        l->o->names.filename);
}

int aof_check_join(struct load *l, const struct aof_file *f, int fd, struct err *e) {
    struct aof_chain *c = &l->chain;
    struct aof_epoch h;
    uint64_t position;

    if (f->type == AOF_BASE) {
        c->name = f->name;
        if (!aof_is_single_file(l, f) && aof_file_position(fd, f, &position))
            *c = (struct aof_chain){true, true, position, 0, 0, f->name};
        return 0;
    }
    if (!aof_read_header(fd, &h)) return 0;
    if (!c->name && h.position > 0)
        return err_set(e, EILSEQ,
                       "the append only file '%s' begins at position %llu, but there is no base "
                       "before it. Make a backup, then run: stet-check-aof --fix %s/%s.manifest",
                       f->name, (unsigned long long)h.position, l->o->names.dirname,
                       l->o->names.filename);
    if (!c->known) return 0;
    if (h.position != c->end) return refuse_join(l, f, "position", h.position, e);
    if (h.epoch < c->epoch) return refuse_join(l, f, "epoch", h.epoch, e);
    if (c->id && h.id == c->id)
        return err_set(e, EILSEQ,
                       "the append only files '%s' and '%s' have the same id: one is a copy",
                       c->name, f->name);
    return 0;
}

/* ---------------------------------------------------------------- evidence */

/* A header is written only after everything before it was synced: does a file after the i-th begin
 * with one? */
static bool header_follows(const struct load *l, size_t i) {
    struct aof_epoch h;

    for (i++; i < l->list.n; i++) {
        int fd = io_open_read(l->dirfd, l->list.files[i].name, NULL);
        bool yes = fd >= 0 && aof_read_header(fd, &h);

        io_close(fd);
        if (yes) return true;
    }
    return false;
}

/* The offset from which on there is no evidence that the file is on the disk. A base was synced
 * before a manifest named it. Marks count too, even if they say nothing new: what is appended after
 * a mark that is lost cannot be read. */
static uint64_t unproven_from(const struct load *l, size_t i, const struct aof_report *r) {
    const struct aof_file *f = &l->list.files[i];

    if (f->type == AOF_BASE && !aof_is_single_file(l, f)) return r->size;
    return header_follows(l, i) ? r->size : r->synced;
}

static void note_positions(struct load *l, const struct aof_file *f, const struct aof_report *r) {
    struct aof_chain *c = &l->chain;
    struct aof_loaded *out = l->out;

    if (r->has_header && r->epoch.epoch >= out->next_epoch) out->next_epoch = r->epoch.epoch + 1;
    if (f->type == AOF_INCR && r->has_header) {
        *c = (struct aof_chain){true,           true,        aof_position_at(&r->epoch, r->size),
                                r->epoch.epoch, r->epoch.id, f->name};
    } else if (f->type == AOF_INCR) {
        c->end = (c->known ? c->end : out->next_position) + r->size;
        c->name = f->name;
    }
    if (c->end > out->next_position) out->next_position = c->end;
}

/* In which files the stream is, from its beginning to the end, without a gap. */
static void note_stream(struct load *l, struct aof_loaded_file *to, const struct aof_report *r) {
    struct aof_loaded *out = l->out;
    bool goes_on = out->stream.now.id[0] && r->stream.now.id[0] && !r->stream_begins;

    for (size_t i = 0; !goes_on && i + 1 < out->nfiles; i++) out->files[i].in_stream = false;
    to->in_stream = r->stream.now.id[0] != '\0';
    to->stream_first = goes_on ? out->stream.now.offset : r->stream_first;
    to->stream_at = goes_on ? 0 : r->stream_at;
    to->stream_epoch = r->stream_epoch;
    out->stream = r->stream;
}

/* Where the base stands in the stream: the first increment says it, if it begins at the position of
 * the base and with the stream. Another stream after that: see aof_stream_take_loaded(). */
static void note_base(struct load *l, const struct aof_file *f, const struct aof_report *r) {
    struct aof_stream_base *b = &l->out->stream_base;

    if (l->out->nfiles == 1 && f->type == AOF_BASE && !aof_is_single_file(l, f) && r->commands == 0)
        b->bytes = l->chain.known ? l->rdb_end : 0;
    if (r->stream_local) *b = (struct aof_stream_base){0}; /* the stream leads to other data */
    if (l->out->nfiles != 2 || !b->bytes) return;
    b->known = r->stream_at_head;
    b->offset = r->stream_first;
}

/* Of a stream that has begun in the file, after its beginning. */
static void note_points(const struct load *l, struct aof_loaded_file *to) {
    if (!to->in_stream || !l->npoints) return;
    to->points = mem_alloc(l->npoints * sizeof *to->points);
    for (size_t i = 0; i < l->npoints; i++)
        if (l->points[i].at > to->stream_at) to->points[to->npoints++] = l->points[i];
}

void aof_note_file(struct load *l, size_t i, const struct aof_report *r) {
    const struct aof_file *f = &l->list.files[i];
    struct aof_loaded *out = l->out;
    struct aof_loaded_file *to;

    note_positions(l, f, r);
    out->files = mem_realloc(out->files, (out->nfiles + 1) * sizeof *out->files);
    to = &out->files[out->nfiles++];
    *to = (struct aof_loaded_file){
        .raw_size = r->raw_size, .size = r->size, .end = out->next_position};
    snprintf(to->name, sizeof to->name, "%s", f->name);
    to->unproven = unproven_from(l, i, r);
    note_stream(l, to, r);
    note_points(l, to);
    note_base(l, f, r);
}

/* ---------------------------------------------------------------- cuts */

/* Makes the file for the bytes that are cut; never overwrites one. */
static int create_cut(const struct load *l, const struct aof_file *f, const struct aof_report *r,
                      char *name, size_t size, struct err *e) {
    uint64_t position = r->has_header ? aof_position_at(&r->epoch, r->good) : r->good;
    int n = snprintf(name, size, "%s.cut-%llu-%llu", f->name,
                     (unsigned long long)(r->has_header ? r->epoch.epoch : 0),
                     (unsigned long long)position);

    for (int i = 1; io_exists(l->dirfd, name); i++) snprintf(name + n, size - (size_t)n, ".%d", i);
    return io_create(l->dirfd, name, e);
}

static int keep_tail(const struct load *l, const struct aof_file *f, const struct aof_report *r,
                     char *name, size_t size, struct err *e) {
    char buf[65536];
    uint64_t at = r->good, end = r->size;
    int from = io_open_read(l->dirfd, f->name, e), to = -1, rc = -1;

    if (from < 0) return -1;
    to = create_cut(l, f, r, name, size, e);
    while (to >= 0 && at < end) {
        size_t want = end - at < sizeof buf ? (size_t)(end - at) : sizeof buf;
        ssize_t got = io_read_at(from, buf, want, (off_t)at, e);

        if (got == 0) err_set(e, EIO, "'%s' has become shorter", f->name);
        if (got <= 0 || io_write_all(to, buf, (size_t)got, NULL, e) < 0) goto out;
        at += (uint64_t)got;
    }
    if (to >= 0 && io_sync(to, e) == 0) rc = io_sync_dir(l->dirfd, e);
out:
    io_close(to);
    io_close(from);
    return rc;
}

enum { END_OF_TAIL = 8 };

/* After a cut a new epoch begins, with a position after all that were given out. Its header is
 * written over the tail and synced before the rest of the tail goes, so that there is no moment at
 * which the file ends at a position that is used again. If the rest does not go, because the cut
 * fails or the power does, it must not look like what another server appended after the header: it
 * begins with bytes that are no command. */
static int end_with_header(struct load *l, int fd, struct aof_report *r, struct err *e) {
    struct aof_epoch h = {.position = aof_position_at(&r->epoch, r->size),
                          .offset = r->good,
                          .epoch = r->epoch.epoch + 1,
                          .ms = clock_wall_ms(),
                          .version = r->epoch.version};
    char line[AOF_MARK_MAX + END_OF_TAIL];
    size_t n, rest;

    if (h.epoch < l->out->next_epoch) h.epoch = l->out->next_epoch;
    rng_system(&h.id, sizeof h.id);
    n = aof_mark_header(line, &h, r->epoch.id);
    memset(line + n, 0, END_OF_TAIL);
    rest = r->raw_size > h.offset + n ? (size_t)(r->raw_size - h.offset) - n : 0;
    if (rest > END_OF_TAIL) rest = END_OF_TAIL;
    if (io_write_at(fd, line, n + rest, (off_t)h.offset, NULL, e) < 0 || io_sync(fd, e) < 0)
        return -1;
    r->epoch = h;
    r->good += n;
    r->unmarked = false;
    return 0;
}

static int shorten(struct load *l, const struct aof_file *f, struct aof_report *r, struct err *e) {
    int fd = io_open_write(l->dirfd, f->name, e), rc = -1;

    if (fd < 0) return -1;
    if (io_size(fd, e) != (int64_t)r->raw_size) {
        err_set(e, EBUSY, "'%s' has changed while it was read: is another server using it?",
                f->name);
        goto out;
    }
    /* A header says that everything before it is on the disk. */
    if (io_write_again(fd, r->synced, r->good, e) < 0 || io_sync(fd, e) < 0) goto out;
    if (r->has_header && end_with_header(l, fd, r, e) < 0) goto out;
    if (io_truncate(fd, (off_t)r->good, e) == 0) rc = io_sync(fd, e);
out:
    io_close(fd);
    return rc;
}

/* Keeps the tail as `<file>.cut-<epoch>-<position>`, then cuts it off. */
static int cut_tail(struct load *l, const struct aof_file *f, struct aof_report *r, struct err *e) {
    char name[AOF_NAME_MAX + 64];
    uint64_t from = r->good, bytes = r->size - r->good;

    if (keep_tail(l, f, r, name, sizeof name, e) < 0) return -1;
    if (io_own(l->dirfd, f->name, e) < 0 || shorten(l, f, r, e) < 0) return -1;
    r->raw_size = r->size = r->good;
    l->out->cut_bytes = bytes;
    log_warning("AOF '%s' loaded anyway because aof-load-truncated is enabled: %s at offset %llu. "
                "%llu bytes from offset %llu on were cut off and are kept in '%s'",
                f->name, r->why, (unsigned long long)r->at, (unsigned long long)bytes,
                (unsigned long long)from, name);
    return 0;
}

/* ---------------------------------------------------------------- verdicts */

static int refuse(const struct load *l, const struct aof_file *f, const struct aof_report *r,
                  struct err *e) {
    const char *dirname = l->o->names.dirname, *filename = l->o->names.filename;

    switch (r->verdict) {
    case AOF_TORN:
        return err_set(e, EILSEQ,
                       "Unexpected end of file reading the append only file '%s': %s at offset "
                       "%llu; good up to offset %llu. You can: 1) make a backup of your AOF file, "
                       "then run: stet-check-aof --fix %s/%s.manifest 2) set "
                       "'aof-load-truncated' to yes and restart",
                       f->name, r->why, (unsigned long long)r->at, (unsigned long long)r->good,
                       dirname, filename);
    case AOF_REFUSED:
        return err_set(e, ENOEXEC, "AOF '%s', offset %llu: %s", f->name, (unsigned long long)r->at,
                       r->why);
    case AOF_FOREIGN:
        return err_set(e, ENOTSUP,
                       "AOF '%s' %s. The file is not damaged: do "
                       "not repair it, but start a server that reads it",
                       f->name, r->why);
    case AOF_BAD_RDB: return err_set(e, EILSEQ, "AOF '%s' %s", f->name, r->why);
    case AOF_UNREADABLE: return err_set(e, EIO, "AOF '%s' %s", f->name, r->why);
    default:
        return err_set(e, EILSEQ,
                       "Bad file format reading the append only file '%s': %s at offset %llu; good "
                       "up to offset %llu. Make a backup of your AOF file, then run: "
                       "stet-check-aof --fix %s/%s.manifest",
                       f->name, r->why, (unsigned long long)r->at, (unsigned long long)r->good,
                       dirname, filename);
    }
}

static bool rest_is_empty(const struct load *l, size_t i) {
    const struct aof_manifest *m = &l->list;

    for (i++; i < m->n; i++)
        if (!aof_is_header_only(l->dirfd, m->files[i].name)) return false;
    return true;
}

/* A file's header is synced before anything else is written to it: where a file of ours is no
 * longer than a header and has none, the power failed before that, and it is empty. */
static bool lost_its_header(const struct load *l, const struct aof_file *f,
                            const struct aof_report *r) {
    return f->type == AOF_INCR && l->chain.ours && r->raw_size > 0 && r->raw_size <= AOF_MARK_MAX &&
           !r->has_header && r->commands == 0 && r->verdict <= AOF_REFUSED;
}

/* An old single file is base and increment in one: its tail may be torn like one. */
static bool may_be_torn(const struct load *l, const struct aof_file *f,
                        const struct aof_report *r) {
    return r->verdict == AOF_TORN && (f->type == AOF_INCR || aof_is_single_file(l, f));
}

/* For a recovery to a moment: damage after the moment does not matter, a torn tail ends the AOF,
 * and no file is cut. */
static int judge_history(const struct load *l, size_t i, const struct aof_report *r,
                         struct err *e) {
    const struct aof_file *f = &l->list.files[i];

    if (l->stopped || r->stopped) return 0;
    if (r->verdict == AOF_TORN && f->type == AOF_INCR && rest_is_empty(l, i)) {
        log_warning("AOF '%s' is good up to offset %llu only: %s", f->name,
                    (unsigned long long)r->good, r->why);
        return 0;
    }
    return refuse(l, f, r, e);
}

int aof_judge_file(struct load *l, size_t i, struct aof_report *r, struct err *e) {
    const struct aof_file *f = &l->list.files[i];

    if (lost_its_header(l, f, r)) {
        snprintf(r->why, sizeof r->why, "its header was not written before the power failed");
        r->verdict = AOF_TORN;
        r->good = r->at = 0;
        r->size = r->raw_size;
    }
    if (r->verdict == AOF_WHOLE) return 0;
    if (l->o->until.given) return judge_history(l, i, r, e);
    if (!may_be_torn(l, f, r) || !l->o->load_truncated) return refuse(l, f, r, e);
    if (header_follows(l, i)) {
        r->verdict = AOF_CORRUPT; /* it was synced before the next one was begun */
        return refuse(l, f, r, e);
    }
    if (rest_is_empty(l, i)) return cut_tail(l, f, r, e);
    return err_set(e, EILSEQ,
                   "the append only file '%s' is truncated (%s at offset %llu), but it is not "
                   "the last one and later ones hold data. Make a backup, then run: "
                   "stet-check-aof --fix %s/%s.manifest",
                   f->name, r->why, (unsigned long long)r->at, l->o->names.dirname,
                   l->o->names.filename);
}
