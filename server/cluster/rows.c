/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rows - the commands of a cluster. A server that is in none has them too, and answers that it is
 * not.
 */
#include "server/cluster/rows.h"

#include "server/cluster/file.h"

static int refuse(struct call *x) {
    return reply_err(x, "ERR This instance has cluster support disabled");
}

static int cmd_cluster(struct call *x) {
    return reply_subcommand_err(x);
}

/* In a server that is in no cluster too, as in Valkey 9.1. */
static int keyslot(struct call *x) {
    reply_int(&x->r, slot_of(x->argv[2]));
    return 0;
}

static int help(struct call *x) {
    static const char *const lines[] = {
        "ADDSLOTS <slot> [<slot> ...]",
        "    Takes over slots that no node has.",
        "ADDSLOTSRANGE <first> <last> [<first> <last> ...]",
        "    The same for ranges of slots.",
        "BUMPEPOCH",
        "    Gives this node the highest epoch.",
        "CANCELSLOTMIGRATIONS",
        "    Ends migrations that are under way. There is never one: each is over at once.",
        "COUNT-FAILURE-REPORTS <node-id>",
        "    How many masters say that the node has failed.",
        "COUNTKEYSINSLOT <slot>",
        "    How many keys of the slot this node has.",
        "DELSLOTS <slot> [<slot> ...]",
        "    Gives slots of this node up.",
        "DELSLOTSRANGE <first> <last> [<first> <last> ...]",
        "    The same for ranges of slots.",
        "FAILOVER [FORCE|TAKEOVER]",
        "    Makes this replica the master of its shard.",
        "FLUSHSLOT <slot> [ASYNC|SYNC]",
        "    Deletes the keys of the slot that this node has.",
        "FLUSHSLOTS",
        "    Gives all slots of this node up.",
        "FORGET <node-id>",
        "    Not possible: all nodes are in this process.",
        "GETKEYSINSLOT <slot> <count>",
        "    Names keys of the slot that this node has.",
        "GETSLOTMIGRATIONS",
        "    The migrations of slots from and to this node.",
        "INFO",
        "    The state of the cluster.",
        "KEYSLOT <key>",
        "    The slot of the key.",
        "LINKS",
        "    The links that this node would have to the others.",
        "MEET <ip> <port> [<bus-port>]",
        "    Not possible with another server: there is no cluster bus.",
        "MIGRATESLOTS SLOTSRANGE <first> <last> [<first> <last> ...] NODE <node-id> [...]",
        "    Moves slots of this node to another one.",
        "MYID",
        "    The id of this node.",
        "MYSHARDID",
        "    The id of this node's shard.",
        "NODES",
        "    A line for each node: <id> <ip:port@bus-port> <flags> <master> <ping> <pong> <epoch>",
        "    <link> <slots> ...",
        "REPLICAS <node-id>",
        "    The replicas of a master.",
        "REPLICATE <node-id>",
        "    Makes this node a replica.",
        "RESET [HARD|SOFT]",
        "    Gives all slots up; HARD: with another id.",
        "SAVECONFIG",
        "    Writes cluster-config-file.",
        "SET-CONFIG-EPOCH <epoch>",
        "    Sets the epoch of a node that has none.",
        "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
        "    Says where a slot is, or where it moves.",
        "SHARDS",
        "    The shards: their slots and nodes.",
        "SLOT-STATS (SLOTSRANGE <first> <last>|ORDERBY KEY-COUNT [LIMIT <n>] [ASC|DESC])",
        "    How many keys each slot of this node has.",
        "SLOTS",
        "    Ranges of slots, each with its nodes.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- a connection */

/* Of use in a cluster, and to a client that a replica sends to its master. */
static int set_reading(struct call *x, unsigned off, unsigned on) {
    bool has_use = x->e->cluster || x->s->flags & SESSION_REDIRECTABLE;

    if (!has_use) return refuse(x);
    x->s->flags = (uint32_t)((x->s->flags & ~off) | on);
    reply_ok(&x->r);
    return 0;
}

static int cmd_readonly(struct call *x) {
    return set_reading(x, 0, SESSION_READONLY);
}

static int cmd_readwrite(struct call *x) {
    return set_reading(x, SESSION_READONLY, 0);
}

static int cmd_asking(struct call *x) {
    if (!x->e->cluster) return refuse(x);
    x->s->flags |= SESSION_ASKING;
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* A handler that asks first whether there is a cluster. */
#define IN_CLUSTER(name, handler)                                                                  \
    static int name(struct call *x) {                                                              \
        return x->e->cluster ? handler(x) : refuse(x);                                             \
    }

/* clang-format off */
IN_CLUSTER(if_slot_add, slot_cmd_add)
IN_CLUSTER(if_slot_add_range, slot_cmd_add_range)
IN_CLUSTER(if_node_bump_epoch, node_cmd_bump_epoch)
IN_CLUSTER(if_node_count_reports, node_cmd_count_reports)
IN_CLUSTER(if_slot_count_keys, slot_cmd_count_keys)
IN_CLUSTER(if_slot_delete, slot_cmd_delete)
IN_CLUSTER(if_slot_delete_range, slot_cmd_delete_range)
IN_CLUSTER(if_node_failover, node_cmd_failover)
IN_CLUSTER(if_slot_flush, slot_cmd_flush)
IN_CLUSTER(if_slot_cancel_migrations, slot_cmd_cancel_migrations)
IN_CLUSTER(if_slot_flush_one, slot_cmd_flush_one)
IN_CLUSTER(if_slot_migrate, slot_cmd_migrate)
IN_CLUSTER(if_slot_migrations, slot_cmd_migrations)
IN_CLUSTER(if_slot_stats, slot_cmd_stats)
IN_CLUSTER(if_node_forget, node_cmd_forget)
IN_CLUSTER(if_slot_get_keys, slot_cmd_get_keys)
IN_CLUSTER(if_help, help)
IN_CLUSTER(if_tell_info, tell_cmd_info)
IN_CLUSTER(if_tell_links, tell_cmd_links)
IN_CLUSTER(if_node_meet, node_cmd_meet)
IN_CLUSTER(if_node_myid, node_cmd_myid)
IN_CLUSTER(if_node_myshardid, node_cmd_myshardid)
IN_CLUSTER(if_node_nodes, node_cmd_nodes)
IN_CLUSTER(if_node_replicas, node_cmd_replicas)
IN_CLUSTER(if_node_replicate, node_cmd_replicate)
IN_CLUSTER(if_node_reset, node_cmd_reset)
IN_CLUSTER(if_file_save, file_cmd_save)
IN_CLUSTER(if_node_set_epoch, node_cmd_set_epoch)
IN_CLUSTER(if_slot_set, slot_cmd_set)
IN_CLUSTER(if_tell_shards, tell_cmd_shards)
IN_CLUSTER(if_tell_slots, tell_cmd_slots)
/* clang-format on */

#define C     (CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_STALE)
#define FLUSH (CMD_WRITE | CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_KEYSPACE_CAT)

/* clang-format off */
static const struct command cluster_subcommands[] = {
    {"addslots", -3, C, "cluster", {0, 0, 0}, if_slot_add, "3.0.0",
     "Takes over slots.",
     .grammar = "slot:int+"},
    {"addslotsrange", -4, C, "cluster", {0, 0, 0}, if_slot_add_range, "7.0.0",
     "Takes over ranges of slots.",
     .grammar = "range{start-slot:int end-slot:int}+"},
    {"bumpepoch", 2, C, "cluster", {0, 0, 0}, if_node_bump_epoch, "3.0.0",
     "Raises the epoch of the cluster.",
     .tips = "nondeterministic_output"},
    {"cancelslotmigrations", 2, C, "cluster", {0, 0, 0}, if_slot_cancel_migrations, "9.0.0",
     "Ends migrations of slots that are under way."},
    {"count-failure-reports", 3, CMD_ADMIN | CMD_STALE, "cluster", {0, 0, 0}, if_node_count_reports, "3.0.0",
     "Tells how many nodes think that one has failed.",
     .grammar = "node-id",
     .tips = "nondeterministic_output"},
    {"countkeysinslot", 3, CMD_STALE, "cluster", {0, 0, 0}, if_slot_count_keys, "3.0.0",
     "Counts the keys of a slot.",
     .grammar = "slot:int"},
    {"delslots", -3, C, "cluster", {0, 0, 0}, if_slot_delete, "3.0.0",
     "Gives slots up.",
     .grammar = "slot:int+"},
    {"delslotsrange", -4, C, "cluster", {0, 0, 0}, if_slot_delete_range, "7.0.0",
     "Gives ranges of slots up.",
     .grammar = "range{start-slot:int end-slot:int}+"},
    {"failover", -2, C, "cluster", {0, 0, 0}, if_node_failover, "3.0.0",
     "Makes a replica the master.",
     .grammar = "[options(FORCE|TAKEOVER)]"},
    {"flushslot", -3, FLUSH, "cluster", {0, 0, 0}, if_slot_flush_one, "9.0.0",
     "Deletes the keys of a slot.",
     .grammar = "slot:int [flush-type(ASYNC|SYNC)]"},
    {"flushslots", 2, C, "cluster", {0, 0, 0}, if_slot_flush, "3.0.0",
     "Gives all slots up."},
    {"forget", 3, C, "cluster", {0, 0, 0}, if_node_forget, "3.0.0",
     "Removes a node from the table of nodes.",
     .grammar = "node-id"},
    {"getkeysinslot", 4, CMD_STALE, "cluster", {0, 0, 0}, if_slot_get_keys, "3.0.0",
     "Lists keys of a slot.",
     .grammar = "slot:int count:int",
     .tips = "nondeterministic_output"},
    {"getslotmigrations", 2, C, "cluster", {0, 0, 0}, if_slot_migrations, "9.0.0",
     "Lists migrations of slots."},
    {"help", 2, CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, if_help, "5.0.0",
     "Lists the subcommands."},
    {"info", 2, CMD_STALE, "cluster", {0, 0, 0}, if_tell_info, "3.0.0",
     "Tells the state of the cluster.",
     .tips = "nondeterministic_output"},
    {"keyslot", 3, CMD_STALE, "cluster", {0, 0, 0}, keyslot, "3.0.0",
     "Tells which slot a key belongs to.",
     .grammar = "key"},
    {"links", 2, CMD_STALE, "cluster", {0, 0, 0}, if_tell_links, "7.0.0",
     "Lists the connections between nodes.",
     .tips = "nondeterministic_output"},
    {"meet", -4, C, "cluster", {0, 0, 0}, if_node_meet, "3.0.0",
     "Introduces another node.",
     .grammar = "ip port:int [cluster-bus-port:int^4.0.0]"},
    {"migrateslots", -4, C, "cluster", {0, 0, 0}, if_slot_migrate, "9.0.0",
     "Moves slots to other nodes.",
     .grammar = "migration-group{slotsrange-token=SLOTSRANGE range{start-slot:int end-slot:int}+ "
                "node-token=NODE node-id}+"},
    {"myid", 2, CMD_STALE, "cluster", {0, 0, 0}, if_node_myid, "3.0.0",
     "Tells the id of the node."},
    {"myshardid", 2, CMD_STALE, "cluster", {0, 0, 0}, if_node_myshardid, "7.2.0",
     "Tells the id of the shard.",
     .tips = "nondeterministic_output"},
    {"nodes", 2, CMD_STALE, "cluster", {0, 0, 0}, if_node_nodes, "3.0.0",
     "Lists the nodes.",
     .tips = "nondeterministic_output"},
    {"replicas", 3, CMD_ADMIN | CMD_STALE, "cluster", {0, 0, 0}, if_node_replicas, "5.0.0",
     "Lists the replicas of a master.",
     .grammar = "node-id",
     .tips = "nondeterministic_output"},
    {"replicate", 3, C, "cluster", {0, 0, 0}, if_node_replicate, "3.0.0",
     "Makes the node a replica.",
     .grammar = "node-id"},
    {"reset", -2, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, "cluster", {0, 0, 0}, if_node_reset, "3.0.0",
     "Forgets the cluster.",
     .grammar = "[reset-type(HARD|SOFT)]"},
    {"saveconfig", 2, C, "cluster", {0, 0, 0}, if_file_save, "3.0.0",
     "Writes the configuration of the cluster to disk."},
    {"set-config-epoch", 3, C, "cluster", {0, 0, 0}, if_node_set_epoch, "3.0.0",
     "Sets the epoch of a node.",
     .grammar = "config-epoch:int"},
    {"setslot", -4, C, "cluster", {0, 0, 0}, if_slot_set, "3.0.0",
     "Tells where a slot is, or moves to.",
     .grammar = "slot:int subcommand(IMPORTING=importing'node-id'|MIGRATING=migrating'node-id'"
                "|NODE=node'node-id'|STABLE)"},
    {"shards", 2, CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, if_tell_shards, "7.0.0",
     "Lists the shards and their slots.",
     .tips = "nondeterministic_output"},
    {"slaves", 3, CMD_ADMIN | CMD_STALE, "cluster", {0, 0, 0}, if_node_replicas, "3.0.0",
     "Lists the replicas of a master.",
     .grammar = "!5.0.0 `CLUSTER REPLICAS`; node-id",
     .tips = "nondeterministic_output"},
    {"slot-stats", -4, CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, if_slot_stats, "8.0.0",
     "Counts the keys of slots.",
     .grammar = "filter(SLOTSRANGE=slotsrange{start-slot:int end-slot:int}"
                "|ORDERBY=orderby{metric [LIMIT=limit:int] [order(ASC|DESC)]})",
     .tips = "nondeterministic_output request_policy:all_shards"},
    {"slots", 2, CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, if_tell_slots, "3.0.0",
     "Lists the slots and their nodes.",
     .grammar = "!7.0.0 `CLUSTER SHARDS`; ",
     .tips = "nondeterministic_output"},
    {0},
};

static const struct command cluster_commands[] = {
    {"cluster", -2, 0, "cluster", {0, 0, 0}, cmd_cluster, "3.0.0",
     "Works with a cluster.",
     .subcommands = cluster_subcommands},
    {"readonly", 1, CMD_FAST | CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, cmd_readonly, "3.0.0",
     "Allows reads from a replica of a cluster."},
    {"readwrite", 1, CMD_FAST | CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, cmd_readwrite, "3.0.0",
     "Ends the effect of READONLY."},
    {"asking", 1, CMD_FAST, "cluster", {0, 0, 0}, cmd_asking, "3.0.0",
     "Announces a command that was redirected with ASK."},
    {0},
};
/* clang-format on */

void cluster_register(struct command_registry *r) {
    command_registry_add(r, cluster_commands);
}
