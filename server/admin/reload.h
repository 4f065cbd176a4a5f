/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reload - the configuration file is read again: CONFIG RELOAD, and SIGHUP.
 *
 * Both write the same lines to the server log: what has changed, what needs a restart, or why
 * nothing was reloaded. The file is read on the main thread.
 */
#ifndef STET_ADMIN_RELOAD_H
#define STET_ADMIN_RELOAD_H

#include "server/exec/engine.h"

/* What SIGHUP has asked for. */
enum admin_reload_state {
    ADMIN_RELOAD_NONE,
    ADMIN_RELOAD_WANTED,
    ADMIN_RELOAD_OPENING /* the AOF's directory, on a thread: before anything is set */
};

/* Goes one step on, unless the state is NONE; a signal counts as a client of this machine. Returns
 * the next state. To be called in each turn in which no data set is being loaded. */
enum admin_reload_state admin_reload_step(struct engine *e, enum admin_reload_state state);

#endif
