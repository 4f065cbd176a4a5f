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

/* One command of the stream. `argv` and `raw`, its bytes, are the caller's; the rest is found by
 * engine_obey_prepare(). */
struct order {
    int argc;
    const struct slice *argv;
    struct slice raw;
    struct command_slot *cmd;
    uint64_t hash; /* of its first key, if has_hash */
    bool unknown_sub, has_hash;
};

/* Looks the command up, and has its first key's bucket fetched; engine_obey_prefetch(), some
 * commands later, the key's entry. */
void engine_obey_prepare(struct session *s, struct order *o);
void engine_obey_prefetch(struct session *s, const struct order *o);

void engine_obey_begin(struct engine *e, struct session *s);

/* Carries it out, for the database that `s` has selected. `changes`: whether it may have changed
 * the data set. Not OBEYED: `error` has the text of the error. *clock_ns: when it begins
 * (clock_work_ns), and afterwards when it ended. */
enum obeyed engine_obey(struct session *s, const struct order *o, bool *changes,
                        struct bytes *error, uint64_t *clock_ns);

/* What it notified waits for the AOF's present position; blocked clients try again. */
void engine_obey_end(struct engine *e);

#endif
