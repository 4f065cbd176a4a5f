/* SPDX-License-Identifier: BSD-3-Clause
 *
 * replication - this server among others: holds the parts, and what the application calls.
 *
 * The parts reach each other through struct replication, which hangs on engine.replication. Main
 * thread only, unless a function says otherwise.
 */
#ifndef STET_REPLICATION_REPLICATION_H
#define STET_REPLICATION_REPLICATION_H

#include "server/exec/engine.h"
#include "server/exec/session.h"
#include "server/replication/ack.h"
#include "server/replication/failover.h"
#include "server/replication/link.h"
#include "server/replication/replicas.h"
#include "server/replication/role.h"
#include "server/replication/stream.h"
#include "server/replication/sync.h"

/* Replacing the data set by what a file holds. */
struct replication_load {
    int fd;               /* an RDB from offset `start` on */
    uint64_t start, size; /* `size` bytes from there on */
    const char *name;     /* of the file in the AOF's directory, see aof_enable_with; NULL: none */
    bool serve_old;       /* the old data set is served meanwhile, and stays if the new one does not
                           * hold */
    int stream_db;        /* result: what the stream has selected at its beginning */
    bool taken;           /* result: the AOF has taken the file over */
    bool kept;            /* result of a failure: the data set is the old one; false: it is empty */
};

/* What the application does for replication; see server/wire.c. */
struct replication_app {
    /* Begins a connection to a numeric address; the session has SESSION_MASTER, and `source` gets
     * what comes of it. NULL and the reason if that fails at once. The caller closes it with its
     * ops. */
    struct session *(*connect)(void *arg, const char *host, int port,
                               const struct session_source *source, void *source_arg,
                               struct err *e);
    /* Replaces the data set; 0, or -1: see `kept`. */
    int (*load)(void *arg, struct replication_load *l, struct err *e);
    /* From any thread: a turn is to come soon. */
    void (*wake)(void *arg);
    /* The ports of this server, 0: none. */
    void (*ports)(void *arg, int *tcp, int *tls);
    /* In a forked child, before it writes. */
    void (*in_child)(void *arg);
    /* No other child is at work. */
    bool (*may_fork)(void *arg);
    void *arg;
};

struct replication {
    struct engine *e;
    struct replication_app app;
    struct repl_stream stream;
    struct notes safe; /* what of the stream is safe in the AOF */
    struct acks acks;
    struct replicas replicas;
    struct syncs syncs;
    struct log_readers log_readers;
    struct master_link link;
    struct failover failover;
    uint64_t cron_at_us;
};

/* There is neither a replica nor a master nor a stream: nothing has to be done in a turn. */
static inline bool replication_is_idle(const struct replication *r) {
    return !r->stream.active && r->replicas.n == 0 && r->link.state == LINK_OFF;
}

void replication_register(struct command_registry *r);

/* Before the data set is loaded. */
struct replication *replication_new(struct engine *e, const struct replication_app *app);

/* The data set that was loaded says where in which stream it stands. */
void replication_resume(struct replication *r, const char *id, uint64_t offset, int db);

/* After the data set is loaded: becomes a replica if the configuration says so. */
void replication_start(struct replication *r);
/* Before the AOF stops: no thread reads its files any more. */
void replication_stop(struct replication *r);
void replication_free(struct replication *r);

/* The stream begins with the first replica, if it has not begun yet; or ends. */
void replication_begin_stream(struct replication *r);
void replication_end_stream(struct replication *r);

/* Of a master: its data set was replaced by another one. Replicas need that as a whole: they are
 * disconnected, and the stream has another id. */
void replication_begin_anew(struct replication *r);

/* Tells the AOF where the stream is: when id or offset have changed otherwise than by bytes, and
 * when the AOF was switched on. */
void replication_tell_log(struct replication *r);

/* Every turn, before the AOF's batch is handed over: adds what the server itself says in the
 * stream. */
void replication_speak(struct replication *r);

/* Every turn, after the AOF's batch was handed over: sends to replicas what may be sent. */
void replication_before_wait(struct replication *r);

/* After the outputs were sent: there is more to be sent at once. */
bool replication_goes_on(struct replication *r);

/* Ten times a second. */
void replication_cron(struct replication *r);

/* The lines of INFO replication. */
void replication_info(struct replication *r, struct bytes *out);

#endif
