/* SPDX-License-Identifier: BSD-3-Clause
 *
 * admit - the checks before a handler: is the command known, its arity right, the client
 * authenticated and allowed to run it, the server ready for it (loading, memory, disk, busy)?
 *
 * A command that is refused is answered here, and its handler does not run. Commands inside a
 * transaction are admitted when they are queued; EXEC checks again what may have changed since.
 */
#ifndef STET_EXEC_ADMIT_H
#define STET_EXEC_ADMIT_H

#include "conf/conf.h"
#include "server/exec/multi.h"

/* 0: the handler may run. -1: refused, and answered. `unknown_sub`: the command is known, its
 * subcommand is not. */
int admit(struct call *x, bool unknown_sub);

/* Whether the pause holds this command of the session. */
bool admit_pause_holds(const struct session *s, const struct command_slot *cmd, int argc,
                       uint32_t flags);

/* The command cannot be admitted now, but soon: CLIENT PAUSE holds it, or a command that takes long
 * does (breathe.h), or the AOF's backlog is at aof-buffer-limit. It is not executed, and tried
 * again when that has changed. */
static inline bool admit_must_park(const struct engine *e, const struct session *s,
                                   const struct command_slot *cmd, int argc) {
    uint32_t flags = cmd ? cmd->row->flags : 0;

    if (flags & CMD_IN_MULTI) flags |= multi_flags(s);
    if (__builtin_expect(e->pause.mode != PAUSE_NONE, 0) && admit_pause_holds(s, cmd, argc, flags))
        return true;
    return flags & (CMD_WRITE | CMD_RUNS_SCRIPT) &&
           __builtin_expect(aof_backlog(e->aof) > e->v->aof_buffer_limit, 0);
}

/* The error for a command with these flags while the data set is loaded, or may be old or replaced
 * soon (a replica's); NULL: it may run. */
const char *data_refusal(const struct engine *e, uint32_t flags);

/* Whether commands with these flags have to be refused now (the AOF, memory): fills `text` with the
 * error if so. */
enum { CALL_REFUSAL_MAX = 512 };
bool call_refusal(const struct engine *e, uint32_t flags, char text[CALL_REFUSAL_MAX]);

#endif
