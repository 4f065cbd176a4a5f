/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/cluster/change.h"

#include "conf/conf.h"
#include "server/cluster/file.h"
#include "server/cluster/guard.h"
#include "server/cluster/migration.h"
#include "server/exec/blocking.h"
#include "server/exec/pubsub.h"
#include "storage/base/log.h"

/* ---------------------------------------------------------------- clients */

struct subscribed {
    const struct cluster *c;
    unsigned shard;
};

static bool is_elsewhere(void *arg, struct slice channel) {
    const struct subscribed *s = arg;

    return s->c->slots.owner[slot_of(channel)] != s->shard;
}

static void end_subscriptions(struct cluster *c) {
    list_each (it, &c->e->sessions) {
        struct session *s = list_entry(it, struct session, link);
        struct subscribed of = {c, node_shard(c, s->node)};

        if (s->subscriber && s->state != SESSION_CLOSING) pubsub_end_shards(s, is_elsewhere, &of);
    }
}

/* The client is told where the slot is, or that it is not served. */
static void end_waits(struct cluster *c) {
    list_each_safe (it, next, &c->e->blocked) {
        struct blocked *b = list_entry(it, struct blocked, link);
        const char *why;

        if (!b->cmd || !b->argv || b->s->state != SESSION_BLOCKED || !can_unblock(b)) continue;
        why = guard_waiting_refusal(c, b->s, b->cmd->row, b->argc, b->argv);
        if (why) unblock(b, why);
    }
}

void change_done(struct cluster *c) {
    end_subscriptions(c);
    end_waits(c);
    file_save(c);
}

static void cut_off(struct cluster *c, unsigned node, const struct session *by) {
    list_each_safe (it, next, &c->e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (s->node != node || !s->ops->close || s->source || s->state == SESSION_CLOSING) continue;
        s->ops->close(s, s == by);
    }
}

/* ---------------------------------------------------------------- slots */

void change_move(struct cluster *c, unsigned slot, unsigned node) {
    if (c->slots.owner[slot] == node) return;
    slot_give(c, slot, node);
    node_bump(c, node);
    change_done(c);
}

void change_ask(struct cluster *c, unsigned slot, unsigned node) {
    slot_stays(c, slot);
    slot_migrates(c, slot, node);
    slot_imports(c, slot, node, c->slots.owner[slot]);
}

void change_stable(struct cluster *c, unsigned slot) {
    slot_stays(c, slot);
}

/* ---------------------------------------------------------------- nodes */

void change_failover(struct cluster *c, unsigned node) {
    log_notice("Cluster: node %s takes over the slots of node %s.", c->nodes[node].id,
               c->nodes[c->nodes[node].master].id);
    node_take_over(c, node);
    change_done(c);
}

void change_fail(struct cluster *c, unsigned node, struct session *by) {
    unsigned heir = node_is_master(c, node) ? node_heir(c, node) : NO_NODE;
    struct err e;

    if (c->nodes[node].failed) return;
    c->nodes[node].failed = true;
    c->nodes[node].failed_ms = clock_cached_ms();
    log_notice("Cluster: node %s does not answer any more.", c->nodes[node].id);
    if (c->app.listen && c->app.listen(c->app.arg, node, false, &e) < 0)
        log_warning("Cannot close the listeners of node %s: %s", c->nodes[node].id, e.text);
    if (heir != NO_NODE && c->nodes[node].nslots > 0 && !c->e->v->cluster_replica_no_failover)
        change_failover(c, heir);
    else
        change_done(c);
    cut_off(c, node, by);
}

int change_recover(struct cluster *c, unsigned node, struct err *e) {
    if (!c->nodes[node].failed) return 0;
    if (c->app.listen && c->app.listen(c->app.arg, node, true, e) < 0) return -1;
    c->nodes[node].failed = false;
    log_notice("Cluster: node %s answers again.", c->nodes[node].id);
    change_done(c);
    return 0;
}

void change_reset(struct cluster *c) {
    struct err e;

    state_share(c);
    migrations_clear(c);
    for (unsigned i = 0; i < c->n; i++)
        if (change_recover(c, i, &e) < 0)
            log_warning("Node %s cannot listen again: %s", c->nodes[i].id, e.text);
    change_done(c);
}
