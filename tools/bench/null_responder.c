/* SPDX-License-Identifier: BSD-3-Clause */
/* null_responder: the floor. A libevent server that finds the end of every
 * RESP command it is sent and answers +OK; no dictionary, no dispatch.
 * Takes redis-server style arguments and heeds only --port. */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF 65536
typedef struct client {
    struct event *ev;
    size_t len;  /* bytes of an unfinished command in buf */
    size_t skip; /* bytes of a bulk argument beyond buf */
    long args;   /* arguments still to come, -1: between commands */
    char buf[BUF];
} client;

/* Consumes what is whole in buf; returns the number of commands that ended. */
static int consume(client *c) {
    char *p = c->buf, *e = c->buf + c->len, *nl;
    int done = 0;
    for (;;) {
        size_t m = c->skip < (size_t)(e - p) ? c->skip : (size_t)(e - p);
        p += m;
        if ((c->skip -= m)) break;
        if (c->args == 0) {
            done++;
            c->args = -1;
        }
        if (p == e || !(nl = memchr(p, '\n', (size_t)(e - p)))) break;
        long n = 0;
        for (char *q = p + 1; q < nl && *q >= '0'; q++) n = n * 10 + (*q - '0');
        if (*p == '*')
            c->args = n;
        else if (*p == '$' && c->args > 0) {
            c->args--;
            c->skip = (size_t)n + 2;
        } else
            c->args = 0; /* an inline command */
        p = nl + 1;
    }
    c->len = (size_t)(e - p);
    memmove(c->buf, p, c->len);
    return done;
}
static void on_read(evutil_socket_t fd, short what, void *arg) {
    static char ok[5 * BUF];
    client *c = arg;
    (void)what;
    if (!ok[0])
        for (size_t i = 0; i < sizeof ok; i += 5) memcpy(ok + i, "+OK\r\n", 5);
    ssize_t n = read(fd, c->buf + c->len, BUF - c->len);
    if (n <= 0) {
        event_free(c->ev);
        close(fd);
        free(c);
        return;
    }
    c->len += (size_t)n;
    int done = consume(c);
    if (done && write(fd, ok, 5 * (size_t)done) < 0) perror("write");
}
static void on_accept(evutil_socket_t lfd, short what, void *base) {
    int fd = accept(lfd, NULL, NULL), one = 1;
    (void)what;
    if (fd < 0) return;
    evutil_make_socket_nonblocking(fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client *c = malloc(sizeof *c);
    c->len = c->skip = 0;
    c->args = -1;
    c->ev = event_new(base, fd, EV_READ | EV_PERSIST, on_read, c);
    event_add(c->ev, NULL);
}
int main(int argc, char **argv) {
    int port = 6379, one = 1;
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((unsigned short)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) {
        perror("listen");
        return 1;
    }
    evutil_make_socket_nonblocking(fd);
    struct event_base *base = event_base_new();
    event_add(event_new(base, fd, EV_READ | EV_PERSIST, on_accept, base), NULL);
    event_base_dispatch(base);
    return 0;
}
