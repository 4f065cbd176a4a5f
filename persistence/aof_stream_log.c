/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_stream_log - appending while there is a replication stream: which bytes of the AOF are the
 * stream's, and the marks that say so (aof_stream_mark.h).
 *
 * `state` counts the bytes of the stream as they are appended. Where the file may hold marks (it
 * has version 2), it is `open`: it says so after its header, and what is no part of the stream is
 * marked. Another file says nothing; a new one is asked for (aof_stream_wants_file).
 *
 * After a start the files may say that a stream goes on, while the caller has not begun one. Then
 * the first append ends it in the file.
 */
#include "persistence/aof_internal.h"

#include "protocol/encode.h"
#include "storage/base/check.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/num.h"

void aof_put_select(struct bytes *b, int db) {
    char text[NUM_I64_MAX];
    struct slice select[] = {SLICE("SELECT"), slice_of(text, (size_t)num_format_i64(text, db))};

    encode_command(b, 2, select);
}

/* ---------------------------------------------------------------- marks in the batch under way */

static uint64_t here(const struct aof *a) {
    return a->batch_position + a->buf.n;
}

static void put_local_mark(struct aof *a) {
    if (a->stream.open) bytes_append(&a->buf, AOF_LOCAL_MARK.p, AOF_LOCAL_MARK.n);
}

static void put_end(struct aof *a) {
    char *p;

    aof_batch_open(a);
    p = bytes_room(&a->buf, AOF_MARK_MAX);
    a->buf.n += aof_stream_put_end(p, &a->epoch, here(a));
    aof_count_appended(a);
}

/* A SELECT that only the AOF needs. */
static void select_locally(struct aof *a, int db) {
    if (db == a->db || db < 0) return;
    put_local_mark(a);
    aof_put_select(&a->buf, db);
    a->db = db;
}

/* The stream's place, as a batch of its own, so that a reader may begin there. */
static void put_place(struct aof *a) {
    struct aof_stream_log *s = &a->stream;
    char *p;

    aof_push_out(a);
    aof_batch_open(a);
    p = bytes_room(&a->buf, AOF_MARK_MAX);
    a->buf.n += aof_stream_put_at(p, &a->epoch, here(a), &s->state.now);
    aof_count_appended(a);
}

size_t aof_stream_head(struct aof *a, char *out) {
    const struct aof_stream_state *st = &a->stream.state;
    uint64_t position = a->appended;
    size_t n = AOF_BEGIN_MARK.n;

    memcpy(out, AOF_BEGIN_MARK.p, n);
    n += aof_stream_put_at(out + n, &a->epoch, position + n, &st->now);
    for (size_t i = 0; i < st->npasts; i++)
        n += aof_stream_put_past(out + n, &a->epoch, position + n, &st->past[i]);
    n += aof_batch_end(a, position, out, n);
    a->appended += n;
    return n;
}

/* ---------------------------------------------------------------- begin and end */

static bool may_mark(const struct aof *a) {
    return aof_logs(a->phase) && a->checksum && a->epoch.version >= 2 && !aof_has_no_file_yet(a);
}

static bool is_same(const struct aof_stream *x, const struct aof_stream *y) {
    return x->offset == y->offset && x->db == y->db && strcmp(x->id, y->id) == 0;
}

void aof_stream_begin(struct aof *a, const struct aof_stream *to) {
    struct aof_stream_log *s = &a->stream;
    bool said = s->open && is_same(&s->state.now, to);

    if (a->phase == AOF_OFF) return;
    if (!aof_stream_id_is_valid(to->id)) {
        log_warning("The replication stream has no valid id: the AOF does not keep its place");
        aof_stream_end(a);
        return;
    }
    if (said && s->active) return;
    if (!said) {
        bool goes_on = aof_stream_goes_on(&s->state, to) && s->open;

        if (may_mark(a)) {
            put_place(a);
            if (!goes_on) aof_stream_map_clear(&s->map);
            if (!goes_on)
                aof_stream_map_add_at(&s->map, a->dirfd, a->epoch_file, &a->epoch,
                                      a->batch_position - a->epoch.position, to->offset);
            if (a->replacing && a->batch_position == a->fork_position + a->head.n)
                s->map.next_base = (struct aof_stream_base){.known = true, .offset = to->offset};
            s->open = true;
        }
    }
    s->active = s->on = true;
    if (aof_stream_wants_file(a) && a->rw == RW_IDLE) aof_rewrite_begin(a, RW_FOR_STREAM);
}

static bool says(const struct aof_stream_state *st, const struct aof_stream_past *p) {
    for (size_t i = 0; i < st->npasts; i++)
        if (strcmp(st->past[i].id, p->id) == 0) return st->past[i].end == p->end;
    return false;
}

static void put_past(struct aof *a, const struct aof_stream_past *p) {
    char *to;

    aof_batch_open(a);
    to = bytes_room(&a->buf, AOF_MARK_MAX);
    a->buf.n += aof_stream_put_past(to, &a->epoch, here(a), p);
    aof_count_appended(a);
}

void aof_stream_tell_pasts(struct aof *a, const struct aof_stream_past *past, size_t n) {
    struct aof_stream_log *s = &a->stream;
    bool said = true;

    if (a->phase == AOF_OFF || !s->active) return;
    for (size_t i = 0; i < n; i++) said = said && says(&s->state, &past[i]);
    if (said) return;
    for (size_t i = 0; i < n; i++) {
        aof_stream_add_past(&s->state, past[i].id, past[i].end);
        if (s->open && may_mark(a))
            put_past(a, &past[i]); /* or else the next file's head says it */
    }
}

void aof_stream_forget(struct aof *a) {
    struct aof_stream_log *s = &a->stream;

    s->state = (struct aof_stream_state){0};
    s->on = s->active = s->open = false;
    aof_stream_map_clear(&s->map);
}

void aof_stream_leave(struct aof *a) {
    if (a->stream.open) put_end(a);
    aof_stream_forget(a);
}

void aof_stream_end(struct aof *a) {
    if (a->stream.active) aof_stream_leave(a);
}

/* ---------------------------------------------------------------- after a start */

void aof_stream_take_loaded(struct aof *a, const struct aof_loaded *l) {
    struct aof_stream_log *s = &a->stream;

    if (!l->stream.now.id[0]) return;
    s->state = l->stream;
    if (!l->stream_left) s->loaded = l->stream;
    s->on = s->open = true;
    for (size_t i = 0; i < l->nfiles; i++)
        if (l->files[i].in_stream) aof_stream_map_add_loaded(&s->map, a->dirfd, &l->files[i]);
    if (l->nfiles > 1 && l->files[1].in_stream) s->map.base = l->stream_base;
}

bool aof_stream_loaded(const struct aof *a, struct aof_stream *now, struct aof_stream_past *past,
                       size_t *n) {
    const struct aof_stream_state *st = &a->stream.loaded;

    if (!st->now.id[0]) return false;
    *now = st->now;
    *n = st->npasts;
    memcpy(past, st->past, st->npasts * sizeof *past);
    return true;
}

bool aof_stream_is_kept(const struct aof *a) {
    return a->stream.active && a->stream.open;
}

bool aof_stream_covers(const struct aof *a, const char *id, uint64_t from) {
    const struct aof_stream_state *st = &a->stream.state;
    bool same = strcmp(id, st->now.id) == 0;

    for (size_t i = 0; i < st->npasts && !same; i++)
        same = strcmp(id, st->past[i].id) == 0 && from <= st->past[i].end + 1;
    return same && a->stream.open && !a->replacing && from <= st->now.offset + 1 &&
           aof_stream_map_has(&a->stream.map, from);
}

struct aof_stream_reader *aof_stream_open(struct aof *a, uint64_t from, struct err *e) {
    aof_stream_map_written(&a->stream.map, aof_writer_written(a->w));
    return aof_stream_map_open(&a->stream.map, from, e);
}

/* ---------------------------------------------------------------- the base */

void aof_stream_note_base(struct aof *a) {
    a->stream.map.next_base =
        (struct aof_stream_base){.known = a->stream.open, .offset = a->stream.state.now.offset};
}

void aof_stream_take_base(struct aof *a, uint64_t rdb_bytes) {
    struct aof_stream_map *m = &a->stream.map;

    m->base = m->next_base;
    m->base.bytes = rdb_bytes;
    m->base.known &= rdb_bytes > 0;
}

bool aof_stream_base(const struct aof *a, struct aof_stream_base *out) {
    const struct aof_file *f = aof_manifest_base(&a->manifest);

    *out = a->stream.map.base;
    out->number = f ? f->seq : 0;
    return out->known && f && a->phase == AOF_ON && aof_stream_is_kept(a) &&
           aof_stream_covers(a, a->stream.state.now.id, out->offset + 1);
}

void aof_stream_open_base(struct aof *a, disposer_opened_fn *opened, void *arg) {
    disposer_open(a->disposer, a->dirfd, aof_manifest_base(&a->manifest)->name, opened, arg);
}

/* ---------------------------------------------------------------- what is counted */

/* True if what comes now is counted. The files' stream ends where nothing has begun it again. */
static bool is_counted(struct aof *a) {
    if (a->stream.active) return true;
    if (a->stream.on) aof_stream_leave(a);
    return false;
}

/* ---------------------------------------------------------------- appending */

void aof_append_in_stream(struct aof *a, const struct aof_unit *u) {
    struct aof_stream *now = &a->stream.state.now;
    size_t from;

    if (!is_counted(a)) {
        aof_append(a, u);
        return;
    }
    aof_batch_open(a);
    if (!u->select) select_locally(a, u->db);
    from = a->buf.n;
    if (u->select) aof_put_select(&a->buf, u->db);
    aof_put_unit(&a->buf, u);
    now->offset += a->buf.n - from;
    now->db = a->db = u->last_db;
    aof_count_appended(a);
}

void aof_append_local(struct aof *a, const struct aof_unit *u) {
    if (!is_counted(a)) {
        aof_append(a, u);
        return;
    }
    a->stream.map.base.known = a->stream.map.next_base.known = false; /* it lacks this */
    aof_batch_open(a);
    select_locally(a, u->db);
    put_local_mark(a);
    aof_put_unit(&a->buf, u);
    a->db = u->last_db;
    aof_count_appended(a);
}

void aof_append_bytes(struct aof *a, struct slice resp, int last_db) {
    struct aof_stream *now = &a->stream.state.now;

    if (is_counted(a)) {
        aof_batch_open(a);
        select_locally(a, now->db);
        now->offset += resp.n;
        now->db = last_db;
    } else {
        aof_batch_open(a);
    }
    bytes_append(&a->buf, resp.p, resp.n);
    a->db = last_db;
    aof_count_appended(a);
}

void aof_append_note(struct aof *a, struct slice resp) {
    if (!is_counted(a) || resp.n == 0) return;
    a->stream.state.now.offset += resp.n;
    if (!a->stream.open) return;
    aof_batch_open(a);
    aof_stream_put_note(&a->buf, resp);
    aof_count_appended(a);
}
