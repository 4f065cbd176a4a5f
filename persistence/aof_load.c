/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_load_internal.h"

#include "persistence/aof_room.h"
#include "persistence/rdb.h"
#include "storage/base/clock.h"
#include "storage/base/crc.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

enum { MANIFEST_BYTES_MAX = 16 << 20, HEAD_MAX = 1024 };

void aof_manifest_name(const char *filename, char *out) {
    snprintf(out, AOF_NAME_MAX + 16, "%s.manifest", filename);
}

void aof_loaded_release(struct aof_loaded *l) {
    aof_manifest_release(&l->manifest);
    for (size_t i = 0; i < l->nfiles; i++) mem_free(l->files[i].points);
    mem_free(l->files);
    l->files = NULL;
    l->nfiles = 0;
}

uint64_t aof_lock_byte(const char *filename) {
    return crc64(0, filename, strlen(filename)) & INT64_MAX;
}

int aof_check_unused(int dirfd, const char *stem, struct err *e) {
    struct aof_manifest m = {0};
    char name[AOF_NAME_MAX + 16];
    int rc = 0;

    if (io_exists(dirfd, AOF_LOCK)) return 0;
    aof_manifest_name(stem, name);
    if (aof_manifest_read(dirfd, name, &m, NULL) != 0) return 0; /* reported by the load */
    for (size_t i = 0; i < m.n && rc == 0; i++)
        if (m.files[i].type == AOF_INCR && io_is_written(dirfd, m.files[i].name))
            rc = err_set(e, EWOULDBLOCK, "another process has '%s' open for writing",
                         m.files[i].name);
    aof_manifest_release(&m);
    return rc;
}

int aof_manifest_read(int dirfd, const char *name, struct aof_manifest *m, struct err *e) {
    struct bytes text = {0};
    int64_t size;
    int rc = -1, fd;

    *m = (struct aof_manifest){0};
    if (!io_exists(dirfd, name)) return 1;
    fd = io_open_read(dirfd, name, e);
    if (fd < 0) return -1;
    size = io_size(fd, e);
    if (size > MANIFEST_BYTES_MAX) {
        err_set(e, EFBIG, "manifest '%s': %lld bytes is too much", name, (long long)size);
    } else if (size >= 0) {
        ssize_t got = io_read_at(fd, bytes_room(&text, (size_t)size + 1), (size_t)size, 0, e);

        if (got >= 0) {
            text.n = (size_t)got;
            rc = aof_manifest_parse(m, name, bytes_slice(&text), e);
        }
    }
    io_close(fd);
    bytes_release(&text);
    return rc;
}

/* ---------------------------------------------------------------- what is there */

/* A file with data in the directory that looks like a part of this AOF. */
struct stray {
    int dirfd;
    const char *stem;
    char name[AOF_NAME_MAX];
    bool found;
};

/* "<stem>.<number>.base." or ".incr."; a name that only begins with the stem is another AOF's. */
static bool is_part_of(const char *stem, const char *name) {
    size_t n = strlen(stem), digits;
    const char *rest = name + n;

    if (strncmp(name, stem, n) != 0 || *rest != '.') return false;
    digits = strspn(++rest, "0123456789");
    rest += digits;
    return digits && (strncmp(rest, ".base.", 6) == 0 || strncmp(rest, ".incr.", 6) == 0);
}

static bool is_stray(void *arg, const char *name) {
    struct stray *s = arg;

    if (!is_part_of(s->stem, name) || strstr(name, ".cut-")) return true;
    if (aof_is_header_only(s->dirfd, name)) return true; /* a first start that did not end */
    snprintf(s->name, sizeof s->name, "%s", name);
    s->found = true;
    return false;
}

static int refuse_stray(int dirfd, const struct aof_names *n, const char *manifest_name,
                        struct err *e) {
    struct stray stray = {.dirfd = dirfd, .stem = n->filename};

    if (aof_creation_is_under_way(dirfd, n->filename)) return 0;
    if (io_list(dirfd, is_stray, &stray, e) < 0) return -1;
    if (!stray.found) return 0;
    return err_set(e, ENOENT,
                   "the append only directory '%s' holds '%s' but no manifest '%s': refusing to "
                   "start empty. Bring the manifest back, or move the files away",
                   n->dirname, stray.name, manifest_name);
}

int aof_manifest_adopt(int dirfd, const struct aof_names *n, struct aof_manifest *m,
                       struct err *e) {
    char name[AOF_NAME_MAX + 16];
    int rc;

    aof_manifest_name(n->filename, name);
    rc = aof_manifest_read(dirfd, name, m, e);
    return rc == 1 ? refuse_stray(dirfd, n, name, e) : rc;
}

static bool in_working_dir(const struct aof_names *n, const char *file) {
    int fd = io_open_dir(n->dir, false, NULL);
    bool there = fd >= 0 && file && file[0] && io_exists(fd, file);

    io_close(fd);
    return there;
}

/* Moves the old single file under the name that the manifest gives the base. */
static int move_single_file(int dirfd, const struct aof_names *n, struct err *e) {
    int dir = io_open_dir(n->dir, false, e), rc = -1;

    if (dir < 0) return -1;
    if (io_move(dir, n->filename, dirfd, n->filename, e) == 0 && io_sync_dir(dirfd, e) == 0)
        rc = io_sync_dir(dir, e);
    io_close(dir);
    return rc;
}

/* A file of the working directory, for reading. */
static int open_beside(const struct aof_names *n, const char *file, struct err *e) {
    int dir = io_open_dir(n->dir, false, e), fd;

    if (dir < 0) return -1;
    fd = io_open_read(dir, file, e);
    io_close(dir);
    return fd;
}

/* An RDB part that cannot be read is found out before anything is moved. */
static int check_rdb_part(const struct aof_names *n, struct err *e) {
    struct rdb_read o = {.rules = {.list = {.fill = -2}}, .checksum = true, .ndbs = INT_MAX};
    int fd = open_beside(n, n->filename, e), rc = 0;
    struct rdb_report r;
    struct err why;

    if (fd < 0) return -1;
    if (rdb_is_one(fd, 0) && rdb_read(fd, &o, &(struct rdb_sink){0}, NULL, &r, &why) < 0)
        rc = err_set(e, why.code == EPROTONOSUPPORT ? ENOTSUP : EILSEQ,
                     "AOF '%s' its RDB part: %.300s", n->filename, why.text);
    io_close(fd);
    return rc;
}

/* First the manifest that names the old file as base, then the move: a start that finds the first
 * without the second completes it. */
static int upgrade_single_file(int dirfd, const struct aof_names *n, const char *manifest_name,
                               struct aof_manifest *m, struct err *e) {
    struct bytes text = {0};
    struct aof_file *f = aof_manifest_set_base(m, n->filename, "aof");
    int rc;

    snprintf(f->name, sizeof f->name, "%s", n->filename);
    aof_manifest_format(m, &text);
    rc = io_replace(dirfd, manifest_name, bytes_slice(&text), e);
    bytes_release(&text);
    if (rc == 0) rc = move_single_file(dirfd, n, e);
    if (rc == 0)
        log_notice("Successfully migrated an old-style AOF configuration (%s) into the directory "
                   "'%s'",
                   n->filename, n->dirname);
    return rc;
}

static bool position_of(int dirfd, const struct aof_file *f, enum aof_file_type type,
                        uint64_t *position) {
    struct aof_file as = *f;
    int fd = io_open_read(dirfd, f->name, NULL);
    bool known;

    as.type = type;
    known = fd >= 0 && aof_file_position(fd, &as, position);
    io_close(fd);
    return known;
}

/* A repair that took all increments out, and crashed before it made the next one, leaves a base
 * and history. */
static bool is_before_base(int dirfd, const struct aof_manifest *m, const struct aof_file *f) {
    const struct aof_file *base = aof_manifest_base(m);
    uint64_t begin, end;

    return base && position_of(dirfd, f, AOF_INCR, &begin) &&
           position_of(dirfd, base, AOF_BASE, &end) && begin < end;
}

/* A rewrite makes history of increments that are older than those in use. One that is newer was in
 * use: its line is damaged, and the next rewrite would remove the file. */
static int check_history(int dirfd, const struct aof_names *n, struct aof_manifest *m,
                         struct err *e) {
    int64_t last = m->incr_seq;

    for (size_t i = 0; i < m->n; i++) {
        const struct aof_file *f = &m->files[i];

        if (f->type != AOF_HISTORY || !strstr(f->name, ".incr.") || f->seq <= m->incr_seq) continue;
        if (m->incr_seq == 0 && is_before_base(dirfd, m, f)) {
            if (f->seq > last) last = f->seq;
            continue;
        }
        return err_set(
            e, EILSEQ,
            "manifest '%s.manifest', line %d: '%s' is called history, but it is newer than "
            "the last increment. Make a backup, then run: stet-check-aof --fix "
            "%s/%s.manifest",
            n->filename, f->line, f->name, n->dirname, n->filename);
    }
    m->incr_seq = last; /* the next one has a name of its own */
    return 0;
}

/* Reads the manifest, or makes sure that there is really nothing to read. */
static int find_log(int dirfd, const struct aof_load_options *o, struct aof_manifest *m,
                    bool *import, struct err *e) {
    const struct aof_names *n = &o->names;
    char manifest_name[AOF_NAME_MAX + 16];
    const struct aof_file *base;
    int rc;

    aof_manifest_name(n->filename, manifest_name);
    rc = aof_manifest_read(dirfd, manifest_name, m, e);
    if (rc < 0) return -1;
    if (rc == 0) {
        if (aof_manifest_check_gaps(dirfd, m, manifest_name, e) < 0) return -1;
        if (check_history(dirfd, n, m, e) < 0) return -1;
        base = aof_manifest_base(m);
        if (base && strcmp(base->name, n->filename) == 0 && !io_exists(dirfd, base->name) &&
            in_working_dir(n, n->filename))
            return move_single_file(dirfd, n, e);
        return 0;
    }
    if (refuse_stray(dirfd, n, manifest_name, e) < 0) return -1;
    if (in_working_dir(n, n->filename)) {
        if (check_rdb_part(n, e) < 0) return -1;
        return upgrade_single_file(dirfd, n, manifest_name, m, e);
    }
    *import = o->rdb && in_working_dir(n, n->dbfilename);
    return 0;
}

/* ---------------------------------------------------------------- reading it all */

static int on_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    struct load *l = arg;

    return l->o->command(l->o->arg, argc, argv, e);
}

static void on_soon(void *arg, size_t argc, const struct slice *argv) {
    struct load *l = arg;

    if (l->o->soon) l->o->soon(l->o->arg, argc, argv);
}

static void on_progress(void *arg, uint64_t offset) {
    struct load *l = arg;

    if (l->o->progress) l->o->progress(l->o->arg, l->done + offset, l->total);
}

static int on_preamble(void *arg, int fd, uint64_t *end, struct err *e) {
    struct load *l = arg;

    if (!l->o->rdb) return err_set(e, ENOTSUP, "this program does not read RDB files");
    log_notice("Reading RDB base file on AOF loading...");
    if (l->o->rdb(l->o->arg, fd, true, end, e) < 0) return -1;
    l->rdb_end = *end;
    return 0;
}

static bool on_wanted(void *arg, const struct aof_report *r, uint64_t end, int64_t ms) {
    const struct load *l = arg;
    const struct aof_moment *to = &l->o->until;

    if (l->stopped) return false;
    if (!to->given || l->in_base) return true;
    if (to->by_time) return ms <= to->ms; /* 0: it belongs to what was before it */
    return !r->has_header || aof_position_at(&r->epoch, end) <= to->position;
}

static void on_place(void *arg, const struct aof_stream_point *p) {
    struct load *l = arg;

    l->points = mem_realloc(l->points, (l->npoints + 1) * sizeof *l->points);
    l->points[l->npoints++] = *p;
}

static const struct aof_reader_ops reader_ops = {.command = on_command,
                                                 .soon = on_soon,
                                                 .wanted = on_wanted,
                                                 .progress = on_progress,
                                                 .place = on_place,
                                                 .preamble = on_preamble};

/* There is no AOF yet, but a snapshot: the AOF begins with its data. Nothing is written here, so
 * that a snapshot that is refused leaves no trace. */
static int import_snapshot(const struct aof_load_options *o, struct err *e) {
    int fd = open_beside(&o->names, o->names.dbfilename, e), rc;
    uint64_t end;

    if (fd < 0) return -1;
    log_notice("There is no append only file, but '%s': importing it", o->names.dbfilename);
    rc = o->rdb(o->arg, fd, false, &end, e);
    io_close(fd);
    return rc;
}

static int check_files(struct load *l, const char *dirname, struct err *e) {
    const struct aof_manifest *m = &l->list;

    for (size_t i = 0; i < m->n; i++) {
        const struct aof_file *f = &m->files[i];
        int64_t size;
        int fd;

        if (f->type == AOF_HISTORY) continue;
        if (!io_exists(l->dirfd, f->name))
            return err_set(
                e, ENOENT,
                "the AOF file '%s/%s' of the manifest doesn't exist: No such file or directory",
                dirname, f->name);
        fd = io_open_read(l->dirfd, f->name, e);
        size = fd < 0 ? -1 : io_size(fd, e);
        io_close(fd);
        if (size < 0) return -1;
        l->total += (uint64_t)size;
        if (f->type == AOF_BASE) l->out->base_bytes = (uint64_t)size;
    }
    l->out->total_bytes = l->total;
    return 0;
}

/* Where the content ends; room may follow the header: that was written, and the first batch was
 * not. */
static bool ends_within(int fd, uint64_t most, uint64_t *end) {
    int64_t size = io_size(fd, NULL);

    return size >= 0 && aof_room_find(fd, (uint64_t)size, end) == 0 && *end <= most;
}

/* A header, and in a file of version 2 the batch that says where the replication stream is. */
static bool is_head(const struct aof_report *r, uint64_t line_end, uint64_t end) {
    if (r->verdict != AOF_WHOLE || r->has_data) return false;
    return line_end == end || (r->has_start && r->epoch.version >= 2 && r->units == 2);
}

bool aof_is_header_only(int dirfd, const char *name) {
    static const struct aof_reader_ops look = {0};
    char head[AOF_MARK_MAX];
    const char *nl;
    struct aof_report r;
    bool empty = false;
    uint64_t end;
    int fd = io_open_read(dirfd, name, NULL);
    ssize_t got = fd < 0 ? -1 : io_read_at(fd, head, sizeof head, 0, NULL);

    if (got == 0) {
        empty = true;
    } else if (got > 0 && head[0] == '#' && (nl = memchr(head, '\n', (size_t)got)) &&
               ends_within(fd, HEAD_MAX, &end)) {
        aof_read_file(fd, &look, NULL, &r);
        empty = is_head(&r, (uint64_t)(nl + 1 - head), end);
    }
    io_close(fd);
    return empty;
}

static bool says_position(int dirfd, const struct aof_file *f) {
    int fd = io_open_read(dirfd, f->name, NULL);
    struct aof_epoch h;
    bool yes = fd >= 0 && aof_read_header(fd, &h);

    io_close(fd);
    return yes;
}

int aof_manifest_check_gaps(int dirfd, const struct aof_manifest *m, const char *name,
                            struct err *e) {
    const struct aof_file *last = NULL;

    for (size_t i = 0; i < m->n; i++) {
        const struct aof_file *f = &m->files[i];

        if (f->type != AOF_INCR) continue;
        if (last && f->seq != last->seq + 1 && !aof_is_header_only(dirfd, f->name) &&
            !(says_position(dirfd, last) && says_position(dirfd, f)))
            return err_set(e, EINVAL,
                           "manifest '%s', line %d: an increment is missing between sequence "
                           "numbers %lld and %lld ('%s')",
                           name, f->line, (long long)last->seq, (long long)f->seq, f->name);
        last = f;
    }
    return 0;
}

/* A 0-byte base is what Redis writes of an empty data set; but if increments hold data and the AOF
 * was ours, which never writes one, the base has been lost. */
static int check_empty_base(const struct load *l, const struct aof_file *base, bool has_data,
                            struct err *e) {
    if (!base || l->out->base_bytes > 0) return 0;
    if (strstr(base->name, ".base.rdb"))
        return err_set(e, EILSEQ, "the base file '%s' is empty, which no RDB file is", base->name);
    /* With sequence number 1 the increment is the AOF from its very beginning. Where an increment
     * of ours stands, the base was ours too. */
    if ((has_data && base->seq > 1) || l->chain.ours)
        return err_set(e, EILSEQ,
                       "the base file '%s' is empty (0 bytes) while increments hold data: its "
                       "contents were lost. Bring the file back, or remove its line from the "
                       "manifest to go on without it",
                       base->name);
    log_notice("The base file '%s' is empty: taken as an empty data set", base->name);
    return 0;
}

/* A recovery to a time needs times: without them it is unknown which commands are early enough. */
static int check_times(const struct load *l, const struct aof_file *f, const struct aof_report *r,
                       struct err *e) {
    if (!l->o->until.given || !l->o->until.by_time || l->stopped) return 0;
    if (f->type != AOF_INCR || r->commands == 0 || r->last_ms) return 0;
    return err_set(e, ERANGE,
                   "the append only file '%s' carries no times: it cannot be recovered "
                   "to one",
                   f->name);
}

static void log_file(const struct aof_file *f, const struct aof_report *r, uint64_t began_ns) {
    if (r->stopped)
        log_notice("AOF '%s': recovering up to offset %llu", f->name,
                   (unsigned long long)r->stopped_at);
    log_notice("DB loaded from %s file %s: %.3f seconds", f->type == AOF_BASE ? "base" : "incr",
               f->name, (double)(clock_real_ns() - began_ns) / 1e9);
}

static int read_one(struct load *l, size_t i, bool *has_data, struct err *e) {
    struct aof_file *f = &l->list.files[i];
    uint64_t began = clock_real_ns();
    struct aof_report r;
    int fd = io_open_read(l->dirfd, f->name, e);

    if (fd < 0) return -1;
    if (aof_check_join(l, f, fd, e) < 0) {
        io_close(fd);
        return -1;
    }
    l->rdb_end = 0;
    l->npoints = 0;
    l->in_base = f->type == AOF_BASE && !aof_is_single_file(l, f);
    aof_read_file_after(fd, &l->out->stream, &reader_ops, l, &r);
    io_close(fd);
    l->done += r.size;
    l->out->commands += r.commands;
    if (aof_judge_file(l, i, &r, e) < 0 || check_times(l, f, &r, e) < 0) return -1;
    l->stopped |= r.stopped;
    if (f->type == AOF_INCR) {
        *has_data |= r.has_data;
        l->out->last = r;
    } else {
        l->out->base_bytes = r.size;
    }
    if (r.last_ms) l->last_ms = r.last_ms;
    aof_note_file(l, i, &r);
    log_file(f, &r, began);
    return 0;
}

static int list_files(struct load *l, struct err *e) {
    struct err why;

    if (!l->o->until.given) {
        aof_manifest_copy(&l->list, &l->out->manifest);
        aof_manifest_drop_history(&l->list);
        return 0;
    }
    if (aof_history_select(l->dirfd, &l->out->manifest, &l->o->until, &l->list, &why) == 0)
        return 0;
    return err_set(e, why.code, "cannot recover to the given moment: %.400s", why.text);
}

/* A moment that the AOF has not reached is most likely a mistake. */
static int check_end(const struct load *l, struct err *e) {
    const struct aof_moment *to = &l->o->until;
    const struct aof_report *r = &l->out->last;
    uint64_t end = r->has_header ? aof_position_at(&r->epoch, r->good) : l->out->next_position;

    if (!to->given || l->stopped) return 0;
    if (to->by_time && to->ms > l->last_ms)
        return err_set(e, ERANGE,
                       "cannot recover to %lld ms: the append only file ends at %lld ms "
                       "(position:%llu)",
                       (long long)to->ms, (long long)l->last_ms, (unsigned long long)end);
    if (!to->by_time && to->position > end)
        return err_set(
            e, ERANGE,
            "cannot recover to position:%llu: the append only file ends at position:%llu "
            "(%lld ms)",
            (unsigned long long)to->position, (unsigned long long)end, (long long)l->last_ms);
    return 0;
}

/* After a recovery, or from a backup, this is another history: servers may exist that have seen how
 * the old one went on. */
static void leave_stream(struct load *l) {
    struct aof_loaded *out = l->out;
    bool given = io_exists(l->dirfd, AOF_SEAL) || io_exists(l->dirfd, AOF_RESTORED);

    out->stream_left = given && out->stream.now.id[0];
    if (!l->o->until.given) return;
    out->stream = (struct aof_stream_state){0};
    for (size_t i = 0; i < out->nfiles; i++) out->files[i].in_stream = false;
}

int aof_load(int dirfd, const struct aof_load_options *o, struct aof_loaded *out, struct err *e) {
    struct load l = {.dirfd = dirfd, .o = o, .out = out};
    uint64_t began = clock_real_ns();
    bool has_data = false;

    *out = (struct aof_loaded){.next_epoch = 1};
    if (find_log(dirfd, o, &out->manifest, &out->imported, e) < 0) goto fail;
    if (out->imported) return import_snapshot(o, e);
    if (out->manifest.n == 0) return 0;
    if (list_files(&l, e) < 0) goto fail;
    if (check_files(&l, o->names.dirname, e) < 0) goto fail;
    for (size_t i = 0; i < l.list.n; i++)
        if (read_one(&l, i, &has_data, e) < 0) goto fail;
    if (check_empty_base(&l, aof_manifest_base(&l.list), has_data, e) < 0) goto fail;
    if (check_end(&l, e) < 0) goto fail;
    log_notice("DB loaded from append only file: %.3f seconds",
               (double)(clock_real_ns() - began) / 1e9);
    out->cut_short = o->until.given;
    leave_stream(&l);
    aof_manifest_release(&l.list);
    mem_free(l.points);
    return 0;
fail:
    mem_free(l.points);
    aof_manifest_release(&l.list);
    aof_loaded_release(out);
    return -1;
}
