/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_accept - accepts or refuses connections: maxclients, protected mode, the handshake of TLS.
 *
 * A connection over TLS is a client from the start, so maxclients counts it during its handshake;
 * its output waits for the end of the handshake. Each turn serves a few handshakes, because each
 * costs about a millisecond. A handshake has HANDSHAKE_MAX_US in all.
 */
#include "conf/conf.h"
#include "server/exec/acl.h"
#include "server/net/conn.h"

#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANDSHAKE_MAX_US = 10 * 1000 * 1000 };

#define TOO_MANY "-ERR max number of clients reached\r\n"
#define PROTECTED                                                                                  \
    "-DENIED Redis is running in protected mode: no password is set for the default "              \
    "user, so only connections from the loopback interface and unix sockets are served. "          \
    "To serve others, set a password (requirepass), or turn protected mode off with "              \
    "'CONFIG SET protected-mode no' from this host, with 'protected-mode no' in the "              \
    "configuration file, or with '--protected-mode no'.\r\n"

/* ---------------------------------------------------------------- accepting */

/* Over TLS no reply is possible yet. */
static void refuse(struct net *n, int fd, enum net_kind kind, const char *text) {
    ssize_t rc = kind == NET_TLS ? 0 : write(fd, text, strlen(text));

    (void)rc; /* the client is refused in any case */
    close(fd);
    n->e->stats.rejected_connections++;
}

static bool is_loopback(int fd) {
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;

    if (getpeername(fd, (struct sockaddr *)&ss, &n) < 0) return false;
    if (ss.ss_family == AF_UNIX) return true;
    if (ss.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&ss)->sin_addr.s_addr) >> 24 == 127;
    if (ss.ss_family == AF_INET6) {
        const struct in6_addr *a = &((struct sockaddr_in6 *)&ss)->sin6_addr;

        return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
    }
    return false;
}

void conn_tune_tcp(const struct net *n, int fd) {
    int on = 1, idle = (int)n->v->tcp_keepalive, interval = idle / 3 ? idle / 3 : 1, count = 3;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!idle) return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

/* Between two programs on one host there is no congestion and no bandwidth to measure: the simplest
 * algorithm (reno, always available) costs least per packet. */
static void ignore_congestion(int fd) {
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

static bool is_denied(const struct net *n, bool local) {
    return n->v->protected_mode && n->e->acl->standard->no_password && !local;
}

void conn_begin_handshake(struct conn *c, struct tls_conn *tls) {
    tls->until_us = clock_mono_us() + HANDSHAKE_MAX_US;
    c->tls = tls;
    conn_enter(c, CONN_HANDSHAKE);
}

void net_accept(struct net *n, int fd, enum net_kind kind, unsigned node) {
    bool local = is_loopback(fd);
    struct tls_conn *tls = NULL;
    struct conn *c;

    if (net_sessions(n) >= (size_t)n->maxclients) {
        refuse(n, fd, kind, TOO_MANY);
        return;
    }
    if (kind != NET_TLS && is_denied(n, local)) {
        refuse(n, fd, kind, PROTECTED);
        return;
    }
    if (kind != NET_UNIX) conn_tune_tcp(n, fd);
    if (kind != NET_UNIX && local) ignore_congestion(fd);
    if (kind == NET_TLS) {
        tls = tls_accept(n->tls, fd, (enum conf_tls_auth)n->v->tls_auth_clients);
        if (!tls) {
            log_warning("Error accepting a client connection: no TLS connection could be made");
            close(fd);
            return;
        }
    }
    c = conn_new(n, fd);
    c->s.node = (uint8_t)node;
    if (tls) c->s.flags |= SESSION_TLS;
    if (local) c->s.flags |= SESSION_LOCAL;
    if (kind == NET_UNIX) c->s.flags |= SESSION_UNIX;
    if (tls)
        conn_begin_handshake(c, tls);
    else
        conn_go_async(c);
    conn_start_reading(c);
    if (n->may_stay && !n->may_stay(n->may_stay_arg, &c->s)) {
        c->s.ops->reset(&c->s);
        return;
    }
    if (!tls) n->e->stats.connections++;
}

/* ---------------------------------------------------------------- handshakes */

static void fail_handshake(struct conn *c, const char *why) {
    char addr[64], laddr[64];

    if (c->s.source) {
        conn_end(c, why);
        return;
    }
    conn_address(c, true, addr, sizeof addr);
    conn_address(c, false, laddr, sizeof laddr);
    log_warning("Error accepting a client connection: %s (addr=%s laddr=%s)", why, addr, laddr);
    conn_shut(c);
}

/* tls-auth-clients-user: which user the client is from the start. */
static void take_user(struct conn *c) {
    struct bytes names = {0};
    size_t n = tls_peer_names(c->tls, (enum conf_tls_user)c->n->v->tls_auth_clients_user, &names);
    struct slice *list = mem_alloc((n + 1) * sizeof *list);
    const char *p = names.p;

    for (size_t i = 0; i < n; i++) {
        list[i] = slice_str(p);
        p += list[i].n + 1;
    }
    acl_take_named(&c->s, list, n);
    mem_free(list);
    bytes_release(&names);
}

static void end_handshake(struct conn *c) {
    conn_enter(c, CONN_IDLE);
    if (c->s.source) {
        conn_opened(c);
        return;
    }
    if (is_denied(c->n, c->s.flags & SESSION_LOCAL)) {
        c->n->e->stats.rejected_connections++;
        out_append(&c->s.out, PROTECTED, strlen(PROTECTED));
        c->s.ops->close(&c->s, true);
        return;
    }
    c->n->e->stats.connections++;
    if (c->n->v->tls_auth_clients_user != CONF_TLS_USER_OFF) take_user(c);
    conn_go_async(c);
    if (c->tls) conn_read_on(c);
}

static void greet(struct conn *c) {
    char why[TLS_ERROR_CHARS];

    if (c->state == CONN_CONNECTING) {
        conn_connected(c);
        return;
    }
    switch (tls_handshake(c->tls, why)) {
    case TLS_HANDSHAKE:
        if (c->tls->read_waits == TLS_WAIT_WRITE) conn_await_writable(c);
        break;
    case TLS_OPEN: end_handshake(c); break;
    default: fail_handshake(c, why);
    }
}

void conn_greet(struct net *n) {
    int64_t steps = n->v->max_new_tls_connections_per_cycle;

    for (; !list_empty(&n->greeting) && steps > 0; steps--) {
        struct conn *c = list_entry(n->greeting.next, struct conn, ready);

        list_remove(&c->ready);
        greet(c);
    }
    if (!list_empty(&n->greeting)) loop_hurry(n->loop);
}

void conn_enforce_handshake_time(struct net *n) {
    while (!list_empty(&n->handshaking)) {
        struct conn *c = list_entry(n->handshaking.next, struct conn, link);

        if (c->tls->until_us > clock_mono_us()) return;
        fail_handshake(c, "the TLS handshake took too long");
    }
}
