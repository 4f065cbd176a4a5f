/* SPDX-License-Identifier: BSD-3-Clause
 *
 * apply - runs the commands of the master's stream, and counts them.
 *
 * The stream is parsed as strictly as a client's input: only canonical arrays of bulk strings. A
 * unit is one command, or MULTI..EXEC as a whole; it is applied as a whole, and then its bytes are
 * part of this server's stream. What was read of a unit that is not whole yet is kept here, and
 * forgotten where the link breaks: the master is asked for it again. Main thread only.
 */
#ifndef STET_REPLICATION_APPLY_H
#define STET_REPLICATION_APPLY_H

#include "protocol/request.h"
#include "storage/base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct replication;
struct session;

struct apply {
    bool in_multi;
    struct bytes unit;         /* MULTI and what followed it, as received */
    struct request_args args;  /* of a command of `unit` */
    struct request_args ahead; /* of commands that are parsed and not carried out yet */
    uint64_t clock_ns;         /* when the last one ended */
    struct bytes error;        /* of a command that failed */
    uint64_t read_offset;      /* of the last byte that was read */
    int64_t told_s;            /* the second in which errors were logged last, and how many */
    unsigned told;
};

/* A stream begins after stream.offset; the session has selected what the stream has. */
void apply_begin(struct replication *r, struct session *s);

/* Applies what is whole of `in`; returns the bytes used up. *need as in session_source.input. -1:
 * the stream does not hold, `e` says why. It may end the link. */
ssize_t apply_input(struct replication *r, struct session *s, char *in, size_t n, size_t *need,
                    struct err *e);

void apply_forget(struct apply *a); /* the unit under way */
void apply_release(struct apply *a);

#endif
