/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/admit.h"

#include "conf/conf.h"
#include "server/exec/acl.h"
#include "server/exec/evict.h"
#include "server/exec/multi.h"
#include "server/exec/redirect.h"

#include <ctype.h>

#define ERR_READONLY "READONLY You can't write against a read only replica."

enum {
    QUOTED_MAX = 128
}; /* bytes of a name, and of all arguments together, that an error repeats */

static int refuse_unknown(struct call *x) {
    struct bytes b = {0}, args = {0};
    int rc;

    for (int i = 1; i < x->argc && args.n < QUOTED_MAX; i++) {
        size_t left = QUOTED_MAX - args.n, n = x->argv[i].n;

        bytes_append_char(&args, '\'');
        bytes_append(&args, x->argv[i].p, n < left ? n : left);
        bytes_append_str(&args, "' ");
    }
    bytes_append_str(&b, "ERR unknown command '");
    bytes_append(&b, x->argv[0].p, x->argv[0].n < QUOTED_MAX ? x->argv[0].n : QUOTED_MAX);
    bytes_append_str(&b, "', with args beginning with: ");
    bytes_append(&b, args.p, args.n);
    rc = reply_err(x, bytes_cstr(&b));
    bytes_release(&args);
    bytes_release(&b);
    return rc;
}

static int refuse_subcommand(struct call *x) {
    size_t n = x->argv[1].n < QUOTED_MAX ? x->argv[1].n : QUOTED_MAX;
    char name[48];
    int i = 0;

    for (; x->cmd->name[i]; i++) name[i] = (char)toupper((unsigned char)x->cmd->name[i]);
    name[i] = '\0';
    return reply_errf(x, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)n, x->argv[1].p, name);
}

/* Refuses writes if save points are set and the last snapshot failed. */
static const char *save_refusal(const struct engine *e) {
    if (e->saver.last_ok || !e->v->stop_writes_on_bgsave_error || e->v->save.n == 0) return NULL;
    return "Redis is configured to save RDB snapshots, but it's currently unable to persist to "
           "disk. Commands that may modify the data set are disabled, because this instance is "
           "configured to report errors during writes if RDB snapshotting fails "
           "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about "
           "the RDB error.";
}

bool call_refusal(const struct engine *e, uint32_t flags, char text[CALL_REFUSAL_MAX]) {
    const char *why = flags & CMD_WRITE ? aof_refusal(e->aof) : NULL;

    if (flags & CMD_DENYOOM && evict_is_stuck(e)) {
        snprintf(text, CALL_REFUSAL_MAX, "OOM command not allowed when used memory > 'maxmemory'.");
        return true;
    }
    if (!why && flags & CMD_WRITE) why = save_refusal(e);
    if (why) {
        snprintf(text, CALL_REFUSAL_MAX, "MISCONF %s", why);
        return true;
    }
    if (!(flags & CMD_WRITE)) return false;
    if (__builtin_expect(!(e->role.few_replicas | e->role.is_replica), 1)) return false;
    if (e->role.few_replicas) {
        snprintf(text, CALL_REFUSAL_MAX, "NOREPLICAS Not enough good replicas to write.");
        return true;
    }
    if (!e->role.is_replica || !e->v->replica_read_only) return false;
    snprintf(text, CALL_REFUSAL_MAX, ERR_READONLY);
    return true;
}

static int refuse(struct call *x, const char *text) {
    x->cmd->rejected++;
    return multi_is_exec(x->cmd) ? multi_abort(x, text) : reply_err(x, text);
}

static bool is_limited_subscriber(const struct session *s) {
    return s->subscriber && s->resp == 2;
}

/* In RESP2 a subscriber could not tell replies from messages. */
static int refuse_subscriber(struct call *x) {
    char text[CALL_REFUSAL_MAX];

    snprintf(text, sizeof text,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context",
             x->cmd->name);
    return refuse(x, text);
}

static int refuse_arity(struct call *x) {
    char text[CALL_REFUSAL_MAX];

    snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    return refuse(x, text);
}

/* What goes to make room counts as a change that this command made. */
static void make_room(struct call *x) {
    uint32_t flags = x->cmd->row->flags;

    if (!(flags & (CMD_DENYOOM | CMD_WRITE | CMD_RUNS_SCRIPT | CMD_IN_MULTI))) return;
    if (evict_some(x->e) && gate_is_on(&x->e->gate)) x->need = gate_end(&x->e->gate);
}

static bool may_run(struct call *x) {
    struct bytes why = {0}, text = {0};
    enum acl_scene scene = multi_is_open(x->s) ? ACL_IN_MULTI : ACL_AT_TOP;

    if (__builtin_expect(x->s->user->total, 1)) return true;
    if (acl_judge(x, x->cmd, x->argc, x->argv, scene, &why) == ACL_OK) return true;
    bytes_printf(&text, "NOPERM %s", bytes_cstr(&why));
    refuse(x, text.p);
    bytes_release(&why);
    bytes_release(&text);
    return false;
}

const char *data_refusal(const struct engine *e, uint32_t flags) {
    bool is_stale = e->role.is_replica && !e->role.link_up && !e->v->replica_serve_stale_data;

    if (is_stale && !(flags & CMD_STALE))
        return "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    if (e->loading && !(flags & CMD_LOADING)) return ERR_LOADING;
    if (!e->role.is_replica) return NULL;
    return e->async_loading && flags & CMD_NO_ASYNC_LOADING ? ERR_LOADING : NULL;
}

/* What changes while a data set is loaded is not looked at: memory, the disk. */
static int refuse_in_load(struct call *x, uint32_t flags) {
    const struct engine *e = x->e;

    if (e->role.is_replica && e->v->replica_read_only && flags & CMD_WRITE)
        return refuse(x, ERR_READONLY);
    if (is_limited_subscriber(x->s) && !(flags & CMD_IN_SUBSCRIBED)) return refuse_subscriber(x);
    return refuse(x, data_refusal(e, flags));
}

/* While a long command breathes, what is only queued goes on, and no transaction is executed. */
bool admit_pause_holds(const struct session *s, const struct command_slot *cmd, int argc,
                       uint32_t flags) {
    const struct pause *p = &s->e->pause;
    bool holds = pause_holds(p, flags);

    if (!cmd || !command_arity_ok(cmd->row, argc)) return false;
    if (p->mode != PAUSE_BREATH) return holds && !(flags & CMD_IN_PAUSE);
    if (multi_is_exec(cmd)) return true;
    return holds && !(multi_is_open(s) && !(cmd->row->flags & CMD_NO_MULTI));
}

/* This server is a replica, busy, or has guards; or another one is at the session's end. */
static inline bool is_seldom(const struct call *x) {
    return (x->e->odd & (ODD_REPLICA | ODD_BUSY | ODD_GUARD)) | (x->s->flags & SESSION_REPLICA);
}

/* The first refusal of a guard, or 0. */
static int ask_guards(struct call *x) {
    const struct detours *d = &x->e->detours;

    for (unsigned i = 0; i < d->nguards; i++) {
        const struct guard *g = &d->guards[i];
        const char *why = g->refusal(g->arg, x);

        if (!why) continue;
        if (!g->plain || !multi_is_exec(x->cmd)) return refuse(x, why);
        x->cmd->rejected++;
        multi_reset(x->s);
        return reply_err(x, why);
    }
    return 0;
}

static int admit_seldom(struct call *x, uint32_t flags) {
    const char *why = x->e->role.is_replica ? data_refusal(x->e, flags) : NULL;

    if (why) return refuse(x, why);
    if (x->e->busy && !(flags & CMD_ALLOW_BUSY)) return refuse(x, engine_busy_error(x->e));
    if (x->s->flags & SESSION_REPLICA &&
        flags & (CMD_WRITE | CMD_READONLY | CMD_MAY_REPLICATE | CMD_RUNS_SCRIPT))
        return refuse(x, "ERR Replica can't interact with the keyspace");
    return ask_guards(x);
}

/* EXEC is answered with the error as it is. */
static int redirect(struct call *x) {
    char text[REDIRECT_MAX];

    redirect_text(x->e, text);
    if (!multi_is_exec(x->cmd)) return refuse(x, text);
    x->cmd->rejected++;
    multi_reset(x->s);
    return reply_err(x, text);
}

/* What EXEC would do counts as its own. */
static bool is_sent_away(const struct call *x, uint32_t flags) {
    if (__builtin_expect(!(x->e->odd & ODD_REPLICA), 1)) return false;
    if (multi_is_exec(x->cmd)) flags |= multi_flags(x->s);
    return is_redirected(x->s, flags);
}

int admit(struct call *x, bool unknown_sub) {
    char why[CALL_REFUSAL_MAX];
    uint32_t flags;

    if (!x->cmd) return refuse_unknown(x);
    if (unknown_sub) return refuse_subcommand(x);
    if (!command_arity_ok(x->cmd->row, x->argc)) return refuse_arity(x);
    flags = x->cmd->row->flags;
    if (!(x->s->flags & SESSION_AUTHENTICATED) && !(flags & CMD_NO_AUTH) && !acl_is_served(x->s))
        return refuse(x, "NOAUTH Authentication required.");
    if (flags & CMD_NO_MULTI && multi_is_open(x->s))
        return refuse(x, "ERR Command not allowed inside a transaction");
    if (!may_run(x)) return -1;
    if (is_sent_away(x, flags)) return redirect(x);
    if (x->e->loading && !(flags & CMD_LOADING)) return refuse_in_load(x, flags);
    if (__builtin_expect(x->e->v->maxmemory != 0, 0)) make_room(x);
    if (flags & (CMD_DENYOOM | CMD_WRITE) && call_refusal(x->e, flags, why)) return refuse(x, why);
    if (is_limited_subscriber(x->s) && !(flags & CMD_IN_SUBSCRIBED)) return refuse_subscriber(x);
    if (__builtin_expect(is_seldom(x), 0)) return admit_seldom(x, flags);
    return 0;
}
