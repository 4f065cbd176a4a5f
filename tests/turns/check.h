/* SPDX-License-Identifier: BSD-3-Clause
 *
 * check - what has to hold after a turn, and at the end of an order. Each function gives NULL, or
 * what does not hold (valid until the next call).
 */
#ifndef TEST_TURNS_CHECK_H
#define TEST_TURNS_CHECK_H

#include "world.h"

/* The engine's lists: linked in both directions, no member twice, as many as are counted, and each
 * member in the state that the list is for. Between turns nobody is left to be resumed or served.
 */
const char *check_lists(struct world *w);

/* No client goes on waiting for a list or a sorted set that is there. */
const char *check_waits(struct world *w);

/* Once the AOF has come to rest: no client waits for it. */
const char *check_progress(struct world *w);

/* Each client has one reply for each command that it was to be answered, and no input that could
 * be executed. */
const char *check_replies(struct world *w, const struct program *p);

/* `other`, whose data set is empty, executes what was propagated: it has the same data then. */
const char *check_replay(struct world *w, struct world *other);

/* The data set, keys whose time is over left out. */
uint64_t data_sum(const struct world *w);

/* What the clients were answered, without what they were told; nothing of those that were closed.
 */
uint64_t reply_sum(const struct world *w);

/* Prints the replies. */
void show_replies(const struct world *w);

/* No part of the engine holds anything for clients that are gone. */
const char *check_empty(struct world *w);

#endif
