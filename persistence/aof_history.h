/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_history - the files that an AOF was made of before: which are kept, and which of them lead to
 * a moment in the past.
 *
 * A base says at which position of the AOF it was made, and an increment at which it begins (their
 * headers; an RDB in the header after it, or else in the aux field "aof-position"). A base and the
 * increments from its position on, up to the next base's, are a generation; the increments go on
 * where the last one ended, so any base leads to every later moment. Files that do not say their
 * position (of Redis, or of `aof-checksum no`) are no use as history.
 *
 * Any thread, as long as no thread changes the files.
 */
#ifndef STET_PERSISTENCE_AOF_HISTORY_H
#define STET_PERSISTENCE_AOF_HISTORY_H

#include "persistence/aof_manifest.h"

/* The position at which the base in `fd` was made, or at which the increment begins; false if it
 * does not say. */
bool aof_file_position(int fd, const struct aof_file *f, uint64_t *position);

/* How much history stays when a rewrite has replaced it. */
struct aof_keep {
    bool all;       /* aof-disable-auto-gc */
    uint64_t bytes; /* at most so many; 0: see ms */
    int64_t ms;     /* what is needed to go back so far; 0 (and no bytes): nothing */
};

/* Removes the history that is not to be kept, from the disk and from the manifest (which the caller
 * publishes). True if the manifest has changed. */
bool aof_history_prune(int dirfd, struct aof_manifest *m, const struct aof_keep *keep);

/* A moment: everything that was logged up to this position, or up to this time. */
struct aof_moment {
    bool given;
    bool by_time;
    uint64_t position;
    int64_t ms; /* unix time */
};

/* "1700000000000" (unix milliseconds) or "position:12345". A bare number below 100000000000 is
 * refused: it would be a time of 1973, and is most likely one in seconds, or a position. */
int aof_moment_parse(const char *text, struct aof_moment *to, struct err *e);

/* The earliest moment that the files lead to (unix ms): when the oldest base was made from which
 * all increments are there. 0: they do not say. */
int64_t aof_history_begins(int dirfd, const struct aof_manifest *m);

/* The base and the increments, in order, that lead to a moment. -1: there are none. */
int aof_history_select(int dirfd, const struct aof_manifest *m, const struct aof_moment *to,
                       struct aof_manifest *out, struct err *e);

#endif
