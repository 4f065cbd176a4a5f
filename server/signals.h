/* SPDX-License-Identifier: BSD-3-Clause
 *
 * signals - what stops the server from outside, or makes it read its configuration again: signals,
 * and the end of its parent. A handler runs
 * in the loop and only notes what came; it is obeyed before the next wait. Main thread.
 */
#ifndef STET_SERVER_SIGNALS_H
#define STET_SERVER_SIGNALS_H

#include "server/app.h"

void signals_watch(struct app *a);

/* exit-with-parent. */
void signals_watch_parent(struct app *a);

/* Begins the shutdown that `stop_signal` asks for. */
void signals_obey(struct app *a);

void signals_release(struct app *a);

#endif
