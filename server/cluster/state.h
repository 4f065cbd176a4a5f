/* SPDX-License-Identifier: BSD-3-Clause
 *
 * state - nodes and slots, as all nodes of this process see them. Only files of server/cluster
 * include this.
 *
 * A node is a master or the replica of one, and answers or has failed:
 *
 *   MASTER --take-over by its replica--> REPLICA      FAILED (either) --recover--> it answers
 *   REPLICA --node_take_over--> MASTER                (either) --fail--> FAILED
 *
 * A slot has an owner (a master, or none). While it moves, `to` is where it goes: then a key is at
 * its owner, unless it is in `moved`, which holds the keys that have arrived. `from` of the
 * receiving node says that the node takes part (IMPORTING); the owner's `to` that the owner does
 * (MIGRATING). The two are set one by one, as CLUSTER SETSLOT does it.
 *
 * Invariants: a replica owns no slot, and its master is a master; nslots and nowned are what
 * `owner` says. Not here: sessions (move.c), what clients are told (tell.c).
 */
#ifndef STET_CLUSTER_STATE_H
#define STET_CLUSTER_STATE_H

#include "server/cluster/cluster.h"
#include "server/exec/slots.h"
#include "storage/base/list.h"
#include "storage/ds/table.h"

enum { NODE_ID_CHARS = 40, NODES_MAX = 64, NO_NODE = 255 };

struct node {
    char id[NODE_ID_CHARS + 1], shard[NODE_ID_CHARS + 1];
    uint8_t master; /* index; NO_NODE: it is a master itself */
    bool failed;
    uint64_t epoch; /* of a master */
    unsigned nslots;
    int64_t failed_ms;
    uint8_t *from; /* SLOTS of them: where an importing slot comes from; NULL: none is importing */
};

struct slots {
    uint8_t owner[SLOTS];
    uint8_t to[SLOTS]; /* where a slot goes; NO_NODE: it stays */
    unsigned nowned, nmoving;
};

struct cluster {
    struct engine *e;
    struct cluster_app app;
    struct cluster_seam seam;
    struct node *nodes;
    unsigned n, masters; /* nodes, and how many began as masters */
    uint64_t epoch;
    struct slots slots;
    struct table moved;
    struct list migrations; /* of CLUSTER MIGRATESLOTS, the newest last: see slot_migrate.h */
    size_t migrations_bytes;
    unsigned nmigrations;
    bool emulated;
    bool asking;   /* the command that is being executed came after ASKING */
    char why[512]; /* the guard's answer */
};

/* The first `masters` nodes are masters with equal parts of the slots, each followed by nothing:
 * replica k of master i is node masters * k + i. Ids are random. */
void state_layout(struct cluster *c, unsigned masters, unsigned replicas);

/* The same again, with the nodes that there are: their roles, their slots. */
void state_share(struct cluster *c);
void state_release(struct cluster *c);

static inline bool node_is_master(const struct cluster *c, unsigned node) {
    return c->nodes[node].master == NO_NODE;
}

/* The node, or its master: whose slots it shows. */
static inline unsigned node_shard(const struct cluster *c, unsigned node) {
    return node_is_master(c, node) ? node : c->nodes[node].master;
}

/* NULL text, unknown ids: NO_NODE. */
unsigned node_find(const struct cluster *c, struct slice id);

/* A replica of the node that answers; NO_NODE: none. */
unsigned node_heir(const struct cluster *c, unsigned node);

/* Gives the slot to a master, or to none (NO_NODE). It no longer moves. */
void slot_give(struct cluster *c, unsigned slot, unsigned node);

/* MIGRATING and IMPORTING; NO_NODE ends it. */
void slot_migrates(struct cluster *c, unsigned slot, unsigned to);
void slot_imports(struct cluster *c, unsigned slot, unsigned node, unsigned from);
bool slot_is_importing(const struct cluster *c, unsigned slot, unsigned node);
void slot_stays(struct cluster *c, unsigned slot);

/* The key has gone where its slot goes; whether it has. */
void key_moves(struct cluster *c, struct slice key);
bool key_has_moved(const struct cluster *c, struct slice key);

/* The node that has the key, if it is there; NO_NODE: the slot has no owner. */
unsigned key_home(const struct cluster *c, unsigned slot, struct slice key);

/* The replica becomes the master of its shard: it has the slots, and the old master and the other
 * replicas follow it. */
void node_take_over(struct cluster *c, unsigned node);

/* The node becomes a replica of a master. It owns no slot. */
void node_follow(struct cluster *c, unsigned node, unsigned master);

/* The next epoch of the cluster is the node's. */
void node_bump(struct cluster *c, unsigned node);

struct cluster_health {
    unsigned ok, failed; /* slots whose owner answers, or does not */
    unsigned size;       /* masters with slots */
    bool up;
};

struct cluster_health state_health(const struct cluster *c);

#endif
