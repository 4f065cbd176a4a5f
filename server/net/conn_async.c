/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_async - a connection that a backend reads, writes and ends: see async.h.
 *
 * Reading: one read is asked for at a time, the next one when its bytes are used up. While the
 * connection is not read from, what has come waits where the backend has put it. Where a command
 * has come in part, the next bytes go to the connection's own buffer directly.
 *
 * Writing: what may leave is handed to the backend where it stands in `out`, and is consumed when
 * it was sent. Until then the connection is WRITE_BLOCKED, as if its descriptor took no more.
 */
#include "server/net/conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum { LEND_MIN = 16 * 1024 };

/* It is to be tried again. */
static bool is_passing(int code) {
    return code == EINTR || code == EAGAIN;
}

/* ---------------------------------------------------------------- reading */

/* Nothing but the next bytes can move what is kept: no command is complete, and none waits. */
static bool lends_input(const struct conn *c) {
    return c->in.n > 0 && c->in.n < c->need && c->s.state == SESSION_ACTIVE;
}

/* At most as much as has come already, as the client may never send the rest. */
static size_t room_to_lend(const struct conn *c) {
    size_t room = conn_room_to_read(c), most = c->in.n > LEND_MIN ? c->in.n : LEND_MIN;

    return room < most ? room : most;
}

static void ask_read(struct conn *c) {
    struct async *a = c->async;

    a->room = lends_input(c) ? room_to_lend(c) : 0;
    a->place = a->room ? conn_in_room(c, a->room) : NULL;
    async_ask(c->n->async, a, ASYNC_READ);
}

bool conn_in_is_lent(const struct conn *c) {
    return c->async && c->async->room && async_is_asked(c->async, ASYNC_READ);
}

/* While commands of it wait for their turn nothing more is read. */
void conn_async_read_on(struct conn *c) {
    if (!c->reading || c->fd < 0) return;
    if (c->arrival == ARRIVAL_HERE)
        conn_note_readable(c);
    else if (c->arrival == ARRIVAL_NONE && !conn_is_held_up(c) &&
             !async_is_asked(c->async, ASYNC_READ))
        ask_read(c);
}

static void keep(struct conn *c, const char *from, size_t n) {
    memcpy(conn_in_room(c, n), from, n);
    c->in.n += n;
}

static void give_back(struct conn *c, char *data) {
    c->n->async->give_back(c->n->async, c->async, data);
}

/* The bytes are in a buffer of the backend's. */
static void use_buffer(struct conn *c, char *data, size_t n) {
    if (c->in.n == 0) {
        conn_feed_fresh(c, data, n);
        give_back(c, data);
        return;
    }
    keep(c, data, n);
    give_back(c, data);
    conn_feed_kept(c);
}

static void use(struct conn *c, size_t n) {
    if (c->async->room) {
        c->in.n += n;
        conn_feed_kept(c);
    } else {
        use_buffer(c, c->async->data, n);
    }
}

void conn_async_serve(struct conn *c) {
    int got = c->async->got;

    if (c->arrival != ARRIVAL_HERE) return;
    c->s.e->stats.reads++;
    c->arrival = ARRIVAL_USED;
    if (got > 0) {
        conn_count_read(c, (size_t)got);
        use(c, (size_t)got);
    } else if (!is_passing(-got)) { /* the peer is gone; its pending output is dropped */
        conn_end(c, got < 0 ? strerror(-got) : NULL);
    }
    c->arrival = ARRIVAL_NONE;
    if (c->fd < 0)
        conn_async_end(c);
    else
        conn_async_read_on(c);
}

/* It was asked for before the connection stopped reading. The buffers are for all, so it does not
 * keep one for as long as it waits. */
static void absorb(struct conn *c) {
    size_t n = (size_t)c->async->got;

    c->arrival = ARRIVAL_NONE;
    conn_count_read(c, n);
    if (c->async->room) {
        c->in.n += n;
        return;
    }
    if (c->s.state != SESSION_CLOSING) keep(c, c->async->data, n);
    give_back(c, c->async->data);
}

static void read_done(struct conn *c) {
    c->arrival = ARRIVAL_HERE;
    if (!c->reading && c->async->got > 0)
        absorb(c);
    else
        conn_note_readable(c);
}

bool conn_async_missed_end(const struct conn *c) {
    struct pollfd p = {.fd = c->fd};

    if (!c->async || !c->n->async->misses_resets || !async_is_asked(c->async, ASYNC_READ))
        return false;
    return poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP);
}

/* ---------------------------------------------------------------- writing */

void conn_async_send(struct conn *c, size_t limit) {
    struct async *a = c->async;
    struct async_write *w = async_begin_write(c->n->async, a);

    w->n = (uint32_t)out_peek(&c->s.out, w->iov, ASYNC_IOV, limit);
    if (async_write_bytes(a) < out_pending(&c->s.out) || c->s.state == SESSION_CLOSING)
        async_follow(c->n->async, a);
    async_ask(c->n->async, a, ASYNC_WRITE);
    c->s.e->stats.writes++;
    conn_enter(c, CONN_WRITE_BLOCKED);
}

static void write_done(struct conn *c) {
    int sent = c->async->sent;

    if (is_passing(-sent)) sent = 0;
    if (sent < 0) {
        conn_end(c, strerror(-sent));
        return;
    }
    out_consume(&c->s.out, (size_t)sent);
    conn_count_sent(c, (size_t)sent);
    conn_count_memory(c);
    if (out_pending(&c->s.out) == 0 && c->s.state != SESSION_CLOSING)
        conn_enter(c, CONN_IDLE);
    else
        conn_enter(c, CONN_TO_FLUSH);
}

/* ---------------------------------------------------------------- beginning and end */

void conn_go_async(struct conn *c) {
    if (!c->n->async || (c->tls && !c->n->async->takes_tls)) return;
    if (c->reading) event_del(&c->read_event);
    if (c->write_event) event_free(c->write_event);
    c->write_event = NULL;
    c->async = async_new(c->n->async, c->fd, c);
    c->async->tls = c->tls;
    c->tls = NULL;
    if (c->reading) conn_async_read_on(c);
}

/* While its bytes are used, their buffer has to be given back first. */
void conn_async_end(struct conn *c) {
    if (c->arrival == ARRIVAL_USED) return;
    if (c->arrival == ARRIVAL_HERE && c->async->got > 0 && !c->async->room)
        give_back(c, c->async->data);
    c->arrival = ARRIVAL_NONE;
    async_ask(c->n->async, c->async, ASYNC_END);
}

static void end_done(struct conn *c) {
    async_free(c->async);
    c->async = NULL;
}

void conn_async_done(struct async *a, enum async_what what) {
    static void (*const by_what[ASYNC_WHATS])(struct conn *) = {
        [ASYNC_READ] = read_done, [ASYNC_WRITE] = write_done, [ASYNC_END] = end_done};

    by_what[what](a->owner);
}
