/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check_aof_look - reads an AOF as the server's loader does, and finds the first thing that is
 * wrong with it: a file that does not hold, or one that does not join the file before it.
 */
#include "persistence/rdb.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "tools/check_aof.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- one file */

static void on_time(void *arg, uint64_t offset, int64_t ms) {
    struct check *c = arg;

    c->timed_at = offset;
    c->timed_ms = ms;
}

/* What is late are commands: marks and headers say when they were written, too. */
static int on_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    struct check *c = arg;

    (void)argc;
    (void)argv;
    (void)e;
    if (c->o->has_timestamp && c->late_at < 0 && c->timed_ms > c->o->timestamp_ms)
        c->late_at = (int64_t)c->timed_at;
    return 0;
}

static void on_progress(void *arg, uint64_t offset) {
    struct check *c = arg;

    progress_at(&c->progress, offset);
}

static void on_rdb_progress(void *arg, uint64_t done, uint64_t total) {
    (void)total;
    on_progress(arg, done);
}

/* Everything in it is looked at as a server would, and forgotten. */
static int on_preamble(void *arg, int fd, uint64_t *end, struct err *e) {
    struct check *c = arg;
    struct rdb_report r;
    bool say = !c->quiet;

    if (!c->is_rdb && say) {
        SAYF(c, "The AOF appears to start with an RDB preamble.\n");
        SAYF(c, "Checking the RDB preamble to start:\n");
    }
    if (rdb_check_slowly(fd, false, on_rdb_progress, c, &r, e) < 0) {
        if (say) SAYF(c, "%s\nRDB preamble of AOF file is not sane, aborting.\n", e->text);
        return -1;
    }
    if (say) SAYF(c, "[info] %llu keys read\n", (unsigned long long)r.keys);
    if (!c->is_rdb && say) SAYF(c, "RDB preamble is OK, proceeding with AOF tail...\n");
    *end = r.at;
    return 0;
}

static const struct aof_reader_ops ops = {
    .command = on_command, .time = on_time, .progress = on_progress, .preamble = on_preamble};

static bool is_rdb_base(const struct aof_file *f) {
    return f->type == AOF_BASE && strstr(f->name, ".base.rdb");
}

void check_look(struct check *c, const struct aof_file *f, struct part *out) {
    struct err e;
    struct io_stat st;
    int fd;

    progress_begin(&c->progress, f->name, io_stat(c->dirfd, f->name, &st) == 0 ? st.size : 0);
    fd = io_open_read(c->dirfd, f->name, &e);
    *out = (struct part){.f = *f, .late_at = -1};
    if (fd < 0) {
        out->there = io_exists(c->dirfd, f->name);
        out->r.verdict = AOF_UNREADABLE;
        snprintf(out->r.why, sizeof out->r.why, "cannot be opened: %.200s",
                 e.code == EINVAL ? "it is not a regular file" : strerror(e.code));
        return;
    }
    out->there = true;
    c->is_rdb = is_rdb_base(f);
    c->timed_ms = 0;
    c->late_at = -1;
    aof_read_file(fd, &ops, c, &out->r);
    progress_end(&c->progress);
    out->late_at = c->late_at;
    out->known = aof_file_position(fd, f, &out->position);
    out->header_only = f->type == AOF_INCR && aof_is_header_only(c->dirfd, f->name);
    io_close(fd);
}

/* ---------------------------------------------------------------- files of the directory */

struct found {
    struct check *c;
    struct aof_file *files;
    size_t n;
};

/* "<stem>.<seq>.incr.aof", "<stem>.<seq>.base.rdb", "<stem>.<seq>.base.aof"; the old single file.
 */
static bool parse_name(const char *stem, const char *name, struct aof_file *f) {
    size_t n = strlen(stem);
    const char *p = name + n + 1, *dot;

    if (strlen(name) >= sizeof f->name || strncmp(name, stem, n) != 0 || name[n] != '.')
        return false;
    dot = strchr(p, '.');
    if (!dot || !num_parse_i64(p, (size_t)(dot - p), &f->seq) || f->seq < 1) return false;
    if (strcmp(dot, ".incr.aof") == 0)
        f->type = AOF_INCR;
    else if (strcmp(dot, ".base.rdb") == 0 || strcmp(dot, ".base.aof") == 0)
        f->type = AOF_BASE;
    else
        return false;
    snprintf(f->name, sizeof f->name, "%s", name);
    return true;
}

static bool note_file(void *arg, const char *name) {
    struct found *all = arg;
    struct aof_file f = {0};

    if (!parse_name(all->c->stem, name, &f)) return true;
    all->files = mem_realloc(all->files, (all->n + 1) * sizeof f);
    all->files[all->n++] = f;
    return true;
}

static int by_seq(const void *a, const void *b) {
    const struct aof_file *x = a, *y = b;

    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void list_files(struct check *c, struct found *out) {
    *out = (struct found){.c = c};
    io_list(c->dirfd, note_file, out, NULL);
    if (out->n) qsort(out->files, out->n, sizeof *out->files, by_seq);
}

/* A base that is not read here is the base all the same: an older one does not lead to what came
 * after it. */
static bool is_whole(struct check *c, const struct aof_file *f, struct part *out) {
    check_look(c, f, out);
    if (out->r.verdict == AOF_FOREIGN) return true;
    return out->r.verdict == AOF_WHOLE && (out->r.size > 0 || (f->seq == 1 && !is_rdb_base(f)));
}

bool check_find_base(struct check *c, uint64_t position, struct aof_file *out) {
    struct found all;
    struct part p;
    bool ok = false, quiet = c->quiet;

    list_files(c, &all);
    c->quiet = true;
    for (size_t i = all.n; i-- > 0 && !ok;) {
        if (all.files[i].type != AOF_BASE || !is_whole(c, &all.files[i], &p)) continue;
        ok = p.known && p.position == position;
        *out = all.files[i];
    }
    c->quiet = quiet;
    mem_free(all.files);
    return ok;
}

static void add(struct aof_manifest *m, const struct aof_file *f) {
    m->files = mem_realloc(m->files, (m->n + 1) * sizeof *m->files);
    m->files[m->n++] = *f;
    m->cap = m->n;
    if (f->type == AOF_BASE) m->base_seq = f->seq;
    if (f->type == AOF_INCR) m->incr_seq = f->seq;
}

struct placed {
    struct aof_file f;
    bool known;
    uint64_t position;
};

static int by_position(const void *a, const void *b) {
    const struct placed *x = a, *y = b;

    if (x->position != y->position) return x->position < y->position ? -1 : 1;
    return by_seq(&x->f, &y->f);
}

/* Increments that all say where they begin stand in that order, and their numbers follow each
 * other, whatever the names are: names may have been exchanged. */
static void put_in_order(struct check *c, struct aof_file *files, size_t n) {
    struct placed *all = mem_calloc((n + 1) * sizeof *all);
    int64_t last = n ? files[n - 1].seq : 0;
    bool known = true;

    for (size_t i = 0; i < n; i++) {
        int fd = io_open_read(c->dirfd, files[i].name, NULL);

        all[i].f = files[i];
        all[i].known = fd >= 0 && aof_file_position(fd, &files[i], &all[i].position);
        known &= all[i].known;
        io_close(fd);
    }
    if (n && known && last >= (int64_t)n) {
        qsort(all, n, sizeof *all, by_position);
        for (size_t i = 0; i < n; i++) {
            files[i] = all[i].f;
            files[i].seq = last - (int64_t)(n - 1 - i);
        }
    }
    mem_free(all);
}

/* Which increments follow a base shows by their positions. Files that say none (of Redis) are all
 * taken: it removes those of before at once. */
static bool follows(struct check *c, const struct part *base, const struct aof_file *f) {
    uint64_t position;
    int fd = io_open_read(c->dirfd, f->name, NULL);
    bool known = fd >= 0 && aof_file_position(fd, f, &position);

    io_close(fd);
    return !known || !base->known || position >= base->position;
}

void check_rebuild(struct check *c, struct aof_manifest *out) {
    struct found all;
    struct part base = {0}, p;
    bool quiet = c->quiet;

    *out = (struct aof_manifest){0};
    list_files(c, &all);
    c->quiet = true;
    for (size_t i = all.n; i-- > 0 && out->n == 0;) {
        if (all.files[i].type != AOF_BASE || !is_whole(c, &all.files[i], &p)) continue;
        add(out, &all.files[i]);
        base = p;
    }
    for (size_t i = 0; i < all.n; i++)
        if (all.files[i].type == AOF_INCR && follows(c, &base, &all.files[i]))
            add(out, &all.files[i]);
    if (out->n) {
        bool has_base = out->files[0].type == AOF_BASE;

        put_in_order(c, out->files + has_base, out->n - has_base);
    }
    c->quiet = quiet;
    mem_free(all.files);
}

/* ---------------------------------------------------------------- what is wrong */

__attribute__((format(printf, 4, 5))) static bool wrong(struct problem *p, enum problem_kind kind,
                                                        size_t at, const char *fmt, ...) {
    va_list ap;

    p->kind = kind;
    p->at = at;
    va_start(ap, fmt);
    vsnprintf(p->text, sizeof p->text, fmt, ap);
    va_end(ap);
    return true;
}

/* Nothing of it is known to be damaged. */
static bool is_read_error(const struct part *p) {
    return p->there && (p->r.verdict == AOF_UNREADABLE || p->r.verdict == AOF_FOREIGN);
}

static bool wrong_read(struct problem *out, size_t i, const struct part *p) {
    return wrong(out, PROBLEM_UNREADABLE, i, "AOF %s %s%s", p->f.name, p->r.why,
                 p->r.verdict == AOF_FOREIGN ? ". It is not damaged: --fix leaves it as it is"
                                             : "");
}

static bool increments_hold_data(const struct check *c) {
    for (size_t i = 0; i < c->nparts; i++)
        if (c->parts[i].f.type == AOF_INCR && c->parts[i].r.has_data) return true;
    return false;
}

static bool increments_are_ours(const struct check *c) {
    for (size_t i = 0; i < c->nparts; i++)
        if (c->parts[i].f.type == AOF_INCR && c->parts[i].r.has_header) return true;
    return false;
}

/* A 0-byte base of an empty data set is what Redis writes; this server never writes one. */
static bool empty_base_is_lost(const struct check *c, const struct part *base) {
    return is_rdb_base(&base->f) || (base->f.seq > 1 && increments_hold_data(c)) ||
           increments_are_ours(c);
}

/* As the server sees it: see aof_load.c. */
static bool base_is_wrong(const struct check *c, size_t i, struct problem *out) {
    const struct part *p = &c->parts[i];
    const char *name = p->f.name;

    if (is_read_error(p)) return wrong_read(out, i, p);
    if (!p->there) return wrong(out, PROBLEM_BASE, i, "The BASE AOF %s does not exist", name);
    if (p->r.verdict == AOF_BAD_RDB)
        return wrong(out, PROBLEM_BASE, i, "BASE AOF %s %s", name, p->r.why);
    if (p->r.verdict != AOF_WHOLE) /* an RDB whose first bytes are lost is read as commands */
        return wrong(out, is_rdb_base(&p->f) && p->r.good == 0 ? PROBLEM_BASE : PROBLEM_BASE_CUT, i,
                     "BASE AOF %s is damaged at offset %llu: %s", name, (unsigned long long)p->r.at,
                     p->r.why);
    if (p->r.size == 0 && empty_base_is_lost(c, p))
        return wrong(out, PROBLEM_BASE, i,
                     "BASE AOF %s is empty (0 bytes) while increments hold data: its contents were "
                     "lost",
                     name);
    return false;
}

/* What the files have said so far of the position that comes next. */
struct chain {
    const struct part *base, *last; /* NULL: none yet */
    bool known;
    uint64_t position, epoch;
};

static bool base_joins(const struct check *c, const struct chain *ch, size_t i,
                       struct problem *out) {
    const struct part *p = &c->parts[i];

    if (!p->known || (ch->base && !ch->base->known)) return true;
    if (p->position == (ch->base ? ch->base->position : 0)) return true;
    if (!ch->base)
        return !wrong(out, PROBLEM_BASE, i,
                      "There is no base, but INCR AOF %s begins at position %llu of the AOF",
                      p->f.name, (unsigned long long)p->position);
    for (size_t k = i + 1; k < c->nparts; k++)
        if (c->parts[k].f.type == AOF_INCR && c->parts[k].known &&
            c->parts[k].position == ch->base->position)
            return !wrong(out, PROBLEM_EARLY, k,
                          "INCR AOF %s is older than the base %s: it begins at position %llu, "
                          "the base was made at %llu",
                          p->f.name, ch->base->f.name, (unsigned long long)p->position,
                          (unsigned long long)ch->base->position);
    return !wrong(out, PROBLEM_DROP, i,
                  "INCR AOF %s begins at position %llu, but the base %s was made at %llu",
                  p->f.name, (unsigned long long)p->position, ch->base->f.name,
                  (unsigned long long)ch->base->position);
}

static bool joins(const struct check *c, const struct chain *ch, size_t i, struct problem *out) {
    const struct part *p = &c->parts[i], *last = ch->last;

    if (!last) return base_joins(c, ch, i, out);
    if (p->f.seq != last->f.seq + 1 && !p->header_only)
        return !wrong(out, PROBLEM_DROP, i,
                      "An increment is missing between sequence numbers %lld and %lld (%s)",
                      (long long)last->f.seq, (long long)p->f.seq, p->f.name);
    if (!p->known || !ch->known) return true;
    if (p->position == ch->position && p->r.start.epoch < ch->epoch)
        return !wrong(out, PROBLEM_DROP, i,
                      "INCR AOF %s begins at epoch %llu, but %s ends at epoch %llu", p->f.name,
                      (unsigned long long)p->r.start.epoch, last->f.name,
                      (unsigned long long)ch->epoch);
    if (p->position == ch->position) return true;
    return !wrong(out, PROBLEM_DROP, i,
                  "INCR AOF %s begins at position %llu, but %s ends at position %llu", p->f.name,
                  (unsigned long long)p->position, last->f.name, (unsigned long long)ch->position);
}

static bool increment_is_wrong(const struct check *c, const struct chain *ch, size_t i,
                               struct problem *out) {
    const struct part *p = &c->parts[i];
    const char *name = p->f.name;

    if (is_read_error(p)) return wrong_read(out, i, p);
    if (!p->there) return wrong(out, PROBLEM_DROP, i, "The INCR AOF %s does not exist", name);
    if (!joins(c, ch, i, out)) return true;
    if (p->r.verdict == AOF_WHOLE) return false;
    return wrong(out, PROBLEM_CUT, i, "INCR AOF %s is damaged at offset %llu: %s", name,
                 (unsigned long long)p->r.at, p->r.why);
}

static void go_on(struct chain *ch, const struct part *p) {
    uint64_t end;

    if (p->f.type == AOF_BASE) {
        ch->base = p;
        ch->known = p->known;
        ch->position = p->position;
        return;
    }
    if (check_part_ends(p, &end)) {
        ch->known = true;
        ch->position = end;
        ch->epoch = p->r.epoch.epoch;
    } else if (ch->known) {
        ch->position += p->r.size; /* another server wrote it */
    }
    ch->last = p;
}

/* A rewrite turns into history what is before the new base only. */
static bool is_retired(struct check *c, const struct chain *ch, size_t i, struct problem *out) {
    const struct part *p = &c->parts[i];

    if (!ch->known || !p->known || p->header_only || p->position != ch->position) return false;
    if (p->f.type != AOF_HISTORY || strstr(p->f.name, ".base.")) return false;
    if (ch->last && p->f.seq <= ch->last->f.seq) return false;
    return wrong(out, PROBLEM_RETIRED, i,
                 "The manifest calls %s history, but it goes on where the AOF ends, at position "
                 "%llu",
                 p->f.name, (unsigned long long)p->position);
}

static void find_problem(struct check *c, struct problem *out) {
    struct chain ch = {0};

    for (size_t i = 0; i < c->nparts; i++) {
        const struct part *p = &c->parts[i];

        if (p->f.type == AOF_HISTORY) continue;
        if (p->f.type == AOF_BASE ? base_is_wrong(c, i, out) : increment_is_wrong(c, &ch, i, out))
            return;
        go_on(&ch, p);
    }
    for (size_t i = 0; i < c->nparts; i++)
        if (is_retired(c, &ch, i, out)) return;
}

static void look_at_history(struct check *c, const struct aof_file *f, struct part *out) {
    struct aof_file as = *f;
    int fd = io_open_read(c->dirfd, f->name, NULL);

    *out = (struct part){.f = *f, .there = fd >= 0, .late_at = -1};
    as.type = strstr(f->name, ".base.") ? AOF_BASE : AOF_INCR;
    if (fd >= 0) out->known = aof_file_position(fd, &as, &out->position);
    out->header_only = aof_is_header_only(c->dirfd, f->name);
    io_close(fd);
}

void check_log(struct check *c, struct problem *out) {
    struct err e;
    int rc;

    check_log_release(c);
    *out = (struct problem){0};
    rc = aof_manifest_read(c->dirfd, c->name, &c->m, &e);
    if (rc != 0) {
        c->m = (struct aof_manifest){0};
        wrong(out, PROBLEM_MANIFEST, 0, "%s", rc == 1 ? "There is no manifest" : e.text);
        return;
    }
    c->parts = mem_calloc((c->m.n + 1) * sizeof *c->parts);
    for (; c->nparts < c->m.n; c->nparts++) {
        const struct aof_file *f = &c->m.files[c->nparts];
        struct part *p = &c->parts[c->nparts];

        if (f->type == AOF_HISTORY) {
            look_at_history(c, f, p);
            continue;
        }
        check_look(c, f, p);
        if (!c->quiet) check_tell(c, p, f->type == AOF_BASE ? "base" : "incr");
    }
    find_problem(c, out);
}

bool check_is_proven(struct check *c, const struct aof_manifest *m) {
    struct problem p = {0};
    bool known = true;

    c->m = *m;
    c->parts = mem_calloc((m->n + 1) * sizeof *c->parts);
    for (; c->nparts < m->n; c->nparts++) {
        struct part *part = &c->parts[c->nparts];

        check_look(c, &m->files[c->nparts], part);
        known &= part->known || part->header_only;
    }
    find_problem(c, &p);
    c->m = (struct aof_manifest){0};
    check_log_release(c);
    return known && p.kind == PROBLEM_NONE;
}

void check_log_release(struct check *c) {
    aof_manifest_release(&c->m);
    mem_free(c->parts);
    c->parts = NULL;
    c->nparts = 0;
}
