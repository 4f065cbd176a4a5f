/* SPDX-License-Identifier: BSD-3-Clause
 *
 * save - SAVE, BGSAVE, LASTSAVE.
 */
#include "server/admin/rows.h"

#define ERR_SAVING "ERR Background save already in progress"

static int cmd_save(struct call *x) {
    struct err e;

    if (rdb_saver_running(&x->e->saver)) return reply_err(x, ERR_SAVING);
    if (rdb_saver_save(&x->e->saver, x->e->dirty, &e) < 0) return reply_err(x, "ERR");
    reply_ok(&x->r);
    return 0;
}

static int cancel_bgsave(struct call *x) {
    switch (rdb_saver_abort(&x->e->saver)) {
    case RDB_SAVER_SCHEDULED: reply_simple(&x->r, "Scheduled background saving cancelled"); break;
    case RDB_SAVER_CHILD: reply_simple(&x->r, "Background saving cancelled"); break;
    default: return reply_err(x, "ERR Background saving is currently not in progress or scheduled");
    }
    return 0;
}

static int cmd_bgsave(struct call *x) {
    struct rdb_saver *s = &x->e->saver;
    bool may_wait = call_is_inner(x); /* a transaction's later commands do not wait for the child */

    if (x->argc == 2 && arg_is(x, 1, "cancel")) return cancel_bgsave(x);
    if (x->argc > 1) {
        if (x->argc > 2 || !arg_is(x, 1, "schedule")) return reply_err(x, ERR_SYNTAX);
        may_wait = true;
    }
    if (rdb_saver_running(s)) return reply_err(x, ERR_SAVING);
    if (!s->h.may_fork(s->h.arg) || call_is_inner(x)) {
        if (!may_wait)
            return reply_err(x, "ERR Another child process is active (AOF?): can't BGSAVE right "
                                "now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever "
                                "possible.");
        rdb_saver_schedule(s);
        reply_simple(&x->r, "Background saving scheduled");
        return 0;
    }
    if (rdb_saver_start(s, x->e->dirty) < 0) return reply_err(x, "ERR");
    reply_simple(&x->r, "Background saving started");
    return 0;
}

static int cmd_lastsave(struct call *x) {
    reply_int(&x->r, x->e->saver.last_save_s);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define SAVES (CMD_ADMIN | CMD_NO_ASYNC_LOADING | CMD_NOSCRIPT)

/* clang-format off */
const struct command save_commands[] = {
    {"save", 1, SAVES | CMD_NO_MULTI, "server", {0, 0, 0}, cmd_save, "1.0.0",
     "Writes the data set to disk; all clients wait."},
    {"bgsave", -1, SAVES, "server", {0, 0, 0}, cmd_bgsave, "1.0.0",
     "Writes the data set to disk in the background.",
     .grammar = "[SCHEDULE^3.2.2]"},
    {"lastsave", 1, CMD_FAST | CMD_LOADING | CMD_STALE | CMD_DANGEROUS, "server", {0, 0, 0},
     cmd_lastsave, "1.0.0", "Tells when the data set was last saved, as Unix time.",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
