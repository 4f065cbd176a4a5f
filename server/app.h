/* SPDX-License-Identifier: BSD-3-Clause
 *
 * app - puts the parts together: configuration, log, engine, loop, network. Wiring only; nothing
 * below server/ includes this.
 */
#ifndef STET_SERVER_APP_H
#define STET_SERVER_APP_H

#include "server/exec/engine.h"
#include "server/net/loop.h"
#include "server/net/net.h"

enum { RUN_ID_CHARS = 40 };

enum app_shutdown { SHUTDOWN_SAVE = 1, SHUTDOWN_NOSAVE = 2, SHUTDOWN_NOW = 4, SHUTDOWN_FORCE = 8 };

struct app {
    struct conf *conf;
    const struct conf_values *v;
    struct aof *aof;
    struct engine engine;
    struct loop loop;
    struct net net;
    struct loop_timer cron;
    struct event *signals[4];
    char run_id[RUN_ID_CHARS + 1];
    char executable[4096];
    bool stopping;
    int64_t last_expire_ms;
    uint64_t last_poll_ns; /* while loading */
    unsigned cron_runs;
    int argc;
    char **argv;
};

/* Builds and starts everything; the configuration is loaded. Logs what failed and returns -1. */
int app_start(struct app *a, struct conf *conf, int argc, char **argv);

void app_run(struct app *a);

/* Ends the loop; by SHUTDOWN, SIGTERM or SIGINT. */
void app_shutdown(struct app *a, unsigned flags);

/* After the loop: makes durable what must be, closes, frees. The exit status. */
int app_finish(struct app *a);

/* cron.c */
void app_cron_start(struct app *a);

/* wire.c: hooks and appliers of CONFIG SET */
void app_wire(struct app *a);
struct aof_options app_aof_options(const struct conf_values *v);

#endif
