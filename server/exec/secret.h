/* SPDX-License-Identifier: BSD-3-Clause
 *
 * secret - which arguments of a command are passwords and the like, so that MONITOR, SLOWLOG and
 * COMMANDLOG do not show them.
 *
 * Handlers of such commands call secret_hide() before they look at anything, because a command that
 * fails is shown as well. It also finds secrets of a command that is an argument of another one.
 */
#ifndef STET_EXEC_SECRET_H
#define STET_EXEC_SECRET_H

#include "server/exec/call.h"

void secret_hide(struct call *x);

#endif
