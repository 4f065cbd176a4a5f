/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_limit - how much a connection may hold: client-output-buffer-limit, maxmemory-clients.
 */
#include "conf/conf.h"
#include "server/exec/acl.h"
#include "server/net/conn.h"

#include "storage/base/clock.h"
#include "storage/base/log.h"

/* ---------------------------------------------------------------- output */

/* What a client that is not authenticated may leave unread, in bytes; as Redis. */
enum { UNAUTHENTICATED_OUT_MAX = 17 * 1024 };

static bool over_output_limit(struct conn *c) {
    enum conf_class class = c->s.subscriber ? CONF_CLASS_PUBSUB : CONF_CLASS_NORMAL;
    const struct conf_output_limit *l = &c->n->v->client_output_buffer_limit.of[class];
    size_t mem = c->s.out.mem_bytes;
    uint64_t now;

    if (!acl_is_served(&c->s)) return out_pending(&c->s.out) > UNAUTHENTICATED_OUT_MAX;
    if (l->hard_bytes && mem > l->hard_bytes) return true;
    if (!l->soft_bytes || mem <= l->soft_bytes) {
        c->s.soft_limit_since_ms = 0;
        return false;
    }
    now = clock_mono_us() / 1000;
    if (!c->s.soft_limit_since_ms) c->s.soft_limit_since_ms = now;
    return now - c->s.soft_limit_since_ms > (uint64_t)l->soft_seconds * 1000;
}

void conn_enforce_output_limit(struct conn *c) {
    /* A replica is looked after by server/replication. */
    if (c->fd < 0 || conn_is_link(c) || !over_output_limit(c)) return;
    c->s.e->stats.output_limit_closes++;
    log_warning("Client id=%llu scheduled to be closed ASAP for overcoming of output buffer "
                "limits.",
                (unsigned long long)c->s.id);
    conn_shut(c);
}

/* ---------------------------------------------------------------- maxmemory-clients */

enum { CLIENTS_LIMIT_MIN = 128 * 1024 }; /* below it no client could send a command any more */

void conn_recount(struct conn *c) {
    size_t mem = session_mem(&c->s) + c->in.cap;

    c->n->clients_bytes += mem - c->counted;
    c->counted = mem;
}

/* The open connection of a session, NULL: it has none. */
static struct conn *open_conn(struct list *it) {
    struct session *s = list_entry(it, struct session, link);

    return conn_is(s) && conn_of(s)->fd >= 0 ? conn_of(s) : NULL;
}

static void count_conns(struct engine *e) {
    list_each (it, &e->sessions) {
        struct conn *c = open_conn(it);

        if (!c) continue;
        c->counted = 0;
        conn_recount(c);
    }
}

/* Counts all connections anew, because they were not counted before. */
static void count_all(struct net *n) {
    n->clients_bytes = 0;
    engine_each (e, n->e) count_conns(e);
}

/* The larger one of `most` and the engine's connections that may be closed. */
static struct conn *larger(struct engine *e, struct conn *most) {
    list_each (it, &e->sessions) {
        struct conn *c = open_conn(it);

        if (c && !(c->s.flags & SESSION_NO_EVICT) && !conn_is_link(c) &&
            (!most || c->counted > most->counted))
            most = c;
    }
    return most;
}

static struct conn *largest(struct net *n) {
    struct conn *most = NULL;

    engine_each (e, n->e) most = larger(e, most);
    return most;
}

static uint64_t clients_limit(const struct conf_values *v) {
    int64_t percent = -v->maxmemory_clients;
    uint64_t limit =
        percent > 0 ? v->maxmemory / 100 * (uint64_t)percent : (uint64_t)v->maxmemory_clients;

    if (limit == 0) return UINT64_MAX; /* 0, or a percentage of maxmemory 0 */
    return limit < CLIENTS_LIMIT_MIN ? CLIENTS_LIMIT_MIN : limit;
}

void conn_enforce_clients_limit(struct net *n) {
    struct conn *c;

    if (n->clients_limit != n->v->maxmemory_clients) {
        n->clients_limit = n->v->maxmemory_clients;
        if (n->clients_limit) count_all(n);
    }
    if (!n->clients_limit) return;
    while (n->clients_bytes > clients_limit(n->v) && (c = largest(n))) {
        c->s.e->stats.evicted_clients++;
        log_notice("Evicting client id=%llu, which holds %zu bytes (maxmemory-clients)",
                   (unsigned long long)c->s.id, c->counted);
        conn_shut(c);
    }
}
