/* SPDX-License-Identifier: BSD-3-Clause
 *
 * guard - whether a node may execute a command: its keys are in one slot, and the slot is its own.
 */
#ifndef STET_CLUSTER_GUARD_H
#define STET_CLUSTER_GUARD_H

#include "server/cluster/state.h"

/* The guard of detour.h: the refusal of the call's command, or NULL. */
const char *guard_refusal(void *cluster, struct call *x);

/* cluster_seam.script_refusal */
const char *guard_script_refusal(void *cluster, const struct call *outer, const struct command *row,
                                 int argc, const struct slice *argv, int *slot, bool across);

/* Why a client that waits with this command may not go on; NULL: it may. */
const char *guard_waiting_refusal(struct cluster *c, const struct session *s,
                                  const struct command *row, int argc, const struct slice *argv);

#endif
