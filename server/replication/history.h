/* SPDX-License-Identifier: BSD-3-Clause
 *
 * history - what a replica of stet tells its master besides the id and offset of PSYNC, and what
 * only masters of stet understand: at which offset its data set is, and how far it shares which
 * ids.
 *
 *   replica   REPLCONF data-at AT,ID:END,ID:END...   its data set is that of offset AT; its history
 *                                                    is that of ID up to END
 *   replica   PSYNC ID OFFSET                        as ever
 *   master    +CONTINUE ID OFFSET                    where PSYNC alone would be refused, and both
 *                                                    share some id up to AT: the stream from OFFSET
 *                                                    (AT + 1) on follows
 *
 *   replica   REPLCONF capa history                  it can use:
 *   master    +OK ID,ID:END,ID:END...                its id, and its older ones
 *
 * From the last a replica knows the master's older ids after a full sync too, and their true ends.
 *
 * A master that was restarted, or that was cut off, has a younger id or a higher offset than the
 * replica that took its place, but often no data that the other does not have: its stream only said
 * PING, GETACK and PUBLISH. It gives these bytes up then, instead of its data set.
 */
#ifndef STET_REPLICATION_HISTORY_H
#define STET_REPLICATION_HISTORY_H

#include "server/replication/stream.h"
#include "storage/base/bytes.h"

enum { HISTORY_MAX = 20 + (STREAM_PASTS + 1) * (STREAM_ID_CHARS + 22) + 1 };

/* Whether there is more to say than PSYNC does. */
bool history_is_useful(const struct repl_stream *s);

/* What a master says of its history. */
struct history_told {
    char id[STREAM_ID_CHARS + 1]; /* "": nothing */
    struct repl_past past[STREAM_PASTS];
    size_t n;
};

/* "ID,ID:END..."; HISTORY_MAX bytes are enough. */
void history_tell(const struct repl_stream *s, char out[HISTORY_MAX]);

/* Reads that. What is malformed says nothing. */
void history_hear(struct history_told *t, struct slice text);

/* The stream, which follows that master now, has its older ids too: if it is of that id. One that
 * ends at `begin`, the offset of a full sync, counts up to the byte before. One that ends later
 * counts as far as the stream comes. 0: the stream has none. */
void history_use(const struct history_told *t, struct repl_stream *s, uint64_t begin);

/* The argument of "data-at". */
void history_put(const struct repl_stream *s, char out[HISTORY_MAX]);

struct history_match {
    uint64_t at;                  /* where the other data set is */
    char id[STREAM_ID_CHARS + 1]; /* of a history of both */
    uint64_t end;                 /* up to which both have it; it can go on if that is >= at */
    uint64_t ours, theirs;        /* up to which each has it */
};

/* The history that both share furthest. False: none, or `said` is malformed. */
bool history_find(const struct repl_stream *s, const char *said, struct history_match *m);

#endif
