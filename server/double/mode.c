/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mode - TEST MODE: commands are refused as by a server in some state, in that server's words. What
 * INFO says stays true.
 */
#include "conf/conf.h"
#include "server/double/impl.h"
#include "server/exec/multi.h"

static bool in_loading(uint32_t flags) {
    return !(flags & CMD_LOADING);
}

static bool in_stale(uint32_t flags) {
    return !(flags & CMD_STALE);
}

static bool in_busy(uint32_t flags) {
    return !(flags & CMD_ALLOW_BUSY);
}

static bool writes(uint32_t flags) {
    return flags & CMD_WRITE;
}

static bool needs_memory(uint32_t flags) {
    return flags & CMD_DENYOOM;
}

static bool has_data(uint32_t flags) {
    return flags & (CMD_WRITE | CMD_READONLY | CMD_RUNS_SCRIPT);
}

static const struct mode {
    const char *name;
    bool (*refuses)(uint32_t flags); /* of a command, or of a transaction */
    const char *text;
} modes[] = {
    {"NORMAL", NULL, NULL},
    {"LOADING", in_loading, ERR_LOADING},
    {"READONLY", writes, "READONLY You can't write against a read only replica."},
    {"OOM", needs_memory, "OOM command not allowed when used memory > 'maxmemory'."},
    {"MISCONF", writes,
     "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
     "disk. Commands that may modify the data set are disabled, because this instance is "
     "configured to report errors during writes if RDB snapshotting fails "
     "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
     "error."},
    {"MASTERDOWN", in_stale,
     "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."},
    {"CLUSTERDOWN", has_data, "CLUSTERDOWN The cluster is down"},
    {"BUSY", in_busy,
     "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."},
    {"NOREPLICAS", writes, "NOREPLICAS Not enough good replicas to write."},
};

enum { MODES = sizeof modes / sizeof *modes };

const char *mode_refusal(const struct test_double *d, struct call *x) {
    const struct mode *m = &modes[d->mode];
    uint32_t flags = x->cmd->row->flags;

    if (!m->refuses) return NULL;
    if (multi_is_exec(x->cmd)) flags |= multi_flags(x->s);
    return m->refuses(flags) ? m->text : NULL;
}

void mode_end(struct test_double *d) {
    d->mode = 0;
}

int test_mode(struct call *x) {
    struct test_double *d = x->e->test_double;

    if (x->argc == 2) {
        reply_bulk_str(&x->r, modes[d->mode].name);
        return 0;
    }
    for (int i = 0; i < MODES && x->argc == 3; i++) {
        if (!arg_is(x, 2, modes[i].name)) continue;
        d->mode = i;
        reply_ok(&x->r);
        return 0;
    }
    return reply_err(x, ERR_SYNTAX);
}
