/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn_write - what may leave, and when: once a turn, up to the first closed gate.
 */
#include "server/net/conn.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    IOV_MAX_USED = 64,
    RELEASED = 12, /* clients that a sync released, served in one turn */
    RELEASED_IN_HASTE = 4,
    RELEASED_WRITTEN = 64, /* the same for clients that waited for a write only */
    HASTE_MS = 100,
    WRITE_MAX = 1024 * 1024, /* per connection and turn, so that other clients are served */
};

static void on_writable(evutil_socket_t fd, short what, void *arg) {
    struct conn *c = arg;

    (void)fd;
    (void)what;
    event_free(c->write_event);
    c->write_event = NULL;
    if (c->state == CONN_WRITE_BLOCKED) conn_enter(c, CONN_TO_FLUSH);
    if (c->state == CONN_CONNECTING) list_append(&c->n->greeting, &c->ready);
    if (c->tls && c->tls->read_waits == TLS_WAIT_WRITE) conn_note_readable(c);
}

void conn_await_writable(struct conn *c) {
    if (c->write_event) return;
    c->write_event = event_new(c->n->loop->base, c->fd, EV_WRITE, on_writable, c);
    event_add(c->write_event, NULL);
}

static void wait_writable(struct conn *c) {
    conn_enter(c, CONN_WRITE_BLOCKED);
    conn_await_writable(c);
}

void conn_count_sent(struct conn *c, size_t n) {
    c->s.bytes_out += n;
    c->s.e->stats.net_out += n;
    if (__builtin_expect(c->s.flags & SESSION_REPLICA, 0)) c->s.e->stats.repl_out += n;
}

/* Sends up to `limit` bytes; what was sent, or -1: wait or closed. */
static ssize_t send_some(struct conn *c, size_t limit) {
    struct iovec iov[IOV_MAX_USED];
    ssize_t sent;
    int n;

    if (c->async) {
        conn_async_send(c, limit);
        return -1;
    }
    n = out_peek(&c->s.out, iov, IOV_MAX_USED, limit);
    if (c->tls)
        sent = tls_writev(c->tls, iov, n);
    else if (n == 1)
        sent = send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
    else
        sent = writev(c->fd, iov, n);
    c->s.e->stats.writes++;
    if (sent >= 0) {
        out_consume(&c->s.out, (size_t)sent);
        conn_count_sent(c, (size_t)sent);
        return sent;
    }
    if (errno == EAGAIN && c->tls && c->tls->write_waits == TLS_WAIT_READ)
        conn_enter(c, CONN_WRITE_BLOCKED); /* writing continues after the read that it waits for */
    else if (errno == EAGAIN || errno == EINTR)
        wait_writable(c);
    else
        conn_end(c, strerror(errno));
    return -1;
}

static bool waits_for_syncs(const struct net *n) {
    return aof_current_level(n->e->aof) == AOF_LEVEL_SYNCED;
}

static void note_gate_opened(struct conn *c) {
    c->patient = c->s.gated_since_us > 0 && waits_for_syncs(c->n);
    if (!c->s.gated_since_us) return;
    aof_histogram_add(&c->n->e->gate_wait, clock_real_ns() / 1000 - c->s.gated_since_us);
    c->s.gated_since_us = 0;
}

/* Within a command: its connection may hold half a reply, and its pushes to others have no gate
 * yet. */
static bool must_keep_still(const struct conn *c) {
    return c->n->inside && (conn_is_inside(c) || !list_empty(&c->s.told));
}

/* Writes what may leave, then sets the connection's state. */
static void flush_output(struct conn *c) {
    size_t budget = WRITE_MAX, may;

    if (must_keep_still(c)) {
        conn_enter(c, CONN_IDLE); /* woken at the end of feeding or notifying */
        return;
    }
    while ((may = session_sendable(&c->s)) > 0 && budget > 0) {
        note_gate_opened(c);
        size_t part = may < budget ? may : budget;
        ssize_t sent = send_some(c, part);

        if (sent < 0) {
            if (c->fd >= 0) conn_enforce_output_limit(c);
            return;
        }
        if ((size_t)sent < part && may == part) {
            wait_writable(c);
            return;
        }
        budget -= (size_t)sent;
    }
    if (may > 0) {
        conn_enter(c, CONN_TO_FLUSH); /* the rest next turn */
        return;
    }
    if (out_pending(&c->s.out) > 0) {
        if (!c->s.gated_since_us) c->s.gated_since_us = clock_real_ns() / 1000;
        c->patient = waits_for_syncs(c->n);
        conn_enter(c, CONN_GATED);
        conn_enforce_output_limit(c);
    } else if (c->s.state == SESSION_CLOSING) {
        conn_shut(c);
    } else {
        conn_enter(c, CONN_IDLE);
    }
}

static void conn_flush(struct conn *c) {
    flush_output(c);
    if (c->fd >= 0) conn_count_memory(c);
}

void conn_flush_ready(struct net *n) {
    list_each_safe (it, next, &n->to_flush) conn_flush(list_entry(it, struct conn, link));
    async_submit(n->async);
}

/* A sync opens the gates of many clients at once. A few of them are served per turn, so that a
 * client that did not wait is not served after all of them; fewer if there is such a client. */
static int released_per_turn(const struct net *n) {
    if (!waits_for_syncs(n)) return RELEASED_WRITTEN;
    return n->served_ms + HASTE_MS > clock_cached_ms() ? RELEASED_IN_HASTE : RELEASED;
}

/* The AOF has made progress: releases clients whose gates are open now. */
static void release_gated(struct net *n) {
    uint64_t written = aof_safe(n->e->aof, AOF_LEVEL_WRITTEN);
    uint64_t synced = aof_safe(n->e->aof, AOF_LEVEL_SYNCED);
    int left = released_per_turn(n);

    if (written != n->seen_written || synced != n->seen_synced ||
        n->e->gate.acked != n->seen_acked) {
        n->seen_acked = n->e->gate.acked;
        n->seen_written = written;
        n->seen_synced = synced;
        list_splice(&n->released, &n->gated);
    }
    while (!list_empty(&n->released) && left > 0) {
        struct conn *c = list_entry(n->released.next, struct conn, link);

        list_remove(&c->link);
        list_append(&n->gated, &c->link);
        if (session_sendable(&c->s) == 0) continue;
        conn_flush(c);
        n->group.progress = true;
        left--;
    }
    if (!list_empty(&n->released)) loop_hurry(n->loop);
}

void net_flush(struct net *n) {
    if (!n->inside) conn_enforce_clients_limit(n);
    conn_flush_ready(n);
    release_gated(n);
    if (!list_empty(&n->to_flush)) loop_hurry(n->loop);
    async_submit(n->async);
    conn_free_dead(n);
}

bool net_keeps_open(struct net *n) {
    enum group_advice advice = GROUP_CLOSE;

    if (aof_may_wait(n->e->aof))
        advice = group_ask(&n->group, aof_is_syncing(n->e->aof));
    else
        group_forget(&n->group);
    if (advice == GROUP_LOOK) loop_hurry(n->loop);
    return advice != GROUP_CLOSE;
}
