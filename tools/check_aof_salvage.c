/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check_aof_salvage - a new AOF of everything that holds in a damaged one: a base, one increment
 * and a manifest in a directory of their own. The old files are only read.
 *
 * A batch counts if its checksum holds, wherever it stands; batches go into the new AOF in the
 * order of their positions, each once. What stands outside batches has no checksum: it counts up to
 * the first damage of its file. After a gap nothing says which database is selected: then a batch
 * counts if it selects one itself, or if no other than one is ever selected.
 *
 * The new AOF is in no replication stream: its marks are dropped.
 */
#include "persistence/rdb.h"
#include "persistence/rdb_salvage.h"
#include "storage/base/clock.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"
#include "tools/check_aof.h"
#include "tools/key_set.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { MERGED = 1 << 20 };

struct source {
    struct part p;
    int fd;
    struct unit *units;
    size_t n, cap;
};

struct salvage {
    struct check *c;
    struct aof_manifest m; /* the files that are read */
    struct source *sources;
    size_t nsources;
    int dirfd; /* of the new AOF */
    struct aof_manifest out;
    bool one_db;       /* no SELECT names another one than `db` */
    int64_t db;        /* -1: there is none */
    uint64_t position; /* where the new base was made */
    uint64_t batches, commands, left_batches, left_commands;
};

/* ---------------------------------------------------------------- units */

static bool note_db(void *arg, int64_t db) {
    struct salvage *s = arg;

    if (s->db >= 0 && s->db != db) s->one_db = false;
    s->db = db;
    return true;
}

struct collecting {
    struct salvage *s;
    struct source *from;
};

static void add_unit(struct source *from, const struct unit *u) {
    if (from->n == from->cap) {
        from->cap = from->cap ? from->cap * 2 : 256;
        from->units = mem_realloc(from->units, from->cap * sizeof *from->units);
    }
    from->units[from->n++] = *u;
}

static void on_batch(void *arg, const struct unit *u) {
    struct collecting *k = arg;
    struct unit full = *u;

    check_unit_commands(k->from->fd, &full, note_db, k->s);
    if (u->offset < k->from->p.r.good) full.after_gap = false;
    add_unit(k->from, &full);
}

/* What the reader passes on and is no batch and no mark. */
static bool on_unit(void *arg, const struct aof_report *r, uint64_t end, int64_t ms) {
    struct collecting *k = arg;
    struct source *from = k->from;
    struct unit u = {
        .offset = r->good, .body = r->good, .length = end - r->good, .end = end, .ms = ms};
    struct unit *last = from->n ? &from->units[from->n - 1] : NULL;
    char first[4] = "";

    if (io_read_at(from->fd, first, sizeof first, (off_t)u.offset, NULL) <= 0) return true;
    if (first[0] == '#' && memcmp(first, "#TS:", 4) != 0) return true;
    if (last && last->end == u.offset && last->length + u.length <= MERGED) {
        last->length += u.length;
        last->end = end;
        if (ms) last->ms = ms;
    } else {
        add_unit(from, &u);
    }
    return true;
}

static int pass_rdb(void *arg, int fd, uint64_t *end, struct err *e) {
    struct rdb_report r;

    (void)arg;
    if (rdb_check(fd, true, &r, e) < 0) return -1;
    *end = r.at;
    return 0;
}

static int by_offset(const void *a, const void *b) {
    const struct unit *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void on_progress(void *arg, uint64_t offset) {
    const struct collecting *k = arg;

    progress_at(&k->s->c->progress, offset);
}

static void collect(struct salvage *s, struct source *from) {
    static const struct aof_reader_ops ops = {
        .wanted = on_unit, .progress = on_progress, .preamble = pass_rdb};
    struct collecting k = {s, from};
    bool has_epoch = false;
    struct aof_report r;
    int64_t size;

    if (from->fd < 0) return;
    size = io_size(from->fd, NULL);
    progress_begin(&s->c->progress, from->p.f.name, size > 0 ? (uint64_t)size : 0);
    aof_read_file(from->fd, &ops, &k, &r);
    progress_end(&s->c->progress);
    for (size_t i = 0; i < from->n; i++) check_unit_commands(from->fd, &from->units[i], note_db, s);
    check_scan(from->fd, 0, NULL, &has_epoch, on_batch, &k);
    if (from->n) qsort(from->units, from->n, sizeof *from->units, by_offset);
}

/* ---------------------------------------------------------------- which files */

static int by_position(const void *a, const void *b) {
    const struct source *x = a, *y = b;
    bool xb = x->p.f.type == AOF_BASE, yb = y->p.f.type == AOF_BASE;

    if (xb != yb) return xb ? -1 : 1;
    if (x->p.known && y->p.known && x->p.position != y->p.position)
        return x->p.position < y->p.position ? -1 : 1;
    return x->p.f.seq < y->p.f.seq ? -1 : x->p.f.seq > y->p.f.seq;
}

/* The files of the manifest; of the directory if that cannot be read. */
static int open_sources(struct salvage *s) {
    struct check *c = s->c;
    struct err e;

    if (aof_manifest_read(c->dirfd, c->name, &s->m, &e) != 0) {
        SAYF(c, "Without a manifest that can be read: all files of the directory are looked at\n");
        check_rebuild(c, &s->m);
    }
    aof_manifest_drop_history(&s->m);
    if (s->m.n == 0) {
        SAYF(c, "There are no files of an AOF named '%s'\n", c->stem);
        return -1;
    }
    s->sources = mem_calloc(s->m.n * sizeof *s->sources);
    c->quiet = true;
    for (; s->nsources < s->m.n; s->nsources++) {
        struct source *from = &s->sources[s->nsources];

        check_look(c, &s->m.files[s->nsources], &from->p);
        from->fd = io_open_read(c->dirfd, from->p.f.name, NULL);
        if (from->fd < 0) SAYF(c, "%s cannot be read: left out\n", from->p.f.name);
    }
    qsort(s->sources, s->nsources, sizeof *s->sources, by_position);
    for (size_t i = 0; i < s->nsources; i++) collect(s, &s->sources[i]);
    return 0;
}

/* ---------------------------------------------------------------- a base that is an RDB */

struct rdb_base {
    struct rdb_salvage salvage;
    struct rdb_report report;
    struct key_set seen;
    uint64_t damaged;
};

/* The loader refuses a key that comes twice, as damage to names makes them do. */
static int on_key(void *arg, const struct rdb_key *k, struct entry *entry, struct err *e) {
    struct rdb_base *b = arg;

    (void)e;
    if (key_set_has(&b->seen, k->db, entry_key(entry))) {
        rdb_salvage_leave_out(&b->salvage, k->at, b->report.at);
        b->report.keys--;
        b->damaged++;
    }
    entry_free(entry);
    return 0;
}

static bool on_damaged(void *arg, const struct rdb_damage *d, uint64_t *next) {
    struct rdb_base *b = arg;

    if (!rdb_salvage_behind(&b->salvage, d, b->report.version, next)) return false;
    rdb_salvage_leave_out(&b->salvage, d->key->at, *next);
    b->damaged++;
    return true;
}

static void tell_rdb(const struct salvage *s, const char *name, const struct rdb_base *b,
                     const struct err *why) {
    SAYF(s->c, "BASE %s: %llu keys saved, %llu damaged keys left out\n", name,
         (unsigned long long)b->report.keys, (unsigned long long)b->damaged);
    if (why) SAYF(s->c, "BASE %s: %s; nothing after that can be read\n", name, why->text);
    if (b->report.sum == RDB_SUM_WRONG)
        SAYF(s->c, "BASE %s: its checksum does not hold, any of its keys may have changed\n", name);
}

/* 1: nothing of it can be read. */
static int write_rdb(struct salvage *s, struct source *from, const char *name, struct err *e) {
    static const struct rdb_sink sink = {.key = on_key, .damaged = on_damaged};
    struct rdb_read o = {.rules = {.hash = {512, 64, PARTS_ALL},
                                   .set = {512, 128, 64, PARTS_ALL},
                                   .zset = {128, 64},
                                   .list = {.fill = -2}},
                         .skip_modules = true,
                         .ndbs = INT_MAX};
    struct rdb_base b = {0};
    struct err why;
    uint64_t end;
    bool whole;

    if (rdb_salvage_begin(&b.salvage, from->fd, s->dirfd, name, e) < 0) return -1;
    whole = rdb_read(from->fd, &o, &sink, &b, &b.report, &why) == 0;
    key_set_release(&b.seen);
    if (!whole && b.report.doing == RDB_DOING_START) {
        io_close(b.salvage.out.fd);
        io_unlink(s->dirfd, name, NULL);
        SAYF(s->c, "BASE %s: nothing of it can be read\n", from->p.f.name);
        return 1;
    }
    end = b.report.value_at < b.salvage.copied ? b.salvage.copied : b.report.value_at;
    if (rdb_salvage_end(&b.salvage, end, b.report.version, e) < 0) return -1;
    tell_rdb(s, from->p.f.name, &b, whole ? NULL : &why);
    return 0;
}

/* ---------------------------------------------------------------- a file of commands */

struct output {
    int fd;
    struct aof_epoch epoch;
    uint64_t at; /* bytes that are written */
    int64_t db;  /* that is selected, -1: none yet */
    struct bytes buf;
};

static int put(struct output *o, const void *p, size_t n, struct err *e) {
    if (io_write_all(o->fd, p, n, NULL, e) < 0) return -1;
    o->at += n;
    return 0;
}

static int begin_output(struct salvage *s, struct output *o, const char *name, int64_t ms,
                        struct err *e) {
    char line[AOF_MARK_MAX];

    *o = (struct output){.fd = io_create(s->dirfd, name, e), .db = -1};
    if (o->fd < 0) return -1;
    o->epoch =
        (struct aof_epoch){.position = s->position, .epoch = 1, .ms = ms ? ms : clock_wall_ms()};
    rng_system(&o->epoch.id, sizeof o->epoch.id);
    return put(o, line, aof_mark_header(line, &o->epoch, 0), e);
}

static int end_output(struct salvage *s, struct output *o, struct err *e) {
    char line[AOF_MARK_MAX];
    int rc = -1;

    if (io_sync(o->fd, e) < 0) goto out;
    if (put(o, line,
            aof_mark_synced(line, &o->epoch, aof_position_at(&o->epoch, o->at), 0, clock_wall_ms()),
            e) < 0)
        goto out;
    if (io_sync(o->fd, e) < 0) goto out;
    rc = io_sync_dir(s->dirfd, e);
out:
    io_close(o->fd);
    bytes_release(&o->buf);
    return rc;
}

/* One unit of the old AOF as one batch of the new one. `db`: select that first; -1: it is. */
static int put_batch(struct output *o, const struct source *from, const struct unit *u, int64_t db,
                     struct err *e) {
    struct aof_trailer t = {.ms = u->ms ? u->ms : o->epoch.ms};
    uint64_t position = aof_position_at(&o->epoch, o->at);
    struct bytes *b = &o->buf;
    size_t body;

    bytes_clear(b);
    bytes_append(b, AOF_BEGIN_MARK.p, AOF_BEGIN_MARK.n);
    body = b->n;
    if (db >= 0) {
        char text[NUM_I64_MAX];
        int n = (int)num_format_i64(text, db);

        bytes_printf(b, "*2\r\n$6\r\nSELECT\r\n$%d\r\n%.*s\r\n", n, n, text);
    }
    if (io_read_at(from->fd, bytes_room(b, (size_t)u->length), (size_t)u->length, (off_t)u->body,
                   e) != (ssize_t)u->length)
        return err_set(e, EIO, "'%s' can no longer be read", from->p.f.name);
    b->n += check_drop_marks(b->p + b->n, (size_t)u->length);
    t.length = b->n - body;
    if (t.length == 0) return 0; /* there was nothing but marks of the replication stream */
    t.crc = crc64(aof_batch_seed(&o->epoch, position), b->p + body, t.length);
    t.unsynced = position + b->n - o->epoch.position;
    b->n += aof_mark_trailer(bytes_room(b, AOF_MARK_MAX), &o->epoch, position + b->n, &t);
    return put(o, b->p, b->n, e);
}

/* Which database a unit works on when it begins; false: nothing says it. */
static bool database_of(const struct salvage *s, const struct unit *u, bool known, int64_t db,
                        int64_t *out) {
    *out = db;
    if (u->selects_first || (known && db >= 0)) return true;
    *out = s->db >= 0 ? s->db : 0;
    return s->one_db;
}

static int put_source(struct salvage *s, struct output *o, const struct source *from,
                      uint64_t *position, struct err *e) {
    bool known = true; /* the selected database; a file begins with a SELECT */
    int64_t db = -1, begin;

    for (size_t i = 0; i < from->n; i++) {
        const struct unit *u = &from->units[i];
        bool again = u->marked && u->position < *position;

        if (u->after_gap) known = false;
        if (again || !database_of(s, u, known, db, &begin)) {
            s->left_batches++;
            s->left_commands += u->commands;
            if (u->selects_last < 0) continue;
        } else {
            bool select = !u->selects_first && begin != o->db;

            if (put_batch(o, from, u, select ? begin : -1, e) < 0) return -1;
            s->batches++;
            s->commands += u->commands;
            o->db = u->selects_last >= 0 ? u->selects_last : begin;
            if (u->marked) *position = u->position + (u->end - u->offset);
        }
        db = u->selects_last >= 0 ? u->selects_last : begin;
        known = known || u->selects_last >= 0;
    }
    return 0;
}

static int64_t first_ms(const struct salvage *s, bool base) {
    int64_t first = 0;

    for (size_t i = 0; i < s->nsources; i++)
        for (size_t k = 0; (s->sources[i].p.f.type == AOF_BASE) == base && k < s->sources[i].n;
             k++) {
            int64_t ms = s->sources[i].units[k].ms;

            if (ms && (!first || ms < first)) first = ms;
        }
    return first;
}

/* ---------------------------------------------------------------- the new AOF */

static int write_base(struct salvage *s, struct err *e) {
    struct source *base = &s->sources[0];
    struct output o;
    uint64_t position = 0;
    bool there = base->p.f.type == AOF_BASE && base->fd >= 0;
    const struct aof_file *f;
    int rc;

    /* An RDB, alone or in front of commands. */
    if (there && (strstr(base->p.f.name, ".base.rdb") || rdb_is_one(base->fd, 0))) {
        f = aof_manifest_set_base(&s->out, s->c->stem, "rdb");
        rc = write_rdb(s, base, f->name, e);
        if (rc <= 0) return rc;
        aof_manifest_release(&s->out);
    }
    f = aof_manifest_set_base(&s->out, s->c->stem, "aof");
    if (begin_output(s, &o, f->name, first_ms(s, true), e) < 0) return -1;
    rc = there ? put_source(s, &o, base, &position, e) : 0;
    return end_output(s, &o, e) < 0 ? -1 : rc;
}

/* Where the increment has to begin, as the new base says. */
static void take_position(struct salvage *s) {
    const struct aof_file *f = aof_manifest_base(&s->out);
    int fd = io_open_read(s->dirfd, f->name, NULL);
    uint64_t position;

    if (fd >= 0 && aof_file_position(fd, f, &position)) s->position = position;
    io_close(fd);
}

static int write_increment(struct salvage *s, struct err *e) {
    const struct aof_file *f = aof_manifest_add_incr(&s->out, s->c->stem);
    uint64_t position = s->position;
    struct output o;
    int rc = 0;

    if (begin_output(s, &o, f->name, first_ms(s, false), e) < 0) return -1;
    for (size_t i = 0; rc == 0 && i < s->nsources; i++) {
        const struct source *from = &s->sources[i];

        /* After an RDB preamble, commands of the AOF follow. */
        if (from->p.f.type != AOF_BASE ||
            (strstr(aof_manifest_base(&s->out)->name, ".rdb") && from->n))
            rc = put_source(s, &o, from, &position, e);
    }
    return end_output(s, &o, e) < 0 ? -1 : rc;
}

static int publish(struct salvage *s, struct err *e) {
    char name[AOF_NAME_MAX + 16];
    struct bytes text = {0};
    int rc;

    aof_manifest_name(s->c->stem, name);
    aof_manifest_format(&s->out, &text);
    rc = io_replace(s->dirfd, name, bytes_slice(&text), e);
    bytes_release(&text);
    return rc;
}

static int write_log(struct salvage *s, struct err *e) {
    if (s->sources[0].p.f.type == AOF_BASE && s->sources[0].p.known)
        s->position = s->sources[0].p.position;
    else if (s->sources[0].p.known)
        s->position = s->sources[0].p.position;
    if (write_base(s, e) < 0) return -1;
    take_position(s);
    if (write_increment(s, e) < 0) return -1;
    return publish(s, e);
}

/* ---------------------------------------------------------------- what is told */

static void tell_source(const struct salvage *s, const struct source *from) {
    const struct aof_report *r = &from->p.r;
    uint64_t bytes = 0, commands = 0;

    if (from->fd < 0) return;
    for (size_t i = 0; i < from->n; i++) {
        bytes += from->units[i].end - from->units[i].offset;
        commands += from->units[i].commands;
    }
    SAYF(s->c, "%s: %llu bytes, of which %llu hold in %llu batches with %llu commands\n",
         from->p.f.name, (unsigned long long)r->size, (unsigned long long)bytes,
         (unsigned long long)from->n, (unsigned long long)commands);
    if (r->verdict == AOF_FOREIGN)
        SAYF(s->c, "%s: not damaged, but not read here: %s\n", from->p.f.name, r->why);
    else if (r->verdict != AOF_WHOLE && r->verdict != AOF_UNREADABLE && r->verdict != AOF_BAD_RDB)
        SAYF(s->c, "%s: damaged at offset %llu: %s\n", from->p.f.name, (unsigned long long)r->at,
             r->why);
}

static void tell(const struct salvage *s) {
    const char *out = s->c->o->salvage;

    for (size_t i = 0; i < s->nsources; i++) tell_source(s, &s->sources[i]);
    SAYF(s->c, "%llu batches with %llu commands are written to %s\n",
         (unsigned long long)s->batches, (unsigned long long)s->commands, out);
    if (s->left_batches)
        SAYF(s->c,
             "%llu whole batches with %llu commands are left out: they are older than the base, "
             "twice there, or nothing says which database they are for\n",
             (unsigned long long)s->left_batches, (unsigned long long)s->left_commands);
    SAYF(s->c,
         "Commands that followed lost ones may have another effect than they had.\n"
         "To use the new AOF: move the old directory away, then start on an empty one with: "
         "stet-server --appendonly yes --restore-from %s\n",
         out);
}

static void release(struct salvage *s) {
    for (size_t i = 0; i < s->nsources; i++) {
        io_close(s->sources[i].fd);
        mem_free(s->sources[i].units);
    }
    mem_free(s->sources);
    aof_manifest_release(&s->m);
    aof_manifest_release(&s->out);
    io_close(s->dirfd);
}

static bool first_name(void *arg, const char *name) {
    bool *found = arg;

    (void)name;
    *found = true;
    return false;
}

int check_salvage(struct check *c) {
    struct salvage s = {.c = c, .dirfd = -1, .one_db = true, .db = -1};
    bool full = false;
    struct err e = {0};
    int rc = 1;

    s.dirfd = io_open_dir(c->o->salvage, true, &e);
    if (s.dirfd >= 0) io_list(s.dirfd, first_name, &full, &e);
    if (full) err_set(&e, EEXIST, "'%s' is not empty", c->o->salvage);
    if (!e.code && open_sources(&s) == 0 && write_log(&s, &e) == 0) {
        tell(&s);
        rc = 0;
    }
    if (e.code) SAYF(c, "Cannot salvage to %s: %s\n", c->o->salvage, e.text);
    release(&s);
    return rc;
}
