/* SPDX-License-Identifier: BSD-3-Clause
 *
 * config - the CONFIG command, on top of conf/.
 */
#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/audit.h"
#include "server/exec/blocking.h"
#include "server/exec/save_file.h"
#include "server/exec/secret.h"
#include "storage/lazyfree.h"

/* ---------------------------------------------------------------- GET */

static void count_one(void *arg, struct slice name, struct slice value) {
    (void)name;
    (void)value;
    ++*(size_t *)arg;
}

static void reply_one(void *arg, struct slice name, struct slice value) {
    struct reply *r = arg;

    reply_bulk(r, name.p, name.n);
    reply_bulk(r, value.p, value.n);
}

static int cmd_config_get(struct call *x) {
    size_t count = 0, npatterns = (size_t)x->argc - 2;

    conf_get(x->e->conf, x->argv + 2, npatterns, count_one, &count);
    reply_map(&x->r, count);
    conf_get(x->e->conf, x->argv + 2, npatterns, reply_one, &x->r);
    return 0;
}

/* ---------------------------------------------------------------- SET */

/* Some parameters decide what is being loaded into. */
static int refuse_while_loading(struct call *x) {
    if (!x->e->loading) return 0;
    for (int i = 2; i < x->argc; i += 2)
        if (conf_denied_while_loading(x->argv[i]))
            return reply_errf(x, "LOADING Failed to set '%.*s' while the data set is being loaded",
                              (int)x->argv[i].n, x->argv[i].p);
    return 0;
}

/* A stronger promise is given when everything that was appended under the weaker one meets it. */
static void await_stronger_policy(struct call *x, enum aof_level before) {
    gate_take_level(&x->e->gate);
    if (x->e->gate.level > before) x->need = aof_appended(x->e->aof);
}

static bool turns_on_aof(const struct call *x) {
    bool on = false;

    for (int i = 2; i + 1 < x->argc; i += 2)
        if (arg_is(x, i, "appendonly")) on = arg_is(x, i + 1, "yes");
    return on;
}

static bool is_opened(const struct blocked *b) {
    return !aof_is_opening(engine_first(b->s->e)->aof);
}

/* The AOF's directory is opened and locked by a thread; the client waits for that, and the command
 * runs once more then. True: it waits, or the error was answered. */
static bool awaits_directory(struct call *x) {
    struct blocked b = {.cmd = x->cmd, .argc = x->argc, .db = x->db->id, .ready = is_opened};
    struct aof *a = engine_first(x->e)->aof;

    if (!turns_on_aof(x) || aof_is_open(a) || !call_may_wait(x)) return false;
    if (x->from == FROM_RETRY) {
        reply_errf(x, "ERR CONFIG SET failed (possibly related to argument 'appendonly') - %s",
                   aof_open_error(a) ? aof_open_error(a) : "the directory cannot be opened");
        return true;
    }
    b.argv = args_copy(x->argc, x->argv);
    aof_open_begin(a);
    block_on_progress(x, &b, 0);
    return true;
}

static int cmd_config_set(struct call *x) {
    enum aof_level before = aof_current_level(x->e->aof);
    bool local = x->s->flags & SESSION_LOCAL;
    struct err err;

    secret_hide(x);
    if (x->argc % 2 != 0) return reply_err(x, ERR_SYNTAX);
    if (refuse_while_loading(x) < 0) return -1;
    if (awaits_directory(x)) return 0;
    if (conf_set(x->e->conf, x->argv + 2, (size_t)(x->argc - 2) / 2, local, &err) < 0)
        return reply_errf(x, "ERR %s", err.text);
    audit_parameters(x, x->argv + 2, (size_t)(x->argc - 2) / 2);
    await_stronger_policy(x, before);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- the others */

static int write_configuration(void *arg, struct err *e) {
    return conf_rewrite_finish(arg, e);
}

static int cmd_config_rewrite(struct call *x) {
    struct err err;
    struct conf_rewriting *r = conf_rewrite_begin(x->e->conf, false, &err);

    if (!r) return reply_errf(x, "ERR %s", err.text);
    return save_file(x, write_configuration, r, NULL);
}

static int cmd_config_resetstat(struct call *x) {
    engine_reset_stats(x->e);
    lazyfree_reset_stats();
    reply_ok(&x->r);
    return 0;
}

static int cmd_config_help(struct call *x) {
    static const char *const lines[] = {
        "GET <pattern> [<pattern> ...]",
        "    The parameters whose names match, with their values.",
        "RELOAD",
        "    Read the configuration file again: set what differs, all of it or nothing, and report",
        "    what has changed and what needs a restart.",
        "RESETSTAT",
        "    Set the counters of INFO back to zero.",
        "REWRITE",
        "    Write the values of now into the configuration file; comments and order stay.",
        "SET <parameter> <value> [<parameter> <value> ...]",
        "    Change parameters of the running server: all of them, or none if one is refused.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* clang-format off */
static const struct command config_subcommands[] = {
    {"get", -3, CMD_OPERATOR, "server", {0, 0, 0}, cmd_config_get, "2.0.0",
     "Returns parameters and their values.",
     .grammar = "parameter+"},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_config_help, "5.0.0",
     "Explains the subcommands."},
    {"reload", 2, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, "server", {0, 0, 0}, cmd_config_reload,
     "7.2.0", "Reads the configuration file again and reports what has changed.",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"resetstat", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_config_resetstat, "2.0.0",
     "Sets the counters back to zero.",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"rewrite", 2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_config_rewrite, "2.8.0",
     "Writes the parameters into the configuration file.",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"set", -4, CMD_OPERATOR, "server", {0, 0, 0}, cmd_config_set, "2.0.0",
     "Changes parameters of the running server.",
     .grammar = "data{parameter value}+",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {0},
};

const struct command config_commands[] = {
    {"config", -2, 0, "server", {0, 0, 0}, NULL, "2.0.0", "The commands about the configuration.",
     .subcommands = config_subcommands},
    {0},
};
/* clang-format on */
