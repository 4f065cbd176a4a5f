/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server - SHUTDOWN, BGREWRITEAOF, MONITOR.
 */
#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/blocking.h"
#include "server/exec/monitor.h"

_Static_assert(ADMIN_SHUTDOWN_SAVE == (int)CONF_SHUTDOWN_SAVE &&
                   ADMIN_SHUTDOWN_NOSAVE == (int)CONF_SHUTDOWN_NOSAVE &&
                   ADMIN_SHUTDOWN_NOW == (int)CONF_SHUTDOWN_NOW &&
                   ADMIN_SHUTDOWN_FORCE == (int)CONF_SHUTDOWN_FORCE &&
                   ADMIN_SHUTDOWN_SAFE == (int)CONF_SHUTDOWN_SAFE &&
                   ADMIN_SHUTDOWN_FAILOVER == (int)CONF_SHUTDOWN_FAILOVER,
               "a configured shutdown is handed on as it is");

/* ---------------------------------------------------------------- SHUTDOWN */

static bool has_given_up(const struct blocked *b) {
    const struct admin_app *app = app_of(b->s->e);

    return !app->is_stopping(app->arg);
}

static void answer_failure(struct blocked *b, struct reply *r) {
    static const char text[] = "ERR Errors trying to SHUTDOWN. Check logs.";

    engine_count_error(b->s->e, text);
    reply_error_text(r, text, sizeof text - 1);
}

/* The client is not answered, unless the shutdown is given up. */
static void wait_for_end(struct call *x) {
    struct blocked b = {.s = x->s, .ready = has_given_up, .answer = answer_failure};
    const struct admin_app *app = app_of(x->e);

    if (app->is_stopping && app->is_stopping(app->arg) && call_may_wait(x))
        block_on_progress(x, &b, 0);
}

static int abort_shutdown(struct call *x) {
    const struct admin_app *app = app_of(x->e);

    if (!app->shutdown_abort || !app->shutdown_abort(app->arg))
        return reply_err(x, "ERR No shutdown in progress.");
    reply_ok(&x->r);
    return 0;
}

static int cmd_shutdown(struct call *x) {
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {
        {"save", ADMIN_SHUTDOWN_SAVE}, {"nosave", ADMIN_SHUTDOWN_NOSAVE},
        {"now", ADMIN_SHUTDOWN_NOW},   {"force", ADMIN_SHUTDOWN_FORCE},
        {"safe", ADMIN_SHUTDOWN_SAFE}, {"failover", ADMIN_SHUTDOWN_FAILOVER},
    };
    const struct admin_app *app = app_of(x->e);
    unsigned flags = 0, both = ADMIN_SHUTDOWN_SAVE | ADMIN_SHUTDOWN_NOSAVE;
    bool abort = false;

    for (int i = 1; i < x->argc; i++) {
        size_t w = 0, n = sizeof words / sizeof *words;

        while (w < n && !arg_is(x, i, words[w].word)) w++;
        if (w < n)
            flags |= words[w].flag;
        else if (arg_is(x, i, "abort"))
            abort = true;
        else
            return reply_err(x, ERR_SYNTAX);
    }
    if ((abort && flags) || (flags & both) == both) return reply_err(x, ERR_SYNTAX);
    if (abort) return abort_shutdown(x);
    if (flags & ADMIN_SHUTDOWN_FAILOVER && !x->e->cluster)
        return reply_err(x, "ERR SHUTDOWN FAILOVER is only supported in cluster mode.");
    if (x->e->busy && !(flags & ADMIN_SHUTDOWN_NOSAVE))
        return reply_err(x, engine_busy_error(x->e));
    if (!app->shutdown || !app->shutdown(app->arg, flags, x->s))
        return reply_err(x, "ERR Errors trying to SHUTDOWN. Check logs.");
    wait_for_end(x);
    return 0;
}

/* ---------------------------------------------------------------- BGREWRITEAOF */

static int cmd_bgrewriteaof(struct call *x) {
    switch (aof_bgrewrite(x->e->aof)) {
    case AOF_BGREWRITE_STARTED:
        reply_simple(&x->r, "Background append only file rewriting started");
        return 0;
    case AOF_BGREWRITE_SCHEDULED:
        reply_simple(&x->r, "Background append only file rewriting scheduled");
        return 0;
    default: return reply_err(x, "ERR Background append only file rewriting already in progress");
    }
}

/* ---------------------------------------------------------------- MONITOR */

static int cmd_monitor(struct call *x) {
    if (!call_may_wait(x))
        return reply_err(x, "ERR MONITOR isn't allowed for DENY BLOCKING client");
    if (x->s->flags & (SESSION_MONITOR | SESSION_REPLICA)) return 0;
    monitor_begin(x->s);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command server_commands[] = {
    {"shutdown", -1, CMD_OPERATOR | CMD_NO_MULTI | CMD_ALLOW_BUSY, "server", {0, 0, 0},
     cmd_shutdown, "1.0.0", "Saves or syncs the data as configured, and ends the server.",
     .grammar = "[save-selector(NOSAVE|SAVE)] [NOW^7.0.0] [FORCE^7.0.0] [ABORT^7.0.0]"},
    {"bgrewriteaof", 1, CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_NOSCRIPT, "server", {0, 0, 0},
     cmd_bgrewriteaof, "1.0.0", "Rewrites the append-only file in its shortest form, in the background."},
    {"monitor", 1, CMD_OPERATOR, "server", {0, 0, 0}, cmd_monitor, "1.0.0",
     "Shows the commands of all clients as they are executed."},
    {0},
};
/* clang-format on */
