/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rows - the handlers of CLUSTER's subcommands that stand in other files than their rows. They are
 * called in a cluster only.
 */
#ifndef STET_CLUSTER_ROWS_H
#define STET_CLUSTER_ROWS_H

#include "server/cluster/tell.h"

#define ERR_SLOT "ERR Invalid or out of range slot"

/* slot_commands.c */
int slot_cmd_add(struct call *x);
int slot_cmd_add_range(struct call *x);
int slot_cmd_delete(struct call *x);
int slot_cmd_delete_range(struct call *x);
int slot_cmd_flush(struct call *x);
int slot_cmd_set(struct call *x);
int slot_cmd_count_keys(struct call *x);
int slot_cmd_get_keys(struct call *x);
int slot_cmd_flush_one(struct call *x);

/* slot_stats.c */
int slot_cmd_stats(struct call *x);

/* slot_migrate.c */
int slot_cmd_migrate(struct call *x);
int slot_cmd_migrations(struct call *x);
int slot_cmd_cancel_migrations(struct call *x);

/* node_commands.c */
int node_cmd_nodes(struct call *x);
int node_cmd_myid(struct call *x);
int node_cmd_myshardid(struct call *x);
int node_cmd_replicas(struct call *x);
int node_cmd_count_reports(struct call *x);
int node_cmd_bump_epoch(struct call *x);
int node_cmd_set_epoch(struct call *x);
int node_cmd_meet(struct call *x);
int node_cmd_forget(struct call *x);
int node_cmd_replicate(struct call *x);
int node_cmd_failover(struct call *x);
int node_cmd_reset(struct call *x);

/* "Unknown node x" */
int reply_unknown_node(struct call *x, int i);

#endif
