/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dispatch - from input bytes to executed commands.
 *
 * A pipeline is taken in groups: parse up to 32 commands, prefetch the buckets of their first keys,
 * then the entries, then admit (admit.h) and run (run.h) one after the other.
 */
#ifndef STET_EXEC_DISPATCH_H
#define STET_EXEC_DISPATCH_H

#include "server/exec/blocking.h"

/* Executes the whole commands at in[0..n), as many as the session's state allows. Returns the
 * bytes used up. *need: how many bytes must be there before another call makes sense. 0: there are
 * more commands, but these took engine.slice_ns; they are for the next turn, so that other clients
 * are served in between. */
size_t engine_feed(struct engine *e, struct session *s, char *in, size_t n, size_t *need);

/* Runs the command that `b` keeps once more, for its session: true if it was answered, false if it
 * goes on waiting. */
bool call_again(struct blocked *b);

#endif
