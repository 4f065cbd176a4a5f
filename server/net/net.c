/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/net.h"

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

enum { ACCEPTS_PER_TURN = 1000 };

void net_init(struct net *n, struct loop *loop, struct engine *e) {
    *n = (struct net){.loop = loop, .e = e, .v = e->v, .rbuf = mem_alloc(NET_READ_BYTES)};
    n->maxclients = e->v->maxclients;
    n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    list_init(&n->readable);
    list_init(&n->to_flush);
    list_init(&n->gated);
    list_init(&n->released);
    list_init(&n->dead);
}

void net_release(struct net *n) {
    if (n->spare_fd >= 0) close(n->spare_fd);
    mem_free(n->rbuf);
    mem_free(n->rbuf_within);
    n->rbuf = n->rbuf_within = NULL;
}

/* No descriptor is left: the client is taken with the spare one and sent away, so that it knows,
 * and so that its waiting does not keep the loop busy. */
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
    bool is_unix = false;

    (void)what;
    for (size_t i = 0; i < n->nlisteners; i++)
        if (n->listener[i].fd == lfd) is_unix = n->listener[i].is_unix;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                turn_away(n, lfd);
            else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                log_warning("Error accepting a client connection: %s", strerror(errno));
            return;
        }
        net_accept(n, fd, is_unix);
    }
}

static void add_listener(struct net *n, int fd, bool is_unix) {
    size_t i = n->nlisteners++;

    n->listener[i].fd = fd;
    n->listener[i].is_unix = is_unix;
    n->listener[i].event = event_new(n->loop->base, fd, EV_READ | EV_PERSIST, on_accept, n);
    event_add(n->listener[i].event, NULL);
}

static int open_one(const struct addrinfo *ai, int backlog) {
    int on = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), code;

    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (ai->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, backlog) == 0) return fd;
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
static int bind_tcp(struct net *n, const char *addr, int *port, struct err *e) {
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
    fd = open_one(list, (int)n->v->tcp_backlog);
    code = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        if (code == EAFNOSUPPORT || code == EPROTONOSUPPORT || (optional && code == EADDRNOTAVAIL))
            return 1;
        return err_set(e, code, "bind: %s:%d: %s", host, *port, strerror(code));
    }
    if (*port == 0) *port = bound_port(fd);
    add_listener(n, fd, false);
    return 0;
}

static int listen_tcp(struct net *n, struct err *e) {
    int port = (int)n->v->port;
    size_t bound = 0;

    if (port == 0 && !n->v->port_auto) return 0;
    for (size_t i = 0; i < n->v->bind.n; i++) {
        int rc = bind_tcp(n, n->v->bind.addr[i], &port, e);

        if (rc < 0) {
            log_warning("Warning: Could not create server TCP listening socket %s", e->text);
            return -1;
        }
        bound += rc == 0;
    }
    if (bound == 0 && n->v->bind.n > 0)
        return err_set(e, EADDRNOTAVAIL, "no address could be bound");
    if (bound) n->port = port;
    return 0;
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
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
        listen(fd, (int)n->v->tcp_backlog) < 0) {
        int code = errno;

        if (fd >= 0) close(fd);
        return err_set(e, code, "unixsocket '%s': %s", path, strerror(code));
    }
    if (n->v->unixsocketperm) chmod(path, (mode_t)n->v->unixsocketperm);
    add_listener(n, fd, true);
    return 0;
}

int net_listen(struct net *n, struct err *e) {
    if (listen_tcp(n, e) < 0 || listen_unix(n, e) < 0) {
        net_stop_listening(n);
        return -1;
    }
    return 0;
}

static void close_listeners(struct net *n, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) {
        event_free(n->listener[i].event);
        close(n->listener[i].fd);
    }
    memmove(n->listener + from, n->listener + to, (n->nlisteners - to) * sizeof n->listener[0]);
    n->nlisteners -= to - from;
}

int net_relisten(struct net *n, struct err *e) {
    size_t keep = 0, old;

    /* Unix sockets stay; TCP ones are closed first, since new addresses may overlap old ones. */
    for (size_t i = 0; i < n->nlisteners; i++)
        if (n->listener[i].is_unix)
            n->listener[keep++] = n->listener[i];
        else {
            event_free(n->listener[i].event);
            close(n->listener[i].fd);
        }
    n->nlisteners = old = keep;
    n->port = 0;
    if (listen_tcp(n, e) == 0) return 0;
    close_listeners(n, old, n->nlisteners);
    return -1;
}

void net_stop_listening(struct net *n) {
    bool had_unix = n->unix_path[0] != '\0';

    close_listeners(n, 0, n->nlisteners);
    if (had_unix) unlink(n->unix_path);
}
