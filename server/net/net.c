/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/net.h"

#include "conf/conf.h"
#include "server/net/conn.h"
#include "server/net/io_threads.h"
#include "server/net/ring.h"
#include "server/net/socket_group.h"
#include "server/tls/tls.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/spare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void net_init(struct net *n, struct loop *loop, struct engine *e) {
    *n = (struct net){
        .loop = loop, .e = e, .v = e->v, .rbuf = mem_alloc(NET_READ_BYTES), .nnodes = 1};
    n->maxclients = e->v->maxclients;
    n->spare_fd = spare_open();
    list_init(&n->readable);
    list_init(&n->patient);
    list_init(&n->read_on);
    list_init(&n->handshaking);
    list_init(&n->greeting);
    list_init(&n->to_flush);
    list_init(&n->gated);
    list_init(&n->released);
    list_init(&n->dead);
}

static void rest(void *arg) {
    struct net *n = arg;

    async_rest(n->async);
}

/* NULL: the loop serves all connections itself. */
static struct async_backend *choose_backend(const struct net *n) {
    struct async_backend *b;
    struct err e;

    if (n->v->io_threads > 1) {
        b = io_threads_new(n->loop, (unsigned)n->v->io_threads - 1, &e);
        if (!b) log_warning("One thread serves all clients, io-threads cannot be had: %s", e.text);
        if (b) return b;
    }
    if (n->v->io_backend == CONF_IO_EPOLL) return NULL;
    b = ring_new(n->loop, &e);
    if (!b && n->v->io_backend == CONF_IO_URING)
        log_warning("io_uring cannot be used, epoll is instead: %s", e.text);
    return b;
}

void net_choose_backend(struct net *n) {
    n->async = choose_backend(n);
    if (!n->async) return;
    n->async->done = conn_async_done;
    loop_before_wait(n->loop, rest, n);
}

const char *net_backend(const struct net *n) {
    return n->async ? n->async->name : "epoll";
}

void net_release(struct net *n) {
    if (n->async) n->async->release(n->async);
    n->async = NULL;
    if (n->spare_fd >= 0) close(n->spare_fd);
    tls_free(n->tls);
    mem_free(n->listener);
    mem_free(n->rbuf);
    mem_free(n->rbuf_within);
    n->rbuf = n->rbuf_within = NULL;
}

static void listen_again(evutil_socket_t fd, short what, void *arg) {
    struct net *n = arg;

    (void)fd, (void)what;
    for (size_t i = 0; i < n->nlisteners; i++) event_add(n->listener[i].event, NULL);
}

void net_rest(struct net *n) {
    const struct timeval pause = {0, 100000};

    for (size_t i = 0; i < n->nlisteners; i++) event_del(n->listener[i].event);
    event_base_once(n->loop->base, -1, EV_TIMEOUT, listen_again, n, &pause);
}

static void turn_away(struct net *n, int lfd) {
    if (!spare_turn_away(&n->spare_fd, lfd)) net_rest(n);
    n->e->stats.rejected_connections++;
    log_warning("Error accepting a client connection: Too many open files");
}

static void on_accept(evutil_socket_t lfd, short what, void *arg) {
    struct net *n = arg;
    enum net_kind kind = NET_TCP;
    unsigned node = 0;

    (void)what;
    for (size_t i = 0; i < n->nlisteners; i++) {
        if (n->listener[i].fd != lfd) continue;
        kind = (enum net_kind)n->listener[i].kind;
        node = n->listener[i].node;
    }
    for (int64_t i = 0; i < n->v->max_new_connections_per_cycle; i++) {
        int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                turn_away(n, lfd);
            else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                log_warning("Error accepting a client connection: %s", strerror(errno));
            return;
        }
        net_accept(n, fd, kind, node);
    }
}

/* Accepted connections inherit the mark. Without the capability no mark is set. */
static void mark(int fd, const struct conf_values *v) {
    uint32_t id = (uint32_t)v->socket_mark_id;

    if (id && setsockopt(fd, SOL_SOCKET, SO_MARK, &id, sizeof id) < 0)
        log_warning("Cannot set socket-mark-id: %s", strerror(errno));
}

static void add_listener(struct net *n, int fd, enum net_kind kind, unsigned node) {
    struct net_listener *l;

    if (kind != NET_UNIX) mark(fd, n->v);
    if (n->nlisteners == n->listeners_cap) {
        n->listeners_cap = n->listeners_cap ? 2 * n->listeners_cap : 4;
        n->listener = mem_realloc(n->listener, n->listeners_cap * sizeof *n->listener);
    }
    l = &n->listener[n->nlisteners++];
    *l = (struct net_listener){.fd = fd, .kind = (uint8_t)kind, .node = (uint8_t)node};
    l->event = event_new(n->loop->base, fd, EV_READ | EV_PERSIST, on_accept, n);
    event_add(l->event, NULL);
}

int net_socket(struct net *n, int family, bool multipath) {
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, fd = -1;

    if (multipath) fd = socket(family, type, IPPROTO_MPTCP);
    if (fd >= 0) return fd;
    if (multipath && !n->told_no_mptcp)
        log_notice("This system has no Multipath TCP (%s): TCP is used.", strerror(errno));
    n->told_no_mptcp |= multipath;
    return socket(family, type, 0);
}

static int open_one(struct net *n, const struct sockaddr *a, socklen_t len, int backlog) {
    int on = 1, fd = net_socket(n, a->sa_family, n->v->mptcp), code;

    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a, len) == 0 && listen(fd, backlog) == 0) return fd;
    code = errno;
    close(fd);
    errno = code;
    return -1;
}

static int bound_port(int fd) {
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;

    if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0) return 0;
    if (ss.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&ss)->sin_port);
    return ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
}

/* 0 bound, 1 left out (an address of a kind this host does not have, or marked '-'), -1 failed. */
static int bind_one(struct net *n, enum net_kind kind, unsigned node, const char *addr, int *port,
                    struct err *e) {
    bool optional = addr[0] == '-';
    const char *host = addr + optional;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    char service[8];
    int fd, rc, code;

    hints.ai_family = strchr(host, ':') ? AF_INET6 : AF_UNSPEC;
    if (strcmp(host, "*") == 0) hints.ai_family = AF_INET;
    if (strcmp(host, "::*") == 0) hints.ai_family = AF_INET6;
    snprintf(service, sizeof service, "%d", *port);
    rc = getaddrinfo(strchr(host, '*') ? NULL : host, service, &hints, &list);
    if (rc != 0) {
        if (optional) return 1;
        return err_set(e, EADDRNOTAVAIL, "bind: %s: %s", host, gai_strerror(rc));
    }
    fd = open_one(n, list->ai_addr, list->ai_addrlen, (int)n->v->tcp_backlog);
    code = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        if (code == EAFNOSUPPORT || code == EPROTONOSUPPORT || (optional && code == EADDRNOTAVAIL))
            return 1;
        return err_set(e, code, "bind: %s:%d: %s", host, *port, strerror(code));
    }
    if (*port == 0) *port = bound_port(fd);
    add_listener(n, fd, kind, node);
    return 0;
}

/* Where it listens, or did; 0: nowhere yet. */
static int *node_port(struct net *n, enum net_kind kind, unsigned node) {
    if (node == 0) return kind == NET_TLS ? &n->tls_port : &n->port;
    return kind == NET_TLS ? &n->nodes[node].tls_port : &n->nodes[node].port;
}

/* The ports of nodes follow one another, or are free ones with `port auto`: 0. -1: none is wanted.
 */
static int wanted_port(struct net *n, enum net_kind kind, unsigned node) {
    int64_t first = kind == NET_TLS ? n->v->tls_port : n->v->port;

    if (kind == NET_TCP && n->v->port_auto) return node ? *node_port(n, kind, node) : (int)first;
    return first ? (int)(first + node) : -1;
}

/* All addresses of `bind`. */
static int listen_port(struct net *n, enum net_kind kind, unsigned node, struct err *e) {
    int port = wanted_port(n, kind, node);
    size_t bound = 0;

    if (port < 0 || n->nodes[node].deaf) return 0;
    if (port > UINT16_MAX) return err_set(e, EINVAL, "node %u would have port %d", node, port);
    for (size_t i = 0; i < n->v->bind.n; i++) {
        int rc = bind_one(n, kind, node, n->v->bind.addr[i], &port, e);

        if (rc < 0) {
            log_warning("Warning: Could not create server TCP listening socket %s", e->text);
            return -1;
        }
        bound += rc == 0;
    }
    if (bound == 0 && n->v->bind.n > 0)
        return err_set(e, EADDRNOTAVAIL, "no address could be bound");
    if (bound) *node_port(n, kind, node) = port;
    return 0;
}

static int listen_ports(struct net *n, enum net_kind kind, struct err *e) {
    for (unsigned node = 0; node < n->nnodes; node++)
        if (listen_port(n, kind, node, e) < 0) return -1;
    return 0;
}

/* The socket exists from bind() on, so it is made with its rights, not given them afterwards. */
static int bind_with_rights(int fd, const struct sockaddr_un *a, mode_t rights) {
    mode_t before = rights ? umask(~rights & 0777) : 0;
    int rc = bind(fd, (const struct sockaddr *)a, sizeof *a), code = errno;

    if (rights) umask(before);
    errno = code;
    return rc;
}

static int listen_unix(struct net *n, struct err *e) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = n->v->unixsocket;
    int fd;

    if (!path || !path[0]) return 0;
    if (strlen(path) >= sizeof a.sun_path)
        return err_set(e, ENAMETOOLONG, "unixsocket '%s' is too long", path);
    memcpy(a.sun_path, path, strlen(path));
    memcpy(n->unix_path, path, strlen(path) + 1);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind_with_rights(fd, &a, (mode_t)n->v->unixsocketperm) < 0 ||
        listen(fd, (int)n->v->tcp_backlog) < 0) {
        int code = errno;

        if (fd >= 0) close(fd);
        return err_set(e, code, "unixsocket '%s': %s", path, strerror(code));
    }
    if (n->v->unixsocketgroup[0] && socket_give_to_group(path, n->v->unixsocketgroup, e) < 0) {
        close(fd);
        unlink(path);
        return -1;
    }
    if (n->v->unixsocketperm) chmod(path, (mode_t)n->v->unixsocketperm);
    add_listener(n, fd, NET_UNIX, 0);
    return 0;
}

/* The descriptors are ours alone from now on. */
static int take_over(struct net *n, const char *inherited, struct err *e) {
    const char *at = inherited;
    unsigned node;
    int kind, fd, used;

    while (sscanf(at, "%d:%d:%u%n", &kind, &fd, &node, &used) == 3) {
        if (kind < NET_TCP || kind > NET_TLS || node >= n->nnodes ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return err_set(e, EBADF, "the listening sockets '%s' cannot be taken over", inherited);
        add_listener(n, fd, (enum net_kind)kind, node);
        if (kind != NET_UNIX) *node_port(n, (enum net_kind)kind, node) = bound_port(fd);
        if (kind == NET_UNIX) snprintf(n->unix_path, sizeof n->unix_path, "%s", n->v->unixsocket);
        at += used;
    }
    /* A node that did not listen when the process before ended does so again. */
    for (node = 0; node < n->nnodes; node++)
        if ((!*node_port(n, NET_TCP, node) && listen_port(n, NET_TCP, node, e) < 0) ||
            (!*node_port(n, NET_TLS, node) && listen_port(n, NET_TLS, node, e) < 0))
            return -1;
    return 0;
}

int net_listen(struct net *n, const char *inherited, struct err *e) {
    if (inherited) return take_over(n, inherited, e);
    if (listen_ports(n, NET_TCP, e) == 0 && listen_ports(n, NET_TLS, e) == 0 &&
        listen_unix(n, e) == 0)
        return 0;
    net_stop_listening(n);
    return -1;
}

/* The old listeners, to be opened again if the new ones fail. */
struct stand {
    struct place {
        struct sockaddr_storage at;
        socklen_t len;
        struct net_listener was;
    } * v;
    size_t n;
};

static void note_stand(struct stand *was, const struct net_listener *l) {
    struct place *p = &was->v[was->n];

    p->len = sizeof p->at;
    p->was = *l;
    if (getsockname(l->fd, (struct sockaddr *)&p->at, &p->len) == 0) was->n++;
}

/* `kinds` has a bit for each; `was` may be NULL. */
static void close_kinds(struct net *n, unsigned kinds, struct stand *was) {
    size_t keep = 0;

    for (size_t i = 0; i < n->nlisteners; i++) {
        struct net_listener *l = &n->listener[i];

        if (!(kinds & 1u << l->kind)) {
            n->listener[keep++] = *l;
            continue;
        }
        if (was) note_stand(was, l);
        event_free(l->event);
        close(l->fd);
    }
    n->nlisteners = keep;
}

static void stand_again(struct net *n, const struct stand *was) {
    for (size_t i = 0; i < was->n; i++) {
        const struct place *p = &was->v[i];
        int fd = open_one(n, (const struct sockaddr *)&p->at, p->len, (int)n->v->tcp_backlog);

        if (fd < 0)
            log_warning("Cannot listen again at the old addresses: %s", strerror(errno));
        else
            add_listener(n, fd, (enum net_kind)p->was.kind, p->was.node);
    }
}

static void forget_ports(struct net *n, enum net_kind kind) {
    for (unsigned node = 0; node < n->nnodes; node++)
        if (node == 0 || !n->v->port_auto) *node_port(n, kind, node) = 0;
}

int net_relisten(struct net *n, unsigned kinds, struct err *e) {
    int port = n->port, tls_port = n->tls_port, rc = 0;
    struct stand was = {.v = mem_alloc((n->nlisteners + 1) * sizeof *was.v)};
    struct net_node nodes[CONF_CLUSTER_NODES_MAX];

    /* Closed first, since new addresses may overlap old ones. */
    close_kinds(n, kinds, &was);
    memcpy(nodes, n->nodes, sizeof nodes);
    if (kinds & 1u << NET_TCP) forget_ports(n, NET_TCP);
    if (kinds & 1u << NET_TLS) forget_ports(n, NET_TLS);
    if ((kinds & 1u << NET_TCP && listen_ports(n, NET_TCP, e) < 0) ||
        (kinds & 1u << NET_TLS && listen_ports(n, NET_TLS, e) < 0)) {
        close_kinds(n, kinds, NULL);
        stand_again(n, &was);
        memcpy(n->nodes, nodes, sizeof nodes);
        n->port = port;
        n->tls_port = tls_port;
        rc = -1;
    }
    mem_free(was.v);
    return rc;
}

static void close_node(struct net *n, unsigned node) {
    size_t keep = 0;

    for (size_t i = 0; i < n->nlisteners; i++) {
        const struct net_listener *l = &n->listener[i];

        if (l->node != node || l->kind == NET_UNIX) {
            n->listener[keep++] = *l;
            continue;
        }
        event_free(l->event);
        close(l->fd);
    }
    n->nlisteners = keep;
}

int net_listen_node(struct net *n, unsigned node, bool on, struct err *e) {
    if (n->nodes[node].deaf == !on) return 0;
    n->nodes[node].deaf = !on;
    if (on && listen_port(n, NET_TCP, node, e) == 0 && listen_port(n, NET_TLS, node, e) == 0)
        return 0;
    n->nodes[node].deaf = true;
    close_node(n, node);
    return on ? -1 : 0;
}

int net_configure_tls(struct net *n, bool again) {
    if (!tls_is_wanted(n->v)) {
        if (n->tls) tls_forget_settings(n->tls);
        return 0;
    }
    if (!n->tls) n->tls = tls_new();
    return tls_is_ready(n->tls) && !again ? 0 : tls_configure(n->tls, n->v);
}

void net_describe_tls(const struct net *n, struct bytes *out) {
    tls_describe(n->tls, out);
}

void net_stop_listening(struct net *n) {
    bool had_unix = n->unix_path[0] != '\0';

    close_kinds(n, 1u << NET_TCP | 1u << NET_TLS | 1u << NET_UNIX, NULL);
    if (had_unix) unlink(n->unix_path);
}
