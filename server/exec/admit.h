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

#include "server/exec/call.h"

/* 0: the handler may run. -1: refused, and answered. `unknown_sub`: the command is known, its
 * subcommand is not. */
int admit(struct call *x, bool unknown_sub);

/* The command cannot be admitted now, but soon: CLIENT PAUSE holds it, or the AOF's backlog is at
 * aof-buffer-limit. It is not executed, and tried again when that has changed. */
bool admit_must_park(const struct engine *e, const struct session *s,
                     const struct command_slot *cmd, int argc);

/* Whether commands with these flags have to be refused now (the AOF, memory): fills `text` with the
 * error if so. */
enum { CALL_REFUSAL_MAX = 512 };
bool call_refusal(const struct engine *e, uint32_t flags, char text[CALL_REFUSAL_MAX]);

#endif
