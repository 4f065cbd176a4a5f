/* SPDX-License-Identifier: BSD-3-Clause
 *
 * node_commands - CLUSTER's subcommands about nodes: which there are, epochs, roles.
 */
#include "server/cluster/change.h"
#include "server/cluster/rows.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <arpa/inet.h>
#include <string.h>

#define NO_BUS                                                                                     \
    "this server has no cluster bus, so no other server can be part of its cluster. It serves "    \
    "all "                                                                                         \
    "slots by itself; see cluster-emulate-nodes for several nodes in one process"

int reply_unknown_node(struct call *x, int i) {
    return reply_errf(x, "ERR Unknown node %.*s", (int)x->argv[i].n, x->argv[i].p);
}

/* ---------------------------------------------------------------- what there is */

int node_cmd_nodes(struct call *x) {
    struct bytes b = {0};

    tell_nodes(cluster_of(x), x->s, &b);
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

int node_cmd_myid(struct call *x) {
    reply_bulk(&x->r, cluster_of(x)->nodes[x->s->node].id, NODE_ID_CHARS);
    return 0;
}

int node_cmd_myshardid(struct call *x) {
    reply_bulk(&x->r, cluster_of(x)->nodes[x->s->node].shard, NODE_ID_CHARS);
    return 0;
}

int node_cmd_replicas(struct call *x) {
    const struct cluster *c = cluster_of(x);
    unsigned node = node_find(c, x->argv[2]), n = 0;
    struct bytes b = {0};

    if (node == NO_NODE) return reply_unknown_node(x, 2);
    if (!node_is_master(c, node)) return reply_err(x, "ERR The specified node is not a master");
    for (unsigned i = 0; i < c->n; i++) n += c->nodes[i].master == node;
    reply_array(&x->r, n);
    for (unsigned i = 0; i < c->n; i++) {
        if (c->nodes[i].master != node) continue;
        bytes_clear(&b);
        tell_node(c, x->s, i, &b);
        reply_bulk(&x->r, b.p, b.n - 1); /* without the line's end */
    }
    bytes_release(&b);
    return 0;
}

/* Masters that answer report one that does not. */
int node_cmd_count_reports(struct call *x) {
    const struct cluster *c = cluster_of(x);
    unsigned node = node_find(c, x->argv[2]), n = 0;

    if (node == NO_NODE) return reply_unknown_node(x, 2);
    for (unsigned i = 0; c->nodes[node].failed && i < c->n; i++)
        n += i != node && node_is_master(c, i) && !c->nodes[i].failed;
    reply_int(&x->r, n);
    return 0;
}

/* ---------------------------------------------------------------- epochs */

static void reply_epoch(struct call *x, const char *what, uint64_t epoch) {
    char text[64];

    snprintf(text, sizeof text, "%s %llu", what, (unsigned long long)epoch);
    reply_simple(&x->r, text);
}

int node_cmd_bump_epoch(struct call *x) {
    struct cluster *c = cluster_of(x);
    struct node *n = &c->nodes[x->s->node];

    if (n->epoch != 0 && n->epoch == c->epoch) {
        reply_epoch(x, "STILL", n->epoch);
        return 0;
    }
    node_bump(c, x->s->node);
    change_done(c);
    reply_epoch(x, "BUMPED", n->epoch);
    return 0;
}

int node_cmd_set_epoch(struct call *x) {
    struct cluster *c = cluster_of(x);
    struct node *n = &c->nodes[x->s->node];
    int64_t epoch;

    if (!arg_int(x, 2, &epoch)) return -1;
    if (epoch < 0)
        return reply_errf(x, "ERR Invalid config epoch specified: %lld", (long long)epoch);
    if (c->n > 1)
        return reply_err(x, "ERR The user can assign a config epoch only when the node does not "
                            "know any other node.");
    if (n->epoch != 0) return reply_err(x, "ERR Node config epoch is already non-zero");
    n->epoch = (uint64_t)epoch;
    if (c->epoch < n->epoch) c->epoch = n->epoch;
    change_done(c);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- other servers */

/* False: an error was answered. */
static bool arg_port(struct call *x, int i, const char *kind, int64_t *port) {
    if (num_parse_i64(x->argv[i].p, x->argv[i].n, port)) return true;
    reply_errf(x, "ERR Invalid %s port specified: %.*s", kind, (int)x->argv[i].n, x->argv[i].p);
    return false;
}

static bool is_address(struct slice host) {
    char text[64];
    struct in6_addr in;

    if (host.n == 0 || host.n >= sizeof text) return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    return inet_pton(AF_INET, text, &in) == 1 || inet_pton(AF_INET6, text, &in) == 1;
}

/* The nodes of this process know one another. */
int node_cmd_meet(struct call *x) {
    const struct cluster *c = cluster_of(x);
    int64_t port, bus_port;

    if (x->argc > 5) return reply_subcommand_err(x);
    if (!arg_port(x, 3, "TCP base", &port)) return -1;
    if (x->argc == 5 && !arg_port(x, 4, "TCP bus", &bus_port)) return -1;
    if (!is_address(x->argv[2]) || port <= 0 || port > 65535)
        return reply_errf(x, "ERR Invalid node address specified: %.*s:%.*s", (int)x->argv[2].n,
                          x->argv[2].p, (int)x->argv[3].n, x->argv[3].p);
    if (!c->seam.is_node || !c->seam.is_node(c->seam.arg, x->argv[2], x->argv[3]))
        return reply_err(x, "ERR CLUSTER MEET is not possible: " NO_BUS);
    reply_ok(&x->r);
    return 0;
}

int node_cmd_forget(struct call *x) {
    unsigned node = node_find(cluster_of(x), x->argv[2]);

    if (node == NO_NODE) return reply_unknown_node(x, 2);
    if (node == x->s->node) return reply_err(x, "ERR I tried hard but I can't forget myself...");
    return reply_err(x, "ERR CLUSTER FORGET is not possible: the node is one of this process");
}

/* ---------------------------------------------------------------- roles */

static bool has_keys(const struct call *x) {
    const struct cluster *c = cluster_of(x);
    const struct node *n = &c->nodes[x->s->node];

    return n->nslots > 0 || (!c->emulated && x->e->ks.dbs[0].keys.count > 0);
}

int node_cmd_replicate(struct call *x) {
    struct cluster *c = cluster_of(x);
    unsigned node = node_find(c, x->argv[2]), me = x->s->node;

    if (node == NO_NODE) return reply_unknown_node(x, 2);
    if (node == me) return reply_err(x, "ERR Can't replicate myself");
    if (!node_is_master(c, node))
        return reply_err(x, "ERR I can only replicate a master, not a replica.");
    if (node_is_master(c, me) && (has_keys(x) || node_heir(c, me) != NO_NODE))
        return reply_err(x, "ERR To set a master the node must be empty and without assigned "
                            "slots.");
    node_follow(c, me, node);
    change_done(c);
    reply_ok(&x->r);
    return 0;
}

int node_cmd_failover(struct call *x) {
    struct cluster *c = cluster_of(x);
    bool forced = x->argc == 3 && (arg_is(x, 2, "force") || arg_is(x, 2, "takeover"));

    if (x->argc > 3) return reply_subcommand_err(x);
    if (x->argc == 3 && !forced) return reply_err(x, ERR_SYNTAX);
    if (node_is_master(c, x->s->node))
        return reply_err(x, "ERR You should send CLUSTER FAILOVER to a replica");
    if (!forced && c->nodes[c->nodes[x->s->node].master].failed)
        return reply_err(x, "ERR Master is down or failed, please use CLUSTER FAILOVER FORCE");
    change_failover(c, x->s->node);
    reply_ok(&x->r);
    return 0;
}

int node_cmd_reset(struct call *x) {
    struct cluster *c = cluster_of(x);
    struct node *n = &c->nodes[0];
    bool hard = x->argc == 3 && arg_is(x, 2, "hard");

    if (x->argc > 3) return reply_subcommand_err(x);
    if (x->argc == 3 && !hard && !arg_is(x, 2, "soft")) return reply_err(x, ERR_SYNTAX);
    if (c->emulated)
        return reply_err(x, "ERR CLUSTER RESET is not possible: the other nodes are in this "
                            "process");
    if (x->e->ks.dbs[0].keys.count > 0)
        return reply_err(x, "ERR CLUSTER RESET can't be called with master nodes containing keys");
    for (unsigned slot = 0; slot < SLOTS; slot++) slot_give(c, slot, NO_NODE);
    if (hard) {
        c->epoch = n->epoch = 0;
        rng_hex(n->id, NODE_ID_CHARS);
        rng_hex(n->shard, NODE_ID_CHARS);
    }
    change_done(c);
    reply_ok(&x->r);
    return 0;
}
