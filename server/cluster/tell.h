/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tell - how nodes are called towards a client, and what CLUSTER tells of them.
 *
 * All nodes are in this process, so all have the address at which the client has reached it, unless
 * cluster-announce-ip says another.
 */
#ifndef STET_CLUSTER_TELL_H
#define STET_CLUSTER_TELL_H

#include "server/cluster/state.h"

enum { TELL_HOST_CHARS = 256 };

/* The address, and what cluster-preferred-endpoint-type makes of it ("" for unknown-endpoint). */
void tell_ip(const struct cluster *c, const struct session *s, char ip[TELL_HOST_CHARS]);
void tell_endpoint(const struct cluster *c, const struct session *s, char host[TELL_HOST_CHARS]);

/* Where the node is reached, over TLS or without; where it has only one of them: that. */
int tell_port(const struct cluster *c, unsigned node, bool tls);

/* There is no bus: the number is the one that a node of Redis would have. */
int tell_bus_port(const struct cluster *c, unsigned node);

/* The lines of CLUSTER NODES of one node, or of all. */
void tell_node(const struct cluster *c, const struct session *s, unsigned node, struct bytes *out);
void tell_nodes(const struct cluster *c, const struct session *s, struct bytes *out);

/* Ranges of slots of the node, separated by blanks, each after one: " 0-5 7". */
void tell_ranges(const struct cluster *c, unsigned node, struct bytes *out);

/* Handlers. */
int tell_cmd_info(struct call *x);
int tell_cmd_slots(struct call *x);
int tell_cmd_shards(struct call *x);
int tell_cmd_links(struct call *x);

static inline struct cluster *cluster_of(const struct call *x) {
    return x->e->cluster->arg;
}

#endif
