/* SPDX-License-Identifier: BSD-3-Clause
 *
 * turn - the engine around one turn of the event loop: what happens before the loop waits, after
 * progress of the AOF's threads, and from inside a command that takes long. It holds the parts of
 * exec and starts and releases them.
 */
#ifndef STET_EXEC_TURN_H
#define STET_EXEC_TURN_H

#include "server/exec/engine.h"

/* `e` has its keyspace and its commands registered; everything else is zero. */
void engine_init(struct engine *e, struct conf *conf, struct aof *aof);
void engine_release(struct engine *e);

/* A further engine of the process of `first`, whose configuration, users and file queue it uses.
 * `aof` is off and stays so. The commands are registered in the same order as those of `first`. */
void engine_init_guest(struct engine *e, struct engine *first, struct aof *aof);

/* What CONFIG REWRITE and ACL SAVE have begun is written, within deadline_ms. No more is begun. */
void engine_finish_files(struct engine *e, int deadline_ms);

/* Before the loop waits: serves blocked clients, hands the AOF's batch over and resumes clients
 * that waited for room in it. */
void engine_before_wait(struct engine *e);

/* After progress of the AOF's threads: gates may have opened. */
void engine_on_log_progress(struct engine *e);

/* From inside a command that takes long, at a point where the data set is whole: other clients are
 * read and answered, most of them that the server is busy (`why`). Nothing is executed that could
 * change the data set, or end the session whose command this is. */
void engine_serve_within(struct engine *e, enum engine_busy why);

/* Ends a pause; the clients it held go on before the loop waits. */
void engine_unpause(struct engine *e, enum pause_reason why);

/* When something happens by itself that no client asks for (monotonic microseconds), 0: never. */
uint64_t engine_next_deadline(const struct engine *e);

#endif
