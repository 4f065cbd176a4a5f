/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cluster - what a server answers that is part of no cluster: that it is not.
 */
#include "server/admin/rows.h"

static int cmd_cluster(struct call *x) {
    return reply_subcommand_err(x);
}

static int refuse(struct call *x) {
    return reply_err(x, "ERR This instance has cluster support disabled");
}

#define C (CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_STALE)

/* clang-format off */
static const struct command cluster_subcommands[] = {
    {"addslots", -3, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Takes over slots.",
     .grammar = "slot:int+"},
    {"addslotsrange", -4, C, "cluster", {0, 0, 0}, refuse, "7.0.0",
     "Takes over ranges of slots.",
     .grammar = "range{start-slot:int end-slot:int}+"},
    {"bumpepoch", 2, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Raises the epoch of the cluster.",
     .tips = "nondeterministic_output"},
    {"count-failure-reports", 3, CMD_ADMIN | CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Tells how many nodes think that one has failed.",
     .grammar = "node-id",
     .tips = "nondeterministic_output"},
    {"countkeysinslot", 3, CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Counts the keys of a slot.",
     .grammar = "slot:int"},
    {"delslots", -3, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Gives slots up.",
     .grammar = "slot:int+"},
    {"delslotsrange", -4, C, "cluster", {0, 0, 0}, refuse, "7.0.0",
     "Gives ranges of slots up.",
     .grammar = "range{start-slot:int end-slot:int}+"},
    {"failover", -2, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Makes a replica the master.",
     .grammar = "[options(FORCE|TAKEOVER)]"},
    {"flushslots", 2, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Gives all slots up."},
    {"forget", 3, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Removes a node from the table of nodes.",
     .grammar = "node-id"},
    {"getkeysinslot", 4, CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Lists keys of a slot.",
     .grammar = "slot:int count:int",
     .tips = "nondeterministic_output"},
    {"help", 2, CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, refuse, "5.0.0",
     "Lists the subcommands."},
    {"info", 2, CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Tells the state of the cluster.",
     .tips = "nondeterministic_output"},
    {"keyslot", 3, CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Tells which slot a key belongs to.",
     .grammar = "key"},
    {"links", 2, CMD_STALE, "cluster", {0, 0, 0}, refuse, "7.0.0",
     "Lists the connections between nodes.",
     .tips = "nondeterministic_output"},
    {"meet", -4, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Introduces another node.",
     .grammar = "ip port:int [cluster-bus-port:int^4.0.0]"},
    {"myid", 2, CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Tells the id of the node."},
    {"myshardid", 2, CMD_STALE, "cluster", {0, 0, 0}, refuse, "7.2.0",
     "Tells the id of the shard.",
     .tips = "nondeterministic_output"},
    {"nodes", 2, CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Lists the nodes.",
     .tips = "nondeterministic_output"},
    {"replicas", 3, CMD_ADMIN | CMD_STALE, "cluster", {0, 0, 0}, refuse, "5.0.0",
     "Lists the replicas of a master.",
     .grammar = "node-id",
     .tips = "nondeterministic_output"},
    {"replicate", 3, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Makes the node a replica.",
     .grammar = "node-id"},
    {"reset", -2, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Forgets the cluster.",
     .grammar = "[reset-type(HARD|SOFT)]"},
    {"saveconfig", 2, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Writes the configuration of the cluster to disk."},
    {"set-config-epoch", 3, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Sets the epoch of a node.",
     .grammar = "config-epoch:int"},
    {"setslot", -4, C, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Tells where a slot is, or moves to.",
     .grammar = "slot:int subcommand(IMPORTING=importing'node-id'|MIGRATING=migrating'node-id'"
                "|NODE=node'node-id'|STABLE)"},
    {"shards", 2, CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, refuse, "7.0.0",
     "Lists the shards and their slots.",
     .tips = "nondeterministic_output"},
    {"slaves", 3, CMD_ADMIN | CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Lists the replicas of a master.",
     .grammar = "!5.0.0 `CLUSTER REPLICAS`; node-id",
     .tips = "nondeterministic_output"},
    {"slots", 2, CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Lists the slots and their nodes.",
     .grammar = "!7.0.0 `CLUSTER SHARDS`; ",
     .tips = "nondeterministic_output"},
    {0},
};

const struct command cluster_commands[] = {
    {"cluster", -2, 0, "cluster", {0, 0, 0}, cmd_cluster, "3.0.0",
     "Works with a cluster.",
     .subcommands = cluster_subcommands},
    {"readonly", 1, CMD_FAST | CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Allows reads from a replica of a cluster."},
    {"readwrite", 1, CMD_FAST | CMD_LOADING | CMD_STALE, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Ends the effect of READONLY."},
    {"asking", 1, CMD_FAST, "cluster", {0, 0, 0}, refuse, "3.0.0",
     "Announces a command that was redirected with ASK."},
    {0},
};
/* clang-format on */
