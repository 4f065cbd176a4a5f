/* SPDX-License-Identifier: BSD-3-Clause
 *
 * replay - runs the commands of the AOF when it is read back: without admission, propagation and
 * figures, for a session of its own whose replies are dropped. One replay at a time; main thread.
 */
#ifndef STET_EXEC_REPLAY_H
#define STET_EXEC_REPLAY_H

#include "server/exec/engine.h"
#include "storage/base/err.h"

void engine_replay_begin(struct engine *e);

/* One command of the AOF (aof_load's command function; `engine` is the struct engine). -1: there is
 * no such command, or its arity is wrong. */
int engine_replay(void *engine, size_t argc, const struct slice *argv, struct err *err);

/* A command that comes some commands later: what it needs is fetched from memory meanwhile. */
void engine_replay_soon(void *engine, size_t argc, const struct slice *argv);

void engine_replay_end(struct engine *e);

#endif
