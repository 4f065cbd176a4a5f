/* SPDX-License-Identifier: BSD-3-Clause
 *
 * net - listening sockets and client connections over TCP, unix sockets and TLS.
 *
 * Reads go into one shared buffer, or into those of a backend (README.md, "Backends"); a connection
 * owns input only while a command is incomplete, and output only while some waits. So an idle
 * connection costs its struct and nothing else. Output is written once a turn, in net_flush(),
 * after the AOF was handed over: what a closed gate holds back stays until the AOF makes progress.
 * Main thread only.
 *
 * A script that takes long lets the others have a word: net_serve_within(), from inside the command
 * of one connection. That one is left alone meanwhile.
 *
 * A connection begins as a session of the first engine, `e`. The process may have more of them, to
 * which sessions move (engine_each).
 */
#ifndef STET_NET_NET_H
#define STET_NET_NET_H

#include "conf/conf.h"
#include "server/exec/engine.h"
#include "server/net/group.h"
#include "server/net/loop.h"

/* In the order of INFO's listener lines. */
enum net_kind { NET_TCP, NET_UNIX, NET_TLS };

enum { NET_READ_BYTES = 64 * 1024 }; /* of the shared buffer */

struct async_backend;
struct session;
struct session_source;

struct net {
    struct loop *loop;
    struct engine *e;
    const struct conf_values *v;
    struct net_listener {
        int fd;
        struct event *event;
        uint8_t kind; /* enum net_kind */
        uint8_t node;
    } * listener;
    size_t nlisteners, listeners_cap;
    int port, tls_port; /* what TCP and TLS are bound to, 0: none */
    unsigned nnodes;    /* of an emulated cluster, each with its own ports; else 1 */
    struct net_node {
        int port, tls_port; /* the first node's are those above */
        bool deaf;          /* it does not listen */
    } nodes[CONF_CLUSTER_NODES_MAX];
    struct tls *tls;             /* NULL: never asked for */
    struct async_backend *async; /* NULL: the loop itself reads and writes */
    uint64_t tls_checked_us;     /* when tls-auto-reload-interval last had its files looked at */
    bool told_no_mptcp;          /* the log says that this system has no Multipath TCP */
    int64_t maxclients;          /* what the configuration and the limit of open files allow */
    int spare_fd;             /* closed for a moment to refuse a client when descriptors run out */
    char *rbuf, *rbuf_within; /* the second while the first is in use: net_serve_within */
    struct engine *inside;    /* the engine whose command lets others be served; NULL: none */
    struct list readable;     /* have input to read */
    struct list patient;      /* clients that waited for the AOF last time */
    int64_t served_ms;        /* when a client was served last that did not wait for the AOF */
    struct list read_on; /* have some that the descriptor does not tell of: for the next turn */
    struct list handshaking, greeting; /* in order of arrival; those of them that can go on, and
                                        * those that are connected now */
    struct list to_flush;              /* have output to look at */
    struct list gated;                 /* with output that waits for the AOF */
    struct list released;              /* were gated when the AOF last moved; not looked at since */
    struct list dead;                  /* closed; freed at the end of the turn */
    uint64_t seen_written, seen_synced,
        seen_acked;         /* the AOF's positions when `gated` was last looked at */
    struct group group;     /* those that write under `always` */
    uint64_t clients_bytes; /* what connections hold; counted while maxmemory-clients is set */
    int64_t clients_limit;  /* maxmemory-clients as it was when the count began */
    struct session *cron_at;
    bool still;               /* no client is served: TEST CRASH is about to be carried out */
    uint64_t max_in, max_out; /* largest seen recently, for INFO clients */
    char unix_path[108];
    /* Asked for each client that has connected; false: it is refused. NULL: all may stay. */
    bool (*may_stay)(void *arg, struct session *s);
    void *may_stay_arg;
};

void net_init(struct net *n, struct loop *loop, struct engine *e);

/* Opens what `bind`, `port`, `tls-port` and `unixsocket` ask for. `inherited` ("KIND:FD:NODE
 * KIND:FD:NODE", NULL: nothing): sockets that listen already take their place. */
int net_listen(struct net *n, const char *inherited, struct err *e);

/* Chooses the backend that `io-threads` and `io-backend` ask for. If this system does not have it,
 * the loop reads and writes itself; that is logged if it was asked for by name. To be called before
 * the first client comes. */
void net_choose_backend(struct net *n);
const char *net_backend(const struct net *n); /* "epoll", "io_uring", "threads" */

/* Some connection of the engine has input that no command was made of yet. */
bool net_has_input(const struct net *n, const struct engine *e);

/* CONFIG SET port, tls-port, bind: the listeners of these kinds (1u << NET_TCP...; not NET_UNIX) as
 * the configuration is now. -1: logged, and all are where they were. */
int net_relisten(struct net *n, unsigned kinds, struct err *e);
void net_stop_listening(struct net *n);

/* Accepts no client for a tenth of a second; those that come wait in the kernel. */
void net_rest(struct net *n);

/* A node of an emulated cluster stops listening, or listens again where it did. */
int net_listen_node(struct net *n, unsigned node, bool on, struct err *e);

/* What the tls- parameters say holds for connections from now on; files are read if there are no
 * settings yet, or `again`. While TLS is not asked for there are none. -1: logged, and everything
 * is as it was. */
int net_configure_tls(struct net *n, bool again);

/* Every turn, before the batch is handed over to the AOF: whether it stays open for others. */
bool net_keeps_open(struct net *n);

/* Every turn, after the wait: reads what has come and executes it. */
void net_serve(struct net *n);

/* The same, and net_flush, while a command of this engine is being executed. Clients of other
 * engines are served when it is over. */
void net_serve_within(struct net *n, struct engine *inside);

/* Every turn, last: writes what may leave. */
void net_flush(struct net *n);

/* Ten times a second: idle clients, buffers that have grown too large for too long. */
void net_cron(struct net *n);

/* A socket for TCP, or for Multipath TCP if that is wanted and this system has it. -1: errno. */
int net_socket(struct net *n, int family, bool multipath);

/* The lines of INFO tls. */
void net_describe_tls(const struct net *n, struct bytes *out);

/* Of all engines. */
size_t net_sessions(const struct net *n);

/* A session is about to leave its engine's list. */
void net_session_moves(struct net *n, const struct session *s);

/* What a backend is asked to send is sent, or a moment has passed. */
void net_drain(struct net *n);

/* Tries for at most deadline_ms to send what is left, then closes everything. */
void net_close_all(struct net *n, int deadline_ms);

void net_release(struct net *n);

/* Begins a TCP connection to a numeric address, over TLS if tls-replication says so. The session
 * has SESSION_MASTER; `source` is told what becomes of it. NULL: it failed at once. */
struct session *net_connect(struct net *n, const char *ip, int port,
                            const struct session_source *source, void *source_arg, struct err *e);

/* conn_accept.c */
void net_accept(struct net *n, int fd, enum net_kind kind, unsigned node);

#endif
