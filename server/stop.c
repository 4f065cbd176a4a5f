/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stop - SHUTDOWN, SIGTERM, SIGINT: whether the server may end now, and what it does before.
 *
 *   RUNS --asked--> WAITS for replicas that lag --they have everything, or time up--> ends
 *                     |  SHUTDOWN ABORT, or something stands in the way
 *                     +--> RUNS
 *
 * While it waits, no client writes.
 */
#include "conf/conf.h"
#include "server/app.h"
#include "server/exec/blocking.h"
#include "server/exec/turn.h"
#include "server/spaces.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"

#include <stdlib.h>

/* SAVE, or save points in the configuration and no NOSAVE. A data set that is still being loaded is
 * not saved over its own file. */
static bool save_before_exit(struct app *a, unsigned flags) {
    struct rdb_saver *s = &a->engine.saver;
    struct err e;

    if (a->engine.loading) return true;
    rdb_saver_cancel(s);
    if (!(flags & CONF_SHUTDOWN_SAVE) && (flags & CONF_SHUTDOWN_NOSAVE || a->v->save.n == 0))
        return true;
    log_notice("Saving the final RDB snapshot before exiting.");
    if (rdb_saver_save(s, a->engine.dirty, &e) == 0) return true;
    log_warning("Error trying to save the DB, can't exit.");
    return flags & CONF_SHUTDOWN_FORCE;
}

/* What stands in the way is an AOF that cannot be made durable, or a snapshot that cannot be saved:
 * then only FORCE goes on. */
static bool stop_now(struct app *a, unsigned flags) {
    const char *why = aof_refusal(a->aof);

    if (!why && aof_is_first_written(a->aof)) why = "Writing initial AOF, can't exit.";

    if (why && !(flags & CONF_SHUTDOWN_FORCE)) {
        log_warning("%s", why);
        log_warning("Errors trying to shut down the server. Check the logs for more information.");
        return false;
    }
    if (!save_before_exit(a, flags)) return false;
    a->stopping = true;
    if (spaces_busy(a))
        exit(app_finish(a)); /* effects of the script are not in the AOF, and are dropped */
    loop_stop(&a->loop);
    return true;
}

/* ---------------------------------------------------------------- waiting for replicas */

/* Under the clock of a test double that stands, or nearly does, the time would never be up. */
static void let_time_go_on(struct app *a) {
    if (clock_pace() >= 1) return;
    clock_set_pace(1);
    loop_clock_changed(&a->loop);
}

static void begin_waiting(struct app *a, unsigned flags) {
    uint64_t until;

    let_time_go_on(a);
    until = clock_mono_us() + (uint64_t)a->v->shutdown_timeout * 1000000;
    log_notice("Waiting for replicas before shutting down.");
    a->stop_flags = flags;
    a->stop_until_us = until;
    pause_begin(&a->engine.pause, PAUSE_FOR_SHUTDOWN, PAUSE_WRITES, PAUSE_FOR_EVER);
    a->replication->replicas.getack = true;
}

static void end_waiting(struct app *a) {
    a->stop_until_us = 0;
    engine_unpause(&a->engine, PAUSE_FOR_SHUTDOWN);
    if (a->engine.nblocked) blocked_check_progress(&a->engine); /* SHUTDOWN is answered */
}

/* A cluster would be down without the slots of this node. */
static bool is_needed(const struct app *a, unsigned flags) {
    if (!(flags & CONF_SHUTDOWN_SAFE) || flags & CONF_SHUTDOWN_FORCE) return false;
    if (!a->cluster || !cluster_has_slots(a->cluster)) return false;
    log_warning(
        "Shutdown refused because of SAFE: this node serves slots of a cluster. Without SAFE, "
        "or with FORCE, the server stops.");
    return true;
}

static bool has_to_wait(const struct app *a, unsigned flags) {
    if (flags & CONF_SHUTDOWN_NOW || a->v->shutdown_timeout == 0 || a->engine.busy) return false;
    return !replicas_have_all(a->replication);
}

bool app_shutdown(struct app *a, unsigned flags) {
    if (is_needed(a, flags)) return false;
    if (has_to_wait(a, flags)) {
        if (!a->stop_until_us) begin_waiting(a, flags);
        return true;
    }
    replicas_log_behind(a->replication);
    return stop_now(a, flags);
}

void app_go_on_stopping(struct app *a) {
    if (!a->stop_until_us || a->stopping) return;
    if (!replicas_have_all(a->replication) && clock_mono_us() < a->stop_until_us) return;
    replicas_log_behind(a->replication);
    if (!stop_now(a, a->stop_flags)) end_waiting(a);
}

bool app_shutdown_abort(struct app *a) {
    if (!a->stop_until_us) return false;
    log_notice("Shutdown manually aborted.");
    end_waiting(a);
    return true;
}
