/* SPDX-License-Identifier: BSD-3-Clause
 *
 * feed - the replication stream of a simulated server: what it appends to it, and the rule that
 * a start never reports a place of the stream at which the data set was another one.
 */
#ifndef SIM_FEED_H
#define SIM_FEED_H

#include "dice.h"
#include "persistence/aof.h"

struct feed {
    bool on;
    struct aof_stream now;
    struct dice dice;
};

/* Forgets all places: a new seed begins. */
void feed_reset(void);

/* A server has started with this data set. False: it reports a place that is not this data set's.
 * The stream goes on, or another one begins, or there is none. */
bool feed_start(struct feed *s, struct aof *a, uint64_t seed, uint64_t print);

/* Appends a unit, which has made the data set `print`: of the stream, or local, or as a master
 * sends it; and now and then notes. Whether or not the AOF is on. */
void feed_append(struct feed *s, struct aof *a, const struct aof_unit *u, uint64_t print);

/* Another id, another place, the end. */
void feed_change(struct feed *s, struct aof *a, uint64_t print);

/* Whether the data set was `print` when the stream, under this or an older id, was at `offset`. */
bool feed_was_at(const struct feed *s, uint64_t offset, uint64_t print);

/* The AOF has been switched on. */
void feed_tell(struct feed *s, struct aof *a);

/* The data set comes from another server. */
void feed_replaced(struct feed *s, struct aof *a, uint64_t print);

#endif
