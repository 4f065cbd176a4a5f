/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/test.h"

#include "server/cluster/change.h"
#include "server/cluster/tell.h"
#include "storage/base/num.h"

/* A node is named by its id or its port. False: an error was answered. */
static bool arg_node(struct call *x, int i, unsigned *node) {
    const struct cluster *c = cluster_of(x);
    int64_t port;

    *node = node_find(c, x->argv[i]);
    if (*node != NO_NODE) return true;
    if (num_parse_i64(x->argv[i].p, x->argv[i].n, &port))
        for (*node = 0; *node < c->n; ++*node)
            if (tell_port(c, *node, false) == port || tell_port(c, *node, true) == port)
                return true;
    reply_err(x, "ERR No node has this id or port; CLUSTER NODES names them");
    return false;
}

static bool arg_slot(struct call *x, int i, unsigned *slot) {
    int64_t v;

    if (!arg_int_range(x, i, 0, SLOTS - 1, &v, "ERR Invalid or out of range slot")) return false;
    *slot = (unsigned)v;
    return true;
}

static bool arg_master(struct call *x, int i, unsigned *node) {
    if (!arg_node(x, i, node)) return false;
    if (node_is_master(cluster_of(x), *node)) return true;
    reply_err(x, "ERR The node is a replica: slots belong to masters");
    return false;
}

static int move(struct call *x) {
    unsigned slot, node;

    if (!arg_slot(x, 3, &slot) || !arg_master(x, 4, &node)) return -1;
    change_move(cluster_of(x), slot, node);
    reply_ok(&x->r);
    return 0;
}

static int ask(struct call *x) {
    struct cluster *c = cluster_of(x);
    unsigned slot, node;

    if (!arg_slot(x, 3, &slot) || !arg_master(x, 4, &node)) return -1;
    if (c->slots.owner[slot] == NO_NODE) return reply_err(x, "ERR The slot has no owner");
    if (c->slots.owner[slot] == node) return reply_err(x, "ERR The slot is this node's already");
    change_ask(c, slot, node);
    reply_ok(&x->r);
    return 0;
}

static int stable(struct call *x) {
    unsigned slot;

    if (!arg_slot(x, 3, &slot)) return -1;
    change_stable(cluster_of(x), slot);
    reply_ok(&x->r);
    return 0;
}

static int fail(struct call *x) {
    unsigned node;

    if (!arg_node(x, 3, &node)) return -1;
    reply_ok(&x->r);
    change_fail(cluster_of(x), node, x->s);
    return 0;
}

static int recover(struct call *x) {
    unsigned node;
    struct err e;

    if (!arg_node(x, 3, &node)) return -1;
    if (change_recover(cluster_of(x), node, &e) < 0) return reply_errf(x, "ERR %s", e.text);
    reply_ok(&x->r);
    return 0;
}

static int failover(struct call *x) {
    struct cluster *c = cluster_of(x);
    unsigned node;

    if (!arg_node(x, 3, &node)) return -1;
    if (node_is_master(c, node)) return reply_err(x, "ERR The node is a master: name a replica");
    if (c->nodes[node].failed) return reply_err(x, "ERR The replica has failed; RECOVER it first");
    change_failover(c, node);
    reply_ok(&x->r);
    return 0;
}

int test_cluster_word(struct call *x) {
    static const struct {
        const char *word;
        int argc;
        int (*fn)(struct call *x);
    } words[] = {{"move", 5, move}, {"ask", 5, ask},         {"stable", 4, stable},
                 {"fail", 4, fail}, {"recover", 4, recover}, {"failover", 4, failover}};

    if (!cluster_of(x)->emulated)
        return reply_err(x, "ERR TEST CLUSTER needs cluster-emulate-nodes");
    for (size_t i = 0; x->argc > 2 && i < sizeof words / sizeof *words; i++)
        if (arg_is(x, 2, words[i].word) && x->argc == words[i].argc) return words[i].fn(x);
    return reply_err(x, "ERR TEST CLUSTER takes MOVE slot node, ASK slot node, STABLE slot, FAIL "
                        "node, RECOVER node, FAILOVER node");
}
