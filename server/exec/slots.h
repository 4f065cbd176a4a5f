/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slots - the slots of keys, and what the parts of this server ask of the cluster that it is a node
 * of. engine.cluster is NULL without one, and then none of this is called.
 *
 * The cluster itself is server/cluster, which fills struct cluster_seam; commands and scripts do
 * not see that folder. Main thread only.
 */
#ifndef STET_EXEC_SLOTS_H
#define STET_EXEC_SLOTS_H

#include "server/exec/call.h"

enum { SLOTS = 16384 };

/* The slot of a key: of what stands between its first '{' and the next '}', if there is something
 * between them. */
unsigned slot_of(struct slice key);

/* Calls `see` with each key of the command and each shard channel. It ends where `see` returns
 * false. False: the arguments make no sense (a count of keys that is none), so that there are none
 * to be seen. */
bool slots_each_key(const struct command *row, int argc, const struct slice *argv,
                    bool (*see)(void *arg, struct slice key), void *arg);

/* The command names shard channels where others name keys. */
static inline bool slots_are_channels(const struct command *row) {
    return row->flags & CMD_PUBSUB && row->keys.first > 0;
}

/* The node whose client is served. */
struct cluster_node_facts {
    int port;        /* 0: it has none of its own */
    bool is_replica; /* the rest is about its master; or, of a master, about its replicas */
    bool link_up;    /* the master answers */
    char host[256];  /* as this client reaches the nodes */
    int master_port;
    int replica_port[64];
    unsigned nreplicas;
};

struct cluster_seam {
    void *arg;

    /* Why a command of a script may not run; NULL: it may. `outer` is the command that runs the
     * script, *slot the slot of its keys so far (-1: none yet). `across`: keys of several slots are
     * allowed, one command after another. Good until the next call. */
    const char *(*script_refusal)(void *arg, const struct call *outer, const struct command *row,
                                  int argc, const struct slice *argv, int *slot, bool across);

    /* Whether the session's node has the key. NULL: there is one node, and it has all. */
    bool (*has)(void *arg, const struct session *s, struct slice key);

    void (*facts)(void *arg, const struct session *s, struct cluster_node_facts *out);

    /* The last of the slots from `slot` on that are the session's node's, without a gap; `slot` if
     * it is another node's. */
    unsigned (*range_end)(void *arg, const struct session *s, unsigned slot);
    uint32_t walk; /* random, of this process: CLUSTERSCAN */

    /* MIGRATE: whether host and port are those of a node of this process, and that a key has gone
     * where its slot goes. NULL: there is one node. */
    bool (*is_node)(void *arg, struct slice host, struct slice port);
    void (*moved)(void *arg, struct slice key);

    /* TEST CLUSTER; argv[2] is its word. TEST RESET: nodes and slots are as after the start. */
    int (*test)(struct call *x);
    void (*reset)(void *arg);

    /* INFO's client, for the functions that write its fields; else NULL. */
    const struct session *informed;
};

/* The key is there, but another node has it. */
static inline bool cluster_hides(const struct call *x, struct slice key) {
    const struct cluster_seam *c = x->e->cluster;

    return __builtin_expect(c && c->has, 0) && !c->has(c->arg, x->s, key);
}

/* There may be such keys. */
static inline bool cluster_hides_some(const struct engine *e) {
    return __builtin_expect(e->cluster && e->cluster->has, 0);
}

#endif
