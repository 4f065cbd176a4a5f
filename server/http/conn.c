/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn - one HTTP connection: reads a request, sends an answer, ends when its time is over.
 *
 * Nothing is read while an answer is made or sent, so a peer that pipelines costs one request and
 * one answer. Memory for one connection: HTTP_HEADER_MAX and the answer.
 */
#include "server/http/http_impl.h"
#include "server/http/metrics.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned next_states[HTTP_STATES] = {
    [HTTP_READING] = 1u << HTTP_ASKED,
    [HTTP_ASKED] = 1u << HTTP_WRITING,
    [HTTP_WRITING] = 1u << HTTP_READING | 1u << HTTP_STREAMING,
};

static void set_deadline(struct http_conn *c, unsigned seconds) {
    c->deadline_ns = clock_real_ns() + seconds * UINT64_C(1000000000);
}

/* READING comes last in `conns`: see http_conn_make_room. */
static void enter(struct http_conn *c, enum http_state to) {
    CHECK(next_states[c->state] & (1u << to));
    if (c->state == HTTP_ASKED) list_remove(&c->asked);
    c->state = to;
    if (to == HTTP_ASKED) list_append(&c->h->asked, &c->asked);
    if (to == HTTP_STREAMING) {
        const struct timeval often = {0, 20000};

        list_append(&c->h->streams, &c->asked);
        if (c->h->nstreams++ == 0) event_add(c->h->sampling, &often);
    }
    if (to == HTTP_READING) {
        list_remove(&c->link);
        list_append(&c->h->conns, &c->link);
    }
    if (to == HTTP_READING || to == HTTP_STREAMING)
        event_add(c->readable, NULL);
    else
        event_del(c->readable);
}

void http_conn_free(struct http_conn *c) {
    struct http *h = c->h;

    if (c->state == HTTP_ASKED || c->state == HTTP_STREAMING) list_remove(&c->asked);
    if (c->state == HTTP_STREAMING && --h->nstreams == 0) event_del(h->sampling);
    list_remove(&c->link);
    event_free(c->readable);
    event_free(c->writable);
    close(c->fd);
    scrape_free(c->scrape);
    bytes_release(&c->in);
    bytes_release(&c->out);
    mem_free(c);
    if (--h->nconns == 0) event_del(h->tick);
}

/* ---------------------------------------------------------------- reading */

/* What is in `in` may hold a whole request. */
static void look_at_input(struct http_conn *c) {
    int n = http_request_read(&c->request, bytes_slice(&c->in));

    if (n == 0) return;
    enter(c, HTTP_ASKED);
    if (n > 0) {
        bytes_consume(&c->in, (size_t)n);
        return;
    }
    c->request = (struct http_request){0};
    http_answer(c, -n, NULL, (struct slice){0});
    http_conn_send(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    struct http_conn *c = arg;
    size_t room = HTTP_HEADER_MAX - c->in.n;
    char thrown_away[1024];
    ssize_t n;

    (void)what;
    if (c->state == HTTP_STREAMING)
        n = read(fd, thrown_away, sizeof thrown_away);
    else
        n = read(fd, bytes_room(&c->in, room), room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        http_conn_free(c);
        return;
    }
    if (c->state == HTTP_STREAMING) return;
    if (c->in.n == 0) set_deadline(c, HTTP_REQUEST_S);
    c->in.n += (size_t)n;
    look_at_input(c);
}

/* ---------------------------------------------------------------- writing */

/* Unread input would make the kernel reset the connection, and the peer might lose the answer. */
static void end_softly(const struct http_conn *c) {
    char thrown_away[4096];

    shutdown(c->fd, SHUT_WR);
    for (int i = 0; i < 16; i++)
        if (recv(c->fd, thrown_away, sizeof thrown_away, MSG_DONTWAIT) <= 0) return;
}

static void go_on(struct http_conn *c) {
    bytes_release(&c->out);
    c->sent = 0;
    if (c->state == HTTP_STREAMING) return;
    if (c->closing) {
        end_softly(c);
        http_conn_free(c);
        return;
    }
    enter(c, HTTP_READING);
    set_deadline(c, c->in.n ? HTTP_REQUEST_S : HTTP_IDLE_S);
    if (c->in.n == 0) bytes_release(&c->in);
    if (c->in.n) look_at_input(c);
}

static void write_some(struct http_conn *c) {
    ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        http_conn_free(c);
        return;
    }
    if (n > 0) {
        c->sent += (size_t)n;
        if (c->state == HTTP_STREAMING) set_deadline(c, HTTP_WRITE_S);
    }
    if (c->sent == c->out.n)
        go_on(c);
    else
        event_add(c->writable, NULL);
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    write_some(arg);
}

void http_conn_send(struct http_conn *c) {
    enter(c, HTTP_WRITING);
    c->closing |= !c->request.keep_alive;
    set_deadline(c, HTTP_WRITE_S);
    event_add(c->writable, NULL); /* not now: the caller may still use the connection */
}

void http_conn_stream(struct http_conn *c) {
    enter(c, HTTP_WRITING);
    enter(c, HTTP_STREAMING);
    set_deadline(c, HTTP_WRITE_S);
    event_add(c->writable, NULL);
}

void http_conn_event(struct http_conn *c, struct slice text) {
    if (c->out.n == 0) set_deadline(c, HTTP_WRITE_S);
    if (c->out.n - c->sent + text.n > HTTP_STREAM_BYTES_MAX) return;
    bytes_consume(&c->out, c->sent);
    c->sent = 0;
    bytes_append(&c->out, text.p, text.n);
    event_add(c->writable, NULL);
}

/* ---------------------------------------------------------------- beginning and end */

static bool came_by_loopback(int fd) {
    struct sockaddr_storage ss = {0};
    socklen_t n = sizeof ss;

    if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0) return false;
    if (ss.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&ss)->sin6_addr);
    return ntohl(((struct sockaddr_in *)&ss)->sin_addr.s_addr) >> 24 == 127;
}

void http_conn_new(struct http *h, int fd) {
    struct http_conn *c = mem_calloc(sizeof *c);
    const struct timeval second = {1, 0};

    c->h = h;
    c->fd = fd;
    c->is_local = came_by_loopback(fd);
    c->readable = event_new(h->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(h->base, fd, EV_WRITE, on_writable, c);
    list_append(&h->conns, &c->link);
    event_add(c->readable, NULL);
    set_deadline(c, HTTP_REQUEST_S);
    if (h->nconns++ == 0) event_add(h->tick, &second);
}

bool http_conn_make_room(struct http *h) {
    list_each (it, &h->conns) {
        struct http_conn *c = list_entry(it, struct http_conn, link);

        if (c->state != HTTP_READING) continue;
        http_conn_free(c);
        return true;
    }
    return false;
}

void http_conn_sweep(struct http *h) {
    uint64_t now = clock_real_ns();

    list_each_safe (it, next, &h->conns) {
        struct http_conn *c = list_entry(it, struct http_conn, link);
        bool may_end = c->state != HTTP_ASKED && (c->state != HTTP_STREAMING || c->out.n);

        if (may_end && now > c->deadline_ns) http_conn_free(c);
    }
}
