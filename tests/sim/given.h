/* SPDX-License-Identifier: BSD-3-Clause
 *
 * given - what a replica of the simulated server is given by the AOF: the bytes of the stream that
 * a reader gives back are those that were sent, and the base is the data set of its place in the
 * stream.
 */
#ifndef SIM_GIVEN_H
#define SIM_GIVEN_H

#include "feed.h"
#include "persistence/aof.h"
#include "storage/base/bytes.h"

/* One replica that reads the AOF. */
struct given {
    struct aof_stream_reader *reader; /* NULL: none */
    uint64_t at;                      /* offset of the last byte that it has */
    enum given_base { GIVEN_NONE, GIVEN_OPENING, GIVEN_OPEN, GIVEN_DROPPED } state; /* of a base */
    struct aof_stream_base base;
    char base_id[AOF_STREAM_ID_CHARS + 1]; /* of the stream when it was asked for */
    int base_fd;                           /* -1: it could not be opened */
};

/* Forgets all that was sent: a new seed begins. */
void given_reset(void);

/* These bytes of the stream follow byte `offset`. */
void given_sent(uint64_t offset, struct slice bytes);

/* Begins to read somewhere, or reads on, or ends. NULL, or the rule that is broken. */
const char *given_step(struct given *g, struct aof *a, const struct feed *s, struct dice *d);

/* The same of the base: has it opened, or judges the one that is open. */
const char *given_base(struct given *g, struct aof *a, const struct feed *s);

/* Before the AOF stops. */
void given_end(struct given *g);

#endif
