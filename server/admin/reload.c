/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/reload.h"

#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/audit.h"
#include "server/exec/blocking.h"
#include "storage/base/log.h"

/* ---------------------------------------------------------------- the log */

static void log_reload(const struct conf *c, const struct conf_reload *r, const char *by) {
    size_t n, changed = 0;
    const struct conf_difference *d = conf_reload_differences(r, &n);

    for (size_t i = 0; i < n; i++) changed += d[i].kind == CONF_RELOADED;
    log_notice("%s: configuration reloaded from '%s': %zu changed, %zu need a restart.", by,
               conf_path(c), changed, n - changed);
    for (size_t i = 0; i < n; i++)
        if (d[i].kind == CONF_RELOADED)
            log_notice("Reload: %s was '%s' and is now '%s'.", d[i].name, d[i].running, d[i].file);
        else
            log_warning("Reload: '%s' is '%s', the file says '%s': this needs a restart.",
                        d[i].name, d[i].running, d[i].file);
}

/* ---------------------------------------------------------------- the AOF's directory */

/* A thread opens and locks the directory of an AOF that is switched on, before anything is set. */
static bool needs_directory(const struct engine *e, const struct conf_reload *r) {
    return conf_reload_values(r)->appendonly && !e->v->appendonly && !aof_is_open(e->aof);
}

static bool is_opened(const struct blocked *b) {
    return !aof_is_opening(engine_first(b->s->e)->aof);
}

static int fail_opening(const struct engine *e, struct err *err) {
    const char *why = aof_open_error(e->aof);

    return err_set(err, CONF_ERR_APPLY, "appendonly: %s",
                   why ? why : "the directory cannot be opened");
}

/* ---------------------------------------------------------------- SIGHUP */

enum admin_reload_state admin_reload_step(struct engine *e, enum admin_reload_state state) {
    struct conf_reload *r;
    struct err err;
    int rc = -1;

    if (state == ADMIN_RELOAD_NONE || aof_is_opening(e->aof)) return state;
    r = conf_reload_read(e->conf, &err);
    if (r && needs_directory(e, r) && state == ADMIN_RELOAD_WANTED) {
        aof_open_begin(e->aof);
        conf_reload_free(r);
        return ADMIN_RELOAD_OPENING;
    }
    if (r && needs_directory(e, r))
        fail_opening(e, &err);
    else if (r)
        rc = conf_reload_apply(e->conf, r, true, &err);
    if (rc == 0)
        log_reload(e->conf, r, "SIGHUP");
    else
        log_warning("SIGHUP: nothing was reloaded: %s", err.text);
    if (r) conf_reload_free(r);
    return ADMIN_RELOAD_NONE;
}

/* ---------------------------------------------------------------- CONFIG RELOAD */

static void reply_differences(struct reply *r, const struct conf_difference *d, size_t n,
                              enum conf_reload_kind kind) {
    size_t count = 0;

    for (size_t i = 0; i < n; i++) count += d[i].kind == kind;
    reply_array(r, count);
    for (size_t i = 0; i < n; i++) {
        if (d[i].kind != kind) continue;
        reply_array(r, 3);
        reply_bulk_str(r, d[i].name);
        reply_bulk_str(r, d[i].running);
        reply_bulk_str(r, d[i].file);
    }
}

static void reply_reload(struct reply *r, const struct conf_reload *reload) {
    size_t n;
    const struct conf_difference *d = conf_reload_differences(reload, &n);

    reply_map(r, 2);
    reply_bulk_str(r, "changed");
    reply_differences(r, d, n, CONF_RELOADED);
    reply_bulk_str(r, "needs-restart");
    reply_differences(r, d, n, CONF_NEEDS_RESTART);
}

/* The client waits for the directory, and the command runs once more then. */
static int await_directory(struct call *x, struct err *err) {
    struct blocked b = {.cmd = x->cmd, .argc = x->argc, .db = x->db->id, .ready = is_opened};

    if (x->from == FROM_RETRY) return fail_opening(x->e, err);
    b.argv = args_copy(x->argc, x->argv);
    aof_open_begin(engine_first(x->e)->aof);
    block_on_progress(x, &b, 0);
    return 1;
}

/* 0, -1, or 1: the client waits. */
static int apply(struct call *x, struct conf_reload *r, struct err *err) {
    enum aof_level before = aof_current_level(x->e->aof);

    if (needs_directory(engine_first(x->e), r) && call_may_wait(x)) return await_directory(x, err);
    if (conf_reload_apply(x->e->conf, r, x->s->flags & SESSION_LOCAL, err) < 0) return -1;
    gate_take_level(&x->e->gate);
    if (x->e->gate.level > before) x->need = aof_appended(x->e->aof);
    return 0;
}

int cmd_config_reload(struct call *x) {
    struct err err;
    struct conf_reload *r = conf_reload_read(x->e->conf, &err);
    int rc = r ? apply(x, r, &err) : -1;

    if (rc == 0) {
        log_reload(x->e->conf, r, "CONFIG RELOAD");
        audit(x, "CONFIG RELOAD", (struct slice){0});
        reply_reload(&x->r, r);
    }
    if (r) conf_reload_free(r);
    if (rc >= 0) return 0;
    return reply_errf(x, "ERR Nothing was reloaded: %s", err.text);
}
