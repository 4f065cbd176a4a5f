/* SPDX-License-Identifier: BSD-3-Clause
 *
 * change - what happens to nodes, and what that means for clients: subscriptions to shard channels
 * and blocked commands end where their slot is another node's now.
 */
#ifndef STET_CLUSTER_CHANGE_H
#define STET_CLUSTER_CHANGE_H

#include "server/cluster/state.h"

/* To be called once after the state was changed. */
void change_done(struct cluster *c);

/* The slot is the other master's at once. */
void change_move(struct cluster *c, unsigned slot, unsigned node);

/* The slot is on its way from its owner to the other master. */
void change_ask(struct cluster *c, unsigned slot, unsigned node);
void change_stable(struct cluster *c, unsigned slot);

/* The node does not answer any more: it does not listen, and its clients are cut off (`by` after
 * its reply; may be NULL). A replica that answers takes over, unless cluster-replica-no-failover
 * says not. */
void change_fail(struct cluster *c, unsigned node, struct session *by);

/* It listens again; a master that was replaced comes back as a replica. -1: it cannot. */
int change_recover(struct cluster *c, unsigned node, struct err *e);

/* The replica takes over the slots of its master. */
void change_failover(struct cluster *c, unsigned node);

/* Nodes and slots are as after the start; ids stay. */
void change_reset(struct cluster *c);

#endif
