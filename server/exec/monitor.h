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

/* Shows the call to all of them. */
void monitor_show(const struct call *x);

#endif
