/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn - one client connection, shared by the files conn*.c; nobody else includes this.
 *
 *   conn.c        its life: accepting, reading, feeding the engine, closing
 *   conn_write.c  what may leave, and when
 *   conn_limit.c  how much it may hold: output limits, maxmemory-clients
 */
#ifndef STET_NET_CONN_H
#define STET_NET_CONN_H

#include "server/net/net.h"

#include <event2/event_struct.h>

enum where { NOWHERE, TO_FLUSH, GATED, WRITE_BLOCKED, DEAD };

struct conn {
    struct session s; /* first: a session is its connection */
    struct net *n;
    struct list link;  /* in the list that `where` names */
    struct list ready; /* in net.readable */
    struct event read_event;
    struct event *write_event; /* made when a write did not get through at once */
    struct bytes in;           /* input that is not used up yet */
    size_t need;               /* bytes of `in` before feeding again makes sense */
    size_t counted;            /* its part of net.clients_bytes */
    int fd;                    /* -1: closed */
    uint8_t where;
    bool reading;
    bool feeding; /* a command of it is being executed: it must not go away, nor say anything */
};

static inline struct conn *conn_of(struct session *s) {
    return (struct conn *)s;
}

/* True if the session is one of ours. */
bool conn_is(const struct session *s);

/* Into the list of that name; a dead one stays dead. */
void conn_move_to(struct conn *c, enum where where);

/* The descriptor goes at once; the struct at the end of the turn, as callers may still hold it. */
void conn_shut(struct conn *c);

/* At the end of a turn: the structs of those that are dead. */
void conn_free_dead(struct net *n);

/* ---------------------------------------------------------------- conn_limit.c */

/* Closes it if it holds more output than its class may. */
void conn_enforce_output_limit(struct conn *c);

/* Its memory may have changed. */
void conn_recount(struct conn *c);

static inline void conn_count_memory(struct conn *c) {
    if (__builtin_expect(c->n->clients_limit != 0, 0)) conn_recount(c);
}

/* While clients together hold too much, the one that holds most has to go. */
void conn_enforce_clients_limit(struct net *n);

#endif
