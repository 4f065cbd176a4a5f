/* SPDX-License-Identifier: BSD-3-Clause
 *
 * replicas - the replicas of this server: how far each is, and what is sent to it.
 *
 *         PSYNC, SYNC           child begins          file is sent, length known
 *   NEW ---------------> WAIT -----------------> SENDING -------------------------> ONLINE
 *    |                                              | length not known     first ACK  ^
 *    |                                              +-------> TAIL -------------------+
 *    +---- +CONTINUE -----------------------------------------------------------------+
 *
 * Bytes of the stream are put into a session's output some 256 KiB at a time, and only such as are
 * safe in the AOF; so a slow replica costs nothing but its place in the stream. Main thread only.
 */
#ifndef STET_REPLICATION_REPLICAS_H
#define STET_REPLICATION_REPLICAS_H

#include "server/exec/session.h"
#include "server/replication/log_reader.h"
#include "storage/base/list.h"
#include "storage/base/read_ahead.h"

struct replication;
struct snapshot;

enum replica_state {
    REPLICA_NEW,
    REPLICA_WAIT,
    REPLICA_SENDING,
    REPLICA_TAIL,
    REPLICA_ONLINE,
    REPLICA_STATES
};

enum replica_capa {
    REPLICA_CAPA_EOF = 1 << 0,
    REPLICA_CAPA_PSYNC2 = 1 << 1,
    REPLICA_CAPA_HISTORY = 1 << 2, /* of stet: see history.h */
};

/* What a session has said with REPLCONF, and what became of it. */
struct replica {
    struct list link; /* in replicas.all, from WAIT on */
    struct session *s;
    enum replica_state state;
    unsigned capa;
    int port;
    char peer[64];          /* the other end of the connection */
    char ip[64];            /* "": the connection's */
    char *history;          /* as history.h; NULL: it did not say */
    bool is_valkey;         /* reads what Valkey 9 writes, and no times of fields of Redis */
    bool rdb_only;          /* wants a data set and no stream (redis-cli --rdb) */
    bool functions_only;    /* rdb-filter-only "functions" */
    bool no_data;           /* rdb-filter-only "": not even functions */
    bool open_end;          /* SENDING, TAIL: the file's length was not said */
    bool has_all;           /* SENDING: the mark at the end was seen already, as an ACK has come */
    bool plain_sync;        /* asked by SYNC: no +FULLRESYNC, no ACKs */
    uint64_t next;          /* offset of the first byte that was not put into its output yet */
    uint64_t acked, synced; /* as it says: applied; in its AOF on the disk */
    bool says_synced;
    uint64_t heard_us;      /* when it said something last, monotonic */
    uint64_t over_since_us; /* over the soft limit of output; 0: it is not */
    int64_t base; /* number of the AOF's base that it was sent, until it has come to what is in
                   * memory; 0: none */
    struct snapshot *snapshot; /* WAIT: NULL or the one at work; SENDING: what is sent */
    struct read_ahead *file;   /* SENDING: reads it */
    struct log_reading log;    /* ONLINE, far back */
};

struct replicas {
    struct list all;
    size_t n;
    uint64_t emptied_us; /* since when there are none; 0: there are, or never were */
    bool getack;         /* a REPLCONF GETACK is wanted before the loop waits */
    uint64_t pinged_us;
    int64_t last_second;
};

/* Of a session: made by its first REPLCONF or PSYNC. */
struct replica *replica_of(struct session *s);
void replica_end(struct session *s); /* engine_hooks.replica_end */
void replica_enter(struct replica *p, enum replica_state to);
const char *replica_state_name(const struct replica *p);
void replica_address(const struct replica *p, char *ip, size_t size, int *port);

/* Every turn: puts what may be sent into their output. */
void replicas_feed(struct replication *r);

/* One of them has room for more output and there is more for it. */
bool replicas_are_behind(struct replication *r);

/* Once a second: pings, time-outs, limits. */
void replicas_cron(struct replication *r);

/* Closes the connections of all: they come again, and learn the new id. */
void replicas_drop_all(struct replication *r);

/* How many ONLINE ones have said that they are at `offset`, or that it is in their AOF. */
size_t replicas_at(const struct replication *r, uint64_t offset);
size_t replicas_synced(const struct replication *r, uint64_t offset);

/* Every ONLINE one has said that it has the whole stream. */
bool replicas_have_all(const struct replication *r);

/* Before a stop: the server log names those that have not. */
void replicas_log_behind(const struct replication *r);

/* Those whose last word is at most min-replicas-max-lag old; sets role.few_replicas. */
size_t replicas_count_good(struct replication *r);

#endif
