/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster - this server as a cluster: one node that has all slots, or, with cluster-emulate-nodes,
 * several nodes in one process that share the data, each with a listener of its own.
 *
 * There is no bus: no other server can join. Built where cluster-enabled is `yes`; it sets
 * engine.cluster (exec/slots.h) and adds a guard (exec/detour.h). Main thread only.
 */
#ifndef STET_CLUSTER_CLUSTER_H
#define STET_CLUSTER_CLUSTER_H

#include "server/exec/engine.h"

struct cluster;

/* Up-calls; `node` counts from 0. `port` is what the node listens on (over TLS, or not), 0:
 * nothing. `listen` opens the node's listeners again or closes them; its connections are not its
 * affair. */
struct cluster_app {
    int (*port)(void *arg, unsigned node, bool tls);
    int (*listen)(void *arg, unsigned node, bool on, struct err *e);
    void *arg;
};

/* The rows of CLUSTER, READONLY, READWRITE and ASKING: in every server. */
void cluster_register(struct command_registry *r);

/* How many listeners the configuration asks for: one for each node. */
unsigned cluster_count_nodes(const struct conf_values *v);

struct cluster *cluster_new(struct engine *e, const struct cluster_app *app);
void cluster_free(struct cluster *c);

/* Whether a slot is served by a node of this process. */
bool cluster_has_slots(const struct cluster *c);

/* Appends the lines of CLUSTER INFO, as the node tells them. */
void cluster_info(const struct cluster *c, unsigned node, struct bytes *out);

/* Reads cluster-config-file, or makes it. An emulated cluster has none. */
int cluster_start(struct cluster *c, struct err *e);

/* After the data set was loaded: -1 if there are keys outside of database 0. A slot with keys that
 * has no owner is the node's own from now on. */
int cluster_check_data(struct cluster *c, struct err *e);

#endif
