/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_room.h"
#include "persistence/aof_writer_internal.h"
#include "persistence/disposer.h"
#include "storage/base/io.h"

#include <errno.h>
#include <unistd.h>

enum {
    RETRY_MS = 100,         /* between attempts of a write that fails */
    IN_ROOM_MAX = 8 * 1024, /* larger groups are appended */
    SMALL_FIRST = 16,       /* room is made after so many small groups */
    SMALL_MAX = 4096,       /* the number doubles each time room is given up, up to this */
};

/* Moves `synced` past the syncs that have ended, in the order of their beginnings, up to the first
 * one that is still under way. */
static void land(struct aof_writer *w) {
    while (w->flights_over < w->flights_begun && w->flight[w->flights_over % FLIGHTS].done) {
        uint64_t upto = w->flight[w->flights_over++ % FLIGHTS].upto;

        if (atomic_load(&w->synced) < upto) atomic_store(&w->synced, upto);
    }
}

/* The file was replaced while this thread synced the old one. With mu held. */
static void renew_file(struct worker *me) {
    int old = me->fd;

    if (!me->renew) return;
    me->renew = false;
    me->fd = me->next_fd;
    me->next_fd = -1;
    if (old < 0) return;
    pthread_mutex_unlock(&me->w->mu);
    io_close(old);
    pthread_mutex_lock(&me->w->mu);
}

static uint64_t flights_in_the_air(const struct aof_writer *w) {
    return w->flights_begun - w->flights_over;
}

static void note_sync(struct aof_writer *w, uint64_t began) {
    uint64_t took = writer_now_us() - began;

    w->st.syncs++;
    aof_histogram_add(&w->st.sync_time, took);
    if (took > w->slowest_sync_us) w->slowest_sync_us = took;
}

/* One fdatasync of what is written so far. With mu held on entry and return.
 *
 * Several may be under way at once: the journal of a file system takes them together, and each
 * costs less than it would alone. They count in the order in which they began, so that no sync
 * after a failed one counts. */
void writer_sync(struct worker *me) {
    struct aof_writer *w = me->w;
    uint64_t generation = w->generation, began = writer_now_us();
    struct flight *f;
    struct err e = {0};
    int rc, fd;

    while (flights_in_the_air(w) == FLIGHTS) pthread_cond_wait(&w->progress, &w->mu);
    if (generation != w->generation || w->st.sync_error || w->fd < 0) return;
    f = &w->flight[w->flights_begun++ % FLIGHTS];
    *f = (struct flight){.upto = w->begun = atomic_load(&w->written)};
    w->st.sync_started_us = w->last_sync_us = began;
    fd = me->fd >= 0 ? me->fd : dup(w->fd); /* the shared one may be closed meanwhile */
    me->busy = true;
    pthread_mutex_unlock(&w->mu);
    rc = fd < 0 ? err_set(&e, errno, "dup") : io_sync(fd, &e);
    if (fd >= 0 && fd != me->fd) io_close(fd);
    pthread_mutex_lock(&w->mu);
    me->busy = false;
    note_sync(w, began);
    if (generation == w->generation) {
        if (rc < 0) w->st.sync_error = e.code ? e.code : EIO;
        f->done = rc == 0;
        if (!w->st.sync_error) land(w);
        if (flights_in_the_air(w) == 0) w->st.sync_started_us = 0;
        writer_announce(w);
    }
    renew_file(me);
}

/* Syncs everything that is written; false after a failed sync. */
bool writer_settle(struct worker *me) {
    struct aof_writer *w = me->w;

    while (w->fd >= 0 && atomic_load(&w->synced) < atomic_load(&w->written) && !w->st.sync_error) {
        if (w->begun < atomic_load(&w->written))
            writer_sync(me);
        else
            pthread_cond_wait(&w->progress, &w->mu);
    }
    return !w->st.sync_error;
}

static void note_write(struct aof_writer *w, uint64_t began) {
    uint64_t took = writer_now_us() - began;

    pthread_mutex_lock(&w->mu);
    aof_histogram_add(&w->st.write_time, took);
    if (took > w->slowest_write_us) w->slowest_write_us = took;
    pthread_mutex_unlock(&w->mu);
}

/* With mu held: whether a group of n bytes is to go into room. */
static bool wants_room(struct aof_writer *w, size_t n) {
    struct room *r = &w->room;

    if (!r->allowed || !w->parallel || w->policy != AOF_FSYNC_ALWAYS || n > IN_ROOM_MAX)
        return false;
    return r->end || ++r->small >= r->need;
}

static int clear_litter(struct room *r, int fd, uint64_t start, struct err *e) {
    if (r->litter && io_truncate(fd, (off_t)start, e) < 0) return -1;
    r->litter = false;
    return 0;
}

/* Makes room after a group of n bytes, if there is too little and no part of the group is in the
 * file yet (`there`). Sets `*found`. -1: a half-made room could not be cut off, so nothing may be
 * written over it. */
static int find_room(struct room *r, int fd, uint64_t start, size_t n, size_t there, bool *found,
                     struct err *e) {
    *found = aof_room_holds(r->end, start + n);
    if (*found || there) return 0;
    *found = aof_room_make(fd, start, start + n, &r->end, NULL) == 0;
    if (*found) return 0;
    r->end = r->small = 0; /* no space for room: the group itself may still fit */
    r->litter = true;
    return clear_litter(r, fd, start, e);
}

/* One attempt at a group of batches. The written part of a failed one is cut off again, so that no
 * half batch remains if the process dies; *done is the part that could not be cut off. */
static int write_group(struct room *r, bool in_room, int fd, uint64_t start, struct bytes *data,
                       size_t *done) {
    size_t got = 0, n = data->n;
    char seam[AOF_ROOM_SEAM_MAX];
    bool room = false;
    struct err e;
    int rc;

    if (clear_litter(r, fd, start, &e) < 0) return e.code;
    if (in_room && find_room(r, fd, start, n, *done, &room, &e) < 0) return e.code;
    if (room) bytes_append(data, seam, aof_room_seam(start + n, seam));
    rc = io_write_at(fd, data->p + *done, data->n - *done, (off_t)(start + *done), &got, &e);
    data->n = n;
    *done = *done + got < n ? *done + got : n; /* the seam is written anew */
    if (rc == 0) return 0;
    if (*done > 0 && io_truncate(fd, (off_t)start, NULL) == 0) *done = r->end = 0;
    return e.code;
}

/* One attempt without the lock. With mu held on entry and return. */
static int try_group(struct worker *me, struct bytes *data, size_t *done) {
    struct aof_writer *w = me->w;
    uint64_t generation = w->generation, start = w->st.file_bytes, began = writer_now_us();
    bool in_room = wants_room(w, data->n);
    struct room room = w->room;
    int fd = me->fd >= 0 ? me->fd : w->fd, code;

    me->busy = true;
    pthread_mutex_unlock(&w->mu);
    code = write_group(&room, in_room, fd, start, data, done);
    note_write(w, began);
    pthread_mutex_lock(&w->mu);
    me->busy = false;
    if (generation == w->generation) w->room = room;
    renew_file(me);
    return code;
}

/* Large groups are appended after the content, and so are all groups under another policy. */
static bool must_leave_room(const struct aof_writer *w, size_t n) {
    return w->room.end > 0 && (n > IN_ROOM_MAX || w->policy != AOF_FSYNC_ALWAYS);
}

/* Cuts the room off; 0, or an errno. With mu held on entry and return. */
static int leave_room(struct worker *me) {
    struct aof_writer *w = me->w;
    uint64_t generation = w->generation, end = w->st.file_bytes;
    struct err e;
    int rc;

    if (!writer_settle(me) || generation != w->generation) return 0;
    if (w->room.end == 0 && !w->room.litter) return 0;
    me->busy = true;
    pthread_mutex_unlock(&w->mu);
    rc = io_truncate(me->fd, (off_t)end, &e);
    pthread_mutex_lock(&w->mu);
    me->busy = false;
    if (generation == w->generation && rc == 0) {
        w->room.end = w->room.small = 0;
        w->room.litter = false;
        if (w->room.need < SMALL_MAX) w->room.need *= 2;
    }
    renew_file(me);
    return rc < 0 ? e.code : 0;
}

/* A closed file has no room: the next one begins where its content ends. */
void writer_close_file(struct worker *me) {
    struct aof_writer *w = me->w;
    uint64_t generation = w->generation;
    int code;

    while (generation == w->generation && (code = leave_room(me)) != 0) {
        w->st.write_error = code;
        writer_announce(w);
        if (w->stopping && w->abandon) return;
        writer_timed_wait(&me->work, &w->mu, RETRY_MS * 1000);
    }
    w->st.write_error = 0;
}

/* Writes until it is through, or the file is given up. With mu held on entry and return. */
void writer_write(struct worker *me, struct bytes *data, uint64_t end, enum aof_batch_kind kind) {
    struct aof_writer *w = me->w;
    uint64_t generation = w->generation;
    size_t done = 0;
    int code;

    for (;;) {
        if (w->generation != generation) done = 0, generation = w->generation;
        if (end <= atomic_load(&w->written)) return; /* a restart has overtaken it */
        if (w->st.sync_error || w->fd < 0) {
            if (w->stopping) return;
            pthread_cond_wait(&me->work, &w->mu);
            continue;
        }
        if (must_leave_room(w, data->n)) {
            code = leave_room(me);
            if (code == 0) continue;
        } else {
            code = try_group(me, data, &done);
            if (code == 0) break;
        }
        w->st.write_error = code;
        writer_announce(w);
        if (w->stopping && w->abandon) return;
        writer_timed_wait(&me->work, &w->mu, RETRY_MS * 1000);
    }
    w->st.write_error = 0;
    /* After a failed sync, or in a file that was replaced, bytes written mean nothing. */
    if (w->generation != generation || w->st.sync_error) return;
    w->st.file_bytes += data->n;
    if (kind == AOF_BATCH_DATA) w->payload_end = end;
    atomic_store(&w->written, end);
}

void aof_writer_open_files(struct aof_writer_files *f, int fd) {
    f->fd = fd;
    for (int i = 0; i < WORKERS; i++) f->own[i] = fd < 0 ? -1 : io_open_again(fd);
}

void writer_discard(struct aof_writer *w, const struct aof_writer_files *f) {
    disposer_close(w->closing, f->fd);
    for (int i = 0; i < WORKERS; i++) disposer_close(w->closing, f->own[i]);
}

/* Every thread gets an open file of its own, before anything is written to it: so each is told of
 * a sync that fails. */
static void give_own(struct worker *o, int fd) {
    struct aof_writer *w = o->w;

    if (fd < 0) w->parallel = false;
    disposer_close(w->closing, o->next_fd);
    o->next_fd = -1;
    o->renew = o->busy;
    if (o->busy) {
        o->next_fd = fd;
        return;
    }
    disposer_close(w->closing, o->fd);
    o->fd = fd;
}

void writer_adopt(struct aof_writer *w, const struct aof_writer_files *f, uint64_t size,
                  bool room) {
    disposer_close(w->closing, w->fd);
    w->fd = f->fd;
    w->generation++;
    w->flights_begun = w->flights_over = 0;
    w->begun = atomic_load(&w->written);
    w->st.sync_started_us = 0;
    w->st.file_bytes = size;
    w->room = (struct room){.allowed = room, .need = SMALL_FIRST};
    w->parallel = f->fd >= 0;
    for (int i = 0; i < WORKERS; i++) give_own(&w->worker[i], f->own[i]);
}
