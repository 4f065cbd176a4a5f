/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/net.h"

#include "conf/conf.h"
#include "server/net/tls.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

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
    *n = (struct net){.loop = loop, .e = e, .v = e->v, .rbuf = mem_alloc(NET_READ_BYTES)};
    n->maxclients = e->v->maxclients;
    n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
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

void net_release(struct net *n) {
    if (n->spare_fd >= 0) close(n->spare_fd);
    tls_free(n->tls);
    mem_free(n->rbuf);
    mem_free(n->rbuf_within);
    n->rbuf = n->rbuf_within = NULL;
}

/* No descriptor is left: accepts the client with the spare one and closes it. So the client learns
 * of it, and its pending connection does not keep the loop busy. */
static void turn_away(struct net *n, int lfd) {
    int fd;

    if (n->spare_fd >= 0) close(n->spare_fd);
    fd = accept4(lfd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    n->e->stats.rejected_connections++;
    log_warning("Error accepting a client connection: Too many open files");
}

static void on_accept(evutil_socket_t lfd, short what, void *arg) {
    struct net *n = arg;
    enum net_kind kind = NET_TCP;

    (void)what;
    for (size_t i = 0; i < n->nlisteners; i++)
        if (n->listener[i].fd == lfd) kind = (enum net_kind)n->listener[i].kind;
    for (int64_t i = 0; i < n->v->max_new_connections_per_cycle; i++) {
        int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                turn_away(n, lfd);
            else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                log_warning("Error accepting a client connection: %s", strerror(errno));
            return;
        }
        net_accept(n, fd, kind);
    }
}

/* Accepted connections inherit the mark. Without the capability no mark is set. */
static void mark(int fd, const struct conf_values *v) {
    uint32_t id = (uint32_t)v->socket_mark_id;

    if (id && setsockopt(fd, SOL_SOCKET, SO_MARK, &id, sizeof id) < 0)
        log_warning("Cannot set socket-mark-id: %s", strerror(errno));
}

static void add_listener(struct net *n, int fd, enum net_kind kind) {
    size_t i = n->nlisteners++;

    if (kind != NET_UNIX) mark(fd, n->v);
    n->listener[i].fd = fd;
    n->listener[i].kind = (uint8_t)kind;
    n->listener[i].event = event_new(n->loop->base, fd, EV_READ | EV_PERSIST, on_accept, n);
    event_add(n->listener[i].event, NULL);
}

static int open_one(const struct sockaddr *a, socklen_t len, int backlog) {
    int on = 1, fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), code;

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
static int bind_one(struct net *n, enum net_kind kind, const char *addr, int *port, struct err *e) {
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
    fd = open_one(list->ai_addr, list->ai_addrlen, (int)n->v->tcp_backlog);
    code = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        if (code == EAFNOSUPPORT || code == EPROTONOSUPPORT || (optional && code == EADDRNOTAVAIL))
            return 1;
        return err_set(e, code, "bind: %s:%d: %s", host, *port, strerror(code));
    }
    if (*port == 0) *port = bound_port(fd);
    add_listener(n, fd, kind);
    return 0;
}

/* All addresses of `bind`, for TCP or for TLS. */
static int listen_ports(struct net *n, enum net_kind kind, struct err *e) {
    int port = (int)(kind == NET_TLS ? n->v->tls_port : n->v->port);
    size_t bound = 0;

    if (port == 0 && !(kind == NET_TCP && n->v->port_auto)) return 0;
    for (size_t i = 0; i < n->v->bind.n; i++) {
        int rc = bind_one(n, kind, n->v->bind.addr[i], &port, e);

        if (rc < 0) {
            log_warning("Warning: Could not create server TCP listening socket %s", e->text);
            return -1;
        }
        bound += rc == 0;
    }
    if (bound == 0 && n->v->bind.n > 0)
        return err_set(e, EADDRNOTAVAIL, "no address could be bound");
    if (bound) *(kind == NET_TLS ? &n->tls_port : &n->port) = port;
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
    if (n->v->unixsocketperm) chmod(path, (mode_t)n->v->unixsocketperm);
    add_listener(n, fd, NET_UNIX);
    return 0;
}

/* The descriptors are ours alone from now on. */
static int take_over(struct net *n, const char *inherited, struct err *e) {
    const char *at = inherited;
    int kind, fd, used;

    while (sscanf(at, "%d:%d%n", &kind, &fd, &used) == 2) {
        if (kind < NET_TCP || kind > NET_TLS || n->nlisteners == NET_LISTENERS_MAX ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return err_set(e, EBADF, "the listening sockets '%s' cannot be taken over", inherited);
        add_listener(n, fd, (enum net_kind)kind);
        if (kind == NET_TCP) n->port = bound_port(fd);
        if (kind == NET_TLS) n->tls_port = bound_port(fd);
        if (kind == NET_UNIX) snprintf(n->unix_path, sizeof n->unix_path, "%s", n->v->unixsocket);
        at += used;
    }
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
    struct sockaddr_storage at[NET_LISTENERS_MAX];
    socklen_t len[NET_LISTENERS_MAX];
    enum net_kind kind[NET_LISTENERS_MAX];
    size_t n;
};

static void note_stand(struct stand *was, const struct net_listener *l) {
    was->len[was->n] = sizeof was->at[0];
    was->kind[was->n] = (enum net_kind)l->kind;
    if (getsockname(l->fd, (struct sockaddr *)&was->at[was->n], &was->len[was->n]) == 0) was->n++;
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
        int fd = open_one((struct sockaddr *)&was->at[i], was->len[i], (int)n->v->tcp_backlog);

        if (fd < 0)
            log_warning("Cannot listen again at the old addresses: %s", strerror(errno));
        else
            add_listener(n, fd, was->kind[i]);
    }
}

int net_relisten(struct net *n, unsigned kinds, struct err *e) {
    int port = n->port, tls_port = n->tls_port;
    struct stand was = {.n = 0};

    /* Closed first, since new addresses may overlap old ones. */
    close_kinds(n, kinds, &was);
    if (kinds & 1u << NET_TCP) n->port = 0;
    if (kinds & 1u << NET_TLS) n->tls_port = 0;
    if ((!(kinds & 1u << NET_TCP) || listen_ports(n, NET_TCP, e) == 0) &&
        (!(kinds & 1u << NET_TLS) || listen_ports(n, NET_TLS, e) == 0))
        return 0;
    close_kinds(n, kinds, NULL);
    stand_again(n, &was);
    n->port = port;
    n->tls_port = tls_port;
    return -1;
}

int net_configure_tls(struct net *n, bool again) {
    if (!tls_is_wanted(n->v)) {
        if (n->tls) tls_forget_settings(n->tls);
        return 0;
    }
    if (!n->tls) n->tls = tls_new();
    return tls_is_ready(n->tls) && !again ? 0 : tls_configure(n->tls, n->v);
}

void net_stop_listening(struct net *n) {
    bool had_unix = n->unix_path[0] != '\0';

    close_kinds(n, 1u << NET_TCP | 1u << NET_TLS | 1u << NET_UNIX, NULL);
    if (had_unix) unlink(n->unix_path);
}
