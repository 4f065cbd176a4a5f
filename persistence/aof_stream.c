/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_stream - the map, and a reader's files. The reading itself: aof_stream_read.c.
 */
#include "persistence/aof_stream.h"

#include "persistence/aof_stream_internal.h"
#include "persistence/disposer.h"
#include "storage/base/io.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <stdio.h>

/* ---------------------------------------------------------------- a reader's files */

struct opening {
    struct aof_stream_reader *r;
    size_t part;
};

/* On the disposer's thread. */
static void part_opened(void *arg, int fd, const struct err *e) {
    struct opening *o = arg;
    struct aof_stream_reader *r = o->r;

    pthread_mutex_lock(&r->mu);
    r->parts[o->part].fd = fd < 0 ? PART_FAILED : fd;
    if (fd < 0) r->why = *e;
    pthread_mutex_unlock(&r->mu);
    mem_free(o);
}

static void add_to_reader(struct aof_stream_reader *r, int dirfd, const struct aof_stream_file *f) {
    struct opening *o = mem_alloc(sizeof *o);

    pthread_mutex_lock(&r->mu);
    *o = (struct opening){r, r->nparts};
    r->parts = mem_realloc(r->parts, (r->nparts + 1) * sizeof *r->parts);
    r->parts[r->nparts++] = (struct stream_part){PART_OPENING, f->position, f->size, f->closed};
    pthread_mutex_unlock(&r->mu);
    disposer_open(r->files, dirfd, f->name, part_opened, o);
}

bool aof_stream_is_open(struct aof_stream_reader *r) {
    bool open = true;

    pthread_mutex_lock(&r->mu);
    for (size_t i = 0; i < r->nparts; i++) open &= r->parts[i].fd != PART_OPENING;
    pthread_mutex_unlock(&r->mu);
    return open;
}

static void tell_gone(struct aof_stream_reader *r) {
    pthread_mutex_lock(&r->mu);
    r->gone = true;
    pthread_mutex_unlock(&r->mu);
}

static void unlink_reader(struct aof_stream_reader *r) {
    struct aof_stream_reader **at = &r->map->readers;

    while (*at && *at != r) at = &(*at)->next;
    if (*at) *at = r->next;
}

/* On the disposer's thread, after every opening of it: no other thread knows it any more. */
static void free_reader(void *arg) {
    struct aof_stream_reader *r = arg;

    for (size_t i = 0; i < r->nparts; i++) io_close(r->parts[i].fd);
    mem_free(r->parts);
    bytes_release(&r->buf);
    bytes_release(&r->ready);
    pthread_mutex_destroy(&r->mu);
    mem_free(r);
}

void aof_stream_close(struct aof_stream_reader *r) {
    if (!r) return;
    if (r->map) unlink_reader(r);
    disposer_run(r->files, free_reader, r);
}

/* ---------------------------------------------------------------- the map */

static void free_file(struct aof_stream_file *f) {
    mem_free(f->points);
}

/* A reader that is told so may be closed after the map has gone. */
void aof_stream_map_clear(struct aof_stream_map *m) {
    while (m->readers) {
        struct aof_stream_reader *r = m->readers;

        m->readers = r->next;
        r->map = NULL;
        tell_gone(r);
    }
    for (size_t i = 0; i < m->nfiles; i++) free_file(&m->files[i]);
    mem_free(m->files);
    *m = (struct aof_stream_map){.written = m->written, .disposer = m->disposer};
}

static struct aof_stream_file *last_file(struct aof_stream_map *m) {
    return &m->files[m->nfiles - 1];
}

static void add_point(struct aof_stream_map *m, const struct aof_stream_point *p) {
    struct aof_stream_file *f = last_file(m);

    f->points = mem_realloc(f->points, (f->npoints + 1) * sizeof *f->points);
    f->points[f->npoints++] = *p;
    m->indexed = p->offset;
}

/* The file before ends where this one begins. */
static void close_last(struct aof_stream_map *m, uint64_t position) {
    struct aof_stream_file *f;

    if (m->nfiles == 0) return;
    f = last_file(m);
    if (f->closed) return;
    f->closed = true;
    f->size = position - f->position;
    for (struct aof_stream_reader *r = m->readers; r; r = r->next) {
        struct stream_part *p;

        pthread_mutex_lock(&r->mu);
        p = &r->parts[r->nparts - 1];
        p->closed = true;
        p->size = f->size;
        pthread_mutex_unlock(&r->mu);
    }
}

static struct aof_stream_file *new_file(struct aof_stream_map *m, int dirfd, const char *name) {
    struct aof_stream_file *f;

    m->dirfd = dirfd;
    m->files = mem_realloc(m->files, (m->nfiles + 1) * sizeof *m->files);
    f = &m->files[m->nfiles++];
    *f = (struct aof_stream_file){0};
    snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

void aof_stream_map_add_at(struct aof_stream_map *m, int dirfd, const char *name,
                           const struct aof_epoch *epoch, uint64_t at, uint64_t offset) {
    struct aof_stream_point p = {offset, at, *epoch};
    struct aof_stream_file *f;

    close_last(m, epoch->position);
    f = new_file(m, dirfd, name);
    f->position = epoch->position - epoch->offset;
    add_point(m, &p);
    for (struct aof_stream_reader *r = m->readers; r; r = r->next) add_to_reader(r, dirfd, f);
}

void aof_stream_map_add(struct aof_stream_map *m, int dirfd, const char *name,
                        const struct aof_epoch *epoch, uint64_t offset) {
    aof_stream_map_add_at(m, dirfd, name, epoch, 0, offset);
}

void aof_stream_map_add_loaded(struct aof_stream_map *m, int dirfd,
                               const struct aof_loaded_file *from) {
    struct aof_stream_point p = {from->stream_first, from->stream_at, from->stream_epoch};
    struct aof_stream_file *f = new_file(m, dirfd, from->name);

    f->closed = true;
    f->size = from->size;
    add_point(m, &p);
    for (size_t i = 0; i < from->npoints; i++) add_point(m, &from->points[i]);
}

/* ---------------------------------------------------------------- history */

/* Where the stream is that a file begins with; false: it does not begin with one. */
static bool read_head(int fd, struct aof_epoch *h, struct aof_stream *at) {
    char text[2 * AOF_MARK_MAX + 8];
    ssize_t n = io_read_at(fd, text, sizeof text, 0, NULL);
    const char *end = text + (n > 0 ? n : 0), *p, *nl;

    if (n <= 0 || !aof_read_header(fd, h)) return false;
    p = (const char *)memchr(text, '\n', (size_t)n) + 1;
    if (end - p < 4 || memcmp(p, AOF_BEGIN_MARK.p, AOF_BEGIN_MARK.n) != 0) return false;
    p += AOF_BEGIN_MARK.n;
    nl = memchr(p, '\n', (size_t)(end - p));
    if (!nl || nl == p) return false;
    return aof_stream_parse(slice_of(p, (size_t)(nl - p) - 1), h,
                            aof_position_at(h, (uint64_t)(p - text)), at) == AOF_STREAM_AT;
}

static bool is_of(const struct aof_stream_state *st, const struct aof_stream *at) {
    bool same = strcmp(st->now.id, at->id) == 0;

    for (size_t i = 0; i < st->npasts && !same; i++)
        same = strcmp(st->past[i].id, at->id) == 0 && at->offset <= st->past[i].end;
    return same;
}

static void prepend(struct aof_stream_map *m, const char *name, uint64_t size, uint64_t offset) {
    struct aof_stream_file f = {.size = size, .closed = true};

    snprintf(f.name, sizeof f.name, "%s", name);
    f.points = mem_calloc(sizeof *f.points);
    f.points[f.npoints++].offset = offset;
    m->files = mem_realloc(m->files, (m->nfiles + 1) * sizeof *m->files);
    memmove(m->files + 1, m->files, m->nfiles++ * sizeof *m->files);
    m->files[0] = f;
}

/* True if it is the file before the first of the map, which begins at *position. */
static bool take_history(struct aof_stream_map *m, const char *name, uint64_t *position,
                         const struct aof_stream_state *st) {
    struct aof_epoch h;
    struct aof_stream at;
    int fd = io_open_read(m->dirfd, name, NULL);
    int64_t size = fd < 0 ? -1 : io_size(fd, NULL);
    bool is = size > 0 && read_head(fd, &h, &at) && h.position + (uint64_t)size == *position &&
              at.offset <= m->files[0].points[0].offset && is_of(st, &at);

    io_close(fd);
    if (!is) return false;
    prepend(m, name, (uint64_t)size, at.offset);
    *position = h.position;
    return true;
}

void aof_stream_map_add_history(struct aof_stream_map *m, const struct aof_manifest *manifest,
                                const struct aof_stream_state *st) {
    struct aof_epoch first;
    struct aof_stream at;
    bool known;
    int fd;

    if (m->nfiles == 0) return;
    fd = io_open_read(m->dirfd, m->files[0].name, NULL);
    known = fd >= 0 && read_head(fd, &first, &at) && m->files[0].points[0].at <= AOF_MARK_MAX &&
            at.offset == m->files[0].points[0].offset;
    io_close(fd);
    for (size_t i = manifest->n; known && i-- > 0;) {
        const struct aof_file *f = &manifest->files[i];

        if (f->type == AOF_HISTORY && strstr(f->name, ".incr.") &&
            !take_history(m, f->name, &first.position, st))
            return;
    }
}

void aof_stream_map_go_on(struct aof_stream_map *m, const struct aof_epoch *epoch) {
    struct aof_stream_file *f;

    if (m->nfiles == 0) return;
    f = last_file(m);
    f->closed = false;
    f->size = 0;
    f->position = epoch->position - epoch->offset;
}

void aof_stream_map_name(struct aof_stream_map *m, const char *name) {
    if (m->nfiles) snprintf(last_file(m)->name, sizeof last_file(m)->name, "%s", name);
}

void aof_stream_map_keep(struct aof_stream_map *m, const struct aof_manifest *manifest) {
    size_t n = 0;

    for (size_t i = 0; i < m->nfiles; i++) {
        if (aof_manifest_names(manifest, m->files[i].name))
            m->files[n++] = m->files[i];
        else
            free_file(&m->files[i]);
    }
    m->nfiles = n;
}

void aof_stream_map_written(struct aof_stream_map *m, uint64_t position) {
    m->written = position;
    for (struct aof_stream_reader *r = m->readers; r; r = r->next)
        atomic_store(&r->written, position);
}

void aof_stream_map_index(struct aof_stream_map *m, uint64_t offset, uint64_t position,
                          const struct aof_epoch *epoch) {
    struct aof_stream_point p = {offset, position - epoch->position + epoch->offset, *epoch};

    add_point(m, &p);
}

bool aof_stream_map_has(const struct aof_stream_map *m, uint64_t from) {
    return m->nfiles > 0 && from > m->files[0].points[0].offset;
}

/* ---------------------------------------------------------------- opening */

/* The last place before byte `from`. */
static const struct aof_stream_point *find_point(const struct aof_stream_map *m, uint64_t from,
                                                 size_t *file) {
    const struct aof_stream_point *best = NULL;

    for (size_t i = 0; i < m->nfiles; i++)
        for (size_t k = 0; k < m->files[i].npoints; k++) {
            const struct aof_stream_point *p = &m->files[i].points[k];

            if (p->offset >= from) return best;
            best = p;
            *file = i;
        }
    return best;
}

struct aof_stream_reader *aof_stream_map_open(struct aof_stream_map *m, uint64_t from,
                                              struct err *e) {
    size_t file = 0;
    const struct aof_stream_point *p = find_point(m, from, &file);
    struct aof_stream_reader *r;

    if (!p) {
        err_set(e, ENOENT, "the AOF does not hold the replication stream from offset %llu on",
                (unsigned long long)from);
        return NULL;
    }
    r = mem_calloc(sizeof *r);
    pthread_mutex_init(&r->mu, NULL);
    r->files = m->disposer;
    atomic_store(&r->written, m->written);
    r->at = p->at;
    r->epoch = p->epoch;
    r->offset = p->offset;
    r->from = from;
    for (size_t i = file; i < m->nfiles; i++) add_to_reader(r, m->dirfd, &m->files[i]);
    r->map = m;
    r->next = m->readers;
    m->readers = r;
    return r;
}
