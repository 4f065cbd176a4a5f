/* SPDX-License-Identifier: BSD-3-Clause
 *
 * run - runs the handler of an admitted call and the steps after it: propagates the change, sets
 * the position that the reply waits for, and updates MONITOR, the slow log and the command's
 * figures.
 */
#ifndef STET_EXEC_RUN_H
#define STET_EXEC_RUN_H

#include "server/exec/call.h"

/* Returns what the handler returned. *clock_ns: when the command began (clock_work_ns), and after
 * the call when it ended. */
int run_call(struct call *x, uint64_t *clock_ns);

/* Runs a command as part of `outer` (EXEC), for the same session. What it did is propagated when
 * the outer call is over, and the outer call's reply waits for what this one's would. */
int call_inner(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv);

/* The same for a script: the reply goes to `to`. */
int call_scripted(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv,
                  struct reply to);

#endif
