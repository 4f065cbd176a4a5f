/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scripting - Lua scripts that run commands: what the layers above see of it.
 */
#ifndef STET_SCRIPTING_SCRIPTING_H
#define STET_SCRIPTING_SCRIPTING_H

#include "server/exec/call.h"

/* The interpreter of an engine; sets e->scripting. Call after the engine was set up. */
void scripting_start(struct engine *e);
void scripting_stop(struct engine *e);

/* No signal of a script's comes any more, until the next script. Timers outlive execv(2). */
void scripting_hush(void);

/* Ends the script under way as SCRIPT KILL does, from engine_serve_within. False: there is none, or
 * it has written and can only be waited for. */
bool scripting_end(struct engine *e);

void scripting_register(struct command_registry *r);

#endif
