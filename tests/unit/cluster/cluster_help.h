/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster_help - the engine of exec's tests as a cluster of three masters and three replicas, or of
 * one node. Node i listens on port 7000 + i.
 */
#ifndef TEST_CLUSTER_HELP_H
#define TEST_CLUSTER_HELP_H

#include "../exec/exec_help.h"
#include "server/cluster/state.h"

extern struct cluster *cluster;
extern unsigned listening; /* bit i: node i listens */

void three_begin(void);
void one_begin(void);
void none_begin(void); /* the commands without a cluster; ended by exec_end() */
void cluster_end(void);

/* The reply to one inline command of a session that is a client of this node. */
const char *say_to(unsigned node, const char *line);

#endif
