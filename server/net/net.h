/* SPDX-License-Identifier: BSD-3-Clause
 *
 * net - listening sockets and client connections over TCP and unix sockets.
 *
 * Reads go into one shared buffer; a connection owns input only while a command is incomplete, and
 * output only while some waits. So an idle connection costs its struct and nothing else. Output is
 * written once a turn, in net_flush(), after the log was handed over: what a closed gate holds back
 * stays until the log makes progress. Main thread only.
 *
 * A script that takes long lets the others have a word: net_serve_within(), from inside the command
 * of one connection. That one is left alone meanwhile.
 */
#ifndef STET_NET_NET_H
#define STET_NET_NET_H

#include "server/exec/engine.h"
#include "server/net/loop.h"

enum {
    NET_LISTENERS_MAX = 2 * CONF_BIND_MAX + 2,
    NET_READ_BYTES = 64 * 1024, /* of the shared buffer */
};

struct net {
    struct loop *loop;
    struct engine *e;
    const struct conf_values *v;
    struct {
        int fd;
        struct event *event;
        bool is_unix;
        char name[80]; /* for INFO: "name=tcp,bind=127.0.0.1,port=6379" */
    } listener[NET_LISTENERS_MAX];
    size_t nlisteners;
    int port;                 /* what TCP is bound to, 0: none */
    int64_t maxclients;       /* what the configuration and the limit of open files allow */
    int spare_fd;             /* given up for a moment to turn somebody away when files run out */
    char *rbuf, *rbuf_within; /* the second while the first is in use: net_serve_within */
    bool within;
    struct list readable; /* have input to read */
    struct list to_flush; /* have output to look at */
    struct list gated;    /* what they have waits for the log */
    struct list released; /* were gated when the log last moved; not looked at since */
    struct list dead;     /* closed; freed at the end of the turn */
    uint64_t seen_written, seen_synced; /* the log's positions when `gated` was last looked at */
    uint64_t clients_bytes; /* what connections hold; counted while maxmemory-clients is set */
    int64_t clients_limit;  /* maxmemory-clients as it was when the count began */
    struct session *cron_at;
    uint64_t max_in, max_out; /* largest seen recently, for INFO clients */
    char unix_path[108];
};

void net_init(struct net *n, struct loop *loop, struct engine *e);

/* Opens what `bind`, `port` and `unixsocket` ask for. */
int net_listen(struct net *n, struct err *e);

/* CONFIG SET port / bind: opens the new ones first, then closes the old. */
int net_relisten(struct net *n, struct err *e);
void net_stop_listening(struct net *n);

/* Every turn, after the wait: reads what has come and executes it. */
void net_serve(struct net *n);

/* The same, and net_flush, while a command is being executed. */
void net_serve_within(struct net *n);

/* Every turn, last: writes what may leave. */
void net_flush(struct net *n);

/* Ten times a second: idle clients, buffers that have grown too large for too long. */
void net_cron(struct net *n);

/* Tries for at most deadline_ms to send what is left, then closes everything. */
void net_close_all(struct net *n, int deadline_ms);

void net_release(struct net *n);

/* conn.c */
void net_accept(struct net *n, int fd, bool is_unix);

#endif
