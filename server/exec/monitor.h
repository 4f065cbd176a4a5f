/* SPDX-License-Identifier: BSD-3-Clause
 *
 * monitor - clients that see every command of all others, as it was received but for secrets.
 */
#ifndef STET_EXEC_MONITOR_H
#define STET_EXEC_MONITOR_H

#include "server/exec/call.h"

/* Each is harmless where it is so already. */
void monitor_begin(struct session *s);
void monitor_end(struct session *s);

/* Shows the call to all of them: before it runs if it is a script, whose commands follow it, else
 * when it has run. */
void monitor_show_before(const struct call *x);
void monitor_show_after(const struct call *x);

#endif
