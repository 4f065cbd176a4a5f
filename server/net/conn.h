/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn - one client connection, shared by the files conn*.c. No other file includes it.
 *
 *   conn.c        its life: reading, feeding the engine, closing
 *   conn_in.c     the input that it keeps
 *   conn_async.c  reading, writing and ending it by a backend: see async.h
 *   conn_accept.c its beginning: accepting or refusing it, the handshake of TLS
 *   conn_write.c  what may leave, and when
 *   conn_limit.c  how much it may hold: output limits, maxmemory-clients
 *   conn_out.c    connections that this server begins: to its master
 */
#ifndef STET_NET_CONN_H
#define STET_NET_CONN_H

#include "server/exec/session.h"
#include "server/net/async.h"
#include "server/net/net.h"
#include "server/tls/tls.h"

#include <event2/event_struct.h>

/* What a connection's output waits for. The table of moves stands in conn.c.
 *
 *   CONNECTING     this server began it, and the peer has not answered yet
 *   HANDSHAKE      of TLS; nothing is read for the session, and nothing of it is sent
 *   IDLE           nothing to send
 *   TO_FLUSH       has output that this turn of the loop looks at; in net.to_flush
 *   GATED          its output waits for the AOF; in net.gated
 *   WRITE_BLOCKED  the descriptor takes no more at the moment, or a backend is sending
 *   DEAD           the descriptor is closed; the struct goes at the end of the turn; in net.dead
 */
enum conn_state {
    CONN_IDLE,
    CONN_CONNECTING,
    CONN_HANDSHAKE,
    CONN_TO_FLUSH,
    CONN_GATED,
    CONN_WRITE_BLOCKED,
    CONN_DEAD,
    CONN_STATES
};

/* Where a read by a backend stands. */
enum conn_arrival {
    ARRIVAL_NONE, /* nothing is asked for, or it is under way */
    ARRIVAL_HERE, /* its bytes wait to be used, or the end of the connection does */
    ARRIVAL_USED, /* its bytes are being used */
};

struct conn {
    struct session s; /* first: a session is its connection */
    struct net *n;
    struct list link;  /* in the list of its state */
    struct list ready; /* in net.readable, .patient, .read_on or .greeting */
    struct event read_event;
    struct event *write_event; /* made when a write did not get through at once */
    struct bytes in;           /* input that is not used up yet: see conn_in.c */
    size_t in_front;           /* bytes before in.p in the same allocation */
    size_t need;               /* bytes of `in` before feeding again makes sense */
    size_t counted;            /* its part of net.clients_bytes */
    struct tls_conn *tls;      /* NULL: the bytes are as they are */
    struct async *async;       /* NULL: the loop itself reads and writes */
    int fd;                    /* -1: closed */
    uint8_t state;             /* enum conn_state */
    uint8_t arrival;           /* enum conn_arrival */
    bool reading;
    bool patient; /* its last reply had to wait for the AOF */
    bool feeding; /* a command of it is being executed: it must not go away, nor say anything */
};

static inline struct conn *conn_of(struct session *s) {
    return (struct conn *)s;
}

/* A command of it is being executed, which may let others be served. */
static inline bool conn_is_inside(const struct conn *c) {
    return c->feeding || c->s.flags & SESSION_TRIES_AGAIN;
}

/* True if the session is one of ours. */
bool conn_is(const struct session *s);

/* Changes the state, and with it the list it is in. A dead one stays dead: it may be closed under a
 * caller that still holds it. */
void conn_enter(struct conn *c, enum conn_state to);

/* On a descriptor, which is its own from now on. It is not read from yet. */
struct conn *conn_new(struct net *n, int fd);

/* The descriptor goes at once; the struct at the end of the turn, as callers may still hold it. The
 * session's source is told `why`; NULL: nothing failed. */
void conn_end(struct conn *c, const char *why);
void conn_shut(struct conn *c); /* the same without a reason */

/* There are commands in its input for which there was no time in this turn. */
static inline bool conn_is_held_up(const struct conn *c) {
    return c->need == 0 && c->in.n > 0;
}

void conn_stop_reading(struct conn *c);
void conn_start_reading(struct conn *c);

/* "ADDRESS:PORT" of the peer, or of this end; "?:0" if there is none. */
void conn_address(const struct conn *c, bool peer, char *out, size_t size);

/* Its descriptor has something to read, or may go on with what needed it to be writable. */
void conn_note_readable(struct conn *c);

/* What the descriptor does not tell of is read next turn; only over TLS. */
void conn_read_on(struct conn *c);

/* Gives bytes that have come to the session, and keeps what is left over: from where they were
 * read to, and from `in`. */
void conn_feed_fresh(struct conn *c, char *from, size_t n);
void conn_feed_kept(struct conn *c);
size_t conn_room_to_read(const struct conn *c);

/* Statistics of one read and one write. */
void conn_count_read(struct conn *c, size_t n);
void conn_count_sent(struct conn *c, size_t n);

/* At the end of a turn: the structs of those that are dead. */
void conn_free_dead(struct net *n);

/* ---------------------------------------------------------------- conn_in.c */

/* Room for so many more bytes of input; where they are to be written. */
char *conn_in_room(struct conn *c, size_t more);

/* Only as large as what it holds, or nothing at all. */
void conn_in_shrink(struct conn *c);
void conn_in_release(struct conn *c);

/* Its buffer, for a command to take over; false: it has none of that kind. */
bool conn_in_lend(const struct conn *c, struct session_large *large);

/* The first bytes are used up; `large` is what was lent before. */
void conn_in_used(struct conn *c, size_t used, const struct session_large *large);

/* ---------------------------------------------------------------- conn_async.c */

/* From now on a backend reads and writes, if there is one for this kind of connection. */
void conn_go_async(struct conn *c);

/* Closes the descriptor, now or when the command that is being executed is over. */
void conn_async_end(struct conn *c);

/* It is read from again: what has come is used, or a read is asked for. */
void conn_async_read_on(struct conn *c);

/* Uses what has come. */
void conn_async_serve(struct conn *c);

/* A read is asked for and the peer is gone, but the backend does not know: see async.h. */
bool conn_async_missed_end(const struct conn *c);

/* Asks for up to `limit` bytes of output to be sent; it is WRITE_BLOCKED until they are. */
void conn_async_send(struct conn *c, size_t limit);

/* A backend may write to its input buffer at any moment. */
bool conn_in_is_lent(const struct conn *c);

/* What backends tell. */
void conn_async_done(struct async *a, enum async_what what);

/* ---------------------------------------------------------------- conn_accept.c */

/* Handshakes that can go on do so, a few a turn: each costs about a millisecond. */
void conn_greet(struct net *n);

void conn_begin_handshake(struct conn *c, struct tls_conn *tls);

/* Options of a TCP socket that clients and this server's own connections have in common. */
void conn_tune_tcp(const struct net *n, int fd);

/* Those that take too long end. */
void conn_enforce_handshake_time(struct net *n);

/* ---------------------------------------------------------------- conn_write.c */

/* Looks at each session with new output: sends what may leave, the rest waits for its gate. */
void conn_flush_ready(struct net *n);

/* Asks to be told once the descriptor is writable. */
void conn_await_writable(struct conn *c);

/* ---------------------------------------------------------------- conn_out.c */

/* A CONNECTING one is writable: it is connected, or has failed. */
void conn_connected(struct conn *c);

/* It is open: the session's source is told. */
void conn_opened(struct conn *c);

/* The other end is a master, or a replica: the rules for clients do not apply. */
static inline bool conn_is_link(const struct conn *c) {
    return c->s.flags & (SESSION_MASTER | SESSION_REPLICA);
}

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
