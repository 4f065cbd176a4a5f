/* SPDX-License-Identifier: BSD-3-Clause
 *
 * carry - the bytes of a connection, over TLS (server/tls) or as they are, and its addresses.
 */
#include "server/http/http_impl.h"
#include "server/tls/tls.h"
#include "storage/base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t http_conn_take(struct http_conn *c, void *p, size_t n) {
    return c->tls ? tls_read(c->tls, p, n) : read(c->fd, p, n);
}

ssize_t http_conn_give(struct http_conn *c, const void *p, size_t n) {
    struct iovec iov = {(void *)p, n};

    return c->tls ? tls_writev(c->tls, &iov, 1) : send(c->fd, p, n, MSG_NOSIGNAL);
}

int http_conn_greet(struct http_conn *c) {
    char why[TLS_ERROR_CHARS], peer[64];
    enum tls_state state = tls_handshake(c->tls, why);

    if (state == TLS_OPEN) return 1;
    if (state == TLS_HANDSHAKE) return 0;
    http_conn_address(c, true, peer, sizeof peer);
    log_verbose("Error accepting an HTTP connection over TLS: %s (addr=%s)", why, peer);
    return -1;
}

bool http_conn_gives_by_reading(const struct http_conn *c) {
    if (!c->tls) return false;
    return (c->tls->state == TLS_HANDSHAKE ? c->tls->read_waits : c->tls->write_waits) ==
           TLS_WAIT_READ;
}

bool http_conn_has_more(const struct http_conn *c) {
    return c->tls && c->tls->more;
}

void http_conn_part(struct http_conn *c) {
    if (c->tls) tls_close(c->tls);
    c->tls = NULL;
}

/* ---------------------------------------------------------------- addresses */

void http_conn_address(const struct http_conn *c, bool peer, char *out, size_t size) {
    struct sockaddr_storage ss = {0};
    socklen_t n = sizeof ss;
    int rc = (peer ? getpeername : getsockname)(c->fd, (struct sockaddr *)&ss, &n);
    bool is_6 = ss.ss_family == AF_INET6;
    const struct sockaddr_in *a = (const struct sockaddr_in *)&ss;
    const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)&ss;
    char ip[INET6_ADDRSTRLEN] = "?";

    if (rc < 0) {
        snprintf(out, size, "?:0");
        return;
    }
    inet_ntop(ss.ss_family, is_6 ? (const void *)&a6->sin6_addr : &a->sin_addr, ip, sizeof ip);
    snprintf(out, size, is_6 ? "[%s]:%d" : "%s:%d", ip, ntohs(is_6 ? a6->sin6_port : a->sin_port));
}

bool http_came_by_loopback(int fd) {
    struct sockaddr_storage ss = {0};
    socklen_t n = sizeof ss;

    if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0) return false;
    if (ss.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&ss)->sin6_addr);
    return ntohl(((struct sockaddr_in *)&ss)->sin_addr.s_addr) >> 24 == 127;
}
