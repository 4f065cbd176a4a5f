/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_history.h"

#include "persistence/aof_reader.h"
#include "persistence/rdb.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define MS_LEAST INT64_C(100000000000) /* 1973; as seconds it is the year 5138 */

/* ---------------------------------------------------------------- words */

int aof_moment_parse(const char *text, struct aof_moment *to, struct err *e) {
    bool is_position = strncmp(text, "position:", 9) == 0;
    const char *number = is_position ? text + 9 : text;
    int64_t n;

    if (!num_parse_i64(number, strlen(number), &n) || n < 0)
        return err_set(e, EINVAL,
                       "'%.100s' is no moment: give a unix time in milliseconds, or "
                       "'position:N' for a position of the AOF",
                       text);
    if (!is_position && n < MS_LEAST)
        return err_set(e, EINVAL,
                       "'%s' is too small for a unix time in milliseconds. If it is a time in "
                       "seconds, give '%s000'; if it is a position of the AOF, give 'position:%s'",
                       text, text, text);
    *to = (struct aof_moment){.given = true, .by_time = !is_position};
    if (to->by_time)
        to->ms = n;
    else
        to->position = (uint64_t)n;
    return 0;
}

/* ---------------------------------------------------------------- what the files say */

struct part {
    const struct aof_file *f;
    bool known; /* position */
    uint64_t position, bytes;
    int64_t ms; /* when it was made; 0: not known */
};

struct parts {
    struct part *bases, *incrs; /* by sequence number */
    size_t nbases, nincrs;
};

static int on_aux(void *arg, struct slice name, struct slice value, struct err *e) {
    struct part *p = arg;
    int64_t n;

    (void)e;
    if (!num_parse_i64(value.p, value.n, &n)) return 0;
    if (slice_is(name, "aof-position")) {
        p->known = true;
        p->position = (uint64_t)n;
    }
    if (slice_is(name, "ctime")) p->ms = n * 1000;
    return 0;
}

/* The aux fields come before the first database. */
static int on_size(void *arg, int db, uint64_t keys, uint64_t expires, struct err *e) {
    (void)arg;
    (void)db;
    (void)keys;
    (void)expires;
    return err_set(e, ECANCELED, "enough");
}

static int on_key(void *arg, const struct rdb_key *k, struct entry *e, struct err *err) {
    (void)arg;
    (void)k;
    entry_free(e);
    return err_set(err, ECANCELED, "enough");
}

/* An RDB that a full sync has brought is followed by a header, see aof_replace.c. If it was the
 * base of the master's AOF, what it says itself is a position of that. */
static void look_after_rdb(int fd, struct part *p) {
    struct aof_epoch h;
    uint64_t at;

    if (!aof_read_last_header(fd, p->bytes, &h, &at)) return;
    p->known = true;
    p->position = h.position;
    p->ms = h.ms;
}

static void look_at(int fd, struct part *p) {
    static const struct rdb_sink sink = {.aux = on_aux, .size = on_size, .key = on_key};
    struct rdb_read o = {.rules = {.hash = {.now_ms = PARTS_ALL}, .list = {.fill = -2}},
                         .ndbs = INT_MAX};
    struct aof_epoch h;
    struct rdb_report ignored;
    int64_t size = io_size(fd, NULL);

    p->bytes = size > 0 ? (uint64_t)size : 0;
    if (rdb_is_one(fd, 0)) {
        look_after_rdb(fd, p);
        if (!p->known) rdb_read(fd, &o, &sink, p, &ignored, NULL);
    } else if (aof_read_header(fd, &h)) {
        p->position = h.position;
        p->ms = h.ms;
        p->known = true;
    }
}

bool aof_file_position(int fd, const struct aof_file *f, uint64_t *position) {
    struct part p = {.f = f};

    look_at(fd, &p);
    *position = p.position;
    return p.known;
}

static int by_seq(const void *a, const void *b) {
    int64_t x = ((const struct part *)a)->f->seq, y = ((const struct part *)b)->f->seq;

    return x < y ? -1 : x > y;
}

static bool is_base(const struct aof_file *f) {
    return f->type == AOF_BASE || (f->type == AOF_HISTORY && strstr(f->name, ".base."));
}

/* Files that are not there any more are left out. An increment that goes on after a cut or in the
 * place of another server's has a first header like any other. */
static void read_parts(int dirfd, const struct aof_manifest *m, struct parts *all) {
    *all = (struct parts){.bases = mem_calloc((m->n + 1) * sizeof(struct part)),
                          .incrs = mem_calloc((m->n + 1) * sizeof(struct part))};
    for (size_t i = 0; i < m->n; i++) {
        int fd = io_open_read(dirfd, m->files[i].name, NULL);
        bool base = is_base(&m->files[i]);
        struct part *p = base ? &all->bases[all->nbases] : &all->incrs[all->nincrs];

        if (fd < 0) continue;
        p->f = &m->files[i];
        look_at(fd, p);
        io_close(fd);
        (*(base ? &all->nbases : &all->nincrs))++;
    }
    qsort(all->bases, all->nbases, sizeof *all->bases, by_seq);
    qsort(all->incrs, all->nincrs, sizeof *all->incrs, by_seq);
}

static void parts_release(struct parts *all) {
    mem_free(all->bases);
    mem_free(all->incrs);
}

/* The increment that begins where a base was made: its time is exact. */
static const struct part *begins_at(const struct parts *all, uint64_t position) {
    for (size_t i = 0; i < all->nincrs; i++)
        if (all->incrs[i].known && all->incrs[i].position == position) return &all->incrs[i];
    return NULL;
}

static int64_t time_of(const struct parts *all, const struct part *base) {
    const struct part *p = base->known ? begins_at(all, base->position) : NULL;

    return p ? p->ms : base->ms;
}

/* ---------------------------------------------------------------- what is kept */

/* The base whose generation a part belongs to; -1: none. */
static int generation(const struct parts *all, const struct part *p) {
    int found = -1;

    for (size_t i = 0; p->known && i < all->nbases; i++)
        if (all->bases[i].known && all->bases[i].position <= p->position) found = (int)i;
    return found;
}

static uint64_t bytes_from(const struct parts *all, int first) {
    uint64_t total = 0;

    for (size_t i = 0; i < all->nbases; i++)
        if (all->bases[i].f->type == AOF_HISTORY && (int)i >= first) total += all->bases[i].bytes;
    for (size_t i = 0; i < all->nincrs; i++)
        if (all->incrs[i].f->type == AOF_HISTORY && generation(all, &all->incrs[i]) >= first)
            total += all->incrs[i].bytes;
    return total;
}

/* The first generation that stays; nbases: none but what is in use. */
static int first_kept(const struct parts *all, const struct aof_keep *keep) {
    int first = 0;

    if (keep->bytes)
        while (first < (int)all->nbases && bytes_from(all, first) > keep->bytes) first++;
    else if (keep->ms)
        for (int i = 0; i < (int)all->nbases; i++) {
            int64_t at = time_of(all, &all->bases[i]);

            if (all->bases[i].known && at && at <= clock_wall_ms() - keep->ms) first = i;
        }
    else
        first = (int)all->nbases;
    return first;
}

static bool is_kept(const struct parts *all, const struct aof_file *f, int first) {
    for (size_t i = 0; i < all->nbases; i++)
        if (all->bases[i].f == f) return all->bases[i].known && (int)i >= first;
    for (size_t i = 0; i < all->nincrs; i++)
        if (all->incrs[i].f == f)
            return first < (int)all->nbases && generation(all, &all->incrs[i]) >= first;
    return false;
}

bool aof_history_prune(int dirfd, struct aof_manifest *m, const struct aof_keep *keep) {
    struct aof_manifest left = *m;
    struct parts all;
    int first;

    if (keep->all) return false;
    read_parts(dirfd, m, &all);
    first = first_kept(&all, keep);
    left.files = mem_calloc((m->n + 1) * sizeof *left.files);
    left.n = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct aof_file *f = &m->files[i];

        if (f->type != AOF_HISTORY || is_kept(&all, f, first))
            left.files[left.n++] = *f;
        else if (io_exists(dirfd, f->name))
            io_unlink(dirfd, f->name, NULL);
    }
    parts_release(&all);
    left.cap = m->n + 1;
    first = left.n != m->n;
    mem_free(m->files);
    *m = left;
    return first;
}

/* ---------------------------------------------------------------- a moment in the past */

static bool is_before(const struct parts *all, const struct part *base,
                      const struct aof_moment *to) {
    int64_t at;

    if (!to->by_time) return base->known && base->position <= to->position;
    at = time_of(all, base);
    return at && at <= to->ms && (base->known || base->f->type == AOF_BASE);
}

/* Everything of the manifest that is in use: for a base that does not say where it stands. */
static void take_current(const struct aof_manifest *m, struct aof_manifest *out) {
    aof_manifest_copy(out, m);
    aof_manifest_drop_history(out);
}

static void add(struct aof_manifest *out, const struct aof_file *f, enum aof_file_type type) {
    out->files = mem_realloc(out->files, (out->n + 1) * sizeof *out->files);
    out->files[out->n] = *f;
    out->files[out->n++].type = type;
    out->cap = out->n;
}

static int take_from(const struct parts *all, const struct part *base, struct aof_manifest *out,
                     struct err *e) {
    const struct part *last = NULL;

    add(out, base->f, AOF_BASE);
    for (size_t i = 0; i < all->nincrs; i++) {
        const struct part *p = &all->incrs[i];

        if (!p->known || p->position < base->position) continue;
        if (last ? p->f->seq != last->f->seq + 1 : p->position != base->position) break;
        add(out, p->f, AOF_INCR);
        last = p;
    }
    if (last && last == &all->incrs[all->nincrs - 1]) return 0;
    return err_set(e, ENOENT, "not all increments after the base '%s' are there", base->f->name);
}

static int refuse(const struct parts *all, const struct aof_moment *to, struct err *e) {
    for (size_t i = 0; i < all->nbases; i++) {
        const struct part *b = &all->bases[i];

        if (b->known)
            return err_set(e, ERANGE,
                           "the files that are kept go back to position %llu (%lld ms) only",
                           (unsigned long long)b->position, (long long)time_of(all, b));
        if (b->ms)
            return err_set(e, ERANGE, "the base '%s' was made later, at %lld ms", b->f->name,
                           (long long)b->ms);
    }
    return err_set(e, ERANGE, "the files do not say their %s", to->by_time ? "times" : "positions");
}

int64_t aof_history_begins(int dirfd, const struct aof_manifest *m) {
    struct parts all;
    int64_t ms = 0;

    read_parts(dirfd, m, &all);
    for (size_t i = 0; i < all.nbases && !ms; i++) {
        struct aof_manifest ignored = {0};

        if (all.bases[i].known && take_from(&all, &all.bases[i], &ignored, NULL) == 0)
            ms = time_of(&all, &all.bases[i]);
        aof_manifest_release(&ignored);
    }
    if (all.nbases == 0 && all.nincrs) ms = all.incrs[0].ms;
    parts_release(&all);
    return ms;
}

int aof_history_select(int dirfd, const struct aof_manifest *m, const struct aof_moment *to,
                       struct aof_manifest *out, struct err *e) {
    const struct part *base = NULL;
    struct parts all;
    int rc = 0;

    *out = (struct aof_manifest){0};
    read_parts(dirfd, m, &all);
    for (size_t i = 0; i < all.nbases; i++)
        if (is_before(&all, &all.bases[i], to)) base = &all.bases[i];
    if (base && base->known)
        rc = take_from(&all, base, out, e);
    else if (base || (all.nbases == 0 && to->by_time) ||
             (all.nbases == 1 && to->by_time && !all.bases[0].ms))
        take_current(m, out); /* the base has no position: the times of the increments decide */
    else
        rc = refuse(&all, to, e);
    parts_release(&all);
    if (rc < 0) aof_manifest_release(out);
    return rc;
}
