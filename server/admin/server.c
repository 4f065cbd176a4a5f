/* SPDX-License-Identifier: BSD-3-Clause
 *
 * server - SHUTDOWN, BGREWRITEAOF, WAIT, WAITAOF, ROLE, MONITOR.
 */
#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/blocking.h"
#include "server/exec/monitor.h"

_Static_assert(ADMIN_SHUTDOWN_SAVE == (int)CONF_SHUTDOWN_SAVE &&
                   ADMIN_SHUTDOWN_NOSAVE == (int)CONF_SHUTDOWN_NOSAVE &&
                   ADMIN_SHUTDOWN_NOW == (int)CONF_SHUTDOWN_NOW &&
                   ADMIN_SHUTDOWN_FORCE == (int)CONF_SHUTDOWN_FORCE,
               "a configured shutdown is handed on as it is");

/* ---------------------------------------------------------------- SHUTDOWN */

static int cmd_shutdown(struct call *x) {
    static const struct {
        const char *word;
        unsigned flag;
    } words[] = {
        {"save", ADMIN_SHUTDOWN_SAVE},
        {"nosave", ADMIN_SHUTDOWN_NOSAVE},
        {"now", ADMIN_SHUTDOWN_NOW},
        {"force", ADMIN_SHUTDOWN_FORCE},
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
    if (abort) {
        if (!app->shutdown_abort || !app->shutdown_abort(app->arg))
            return reply_err(x, "ERR No shutdown in progress.");
        reply_ok(&x->r);
        return 0;
    }
    if (x->e->busy && !(flags & ADMIN_SHUTDOWN_NOSAVE))
        return reply_err(x, engine_busy_error(x->e));
    if (!app->shutdown || !app->shutdown(app->arg, flags, x->s))
        return reply_err(x, "ERR Errors trying to SHUTDOWN. Check logs.");
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

/* ---------------------------------------------------------------- WAITAOF */

static bool is_durable(const struct engine *e, uint64_t position) {
    return aof_phase(e->aof) == AOF_ON && aof_safe(e->aof, AOF_LEVEL_SYNCED) >= position;
}

static void answer_waitaof(struct blocked *b, struct reply *r) {
    reply_array(r, 2);
    reply_int(r, is_durable(b->s->e, b->position));
    reply_int(r, 0);
}

enum { ARG_LOCAL, ARG_REPLICAS }; /* of blocked.args */

static bool waitaof_ready(const struct blocked *b) {
    return b->args[ARG_REPLICAS] == 0 &&
           (b->args[ARG_LOCAL] == 0 || is_durable(b->s->e, b->position));
}

static int parse_waitaof(struct call *x, int64_t *args, int64_t *timeout_ms) {
    if (!arg_int(x, 1, &args[ARG_LOCAL])) return -1;
    if (args[ARG_LOCAL] < 0 || args[ARG_LOCAL] > 1)
        return reply_err(x, "ERR value is out of range, value must between 0 and 1");
    if (!arg_int(x, 2, &args[ARG_REPLICAS])) return -1;
    if (args[ARG_REPLICAS] < 0) return reply_err(x, "ERR value is out of range, must be positive");
    if (!arg_timeout_ms(x, 3, timeout_ms)) return -1;
    if (args[ARG_LOCAL] && !aof_logs(aof_phase(x->e->aof)))
        return reply_err(x, "ERR WAITAOF cannot be used when numlocal is set but appendonly is "
                            "disabled.");
    return 0;
}

static int cmd_waitaof(struct call *x) {
    struct blocked b = {.s = x->s,
                        .ready = waitaof_ready,
                        .answer = answer_waitaof,
                        .position = aof_appended(x->e->aof)};
    int64_t timeout_ms;

    if (parse_waitaof(x, b.args, &timeout_ms) < 0) return -1;
    if (waitaof_ready(&b) || !call_may_wait(x)) {
        answer_waitaof(&b, &x->r);
        return 0;
    }
    if (b.args[ARG_LOCAL]) aof_want_sync(x->e->aof);
    block_on_progress(x, &b, timeout_ms ? clock_mono_us() + (uint64_t)timeout_ms * 1000 : 0);
    return 0;
}

/* ---------------------------------------------------------------- WAIT */

/* There are no replicas, so no number of them but 0 is ever reached. */
static bool wait_ready(const struct blocked *b) {
    (void)b;
    return false;
}

static void answer_wait(struct blocked *b, struct reply *r) {
    (void)b;
    reply_int(r, 0);
}

static int cmd_wait(struct call *x) {
    struct blocked b = {.s = x->s, .ready = wait_ready, .answer = answer_wait};
    int64_t replicas, timeout_ms;

    if (!arg_int(x, 1, &replicas) || !arg_timeout_ms(x, 2, &timeout_ms)) return -1;
    if (replicas <= 0 || !call_may_wait(x))
        answer_wait(&b, &x->r);
    else
        block_on_progress(x, &b, timeout_ms ? clock_mono_us() + (uint64_t)timeout_ms * 1000 : 0);
    return 0;
}

/* ---------------------------------------------------------------- ROLE, MONITOR */

static int cmd_role(struct call *x) {
    reply_array(&x->r, 3);
    reply_bulk_str(&x->r, "master");
    reply_int(&x->r, 0);
    reply_array(&x->r, 0);
    return 0;
}

/* Every server is a master: only what ends the role of a replica can be done. */
static int cmd_replicaof(struct call *x) {
    int64_t port;

    if (arg_is(x, 1, "no") && arg_is(x, 2, "one")) {
        reply_ok(&x->r);
        return 0;
    }
    if (!arg_int_range(x, 2, 0, UINT16_MAX, &port, "ERR Invalid master port")) return -1;
    return reply_err(x, "ERR replication is not supported yet: this server cannot be a replica");
}

static int cmd_monitor(struct call *x) {
    if (!call_may_wait(x))
        return reply_err(x, "ERR MONITOR isn't allowed for DENY BLOCKING client");
    if (x->s->flags & SESSION_MONITOR) return 0;
    monitor_begin(x->s);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define REPLICAOF "args(host-port{host port:int}|no-one{no=NO one=ONE})"

/* clang-format off */
const struct command server_commands[] = {
    {"shutdown", -1, CMD_OPERATOR | CMD_NO_MULTI | CMD_ALLOW_BUSY, "server", {0, 0, 0},
     cmd_shutdown, "1.0.0", "Saves or syncs the data as configured, and ends the server.",
     .grammar = "[save-selector(NOSAVE|SAVE)] [NOW^7.0.0] [FORCE^7.0.0] [ABORT^7.0.0]"},
    {"bgrewriteaof", 1, CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_NOSCRIPT, "server", {0, 0, 0},
     cmd_bgrewriteaof, "1.0.0", "Rewrites the append-only file in its shortest form, in the background."},
    {"monitor", 1, CMD_OPERATOR, "server", {0, 0, 0}, cmd_monitor, "1.0.0",
     "Shows the commands of all clients as they are executed."},
    {"role", 1, CMD_ANYTIME | CMD_FAST, "server", {0, 0, 0}, cmd_role, "2.8.12",
     "Tells the server's part in replication."},
    {"replicaof", 3, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING, "server",
     {0, 0, 0}, cmd_replicaof, "5.0.0",
     "Ends the part of a replica (NO ONE); another master is refused, as nothing replicates yet.",
     .grammar = REPLICAOF},
    {"slaveof", 3, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING, "server",
     {0, 0, 0}, cmd_replicaof, "1.0.0", "As REPLICAOF.",
     .grammar = "!5.0.0 `REPLICAOF`; " REPLICAOF},
    {"wait", 3, CMD_BLOCKING, "generic", {0, 0, 0}, cmd_wait, "3.0.0",
     "Waits until replicas have the writes of the connection.",
     .grammar = "numreplicas:int timeout:int",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {"waitaof", 4, CMD_BLOCKING, "generic", {0, 0, 0}, cmd_waitaof, "7.2.0",
     "Waits until the AOF is synced up to the last write of the connection.",
     .grammar = "numlocal:int numreplicas:int timeout:int",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {0},
};
/* clang-format on */
