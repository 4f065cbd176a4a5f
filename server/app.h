/* SPDX-License-Identifier: BSD-3-Clause
 *
 * app - puts the parts together: configuration, log, engine, loop, network. Wiring only; nothing
 * below server/ includes this.
 */
#ifndef STET_SERVER_APP_H
#define STET_SERVER_APP_H

#include "server/admin/admin.h"
#include "server/admin/reload.h"
#include "server/cluster/cluster.h"
#include "server/contain.h"
#include "server/exec/engine.h"
#include "server/http/http.h"
#include "server/load_progress.h"
#include "server/net/loop.h"
#include "server/net/net.h"
#include "server/replication/replication.h"

enum { RUN_ID_CHARS = 40 };

struct spaces;

struct app {
    struct conf *conf;
    const struct conf_values *v;
    struct aof *aof;
    struct engine engine;
    struct loop loop;
    struct net net;
    struct http *http;
    struct replication *replication;
    struct cluster *cluster; /* NULL: cluster-enabled is `no` */
    struct loop_timer cron,
        blocked; /* `blocked`: the next time-out of a waiting client, the end of a pause */
    struct loop_timer doubled; /* of a test double: when a fault has to be looked at */
    struct spaces *spaces;     /* of a test double; NULL: it is none */
    struct {                   /* what the engines of spaces have in common */
        struct aof *aof;       /* is off (an AOF has threads); NULL: there was no space yet */
        struct loop_timer due; /* the next time-out of a client in any of them */
        int64_t last_expire_ms;
    } guests;
    struct event *signals[4], *parent_watch;
    pid_t parent; /* at the start */
    struct admin_app admin;
    struct containment containment;
    char run_id[RUN_ID_CHARS + 1];
    char executable[4096];
    char listeners[4096]; /* lines of INFO */
    bool stopping, cron_paused;
    bool reloading; /* a command reads the AOF again */
    enum admin_reload_state reload;
    int stop_signal;        /* came and is not dealt with yet */
    uint64_t stop_until_us; /* waits for replicas before it stops; 0: it does not */
    unsigned stop_flags;
    bool told_to_wait;
    int64_t last_expire_ms;
    uint64_t last_poll_ns;           /* while loading */
    uint64_t slow_commands;          /* loaded under key-load-delay */
    struct load_progress progress;   /* of the start */
    struct rdb_stream loaded_stream; /* what the RDB that was read last says */
    int argc;
    char **argv;
};

/* Builds and starts everything; the configuration is loaded. Logs what failed and returns -1. */
int app_start(struct app *a, struct conf *conf, int argc, char **argv);

void app_run(struct app *a);

/* Ends the loop; by SHUTDOWN, SIGTERM or SIGINT. `flags` are conf's of shutdown-on-sigterm. False:
 * not possible now; the server log has the reason. */
bool app_shutdown(struct app *a, unsigned flags);

/* Every turn: stops once the replicas have everything, or the time is up. */
void app_go_on_stopping(struct app *a);

/* SHUTDOWN ABORT: false if no shutdown is waiting. */
bool app_shutdown_abort(struct app *a);

/* After the loop: makes durable what must be, closes, frees. The exit status. */
int app_finish(struct app *a);

/* cron.c */
void app_cron_start(struct app *a);

/* wire.c: hooks and appliers of CONFIG SET */
void app_wire(struct app *a);

/* All commands, in the same order for each engine. */
void app_register_commands(const struct app *a, struct command_registry *r);

/* What listens where, for INFO and the process title. */
void app_describe_listeners(struct app *a);
struct aof_options app_aof_options(const struct conf_values *v);

#endif
