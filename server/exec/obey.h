/* SPDX-License-Identifier: BSD-3-Clause
 *
 * obey - runs the commands of a master's stream: without admission and without replies, but with
 * everything else that a client's command has: figures, MONITOR, keyspace events, WATCH, tracking,
 * and local clients that are blocked.
 *
 * A unit is one command, or several that the master sent in MULTI..EXEC:
 *
 *   engine_obey_begin  engine_obey ...  (the caller propagates the unit)  engine_obey_end
 *
 * Only what a master's stream may hold is run: write commands, PUBLISH and the like, scripts, and
 * SELECT. Anything else is refused, so a hostile master cannot, say, set a parameter. Main thread.
 */
#ifndef STET_EXEC_OBEY_H
#define STET_EXEC_OBEY_H

#include "server/exec/engine.h"

enum obeyed {
    OBEYED,        /* it went well */
    OBEYED_FAILED, /* its handler answered with an error, as it may have done at the master */
    OBEYED_NOT,    /* there is no such command, or its arity is wrong, or it may not stand here */
};

void engine_obey_begin(struct engine *e, struct session *s);

/* One command, for the database that `s` has selected. `raw`: its bytes. `changes`: whether it may
 * have changed the data set. Not OBEYED: `error` has the text of the error. */
enum obeyed engine_obey(struct session *s, int argc, const struct slice *argv, struct slice raw,
                        bool *changes, struct bytes *error);

/* What it notified waits for the AOF's present position; blocked clients try again. */
void engine_obey_end(struct engine *e);

#endif
