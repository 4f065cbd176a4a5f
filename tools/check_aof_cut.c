/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/check_aof_cut.h"

#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/rng.h"

#include <errno.h>
#include <stdio.h>

enum { NAME_MAX_BYTES = AOF_NAME_MAX + 96, COPY = 1 << 16 };

int check_failed(const struct check *c, const char *what, const char *name, const struct err *e) {
    SAYF(c, "Failed to %s AOF %s: %s\n", what, name, e->text);
    return -1;
}

/* ---------------------------------------------------------------- what is kept beside */

/* A name that is free: a second repair keeps what the first one kept. */
static void name_aside(const struct check *c, const char *name, uint64_t epoch, uint64_t position,
                       char out[NAME_MAX_BYTES]) {
    int n = snprintf(out, NAME_MAX_BYTES, "%s.cut-%llu-%llu", name, (unsigned long long)epoch,
                     (unsigned long long)position);

    for (int i = 2; io_exists(c->dirfd, out); i++)
        snprintf(out + n, NAME_MAX_BYTES - (size_t)n, "-%d", i);
}

static int copy_range(int from, int to, uint64_t at, uint64_t end, struct err *e) {
    char buf[COPY];

    while (at < end) {
        size_t want = end - at < COPY ? (size_t)(end - at) : COPY;
        ssize_t got = io_read_at(from, buf, want, (off_t)at, e);

        if (got == 0) return err_set(e, EIO, "the file became shorter while it was read");
        if (got < 0 || io_write_all(to, buf, (size_t)got, NULL, e) < 0) return -1;
        at += (uint64_t)got;
    }
    return 0;
}

/* Keeps what a file holds from `at` on in the file `name`. */
static int keep_tail(struct check *c, const struct part *p, uint64_t at, char name[NAME_MAX_BYTES],
                     struct err *e) {
    const struct aof_report *r = &p->r;
    int from = io_open_read(c->dirfd, p->f.name, e), to = -1, rc = -1;

    if (from < 0) return -1;
    name_aside(c, p->f.name, r->has_header ? r->epoch.epoch : 0,
               r->has_header && at >= r->epoch.offset ? aof_position_at(&r->epoch, at) : at, name);
    to = io_create(c->dirfd, name, e);
    if (to < 0 || copy_range(from, to, at, r->size, e) < 0) goto out;
    if (io_sync(to, e) < 0 || io_sync_dir(c->dirfd, e) < 0) goto out;
    rc = 0;
out:
    io_close(from);
    io_close(to);
    if (rc < 0 && to >= 0) io_unlink(c->dirfd, name, NULL);
    return rc;
}

int check_move_aside(struct check *c, const struct part *p, struct err *e) {
    char name[NAME_MAX_BYTES];

    if (!io_exists(c->dirfd, p->f.name)) return 0;
    name_aside(c, p->f.name, p->r.has_header ? p->r.epoch.epoch : 0, p->position, name);
    if (io_rename(c->dirfd, p->f.name, name, e) < 0 || io_sync_dir(c->dirfd, e) < 0) return -1;
    SAYF(c, "%s is taken out of the AOF and kept as %s\n", p->f.name, name);
    return 0;
}

/* ---------------------------------------------------------------- positions */

static void count_unit(void *arg, const struct unit *u) {
    struct counted *n = arg;
    struct unit full = *u;

    check_unit_commands(n->fd, &full, NULL, NULL);
    n->units++;
    n->commands += full.commands;
}

struct counted check_count_after(struct check *c, const struct part *p, uint64_t at,
                                 struct aof_epoch *epoch, bool *has_epoch) {
    struct counted n = {.fd = io_open_read(c->dirfd, p->f.name, NULL)};

    *epoch = p->r.epoch;
    *has_epoch = p->r.has_header;
    if (n.fd >= 0) check_scan(n.fd, at, epoch, has_epoch, count_unit, &n);
    io_close(n.fd);
    return n;
}

static void note_epoch(struct next *n, const struct aof_epoch *h, uint64_t size) {
    n->ours = true;
    if (h->position > n->position) n->position = h->position;
    if (size >= h->offset && aof_position_at(h, size) > n->position)
        n->position = aof_position_at(h, size);
    if (h->epoch >= n->epoch) n->epoch = h->epoch + 1;
}

void check_note_part(struct check *c, const struct part *p, struct next *n) {
    struct aof_epoch h = p->r.epoch;
    bool has = p->r.has_header;

    if (p->known && p->position > n->position) n->position = p->position;
    if (p->f.type == AOF_BASE) {
        n->ours |= p->known || has;
        if (has && h.epoch >= n->epoch) n->epoch = h.epoch + 1;
        return;
    }
    if (p->r.verdict != AOF_WHOLE) check_count_after(c, p, p->r.good, &h, &has);
    if (has)
        note_epoch(n, &h, p->r.size);
    else
        n->position += p->r.size; /* its own positions are lost, or it never had any */
}

struct next check_what_comes_next(struct check *c) {
    struct next n = {.epoch = 1};

    for (size_t i = 0; i < c->nparts; i++) check_note_part(c, &c->parts[i], &n);
    return n;
}

/* ---------------------------------------------------------------- new files in place of old ones
 */

/* The epoch that holds at an offset, which is where a unit begins or the end. */
struct search {
    uint64_t at;
    struct aof_epoch epoch;
    bool found;
};

static bool note_wanted(void *arg, const struct aof_report *r, uint64_t end, int64_t ms) {
    struct search *s = arg;

    (void)ms;
    if (end <= s->at && r->has_header) {
        s->epoch = r->epoch;
        s->found = true;
    }
    return false;
}

static int skip_rdb(void *arg, int fd, uint64_t *end, struct err *e) {
    (void)arg;
    (void)fd;
    (void)end;
    return err_set(e, ENOTSUP, "no epoch stands in front of an RDB");
}

static bool epoch_at(struct check *c, const struct part *p, uint64_t at, struct aof_epoch *out) {
    static const struct aof_reader_ops ops = {.wanted = note_wanted, .preamble = skip_rdb};
    struct search s = {.at = at};
    struct aof_report r;
    int fd;

    if (p->r.has_header && at >= p->r.epoch.offset + 1) {
        *out = p->r.epoch;
        return true;
    }
    fd = io_open_read(c->dirfd, p->f.name, NULL);
    if (fd < 0) return false;
    aof_read_file(fd, &ops, &s, &r);
    io_close(fd);
    *out = s.epoch;
    return s.found;
}

/* After `before`, of which id and version are known. Returns the length. */
static size_t put_header(char *out, uint64_t offset, uint64_t position, uint64_t epoch,
                         const struct aof_epoch *before, uint64_t *id) {
    struct aof_epoch h = {.position = position,
                          .offset = offset,
                          .epoch = epoch,
                          .ms = clock_wall_ms(),
                          .version = before->version};

    rng_system(&h.id, sizeof h.id);
    *id = h.id;
    return aof_mark_header(out, &h, before->id);
}

size_t check_put_headers(struct check *c, const struct part *p, uint64_t at,
                         const struct next *next, const uint64_t *joins_at,
                         char out[2 * AOF_MARK_MAX]) {
    struct aof_epoch before = {0};
    uint64_t id;
    size_t n = 0;

    if (!next->ours || p->f.type != AOF_INCR) return 0;
    if (at > 0) { /* after what another server wrote it is the first one */
        if (!epoch_at(c, p, at, &before)) before = (struct aof_epoch){0};
        return put_header(out, at, next->position, next->epoch, &before, &id);
    }
    if (!joins_at) return put_header(out, 0, next->position, next->epoch, &before, &id);
    n = put_header(out, 0, *joins_at, next->epoch, &before, &id);
    before.id = id;
    return n + put_header(out + n, n, next->position, next->epoch + 1, &before, &id);
}

size_t check_put_base_header(const struct next *next, uint64_t position, char out[AOF_MARK_MAX]) {
    struct aof_epoch before = {0};
    uint64_t id;

    return put_header(out, 0, position, next->epoch, &before, &id);
}

int check_put_in_place(struct check *c, const char *name, uint64_t at, const char *lines, size_t n,
                       struct err *e) {
    char temp[AOF_NAME_MAX + 16];
    int fd;

    snprintf(temp, sizeof temp, "temp-%s", name);
    fd = at ? io_copy_as(c->dirfd, name, temp, at, e) : io_create(c->dirfd, temp, e);
    if (fd < 0) return -1;
    if ((n && io_write_all(fd, lines, n, NULL, e) < 0) || io_sync(fd, e) < 0 ||
        io_rename(c->dirfd, temp, name, e) < 0) {
        io_close(fd);
        io_unlink(c->dirfd, temp, NULL);
        return -1;
    }
    io_close(fd);
    return io_sync_dir(c->dirfd, e);
}

int check_publish(struct check *c, struct err *e) {
    struct bytes text = {0};
    int rc;

    aof_manifest_format(&c->m, &text);
    rc = io_replace(c->dirfd, c->name, bytes_slice(&text), e);
    bytes_release(&text);
    return rc;
}

/* ---------------------------------------------------------------- cutting */

/* Cuts a file at `at`, and says so with `done` (which takes its name). */
int check_cut_part(struct check *c, const struct part *p, uint64_t at, const char *lines, size_t n,
                   const char *done) {
    char kept[NAME_MAX_BYTES];
    bool some = p->r.size > at;
    struct err e;

    if ((some && keep_tail(c, p, at, kept, &e) < 0) ||
        check_put_in_place(c, p->f.name, at, lines, n, &e) < 0)
        return check_failed(c, "truncate", p->f.name, &e);
    SAYF(c, "%s", done);
    if (some)
        SAYF(c, "The %llu bytes from offset %llu on are kept in %s\n",
             (unsigned long long)(p->r.size - at), (unsigned long long)at, kept);
    return 0;
}
