/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_stream_mark - the marks of the replication stream in the AOF: their text, and what they say
 * of the stream. The format is defined in persistence/README.md, "The replication stream"; this
 * file writes and reads exactly that.
 *
 * Not here: which bytes of a batch are the stream's (aof_reader.c counts, aof_stream.c collects).
 */
#ifndef STET_PERSISTENCE_AOF_STREAM_MARK_H
#define STET_PERSISTENCE_AOF_STREAM_MARK_H

#include "persistence/aof_mark.h"

enum { AOF_STREAM_ID_CHARS = 40, AOF_STREAM_PASTS = 8 };

struct aof_stream {
    char id[AOF_STREAM_ID_CHARS + 1]; /* hexadecimal; "": none */
    uint64_t offset;                  /* of its last byte; the first byte of all has offset 1 */
    int db;                           /* that it has selected, -1: none */
    /* As read: the bytes after `data_end` are notes only. Those up to it had selected data_db. */
    uint64_t data_end;
    int data_db;
};

/* An older id: the history is the same up to and including byte `end`. */
struct aof_stream_past {
    char id[AOF_STREAM_ID_CHARS + 1];
    uint64_t end;
};

/* Where the stream is, and which ids it had before, the oldest first. */
struct aof_stream_state {
    struct aof_stream now;
    struct aof_stream_past past[AOF_STREAM_PASTS];
    size_t npasts;
};

/* A base that is an RDB, and where it stands in the stream. */
struct aof_stream_base {
    bool known;
    uint64_t offset; /* of the stream: the base holds what was sent up to here */
    uint64_t bytes;  /* of the RDB, which the file begins with */
    int64_t number;  /* of the base: each has another one */
};

/* The stream is `s` from now on. True if that goes on where it was: then an id that was another one
 * becomes a past. False: it is another stream, without pasts. */
bool aof_stream_goes_on(struct aof_stream_state *st, const struct aof_stream *s);
void aof_stream_add_past(struct aof_stream_state *st, const char *id, uint64_t end);
bool aof_stream_id_is_valid(const char *id); /* 40 hexadecimal digits in lower case */

/* ---------------------------------------------------------------- lines */

enum aof_stream_line {
    AOF_STREAM_AT,    /* #@   it is at this place */
    AOF_STREAM_PAST,  /* #@+  an older id of it */
    AOF_STREAM_END,   /* #@-  what follows is of no stream */
    AOF_STREAM_LOCAL, /* #-   the next unit is no part of it */
    AOF_STREAM_NOTE,  /* #>   bytes of it that change no data */
    AOF_STREAM_BAD,   /* none of these, or damaged */
};

#define AOF_LOCAL_MARK SLICE("#-\r\n")

/* Each writes one line and returns its length. `out` has room for AOF_MARK_MAX. `position` is the
 * line's own. */
size_t aof_stream_put_at(char *out, const struct aof_epoch *h, uint64_t position,
                         const struct aof_stream *s);
size_t aof_stream_put_past(char *out, const struct aof_epoch *h, uint64_t position,
                           const struct aof_stream_past *p);
size_t aof_stream_put_end(char *out, const struct aof_epoch *h, uint64_t position);

/* Appends as many lines as the bytes need, none of them longer than Redis skips. */
void aof_stream_put_note(struct bytes *b, struct slice data);

/* Reads one line without its CRLF. `got`: AT; PAST (id, and the end as offset). */
enum aof_stream_line aof_stream_parse(struct slice line, const struct aof_epoch *h,
                                      uint64_t position, struct aof_stream *got);

/* The bytes of a NOTE: appended to `out` if that is not NULL. How many; -1: the line is damaged. */
int aof_stream_read_note(struct slice line, struct bytes *out);

#endif
