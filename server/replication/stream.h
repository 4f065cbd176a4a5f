/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream - the replication stream of this server: which history it is, how far it is, and its last
 * bytes.
 *
 * Offsets count bytes; the first byte ever has offset 1, and `offset` is that of the last one. Two
 * servers with the same id and offset hold the same data. A past is an older id of this history: it
 * is the same history up to and including `end`.
 *
 * The bytes stand in blocks that never move, the oldest first; [first, offset] is in memory.
 *
 * Knows no sessions and no files. Main thread only; nothing here fails.
 */
#ifndef STET_REPLICATION_STREAM_H
#define STET_REPLICATION_STREAM_H

#include "storage/base/bytes.h"
#include "storage/base/list.h"

#include <stdint.h>
#include <sys/uio.h>

enum { STREAM_ID_CHARS = 40, STREAM_PASTS = 8, STREAM_BLOCK = 64 * 1024 };
enum { STREAM_DB_UNKNOWN = -2 };

struct block;

struct repl_past {
    char id[STREAM_ID_CHARS + 1];
    uint64_t end; /* a replica may have heard of bytes that it still has to get: then > offset */
};

struct repl_stream {
    bool active; /* bytes are counted and kept */
    char id[STREAM_ID_CHARS + 1];
    struct repl_past past[STREAM_PASTS]; /* the newest first */
    size_t npasts;
    uint64_t offset;
    int db; /* that it has selected, -1: the next command needs a SELECT */

    /* The data set is already that of `data_end`: what follows said PING, GETACK, PUBLISH only. The
     * bytes up to there had selected `data_db` (STREAM_DB_UNKNOWN: in older ids it may be any). */
    uint64_t data_end;
    int data_db;

    struct list blocks;  /* struct block of stream.c */
    struct block *asked; /* the one that was looked at last; NULL: none */
    uint64_t first;      /* offset of the first byte in memory; offset + 1: there is none */
    uint64_t keep;       /* repl-backlog-size: bytes that stay */
};

/* A new history at offset 0, not active. */
void repl_stream_init(struct repl_stream *s);
void repl_stream_release(struct repl_stream *s);

/* Begins to count and keep. */
void repl_stream_activate(struct repl_stream *s);

/* Gives the bytes in memory up, and the activity. The id is a new one, without pasts. */
void repl_stream_deactivate(struct repl_stream *s);

/* The history goes on under a new id; the old one becomes a past up to here. */
void repl_stream_rename(struct repl_stream *s);
/* The same with an id that the master gave. */
void repl_stream_continue_as(struct repl_stream *s, const char *id);

/* The master of the same history says that it has this past. */
void repl_stream_hear_past(struct repl_stream *s, const char *id, uint64_t end);

/* It is the history `id` at `offset` from now on (a full sync was loaded; or a start has read it);
 * nothing of it is in memory, and there are no pasts. */
void repl_stream_adopt(struct repl_stream *s, const char *id, uint64_t offset, int db);
void repl_stream_add_past(struct repl_stream *s, const char *id,
                          uint64_t end); /* older than those there */

/* Appends bytes of which the last command is for `db` (-1: says nothing of it). */
void repl_stream_append(struct repl_stream *s, struct slice bytes);

/* What was appended last may have changed the data set. */
void repl_stream_note_data(struct repl_stream *s);

/* Back to `data_end`, where the histories of all older ids end too: another server may go on from
 * there in another way. */
void repl_stream_rewind(struct repl_stream *s);

/* Frees blocks before `needed` that `keep` does not hold. */
void repl_stream_trim(struct repl_stream *s, uint64_t needed);

/* The bytes from `from` on (first <= from <= offset), `limit` at the most, as they lie; how many
 * entries of `iov` are filled. */
int repl_stream_peek(struct repl_stream *s, uint64_t from, struct iovec *iov, int max,
                     size_t limit);

/* Whether this server's history is that of `id` up to some offset: to which one goes to *end. */
bool repl_stream_knows(const struct repl_stream *s, const char *id, uint64_t *end);

/* Whether this server's history is that of `id`, as far as the bytes before `from`. */
bool repl_stream_is_of(const struct repl_stream *s, const char *id, uint64_t from);

static inline uint64_t repl_stream_held(const struct repl_stream *s) {
    return s->offset + 1 - s->first;
}

#endif
