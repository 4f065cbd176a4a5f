/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_verdict - where a file's content ends, and what it is worth after damage: torn or corrupt.
 * The rules stand in persistence/README.md ("What the loader does with damage").
 */
#include "persistence/aof_reader_internal.h"

#include "persistence/aof_room.h"
#include "storage/base/io.h"

#include <stdio.h>

/* Is there, from `good` on, a valid line that calls a position after `good` synced? */
static bool later_mark_claims(struct reader *rd) {
    const struct aof_epoch h = rd->r->epoch;
    uint64_t at = rd->r->good, limit = aof_position_at(&h, rd->r->good);
    char buf[65536];

    while (at < rd->r->size) {
        ssize_t got = io_read_at(rd->w.fd, buf, sizeof buf, (off_t)at, NULL);
        const char *p = buf, *end = buf + got;

        if (got <= 0) return true; /* what cannot be read cannot be called a torn tail */
        while ((p = memchr(p, '#', (size_t)(end - p)))) {
            size_t have = (size_t)(end - p);
            const char *nl = memchr(p, '\n', have < AOF_MARK_MAX ? have : AOF_MARK_MAX);
            uint64_t offset = at + (uint64_t)(p - buf), position = aof_position_at(&h, offset);
            struct slice line = {p, nl && nl > p ? (size_t)(nl - p) - 1 : 0};
            struct aof_trailer t;
            struct aof_epoch later;
            uint64_t unsynced;
            int64_t ms;

            if (!nl && have < AOF_MARK_MAX && at + (uint64_t)got < rd->r->size && p > buf) break;
            p++;
            if (!nl) continue;
            if (aof_mark_parse_header(line, offset, h.id, &later)) return true;
            if (aof_mark_parse_trailer(line, &h, position, &t) && position - t.unsynced > limit)
                return true;
            if (aof_mark_parse_synced(line, &h, position, &unsynced, &ms) &&
                position - unsynced > limit)
                return true;
        }
        at += p ? (uint64_t)(p - buf) : (uint64_t)got;
    }
    return false;
}

/* Room that was being made when the power failed: what stands there was never content, whatever the
 * disk has made of it. */
static void leave_room(struct reader *rd) {
    struct aof_report *r = rd->r;

    r->good = rd->before_room;
    r->room_inside = r->unmarked = false;
}

enum aof_verdict aof_reader_judge(struct reader *rd, enum outcome rc) {
    struct aof_report *r = rd->r;

    if (rd->failed) {
        snprintf(r->why, sizeof r->why, "cannot be read");
        return AOF_UNREADABLE;
    }
    if (rc == OUT_STOP) return AOF_REFUSED;
    if (rc == OUT_NEWER) return AOF_FOREIGN;
    if (rd->in_room) {
        leave_room(rd);
        if (rc == OUT_END && r->size == rd->w.base + rd->w.at) {
            r->room = r->size - r->good;
            r->size = r->good;
        }
    }
    if (rc == OUT_END) {
        if (r->good == r->size) return AOF_WHOLE;
        snprintf(r->why, sizeof r->why, "zeros up to the end of the file");
        r->at = r->good;
        return AOF_TORN;
    }
    if (r->has_header && !r->unmarked && (rd->unit_marked || rc == OUT_BAD))
        return later_mark_claims(rd) ? AOF_CORRUPT : AOF_TORN;
    return rc == OUT_SHORT ? AOF_TORN : AOF_CORRUPT;
}

/* Zeros at the end are no content: a file system may have grown the file before the data came. */
static int skip_zeros(int fd, uint64_t *end) {
    char buf[4096];

    while (*end > 0) {
        size_t n = *end < sizeof buf ? (size_t)*end : sizeof buf;

        if (io_read_at(fd, buf, n, (off_t)(*end - n), NULL) != (ssize_t)n) return -1;
        for (; n > 0; n--, --*end)
            if (buf[n - 1] != 0) return 0;
    }
    return 0;
}

/* Room is no content either; if zeros follow it, this server did not leave the file like that. */
int aof_reader_find_end(struct reader *rd, uint64_t size) {
    struct window *w = &rd->w;
    uint64_t zeros_from = size;

    if (skip_zeros(w->fd, &zeros_from) < 0) return -1;
    if (aof_room_find(w->fd, zeros_from, &w->end) < 0) return -1;
    rd->r->raw_size = size;
    rd->r->room = zeros_from - w->end;
    rd->r->size = zeros_from == size ? w->end : size;
    return 0;
}
