/* SPDX-License-Identifier: BSD-3-Clause
 *
 * role - REPLICAOF, ROLE, and the changes between master and replica.
 */
#include "server/replication/role.h"

#include "conf/conf.h"
#include "server/exec/blocking.h"
#include "server/exec/redirect.h"
#include "server/exec/slots.h"
#include "server/replication/rows.h"
#include "storage/base/log.h"
#include "storage/base/num.h"

#define FORCED                                                                                     \
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"

enum { HOST_MAX = 1024 };

/* ---------------------------------------------------------------- changes */

/* A client that goes to the new master itself keeps its connection. */
static bool send_away(struct blocked *b) {
    char text[REDIRECT_MAX];

    if (!b->cmd || !is_redirected(b->s, b->cmd->row->flags)) return false;
    redirect_text(b->s->e, text);
    unblock(b, text);
    return true;
}

/* What a blocked client waits for may not come on a replica. */
static void end_blocked(struct engine *e) {
    while (!list_empty(&e->blocked)) {
        struct blocked *b = list_entry(e->blocked.next, struct blocked, link);
        struct session *s = b->s;

        if (send_away(b)) continue;
        unblock(b, FORCED);
        if (s->state != SESSION_CLOSING) s->ops->close(s, true);
    }
}

/* What a transaction has changed before belongs to the old role: a write of a master is in its
 * stream. */
static void enter(struct replication *r, bool is_replica) {
    propagate_flush(&r->e->propagation);
    engine_set_replica(r->e, is_replica);
    log_set_role(is_replica ? 'S' : 'M');
    r->e->propagation.local = is_replica;
    replicas_count_good(r);
    ack_configure(r);
}

void role_become_replica(struct replication *r, const char *host, int port) {
    bool was_master = !r->e->role.is_replica;

    if (was_master && r->stream.active)
        log_notice("Before turning into a replica, using my own master parameters to synthesize a "
                   "cached master: I may be able to synchronize with the new master with just a "
                   "partial transfer.");
    conf_set_replicaof(r->e->conf, host, port);
    r->link.was_master |= was_master;
    enter(r, true);
    end_blocked(r->e);
    replicas_drop_all(r);
    link_follow(r, r->e->v->replicaof.host, port);
}

/* The replicas of this server come again and learn the new id. */
void role_become_master(struct replication *r) {
    if (!r->e->role.is_replica) return;
    link_follow(r, NULL, 0);
    r->link.was_master = false;
    conf_set_replicaof(r->e->conf, NULL, 0);
    enter(r, false);
    if (!r->stream.active) return;
    repl_stream_rename(&r->stream);
    log_notice("Setting secondary replication ID to %s, valid up to offset: %llu. New replication "
               "ID is %s",
               r->stream.past[0].id, (unsigned long long)r->stream.past[0].end + 1, r->stream.id);
    replicas_drop_all(r);
    replication_tell_log(r);
}

/* A master goes on under a new id: what it may have sent before it ended, and does not know any
 * more, belongs to the old one. */
void role_start(struct replication *r) {
    const struct conf_replicaof *m = &r->e->v->replicaof;

    if (!m->host) {
        if (r->stream.active) repl_stream_rename(&r->stream);
        return;
    }
    enter(r, true);
    link_follow(r, m->host, m->port);
}

/* ---------------------------------------------------------------- REPLICAOF */

/* The line of CLIENT LIST of the one that asks. */
static void tell(const struct call *x, const char *what) {
    struct bytes b = {0};

    if (x->e->hooks.describe) x->e->hooks.describe(x, &b);
    log_notice("%s enabled (user request from '%s')", what, bytes_cstr(&b));
    bytes_release(&b);
}

static int end_part(struct call *x) {
    struct replication *r = x->e->replication;

    if (r->e->role.is_replica) {
        role_become_master(r);
        tell(x, "MASTER MODE");
    }
    reply_ok(&x->r);
    return 0;
}

static bool is_same(const struct replication *r, const char *host, int64_t port) {
    return r->link.host && strcasecmp(r->link.host, host) == 0 && r->link.port == port;
}

static int follow(struct call *x, const char *host, int64_t port) {
    struct replication *r = x->e->replication;
    char what[HOST_MAX + 32];

    if (is_same(r, host, port)) {
        log_notice("REPLICAOF would result into synchronization with the master we are already "
                   "connected with. No operation performed.");
        reply_simple(&x->r, "OK Already connected to specified master");
        return 0;
    }
    role_become_replica(r, host, (int)port);
    snprintf(what, sizeof what, "REPLICAOF %s:%d", host, (int)port);
    tell(x, what);
    reply_ok(&x->r);
    return 0;
}

static int cmd_replicaof(struct call *x) {
    char host[HOST_MAX];
    int64_t port;

    if (x->e->v->cluster_enabled) return reply_err(x, "ERR REPLICAOF not allowed in cluster mode.");
    if (x->e->replication->link.state == LINK_LOAD) return reply_err(x, ERR_LOADING);
    if (x->e->replication->failover.state != FAILOVER_NONE)
        return reply_err(x, "ERR REPLICAOF not allowed while failing over.");
    if (arg_is(x, 1, "no") && arg_is(x, 2, "one")) return end_part(x);
    if (x->s->flags & SESSION_REPLICA)
        return reply_err(x, "ERR Command is not valid when client is a replica.");
    if (!arg_int_range(x, 2, 0, UINT16_MAX, &port, "ERR Invalid master port")) return -1;
    if (x->argv[1].n >= sizeof host || memchr(x->argv[1].p, '\0', x->argv[1].n))
        return reply_err(x, "ERR Invalid master host");
    memcpy(host, x->argv[1].p, x->argv[1].n);
    host[x->argv[1].n] = '\0';
    return follow(x, host, port);
}

/* ---------------------------------------------------------------- ROLE */

static bool is_shown(const struct replica *p) {
    return p->state >= REPLICA_TAIL && p->s->state != SESSION_CLOSING;
}

static void reply_replica(struct call *x, const struct replica *p) {
    char ip[64], text[NUM_I64_MAX];
    int port, n;

    replica_address(p, ip, sizeof ip, &port);
    reply_array(&x->r, 3);
    reply_bulk_str(&x->r, ip);
    n = num_format_i64(text, port);
    reply_bulk(&x->r, text, (size_t)n);
    n = num_format_i64(text, (int64_t)p->acked);
    reply_bulk(&x->r, text, (size_t)n);
}

static int role_without_replication(struct call *x) {
    reply_array(&x->r, 3);
    reply_bulk_str(&x->r, "master");
    reply_int(&x->r, 0);
    reply_array(&x->r, 0);
    return 0;
}

static int role_of_master(struct call *x) {
    const struct replication *r = x->e->replication;
    size_t n = 0;

    if (!r) return role_without_replication(x);
    list_each (it, &r->replicas.all) n += is_shown(list_entry(it, struct replica, link));
    reply_array(&x->r, 3);
    reply_bulk_str(&x->r, "master");
    reply_int(&x->r, (int64_t)r->stream.offset);
    reply_array(&x->r, n);
    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        if (is_shown(p)) reply_replica(x, p);
    }
    return 0;
}

static int role_of_replica_node(struct call *x, const struct cluster_node_facts *node) {
    reply_array(&x->r, 5);
    reply_bulk_str(&x->r, "slave");
    reply_bulk_str(&x->r, node->host);
    reply_int(&x->r, node->master_port);
    reply_bulk_str(&x->r, node->link_up ? "connected" : "connect");
    reply_int(&x->r, node->link_up ? (int64_t)x->e->replication->stream.offset : -1);
    return 0;
}

static void reply_replica_nodes(struct call *x, const struct cluster_node_facts *node) {
    reply_array(&x->r, node->nreplicas);
    for (unsigned i = 0; i < node->nreplicas; i++) {
        reply_array(&x->r, 3);
        reply_bulk_str(&x->r, node->host);
        reply_bulk_int(&x->r, node->replica_port[i]);
        reply_bulk_int(&x->r, (int64_t)x->e->replication->stream.offset);
    }
}

/* Of an emulated cluster. */
static int role_of_node(struct call *x) {
    struct cluster_node_facts node;

    x->e->cluster->facts(x->e->cluster->arg, x->s, &node);
    if (node.is_replica) return role_of_replica_node(x, &node);
    reply_array(&x->r, 3);
    reply_bulk_str(&x->r, "master");
    reply_int(&x->r, (int64_t)x->e->replication->stream.offset);
    reply_replica_nodes(x, &node);
    return 0;
}

static int cmd_role(struct call *x) {
    const struct replication *r = x->e->replication;

    if (cluster_hides_some(x->e)) return role_of_node(x);
    if (!x->e->role.is_replica) return role_of_master(x);
    reply_array(&x->r, 5);
    reply_bulk_str(&x->r, "slave");
    reply_bulk_str(&x->r, r->link.host ? r->link.host : "");
    reply_int(&x->r, r->link.port);
    reply_bulk_str(&x->r, link_state_name(r));
    reply_int(&x->r, r->link.state == LINK_STREAM ? (int64_t)r->stream.offset : -1);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define ANYTIME   (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST)
#define F         (CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING)
#define REPLICAOF "args(host-port{host port:int}|no-one{no=NO one=ONE})"

/* clang-format off */
const struct command role_commands[] = {
    {"role", 1, ANYTIME, "server", {0, 0, 0}, cmd_role, "2.8.12",
     "Tells the server's part in replication."},
    {"replicaof", 3, F, "server", {0, 0, 0}, cmd_replicaof, "5.0.0",
     "Makes the server a replica of another one, or a master (NO ONE).",
     .grammar = REPLICAOF},
    {"slaveof", 3, F, "server", {0, 0, 0}, cmd_replicaof, "1.0.0", "As REPLICAOF.",
     .grammar = "!5.0.0 `REPLICAOF`; " REPLICAOF},
    {0},
};
/* clang-format on */
