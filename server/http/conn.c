/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn - one HTTP connection: reads a request, sends an answer, ends when its time is over.
 *
 * Nothing is read while an answer is made or sent, so a peer that pipelines costs one request and
 * one answer. Memory for one connection: HTTP_HEADER_MAX, HTTP_BODY_MAX if it may send commands,
 * and the answer; with TLS also what OpenSSL needs.
 */
#include "conf/conf.h"
#include "server/http/admin.h"
#include "server/http/http_impl.h"
#include "server/http/metrics.h"
#include "server/tls/tls.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned next_states[HTTP_STATES] = {
    [HTTP_GREETING] = 1u << HTTP_READING,
    [HTTP_READING] = 1u << HTTP_BODY | 1u << HTTP_ASKED,
    [HTTP_BODY] = 1u << HTTP_ASKED,
    [HTTP_ASKED] = 1u << HTTP_WAITING | 1u << HTTP_WRITING,
    [HTTP_WAITING] = 1u << HTTP_ASKED | 1u << HTTP_WRITING,
    [HTTP_WRITING] = 1u << HTTP_READING | 1u << HTTP_STREAMING,
};

static void set_deadline(struct http_conn *c, unsigned seconds) {
    c->deadline_ns = clock_real_ns() + seconds * UINT64_C(1000000000);
}

/* It is between requests, or has not sent a whole one. */
static bool awaits_request(const struct http_conn *c) {
    return c->state == HTTP_GREETING || c->state == HTTP_READING || c->state == HTTP_BODY;
}

/* The list that `asked` is in. */
static struct list *list_of(struct http *h, enum http_state state) {
    switch (state) {
    case HTTP_ASKED: return &h->asked;
    case HTTP_WAITING: return &h->waiting;
    case HTTP_STREAMING: return &h->streams;
    default: return NULL;
    }
}

static bool reads(enum http_state state) {
    return state == HTTP_READING || state == HTTP_BODY || state == HTTP_STREAMING;
}

/* READING comes last in `conns`: see http_conn_make_room. */
static void enter(struct http_conn *c, enum http_state to) {
    const struct timeval often = {0, 20000};
    struct list *list = list_of(c->h, to);

    CHECK(next_states[c->state] & (1u << to));
    list_remove(&c->asked);
    c->state = to;
    if (list) list_append(list, &c->asked);
    if (to == HTTP_STREAMING && c->h->nstreams++ == 0) event_add(c->h->sampling, &often);
    if (to == HTTP_READING) {
        list_remove(&c->link);
        list_append(&c->h->conns, &c->link);
        c->turn_us = 0;
    }
    if (!reads(to)) {
        event_del(c->readable);
        return;
    }
    event_add(c->readable, NULL);
    if (http_conn_has_more(c)) event_active(c->readable, EV_READ, 0);
}

void http_conn_free(struct http_conn *c) {
    struct http *h = c->h;

    if (c->state == HTTP_STREAMING && --h->nstreams == 0) event_del(h->sampling);
    list_remove(&c->asked);
    list_remove(&c->link);
    event_free(c->readable);
    event_free(c->writable);
    http_conn_part(c);
    close(c->fd);
    scrape_free(c->scrape);
    admin_forget(c);
    bytes_release(&c->in);
    bytes_release(&c->out);
    mem_free(c);
    if (--h->nconns == 0) event_del(h->tick);
}

/* ---------------------------------------------------------------- reading */

static void refuse(struct http_conn *c, int status) {
    enter(c, HTTP_ASKED);
    c->request = (struct http_request){0};
    http_answer(c, status, NULL, (struct slice){0});
    http_conn_send(c);
}

/* What is in `in` may hold a whole head. */
static void look_at_head(struct http_conn *c) {
    int n = http_request_read(&c->request, bytes_slice(&c->in)), status;

    if (n == 0) return;
    if (n < 0) {
        refuse(c, -n);
        return;
    }
    status = c->request.is_post ? http_admit_body(c) : 0;
    if (status) {
        refuse(c, status);
        return;
    }
    bytes_consume(&c->in, (size_t)n);
    enter(c, c->request.is_post ? HTTP_BODY : HTTP_ASKED);
}

static void look_at_input(struct http_conn *c) {
    if (c->state == HTTP_READING) look_at_head(c);
    if (c->state == HTTP_BODY && c->in.n >= c->request.body) enter(c, HTTP_ASKED);
}

/* How much may be read now. */
static size_t room_of(const struct http_conn *c) {
    return (c->state == HTTP_BODY ? c->request.body : HTTP_HEADER_MAX) - c->in.n;
}

/* What a stream's peer sends is thrown away; only its end matters. */
static void read_nothing(struct http_conn *c) {
    char thrown_away[1024];
    ssize_t n = http_conn_take(c, thrown_away, sizeof thrown_away);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        http_conn_free(c);
        return;
    }
    if (http_conn_has_more(c)) event_active(c->readable, EV_READ, 0);
    if (c->out.n) event_add(c->writable, NULL);
}

static void read_some(struct http_conn *c) {
    size_t room = room_of(c);
    ssize_t n = http_conn_take(c, bytes_room(&c->in, room), room);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        http_conn_free(c);
        return;
    }
    if (c->in.n == 0 && c->state == HTTP_READING) set_deadline(c, HTTP_REQUEST_S);
    c->in.n += (size_t)n;
    look_at_input(c);
    if (reads(c->state) && http_conn_has_more(c)) event_active(c->readable, EV_READ, 0);
}

static void write_some(struct http_conn *c);

static void greet_later(struct http_conn *c) {
    event_del(c->readable);
    list_remove(&c->asked);
    list_append(&c->h->asked, &c->asked);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    struct http_conn *c = arg;

    (void)fd;
    (void)what;
    if (c->state == HTTP_GREETING) {
        greet_later(c);
    } else if (c->state == HTTP_STREAMING) {
        read_nothing(c);
    } else if (reads(c->state)) {
        read_some(c);
    } else if (c->state == HTTP_WRITING) {
        event_del(c->readable);
        write_some(c);
    }
}

void http_conn_go_on_greeting(struct http_conn *c) {
    int rc = http_conn_greet(c);

    list_remove(&c->asked);
    if (rc < 0) {
        http_conn_free(c);
    } else if (rc > 0) {
        enter(c, HTTP_READING);
    } else {
        event_add(http_conn_gives_by_reading(c) ? c->readable : c->writable, NULL);
    }
}

/* ---------------------------------------------------------------- writing */

/* Unread input would make the kernel reset the connection, and the peer might lose the answer. */
static void end_softly(struct http_conn *c) {
    char thrown_away[4096];

    http_conn_part(c);
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
    ssize_t n = http_conn_give(c, c->out.p + c->sent, c->out.n - c->sent);

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
        event_add(n < 0 && http_conn_gives_by_reading(c) ? c->readable : c->writable, NULL);
}

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    struct http_conn *c = arg;

    (void)fd;
    (void)what;
    if (c->state == HTTP_GREETING)
        greet_later(c);
    else
        write_some(c);
}

void http_conn_send(struct http_conn *c) {
    enter(c, HTTP_WRITING);
    c->closing |= !c->request.keep_alive;
    set_deadline(c, HTTP_WRITE_S);
    event_add(c->writable, NULL); /* not now: the caller may still use the connection */
}

void http_conn_wait(struct http_conn *c) {
    enter(c, HTTP_WAITING);
    set_deadline(c, HTTP_COMMAND_S);
}

void http_conn_ask_again(struct http_conn *c) {
    enter(c, HTTP_ASKED);
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

void http_conn_new(struct http *h, int fd) {
    struct http_conn *c = mem_calloc(sizeof *c);
    const struct timeval second = {1, 0};
    struct tls *tls = h->v->http_tls ? h->app.tls(h->app.arg) : NULL;

    c->h = h;
    c->fd = fd;
    c->is_local = http_came_by_loopback(fd);
    c->state = h->v->http_tls ? HTTP_GREETING : HTTP_READING;
    if (tls) c->tls = tls_accept(tls, fd, CONF_TLS_AUTH_NO);
    c->readable = event_new(h->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(h->base, fd, EV_WRITE, on_writable, c);
    list_init(&c->asked);
    list_append(&h->conns, &c->link);
    event_add(c->readable, NULL);
    set_deadline(c, HTTP_REQUEST_S);
    if (h->nconns++ == 0) event_add(h->tick, &second);
    if (h->v->http_tls && !c->tls) http_conn_free(c); /* no settings, or no memory */
}

bool http_conn_make_room(struct http *h) {
    list_each (it, &h->conns) {
        struct http_conn *c = list_entry(it, struct http_conn, link);

        if (!awaits_request(c)) continue;
        http_conn_free(c);
        return true;
    }
    return false;
}

/* What WAITING waits for is looked at between commands: see admin_run. */
void http_conn_sweep(struct http *h) {
    uint64_t now = clock_real_ns();

    list_each_safe (it, next, &h->conns) {
        struct http_conn *c = list_entry(it, struct http_conn, link);
        bool may_end = c->state != HTTP_ASKED && c->state != HTTP_WAITING &&
                       (c->state != HTTP_STREAMING || c->out.n);

        if (may_end && now > c->deadline_ns) http_conn_free(c);
    }
}
