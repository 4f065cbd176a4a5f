/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/conn.h"

#include "conf/conf.h"
#include "server/exec/dispatch.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READ_LARGE_MAX = 1024 * 1024, /* at once, where a large argument is known to come */
    FLUSH_EACH = 64,              /* clients */
    DRAIN_MS = 100,               /* a backend has for the last replies, and for the last ends */
};

static const unsigned next_states[CONN_STATES] = {
    [CONN_IDLE] =
        1u << CONN_CONNECTING | 1u << CONN_HANDSHAKE | 1u << CONN_TO_FLUSH | 1u << CONN_DEAD,
    [CONN_CONNECTING] = 1u << CONN_IDLE | 1u << CONN_HANDSHAKE | 1u << CONN_DEAD,
    [CONN_HANDSHAKE] = 1u << CONN_IDLE | 1u << CONN_DEAD,
    [CONN_TO_FLUSH] =
        1u << CONN_IDLE | 1u << CONN_GATED | 1u << CONN_WRITE_BLOCKED | 1u << CONN_DEAD,
    [CONN_GATED] =
        1u << CONN_IDLE | 1u << CONN_TO_FLUSH | 1u << CONN_WRITE_BLOCKED | 1u << CONN_DEAD,
    [CONN_WRITE_BLOCKED] = 1u << CONN_IDLE | 1u << CONN_TO_FLUSH | 1u << CONN_DEAD,
    [CONN_DEAD] = 0,
};

static struct list *list_of(struct net *n, enum conn_state state) {
    switch (state) {
    case CONN_HANDSHAKE: return &n->handshaking;
    case CONN_TO_FLUSH: return &n->to_flush;
    case CONN_GATED: return &n->gated;
    case CONN_DEAD: return &n->dead;
    default: return NULL;
    }
}

void conn_enter(struct conn *c, enum conn_state to) {
    struct list *list = list_of(c->n, to);

    if (c->state == to || c->state == CONN_DEAD) return;
    CHECK(next_states[c->state] & (1u << to));
    list_remove(&c->link);
    c->n->group.gated += (to == CONN_GATED) - (c->state == CONN_GATED);
    c->state = (uint8_t)to;
    if (list) list_append(list, &c->link);
}

static void close_descriptor(struct conn *c) {
    if (c->async) {
        conn_async_end(c);
    } else {
        event_del(&c->read_event);
        if (c->write_event) event_free(c->write_event);
        c->write_event = NULL;
        if (c->tls) tls_close(c->tls);
        c->tls = NULL;
        close(c->fd);
    }
    c->fd = -1;
}

void conn_end(struct conn *c, const char *why) {
    const struct session_source *source = c->s.source;

    if (c->fd < 0) return;
    close_descriptor(c);
    list_remove(&c->ready);
    c->reading = false; /* so that it comes into no list of those to serve any more */
    c->n->clients_bytes -= c->counted;
    c->counted = 0;
    if (c->s.state != SESSION_CLOSING) session_enter(&c->s, SESSION_CLOSING);
    session_is_gone(&c->s);
    conn_enter(c, CONN_DEAD);
    if (source && source->closed) source->closed(&c->s, why);
}

void conn_shut(struct conn *c) {
    conn_end(c, NULL);
}

void conn_stop_reading(struct conn *c) {
    if (c->reading && !c->async) event_del(&c->read_event);
    list_remove(&c->ready);
    c->reading = false;
}

void conn_start_reading(struct conn *c) {
    bool was = c->reading;

    if (c->fd < 0) return;
    c->reading = true;
    if (c->async) {
        conn_async_read_on(c);
        return;
    }
    if (!was) event_add(&c->read_event, NULL);
    if (c->tls) conn_read_on(c);
}

void conn_note_readable(struct conn *c) {
    struct net *n = c->n;

    if (!c->reading || !list_empty(&c->ready)) return;
    if (c->state == CONN_HANDSHAKE)
        list_append(&n->greeting, &c->ready);
    else
        list_append(c->patient ? &n->patient : &n->readable, &c->ready);
}

/* The descriptor does not report bytes that OpenSSL has already read. They are read in the next
 * turn, so that other clients are served first. */
void conn_read_on(struct conn *c) {
    if (!c->tls->more || !c->reading || !list_empty(&c->ready)) return;
    list_append(&c->n->read_on, &c->ready);
    loop_hurry(c->n->loop);
}

static void go_on_next_turn(struct conn *c) {
    if (!c->reading || !list_empty(&c->ready)) return;
    list_append(&c->n->read_on, &c->ready);
    loop_hurry(c->n->loop);
}

/* ---------------------------------------------------------------- what sessions ask for */

/* What was held back is let go, or was taken back. */
static bool may_leave(struct session *s) {
    return session_sendable(s) > 0 || out_pending(&s->out) == 0;
}

static void wake(struct session *s) {
    struct conn *c = conn_of(s);

    conn_enforce_output_limit(c);
    if (c->fd >= 0) conn_count_memory(c);
    if (c->state == CONN_IDLE || (c->state == CONN_GATED && may_leave(s)))
        conn_enter(c, CONN_TO_FLUSH);
    if (c->state == CONN_WRITE_BLOCKED && c->async) async_follow(c->n->async, c->async);
}

static void close_session(struct session *s, bool after_reply) {
    struct conn *c = conn_of(s);

    if (!after_reply || c->state == CONN_HANDSHAKE || c->state == CONN_CONNECTING) {
        conn_shut(c);
        return;
    }
    if (s->state != SESSION_CLOSING) session_enter(s, SESSION_CLOSING);
    conn_stop_reading(c);
    wake(s);
}

static void resume(struct session *s) {
    struct conn *c = conn_of(s);

    conn_start_reading(c);
    if (!c->feeding) conn_feed_kept(c); /* otherwise it goes on by itself */
}

void conn_address(const struct conn *c, bool peer, char *out, size_t size) {
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    char ip[INET6_ADDRSTRLEN];
    int rc = peer ? getpeername(c->fd, (struct sockaddr *)&ss, &n)
                  : getsockname(c->fd, (struct sockaddr *)&ss, &n);

    snprintf(out, size, "?:0");
    if (c->fd < 0 || rc < 0) return;
    if (ss.ss_family == AF_INET) {
        const struct sockaddr_in *a = (struct sockaddr_in *)&ss;

        inet_ntop(AF_INET, &a->sin_addr, ip, sizeof ip);
        snprintf(out, size, "%s:%d", ip, ntohs(a->sin_port));
    } else if (ss.ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (struct sockaddr_in6 *)&ss;

        inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof ip);
        snprintf(out, size, "[%s]:%d", ip, ntohs(a->sin6_port));
    } else {
        snprintf(out, size, "%.50s:0", c->n->unix_path);
    }
}

static void describe(const struct session *s, struct session_wire *out) {
    const struct conn *c = (const struct conn *)s;

    *out = (struct session_wire){.fd = c->fd, .query_bytes = c->in.n, .query_cap = c->in.cap};
    out->query_free = c->in.cap - c->in.n;
    out->events = c->state == CONN_WRITE_BLOCKED ? "rw" : "r";
    conn_address(c, true, out->addr, sizeof out->addr);
    conn_address(c, false, out->laddr, sizeof out->laddr);
}

static void join_packets(struct session *s) {
    int off = 0;

    setsockopt(conn_of(s)->fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off);
}

static void reset(struct session *s) {
    struct linger none = {.l_onoff = 1, .l_linger = 0};

    setsockopt(conn_of(s)->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    conn_shut(conn_of(s));
}

static const struct session_ops conn_ops = {.wake = wake,
                                            .resume = resume,
                                            .close = close_session,
                                            .reset = reset,
                                            .describe = describe,
                                            .join_packets = join_packets};

bool conn_is(const struct session *s) {
    return s->ops == &conn_ops;
}

/* ---------------------------------------------------------------- reading */

/* Nothing is read for it meanwhile. (Of a blocked client input is read, so that its end is noticed;
 * a source says by BLOCKED that it has no room.) */
static bool waits_unread(const struct session *s) {
    return s->state == SESSION_PARKED || (s->source && s->state == SESSION_BLOCKED);
}

static void after_feed(struct conn *c) {
    if (c->fd < 0) return;
    conn_count_memory(c);
    group_serves(&c->n->group, c->s.ngates > 0);
    if (out_pending(&c->s.out) > 0) wake(&c->s);
    if (waits_unread(&c->s)) conn_stop_reading(c);
    if (c->in.n > c->n->max_in) c->n->max_in = c->in.n;
    if (c->in.n > c->n->v->client_query_buffer_limit && !conn_is_link(c)) {
        c->s.e->stats.query_limit_closes++;
        log_warning("Closing client that reached max query buffer length: id=%llu, %zu bytes",
                    (unsigned long long)c->s.id, c->in.n);
        conn_shut(c);
    }
    /* Of what a backend has read no descriptor reminds anybody. */
    if (conn_is_held_up(c) || c->arrival == ARRIVAL_HERE)
        go_on_next_turn(c);
    else if (c->async)
        conn_async_read_on(c);
    if (c->tls) conn_read_on(c);
}

static size_t feed(struct conn *c, char *in, size_t n) {
    size_t used;

    c->feeding = true;
    used = c->s.source ? c->s.source->input(&c->s, in, n, &c->need)
                       : engine_feed(c->s.e, &c->s, in, n, &c->need);
    c->feeding = false;
    return used;
}

void conn_feed_kept(struct conn *c) {
    struct session_large large = {0};
    size_t used;

    if (c->fd < 0 || c->in.n == 0) return;
    if (c->s.state != SESSION_ACTIVE || c->in.n < c->need) {
        after_feed(c);
        return;
    }
    if (conn_in_lend(c, &large)) c->s.large = &large;
    used = feed(c, c->in.p, c->in.n);
    c->s.large = NULL;
    conn_in_used(c, used, &large);
    after_feed(c);
}

void conn_feed_fresh(struct conn *c, char *from, size_t n) {
    size_t used = feed(c, from, n);

    if (used < n && c->fd >= 0) {
        size_t want = c->need > n - used && c->need < READ_LARGE_MAX ? c->need : n - used;

        memcpy(conn_in_room(c, want), from + used, n - used);
        c->in.n = n - used;
    }
    after_feed(c);
}

/* How much to ask for when input is kept: all of a large argument that is known to come. */
size_t conn_room_to_read(const struct conn *c) {
    size_t missing = c->need > c->in.n ? c->need - c->in.n : 0, most = NET_READ_BYTES / 4;

    if (missing > READ_LARGE_MAX) return READ_LARGE_MAX;
    if (missing && c->in_front) { /* the buffer grows for what is missing, not for what follows */
        size_t room = c->in.cap - c->in.n;

        if (room < most) most = room;
    }
    return missing > most ? missing : most;
}

void conn_count_read(struct conn *c, size_t n) {
    c->s.bytes_in += n;
    c->s.e->stats.net_in += n;
    if (__builtin_expect(c->s.flags & SESSION_MASTER, 0)) c->s.e->stats.repl_in += n;
}

static void read_some(struct conn *c) {
    bool kept = c->in.n > 0;
    size_t room = kept ? conn_room_to_read(c) : NET_READ_BYTES;
    char *to = kept ? conn_in_room(c, room) : c->n->rbuf;
    ssize_t got = c->tls ? tls_read(c->tls, to, room) : recv(c->fd, to, room, 0);

    c->s.e->stats.reads++;
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (c->tls && c->tls->read_waits == TLS_WAIT_WRITE) conn_await_writable(c);
            return;
        }
        /* The peer is gone; its pending output is dropped. */
        conn_end(c, got < 0 ? strerror(errno) : NULL);
        return;
    }
    conn_count_read(c, (size_t)got);
    if (!kept) {
        conn_feed_fresh(c, to, (size_t)got);
        return;
    }
    c->in.n += (size_t)got;
    conn_feed_kept(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    struct conn *c = arg;

    (void)fd;
    (void)what;
    conn_note_readable(c);
}

static void read_tls(struct conn *c) {
    bool held_up = c->state == CONN_WRITE_BLOCKED && c->tls->write_waits == TLS_WAIT_READ;

    read_some(c);
    if (held_up && c->fd >= 0) conn_enter(c, CONN_TO_FLUSH);
}

static void serve_first(struct list *ready) {
    struct conn *c = list_entry(ready->next, struct conn, ready);

    list_remove(&c->ready);
    if (c->feeding) return; /* it will be reported as readable again */
    /* What another server sends may change data; and one engine at a time is inside a command. */
    if (c->n->inside && (c->s.source || c->s.e != c->n->inside)) {
        go_on_next_turn(c);
        return;
    }
    if (conn_is_held_up(c))
        conn_feed_kept(c);
    else if (c->async)
        conn_async_serve(c);
    else if (c->tls)
        read_tls(c);
    else
        read_some(c);
}

/* Replies of thousands of clients do not wait in memory until the last one was served. */
static void serve(struct net *n, struct list *ready) {
    for (unsigned served = 1; !list_empty(ready); served++) {
        serve_first(ready);
        if (served % FLUSH_EACH == 0) conn_flush_ready(n);
    }
}

/* Clients that have had their part of an earlier turn have one slice of this turn in all: however
 * many they are, others do not wait longer. Those that were not served are first next time. */
static void serve_on(struct net *n) {
    uint64_t began_ns = clock_work_ns();
    size_t now = 0;

    n->e->turn_began_ns = 0;
    list_each (it, &n->read_on) now++;
    /* They stay in the list, so that they are served within one of them that takes long. */
    for (; now > 0 && !list_empty(&n->read_on); now--) {
        serve_first(&n->read_on);
        if (n->e->slice_ns && clock_work_ns() - began_ns >= n->e->slice_ns) break;
    }
    if (!list_empty(&n->read_on)) loop_hurry(n->loop);
}

/* Clients that are held up, or wait for the disk in any case, come last, so the others get their
 * replies earlier. */
void net_serve(struct net *n) {
    async_collect(n->async);
    if (n->still) return;
    if (!list_empty(&n->readable) || !list_empty(&n->read_on)) n->served_ms = clock_cached_ms();
    n->e->turn_began_ns = 0;
    serve(n, &n->readable);
    if (!list_empty(&n->read_on)) {
        conn_flush_ready(n);
        serve_on(n);
    }
    if (!list_empty(&n->patient)) {
        conn_flush_ready(n);
        serve(n, &n->patient);
    }
    conn_greet(n);
}

void net_serve_within(struct net *n, struct engine *inside) {
    char *outer = n->rbuf;

    if (!n->rbuf_within) n->rbuf_within = mem_alloc(NET_READ_BYTES);
    n->rbuf = n->rbuf_within;
    n->inside = inside;
    net_serve(n);
    net_flush(n);
    n->inside = NULL;
    n->rbuf = outer;
}

struct conn *conn_new(struct net *n, int fd) {
    struct conn *c = mem_alloc(sizeof *c);

    session_init(&c->s, n->e, &conn_ops);
    c->n = n;
    list_init(&c->link);
    list_init(&c->ready);
    c->feeding = c->patient = false;
    c->counted = 0;
    c->write_event = NULL;
    c->in = (struct bytes){0};
    c->in_front = 0;
    c->need = 1;
    c->tls = NULL;
    c->async = NULL;
    c->fd = fd;
    c->state = CONN_IDLE;
    c->arrival = ARRIVAL_NONE;
    c->reading = false;
    event_assign(&c->read_event, n->loop->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    return c;
}

/* ---------------------------------------------------------------- now and then */

enum { CRON_CLIENTS = 50, IN_IDLE_BYTES = 32 * 1024, MISSED_END_MS = 500 };

static void conn_cron(struct conn *c) {
    int64_t idle_ms = clock_cached_ms() - c->s.active_ms;

    if (c->fd < 0) return;
    if (c->n->v->timeout && idle_ms > c->n->v->timeout * 1000 && c->s.state == SESSION_ACTIVE &&
        !c->s.subscriber && !(c->s.flags & SESSION_MONITOR) && !conn_is_link(c)) {
        log_verbose("Closing idle client");
        conn_shut(c);
        return;
    }
    if (idle_ms > MISSED_END_MS && conn_async_missed_end(c)) {
        conn_end(c, strerror(ECONNRESET));
        return;
    }
    conn_enforce_output_limit(c);
    if (c->fd >= 0 && idle_ms > 2000 && c->in.cap > IN_IDLE_BYTES && c->in.cap > c->in.n * 4 &&
        !conn_in_is_lent(c))
        conn_in_shrink(c);
}

size_t net_sessions(const struct net *n) {
    size_t all = 0;

    engine_each (e, n->e) all += engine_clients(e);
    return all;
}

static bool holds_one_of(const struct list *ready, const struct engine *e) {
    list_each (it, ready)
        if (list_entry(it, struct conn, ready)->s.e == e) return true;
    return false;
}

bool net_has_input(const struct net *n, const struct engine *e) {
    return holds_one_of(&n->readable, e) || holds_one_of(&n->patient, e) ||
           holds_one_of(&n->read_on, e);
}

void net_session_moves(struct net *n, const struct session *s) {
    if (n->cron_at == s) n->cron_at = NULL;
}

/* Of an engine that clients have moved to; all of them at once. */
static void guest_cron(struct engine *e) {
    list_each_safe (it, next, &e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (conn_is(s)) conn_cron(conn_of(s));
    }
}

/* tls-auto-reload-interval. What cannot be read is logged, the old settings stay, and the next try
 * is after the next change. */
static void reload_tls(struct net *n) {
    uint64_t now_us = clock_mono_us(),
             interval_us = (uint64_t)n->v->tls_auto_reload_interval * 1000000;

    if (interval_us == 0 || !n->tls || !tls_is_ready(n->tls)) return;
    if (now_us - n->tls_checked_us < interval_us) return;
    n->tls_checked_us = now_us;
    if (!tls_files_changed(n->tls, n->v)) return;
    if (tls_configure(n->tls, n->v) == 0)
        log_notice("TLS: the files of certificates have changed and were read again.");
}

/* Checks a part of the clients each time, so that all are checked within about a second. */
void net_cron(struct net *n) {
    size_t share = n->e->nsessions / 10 + CRON_CLIENTS;
    struct list *head = &n->e->sessions, *it = n->cron_at ? &n->cron_at->link : head->next;

    engine_each (e, n->e)
        if (e != n->e) guest_cron(e);

    for (; share > 0 && it != head; share--) {
        struct list *next = it->next;
        struct session *s = list_entry(it, struct session, link);

        if (conn_is(s)) conn_cron(conn_of(s));
        it = next;
    }
    n->cron_at = it == head ? NULL : list_entry(it, struct session, link);
    reload_tls(n);
    conn_enforce_handshake_time(n);
}

void conn_free_dead(struct net *n) {
    list_each_safe (it, next, &n->dead) {
        struct conn *c = list_entry(it, struct conn, link);

        if (conn_is_inside(c) || c->async) continue;
        CHECK(list_empty(&c->ready));
        list_remove(&c->link);
        if (n->cron_at == &c->s) n->cron_at = NULL;
        conn_in_release(c);
        session_release(&c->s);
        mem_free(c);
    }
}

static void shut_all(struct engine *e) {
    list_each_safe (it, next, &e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (conn_is(s)) conn_shut(conn_of(s));
    }
}

static bool is_sending(const struct net *n) {
    return n->async->writes > 0 || !list_empty(&n->to_flush);
}

static bool is_ending(const struct net *n) {
    return !list_empty(&n->dead);
}

/* A backend does what it was asked for last. */
static void drain(struct net *n, bool (*goes_on)(const struct net *n)) {
    uint64_t until = clock_real_ns() + (uint64_t)DRAIN_MS * 1000000;

    if (!n->async) return;
    for (net_flush(n); goes_on(n) && clock_real_ns() < until; net_flush(n)) {
        async_collect(n->async);
        if (goes_on(n)) usleep(100);
    }
}

void net_drain(struct net *n) {
    drain(n, is_sending);
}

void net_close_all(struct net *n, int deadline_ms) {
    uint64_t until = clock_real_ns() / 1000000 + (uint64_t)deadline_ms;

    net_flush(n);
    while ((!list_empty(&n->to_flush) || !list_empty(&n->gated) || !list_empty(&n->released)) &&
           clock_real_ns() / 1000000 < until) {
        usleep(500);
        async_collect(n->async);
        n->seen_written = UINT64_MAX;
        net_flush(n);
    }
    net_drain(n);
    engine_each (e, n->e) shut_all(e);
    conn_free_dead(n);
    drain(n, is_ending);
}
