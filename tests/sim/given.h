/* SPDX-License-Identifier: BSD-3-Clause
 *
 * given - what a replica of the simulated server is given by the AOF: the bytes of the stream that
 * a reader gives back are those that were sent, and the base is the data set of its place in the
 * stream.
 */
#ifndef SIM_GIVEN_H
#define SIM_GIVEN_H

#include "feed.h"
#include "storage/base/bytes.h"

/* One replica that reads the AOF. */
struct given {
    struct aof_stream_reader *reader; /* NULL: none */
    uint64_t at;                      /* offset of the last byte that it has */
};

/* Forgets all that was sent: a new seed begins. */
void given_reset(void);

/* These bytes of the stream follow byte `offset`. */
void given_sent(uint64_t offset, struct slice bytes);

/* Begins to read somewhere, or reads on, or ends. NULL, or the rule that is broken. */
const char *given_step(struct given *g, struct aof *a, const struct feed *s, struct dice *d);

/* The same of the base. */
const char *given_base(struct aof *a, const struct feed *s);

/* Before the AOF stops. */
void given_end(struct given *g);

#endif
