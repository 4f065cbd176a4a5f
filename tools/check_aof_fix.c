/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check_aof_fix - repairs: --fix takes away the first thing that is wrong with an AOF, looks again,
 * and goes on until nothing is; --truncate-to-timestamp cuts what was written later.
 *
 * Every repair takes something out of the AOF (bytes of a file, or a file), so it ends. Its steps
 * are: what is to go is kept beside, durably; the files get their names; the manifest is published.
 * A crash between two steps leaves an AOF that --fix repairs again.
 *
 * An AOF that was cut goes on with a new epoch, past every position that its files gave out.
 */
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"
#include "tools/check_aof_cut.h"

#include <stdio.h>

/* ---------------------------------------------------------------- cutting */

/* Where the increment at `i` has to begin: at the end of the one before it, or where the base was
 * made. NULL: nothing says so. */
static const uint64_t *joint(const struct check *c, size_t i, uint64_t *position) {
    const uint64_t *found = NULL;

    for (size_t k = 0; k < i; k++) {
        const struct part *p = &c->parts[k];

        if (p->f.type == AOF_BASE && p->known) {
            *position = p->position;
            found = position;
        } else if (p->f.type == AOF_INCR && check_part_ends(p, position)) {
            found = position;
        } else if (p->f.type == AOF_INCR && found) {
            *position += p->r.size;
        }
    }
    return found;
}

static bool is_increment(const struct check *c, size_t i) {
    return i < c->nparts && c->parts[i].f.type == AOF_INCR;
}

static const struct part *first_increment(const struct check *c) {
    for (size_t i = 0; i < c->nparts; i++)
        if (is_increment(c, i)) return &c->parts[i];
    return NULL;
}

/* A base that is cut to nothing gets a header: a start refuses an empty base of ours, because an
 * empty file says nothing of what it was. */
static size_t put_base(const struct check *c, uint64_t at, const struct next *next,
                       char out[AOF_MARK_MAX]) {
    const struct part *incr = first_increment(c);

    if (at > 0 || !next->ours || !incr || !incr->known) return 0;
    return check_put_base_header(next, incr->position, out);
}

static int cut(struct check *c, size_t i, uint64_t at, const struct next *next, const char *done) {
    const struct part *p = &c->parts[i];
    char lines[2 * AOF_MARK_MAX];
    uint64_t position;
    size_t n = p->f.type == AOF_BASE
                   ? put_base(c, at, next, lines)
                   : check_put_headers(c, p, at, next, joint(c, i, &position), lines);

    return check_cut_part(c, p, at, lines, n, done);
}

/* What is said of a file that was cut. */
static const char *cut_done(const struct check *c, const char *name, char text[400]) {
    if (c->o->has_timestamp && !c->o->fix)
        snprintf(text, 400, "Successfully truncated AOF %.256s to timestamp %lld\n", name,
                 (long long)c->o->timestamp_given);
    else
        snprintf(text, 400, "Successfully truncated AOF %.256s\n", name);
    return text;
}

/* Takes the increments from..to out of the AOF (indexes of parts). */
static int take_out(struct check *c, size_t from, size_t to) {
    struct err e;
    size_t n = 0;

    for (size_t i = from; i < to; i++)
        if (c->parts[i].f.type == AOF_INCR && check_move_aside(c, &c->parts[i], &e) < 0)
            return check_failed(c, "move", c->parts[i].f.name, &e);
    for (size_t i = 0; i < c->m.n; i++)
        if (i < from || i >= to || c->m.files[i].type != AOF_INCR) c->m.files[n++] = c->m.files[i];
    if (n == c->m.n) return 0;
    c->m.n = n;
    return check_publish(c, &e) < 0 ? check_failed(c, "publish", c->name, &e) : 0;
}

static void tell_lost_files(struct check *c, size_t from, size_t to) {
    uint64_t commands = 0, files = 0;

    for (size_t i = from; i < to; i++) {
        if (!is_increment(c, i) || c->parts[i].header_only) continue;
        files++;
        commands += c->parts[i].r.commands;
    }
    if (files == 0) return;
    SAYF(c,
         "This will take %llu increments with %llu commands out of the AOF, because nothing joins "
         "them to what is before them. They are kept.\n",
         (unsigned long long)files, (unsigned long long)commands);
}

static void tell_salvage(struct check *c, const char *what) {
    SAYF(c, "%s, run before or after the repair: stet-check-aof --salvage OUT %s/%s\n", what,
         c->dir, c->name);
}

static void tell_cut(struct check *c, const struct part *p) {
    const struct aof_report *r = &p->r;
    struct aof_epoch epoch;
    bool has_epoch;
    struct counted n = check_count_after(c, p, r->good, &epoch, &has_epoch);

    SAYF(c, "This will shrink the AOF %s from %llu bytes, with %llu bytes, to %llu bytes\n",
         p->f.name, (unsigned long long)r->size, (unsigned long long)(r->size - r->good),
         (unsigned long long)r->good);
    if (n.units == 0) return;
    SAYF(c,
         "After the damage stand %llu whole batches with %llu commands, whose checksums hold. "
         "They go too.\n",
         (unsigned long long)n.units, (unsigned long long)n.commands);
    if (c->is_manifest) tell_salvage(c, "To save them in an AOF of its own");
}

static int fix_cut(struct check *c, size_t i) {
    const struct part *p = &c->parts[i];
    struct next next = check_what_comes_next(c);
    char text[400];

    tell_cut(c, p);
    if (p->f.type == AOF_BASE)
        SAYF(c, "The increments stay, but keys that the rest of the base held are missing or come "
                "out as later commands make them.\n");
    else
        tell_lost_files(c, i + 1, c->nparts);
    if (!check_confirmed(c)) return -1;
    if (p->f.type == AOF_INCR && take_out(c, i + 1, c->nparts) < 0) return -1;
    return cut(c, i, p->r.good, &next, cut_done(c, p->f.name, text));
}

int check_cut_single(struct check *c, const struct part *p, uint64_t at) {
    struct next next = {.epoch = 1};
    char lines[2 * AOF_MARK_MAX], text[400];
    struct part as = *p;
    size_t n;

    as.f.type = AOF_INCR; /* as one its positions count */
    check_note_part(c, &as, &next);
    if (at == p->r.good && p->r.verdict != AOF_WHOLE) tell_cut(c, p);
    if (c->o->fix && !check_confirmed(c)) return 1;
    n = at ? check_put_headers(c, &as, at, &next, NULL, lines) : 0;
    return check_cut_part(c, p, at, lines, n, cut_done(c, p->f.name, text)) < 0;
}

/* ---------------------------------------------------------------- files that do not join */

/* An increment where none is left: the next start appends to it. */
static int make_increment(struct check *c, const struct part *lost, const struct next *next) {
    struct aof_file f = {.seq = lost->f.seq, .type = AOF_INCR};
    struct part p = {.f = f};
    char lines[2 * AOF_MARK_MAX];
    uint64_t position;
    struct err e;
    size_t n = check_put_headers(c, &p, 0, next, joint(c, c->nparts, &position), lines);

    snprintf(f.name, sizeof f.name, "%.200s.%lld.incr.aof", c->stem, (long long)f.seq);
    if (check_put_in_place(c, f.name, 0, lines, n, &e) < 0)
        return check_failed(c, "make", f.name, &e);
    c->m.files = mem_realloc(c->m.files, (c->m.n + 1) * sizeof f);
    c->m.files[c->m.n++] = f;
    c->m.cap = c->m.n;
    return check_publish(c, &e) < 0 ? check_failed(c, "publish", c->name, &e) : 0;
}

/* The index of the last increment before `i`; `i`: there is none. */
static size_t last_before(const struct check *c, size_t i) {
    for (size_t k = i; k-- > 0;)
        if (is_increment(c, k)) return k;
    return i;
}

static int fix_drop(struct check *c, size_t i) {
    struct part lost = c->parts[i];
    struct next next = check_what_comes_next(c);
    size_t last = last_before(c, i), size = 0;

    if (last == i && !aof_manifest_base(&c->m)) {
        SAYF(c, "Nothing of the AOF would be left.\n");
        tell_salvage(c, "To save what holds in an AOF of its own");
        return -1;
    }
    tell_lost_files(c, i, c->nparts);
    if (!check_confirmed(c)) return -1;
    size = last == i ? 0 : (size_t)c->parts[last].r.size;
    if (last != i && next.ours && cut(c, last, size, &next, "") < 0) return -1;
    if (take_out(c, i, c->nparts) < 0) return -1;
    c->nparts = i;
    if (last == i && next.ours && make_increment(c, &lost, &next) < 0) return -1;
    SAYF(c, "Successfully repaired the manifest %s\n", c->name);
    return 0;
}

static int fix_early(struct check *c, size_t k) {
    tell_lost_files(c, 0, k);
    if (!check_confirmed(c) || take_out(c, 0, k) < 0) return -1;
    SAYF(c, "Successfully repaired the manifest %s\n", c->name);
    return 0;
}

static int fix_retired(struct check *c, size_t i) {
    struct aof_file f = c->m.files[i];
    struct err e;

    SAYF(c, "This will put %s into the AOF again\n", f.name);
    if (!check_confirmed(c)) return -1;
    memmove(&c->m.files[i], &c->m.files[i + 1], (c->m.n - i - 1) * sizeof f);
    f.type = AOF_INCR;
    c->m.files[c->m.n - 1] = f;
    return check_publish(c, &e) < 0 ? check_failed(c, "publish", c->name, &e) : 0;
}

/* ---------------------------------------------------------------- the manifest, the base */

static bool has_file(const struct aof_manifest *m, const char *name) {
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->files[i].name, name) == 0) return true;
    return false;
}

/* History stands between the base and the increments. */
static void take_over_history(struct aof_manifest *to, const struct aof_manifest *from) {
    size_t at = to->n && to->files[0].type == AOF_BASE ? 1 : 0;

    for (size_t i = 0; i < from->n; i++) {
        if (from->files[i].type != AOF_HISTORY || has_file(to, from->files[i].name)) continue;
        to->files = mem_realloc(to->files, (to->n + 1) * sizeof *to->files);
        memmove(&to->files[at + 1], &to->files[at], (to->n - at) * sizeof *to->files);
        to->files[at++] = from->files[i];
        to->cap = ++to->n;
    }
}

static int keep_manifest(struct check *c, struct err *e) {
    char name[AOF_NAME_MAX + 64];
    struct io_stat st;
    int fd;

    if (io_stat(c->dirfd, c->name, &st) < 0) return 0;
    snprintf(name, sizeof name, "%s.cut-%lld", c->name, (long long)clock_wall_ms());
    fd = io_copy_as(c->dirfd, c->name, name, st.size, e);
    if (fd < 0) return -1;
    io_close(fd);
    SAYF(c, "The manifest is kept as %s\n", name);
    return io_sync_dir(c->dirfd, e);
}

static int take_manifest(struct check *c, struct aof_manifest *m) {
    struct err e;

    SAYF(c, "This will make a new manifest %s of the files of the directory:\n", c->name);
    for (size_t i = 0; i < m->n; i++)
        SAYF(c, "  %s, number %lld\n", m->files[i].name, (long long)m->files[i].seq);
    if (!check_confirmed(c)) return -1;
    if (keep_manifest(c, &e) < 0) return check_failed(c, "keep", c->name, &e);
    take_over_history(m, &c->m);
    aof_manifest_release(&c->m);
    c->m = *m;
    *m = (struct aof_manifest){0};
    if (check_publish(c, &e) < 0) return check_failed(c, "publish", c->name, &e);
    SAYF(c, "Successfully repaired the manifest %s\n", c->name);
    return 0;
}

static int fix_manifest(struct check *c) {
    struct aof_manifest m;
    int rc = -1;

    check_rebuild(c, &m);
    if (m.n)
        rc = take_manifest(c, &m);
    else
        SAYF(c, "The directory holds no files of an AOF named '%s'\n", c->stem);
    aof_manifest_release(&m);
    return rc;
}

/* Whether the files of the directory make up an AOF without a fault, and say so by their positions:
 * then only the manifest is wrong. */
static bool only_manifest_is_wrong(struct check *c, struct aof_manifest *m) {
    struct check other = *c;
    bool ok;

    check_rebuild(c, m);
    other.quiet = true;
    other.parts = NULL;
    other.nparts = 0;
    ok = m->n > 1 && m->files[0].type == AOF_BASE && check_is_proven(&other, m);
    if (!ok) aof_manifest_release(m);
    return ok;
}

/* Another file of the directory is the base that the increments go on from. */
static int take_base(struct check *c, const struct aof_file *base) {
    struct part old = {0};
    struct err e;
    size_t n = 1;

    for (size_t i = 0; i < c->nparts; i++)
        if (c->parts[i].f.type == AOF_BASE) old = c->parts[i];
    SAYF(c, "This will make %s the base: it was made where the increments begin\n", base->name);
    if (!check_confirmed(c)) return -1;
    if (old.f.name[0] && check_move_aside(c, &old, &e) < 0)
        return check_failed(c, "move", old.f.name, &e);
    c->m.files = mem_realloc(c->m.files, (c->m.n + 1) * sizeof *base);
    memmove(&c->m.files[1], &c->m.files[0], c->m.n * sizeof *base);
    for (size_t i = 1; i < c->m.n + 1; i++)
        if (c->m.files[i].type != AOF_BASE && strcmp(c->m.files[i].name, base->name) != 0)
            c->m.files[n++] = c->m.files[i];
    c->m.files[0] = *base;
    c->m.n = c->m.cap = n;
    return check_publish(c, &e) < 0 ? check_failed(c, "publish", c->name, &e) : 0;
}

static int fix_base(struct check *c) {
    const struct part *incr = first_increment(c);
    const struct aof_file *base = aof_manifest_base(&c->m);
    struct aof_file other;

    if (incr && incr->known && check_find_base(c, incr->position, &other))
        return take_base(c, &other);
    SAYF(c, "--fix cannot repair a base that is lost or is a damaged RDB.\n");
    if (base && io_exists(c->dirfd, base->name) && strstr(base->name, ".rdb"))
        SAYF(c,
             "To save what is readable of the base alone: stet-check-rdb --salvage OUT.rdb "
             "%s/%s\n",
             c->dir, base->name);
    tell_salvage(c, "To save what holds of base and increments in an AOF of its own");
    return -1;
}

/* ---------------------------------------------------------------- --fix */

static int repair(struct check *c, const struct problem *p) {
    struct aof_manifest m;
    int rc;

    bool may_be = p->kind == PROBLEM_DROP || p->kind == PROBLEM_EARLY || p->kind == PROBLEM_BASE;

    if (may_be && only_manifest_is_wrong(c, &m)) {
        rc = take_manifest(c, &m);
        aof_manifest_release(&m);
        return rc;
    }
    switch (p->kind) {
    case PROBLEM_MANIFEST: return fix_manifest(c);
    case PROBLEM_BASE: return fix_base(c);
    case PROBLEM_BASE_CUT:
    case PROBLEM_CUT: return fix_cut(c, p->at);
    case PROBLEM_EARLY: return fix_early(c, p->at);
    case PROBLEM_DROP: return fix_drop(c, p->at);
    case PROBLEM_RETIRED: return fix_retired(c, p->at);
    default: return -1;
    }
}

int check_fix(struct check *c, struct problem *first) {
    struct problem p = *first;

    while (p.kind != PROBLEM_NONE) {
        SAYF(c, "%s\n", p.text);
        if (repair(c, &p) < 0) return 1;
        c->quiet = true;
        check_log(c, &p);
    }
    return 0;
}

/* ---------------------------------------------------------------- --truncate-to-timestamp */

int check_truncate(struct check *c) {
    long long ts = (long long)c->o->timestamp_given;
    struct next next = check_what_comes_next(c);
    char text[400];
    size_t i = 0;
    uint64_t at;

    while (i < c->nparts && c->parts[i].late_at < 0) i++;
    if (i == c->nparts) {
        const struct aof_file *last = aof_manifest_last_incr(&c->m);

        SAYF(c, "Truncate nothing in AOF %s to timestamp %lld\n", last ? last->name : c->name, ts);
        return 0;
    }
    at = (uint64_t)c->parts[i].late_at;
    if (at == 0 || c->parts[i].f.type == AOF_BASE) {
        SAYF(c, "AOF %s has nothing before timestamp %lld, aborting...\n", c->parts[i].f.name, ts);
        return 1;
    }
    tell_lost_files(c, i + 1, c->nparts);
    if (take_out(c, i + 1, c->nparts) < 0) return 1;
    return cut(c, i, at, &next, cut_done(c, c->parts[i].f.name, text)) < 0;
}
