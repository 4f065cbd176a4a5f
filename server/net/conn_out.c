/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_out - connections that this server begins: to its master.
 *
 * The address is numeric, so nothing here waits; a name is resolved before. Such a connection is
 * CONNECTING until its descriptor is writable, then in the handshake of TLS if tls-replication says
 * so, then IDLE: its source is told that it is open. How long all this may take is the source's
 * business. It is no client: maxclients, timeouts and limits of memory do not concern it.
 */
#include "conf/conf.h"
#include "server/net/conn.h"

#include "storage/base/err.h"
#include "storage/base/log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct addrinfo *numeric(const char *ip, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
                    *found = NULL;

    return getaddrinfo(ip, port, &hints, &found) == 0 ? found : NULL;
}

/* An address that cannot be bound is left out, as in Redis. */
static void bind_source(const struct net *n, int fd, int family) {
    const char *ip = n->v->bind_source_addr;
    struct addrinfo *a = ip ? numeric(ip, NULL) : NULL;
    int on = 1;

    if (!ip) return;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!a || a->ai_family != family || bind(fd, a->ai_addr, a->ai_addrlen) < 0)
        log_warning("Cannot bind '%s' (bind-source-addr) for the connection to the master", ip);
    if (a) freeaddrinfo(a);
}

static void tune(const struct net *n, int fd) {
    uint32_t id = (uint32_t)n->v->socket_mark_id;
    int off = 0;

    conn_tune_tcp(n, fd);
    if (n->v->repl_disable_tcp_nodelay) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off);
    if (id) setsockopt(fd, SOL_SOCKET, SO_MARK, &id, sizeof id);
}

static int begin_connect(struct net *n, const struct addrinfo *to, struct err *e) {
    int fd = net_socket(n, to->ai_family, n->v->repl_mptcp), code;

    if (fd < 0) return err_set(e, errno, "no socket: %s", strerror(errno));
    bind_source(n, fd, to->ai_family);
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS) {
        tune(n, fd);
        return fd;
    }
    code = errno;
    close(fd);
    return err_set(e, code, "%s", strerror(code));
}

struct session *net_connect(struct net *n, const char *ip, int port,
                            const struct session_source *source, void *source_arg, struct err *e) {
    char service[8];
    struct addrinfo *to;
    struct conn *c;
    int fd;

    snprintf(service, sizeof service, "%d", port);
    to = numeric(ip, service);
    if (!to) {
        err_set(e, EINVAL, "'%s' port %d is no address", ip, port);
        return NULL;
    }
    fd = begin_connect(n, to, e);
    freeaddrinfo(to);
    if (fd < 0) return NULL;
    c = conn_new(n, fd);
    c->s.source = source;
    c->s.source_arg = source_arg;
    c->s.flags |= SESSION_MASTER | SESSION_AUTHENTICATED;
    session_hide(&c->s);
    conn_enter(c, CONN_CONNECTING);
    conn_await_writable(c);
    return &c->s;
}

void conn_opened(struct conn *c) {
    c->s.source->opened(&c->s);
    if (c->fd >= 0 && c->tls) conn_read_on(c);
}

void conn_connected(struct conn *c) {
    struct tls_conn *tls;
    socklen_t n = sizeof(int);
    int code = 0;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &n) < 0) code = errno;
    if (code) {
        conn_end(c, strerror(code));
        return;
    }
    conn_start_reading(c);
    if (!c->n->v->tls_replication) {
        conn_enter(c, CONN_IDLE);
        conn_opened(c);
        return;
    }
    tls = c->n->tls ? tls_connect(c->n->tls, c->fd) : NULL;
    if (!tls) {
        conn_end(c, "no TLS connection could be made");
        return;
    }
    conn_begin_handshake(c, tls);
    list_append(&c->n->greeting, &c->ready); /* the client speaks first */
}
