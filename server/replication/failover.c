/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/failover.h"

#include "conf/conf.h"
#include "server/exec/turn.h"
#include "server/replication/role.h"
#include "server/replication/rows.h"
#include "storage/base/log.h"

#include <stdio.h>

bool failover_waits(const struct replication *r) {
    return r->failover.state != FAILOVER_NONE;
}

/* ---------------------------------------------------------------- the moves */

static void end(struct replication *r) {
    r->failover = (struct failover){.state = FAILOVER_NONE};
    engine_unpause(r->e, PAUSE_FOR_FAILOVER);
}

static void abort_failover(struct replication *r, const char *why) {
    struct failover *f = &r->failover;

    if (f->host[0])
        log_notice("FAILOVER to %s:%d aborted: %s", f->host, f->port, why);
    else
        log_notice("FAILOVER to any replica aborted: %s", why);
    if (f->state == FAILOVER_IN_PROGRESS) role_become_master(r);
    end(r);
}

static bool is_target(const struct failover *f, const struct replica *p) {
    char ip[64];
    int port;

    if (!f->host[0]) return true;
    replica_address(p, ip, sizeof ip, &port);
    return port == f->port && strcasecmp(ip, f->host) == 0;
}

/* It says so; or it has answered the question how far it is, which came last. */
static bool has_all(const struct replication *r, const struct replica *p) {
    if (p->acked >= r->stream.offset) return true;
    return p->acked >= ack_of_all(r) && p->heard_us > r->acks.asked_us;
}

static struct replica *find_target(const struct replication *r, bool synced) {
    list_each (it, &r->replicas.all) {
        struct replica *p = list_entry(it, struct replica, link);

        if (p->s->state == SESSION_CLOSING || !is_target(&r->failover, p)) continue;
        if (!synced || (p->state == REPLICA_ONLINE && has_all(r, p))) return p;
    }
    return NULL;
}

static void go_over(struct replication *r) {
    r->failover.state = FAILOVER_IN_PROGRESS;
    role_become_replica(r, r->failover.host, r->failover.port);
}

static void pick(struct failover *f, const struct replica *p) {
    replica_address(p, f->host, sizeof f->host, &f->port);
}

static bool is_over(const struct failover *f) {
    return f->until_us && clock_mono_us() >= f->until_us;
}

void failover_step(struct replication *r) {
    struct failover *f = &r->failover;
    const struct replica *p;

    if (f->state != FAILOVER_WAIT_SYNC) return;
    p = find_target(r, true);
    if (p) {
        pick(f, p);
        log_notice("Failover target %s:%d is synced, failing over.", f->host, f->port);
        go_over(r);
    } else if (is_over(f) && f->force) {
        log_notice("FAILOVER to %s:%d time out exceeded, failing over.", f->host, f->port);
        go_over(r);
    } else if (is_over(f)) {
        abort_failover(r, "Replica never caught up before timeout");
    }
}

void failover_accepted(struct replication *r) {
    if (r->failover.state == FAILOVER_IN_PROGRESS) end(r);
}

void failover_refused(struct replication *r) {
    if (r->failover.state == FAILOVER_IN_PROGRESS)
        abort_failover(r, "Failover target rejected psync request");
}

/* ---------------------------------------------------------------- the target's side */

bool failover_asked(const struct call *x) {
    return x->argc > 3 && arg_is(x, 3, "failover");
}

/* It was asked before, and its answer was lost. */
static bool has_taken_over(const struct replication *r, struct slice id) {
    return r->stream.npasts > 0 && slice_is(id, r->stream.past[0].id);
}

int failover_take_over(struct call *x, struct slice id) {
    struct replication *r = x->e->replication;
    struct bytes by = {0};

    log_warning("Failover request received for replid %.*s.", (int)(id.n > 64 ? 64 : id.n), id.p);
    if (!r->e->role.is_replica && has_taken_over(r, id)) return 0;
    if (!r->e->role.is_replica)
        return reply_err(x, "ERR PSYNC FAILOVER can't be sent to a master.");
    if (!slice_is(id, r->stream.id))
        return reply_err(x, "ERR PSYNC FAILOVER replid must match my replid.");
    if (r->link.state == LINK_LOAD) return reply_err(x, ERR_LOADING);
    role_become_master(r);
    if (x->e->hooks.describe) x->e->hooks.describe(x, &by);
    log_notice("MASTER MODE enabled (failover request from '%s')", bytes_cstr(&by));
    bytes_release(&by);
    return 0;
}

/* ---------------------------------------------------------------- FAILOVER */

struct wanted {
    bool abort, force;
    int host_at; /* argument, 0: none */
    int64_t port, timeout_ms;
};

static int parse(struct call *x, struct wanted *w) {
    for (int i = 1; i < x->argc; i++) {
        if (arg_is(x, i, "abort") && x->argc == 2) {
            w->abort = true;
        } else if (arg_is(x, i, "timeout") && i + 1 < x->argc && !w->timeout_ms) {
            if (!arg_int(x, ++i, &w->timeout_ms)) return -1;
            if (w->timeout_ms <= 0)
                return reply_err(x, "ERR FAILOVER timeout must be greater than 0");
        } else if (arg_is(x, i, "to") && i + 2 < x->argc && !w->host_at) {
            w->host_at = i + 1;
            if (!arg_int_range(x, i + 2, INT32_MIN, INT32_MAX, &w->port, NULL)) return -1;
            i += 2;
        } else if (arg_is(x, i, "force") && !w->force) {
            w->force = true;
        } else {
            return reply_err(x, ERR_SYNTAX);
        }
    }
    return 0;
}

static int abort_by_command(struct call *x) {
    struct replication *r = x->e->replication;

    if (r->failover.state == FAILOVER_NONE) return reply_err(x, "ERR No failover in progress.");
    abort_failover(r, "Failover manually aborted");
    reply_ok(&x->r);
    return 0;
}

static const char *refusal(const struct replication *r, const struct wanted *w) {
    if (r->e->role.is_replica) return "ERR FAILOVER is not valid when server is a replica.";
    if (r->replicas.n == 0) return "ERR FAILOVER requires connected replicas.";
    if (w->force && (!w->timeout_ms || !w->host_at))
        return "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    return NULL;
}

/* The target has to be one of the replicas, and online. */
static const char *name_target(struct call *x, const struct wanted *w) {
    struct replication *r = x->e->replication;
    struct failover *f = &r->failover;
    struct slice host = x->argv[w->host_at];
    const struct replica *p;

    snprintf(f->host, sizeof f->host, "%.*s", (int)host.n, host.p);
    f->port = (int)w->port;
    p = find_target(r, false);
    if (!p) return "ERR FAILOVER target HOST and PORT is not a replica.";
    if (p->state != REPLICA_ONLINE) return "ERR FAILOVER target replica is not online.";
    return NULL;
}

static void begin(struct replication *r, const struct wanted *w) {
    struct failover *f = &r->failover;

    if (f->host[0])
        log_notice("FAILOVER requested to %s:%d.", f->host, f->port);
    else
        log_notice("FAILOVER requested to any replica.");
    f->state = FAILOVER_WAIT_SYNC;
    f->force = w->force;
    f->until_us = w->timeout_ms ? clock_mono_us() + (uint64_t)w->timeout_ms * 1000 : 0;
    pause_begin(&r->e->pause, PAUSE_FOR_FAILOVER, PAUSE_WRITES, PAUSE_FOR_EVER);
    r->replicas.getack = true;
}

static int cmd_failover(struct call *x) {
    struct replication *r = x->e->replication;
    struct wanted w = {0};
    const char *why;

    if (x->e->v->cluster_enabled)
        return reply_err(x,
                         "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command "
                         "instead.");
    if (parse(x, &w) < 0) return -1;
    if (w.abort) return abort_by_command(x);
    if (r->failover.state != FAILOVER_NONE)
        return reply_err(x, "ERR FAILOVER already in progress.");
    why = refusal(r, &w);
    if (!why && w.host_at) why = name_target(x, &w);
    if (why) {
        r->failover = (struct failover){.state = FAILOVER_NONE};
        return reply_err(x, why);
    }
    begin(r, &w);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command failover_commands[] = {
    {"failover", -1, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, "server", {0, 0, 0}, cmd_failover,
     "6.2.0", "Makes one of the replicas the master, once it has everything.",
     .grammar = "[TO=target{host port:int [FORCE]}] [ABORT] [TIMEOUT=milliseconds:int]"},
    {0},
};
/* clang-format on */
