/* SPDX-License-Identifier: BSD-3-Clause
 *
 * eval - EVAL and its relatives, SCRIPT.
 */
#include "server/exec/admit.h"
#include "server/exec/redirect.h"
#include "server/exec/slots.h"
#include "server/scripting/functions.h"

/* ---------------------------------------------------------------- EVAL */

/* The number of keys at argument 2, or -1: answered. */
static int count_keys(struct call *x) {
    int64_t n;

    if (!arg_int(x, 2, &n)) return -1;
    if (n > x->argc - 3)
        return reply_err(x, "ERR Number of keys can't be greater than number of args");
    if (n < 0) return reply_err(x, "ERR Number of keys can't be negative");
    return (int)n;
}

static int reply_redirect(struct call *x) {
    char text[REDIRECT_MAX];

    redirect_text(x->e, text);
    return reply_err(x, text);
}

int script_check_flags(struct call *x, unsigned flags, bool read_only) {
    char why[CALL_REFUSAL_MAX];

    if (flags & SCRIPT_NO_CLUSTER && x->e->cluster && !call_obeys(x))
        return reply_err(x, "ERR Can not run script on cluster, 'no-cluster' flag is set.");
    if (flags & SCRIPT_COMPAT || flags & SCRIPT_NO_WRITES) return 0;
    if (read_only)
        return reply_err(x, "ERR Can not execute a script with write flag using *_ro command.");
    if (is_redirected(x->s, CMD_WRITE)) return reply_redirect(x);
    if (call_refusal(x->e, CMD_WRITE, why)) return reply_err(x, why);
    if (!(flags & SCRIPT_ALLOW_OOM) && call_refusal(x->e, CMD_DENYOOM, why))
        return reply_err(x, why);
    return 0;
}

int script_slot(const struct call *x, int nkeys) {
    return x->e->cluster && nkeys > 0 ? (int)slot_of(x->argv[3]) : -1;
}

static int run_cached(struct call *x, struct script *s, int nkeys, bool read_only) {
    struct run run = {.name = s->hex,
                      .ref = s->ref,
                      .flags = s->flags | (read_only ? SCRIPT_NO_WRITES : 0),
                      .keys = x->argv + 3,
                      .nkeys = nkeys,
                      .args = x->argv + 3 + nkeys,
                      .nargs = x->argc - 3 - nkeys,
                      .slot = script_slot(x, nkeys)};

    if (script_check_flags(x, s->flags, read_only) < 0) return -1;
    return script_run(x, run);
}

static int eval(struct call *x, bool read_only) {
    uint8_t sha[SHA1_BYTES];
    struct script *s;
    int nkeys = count_keys(x);

    if (nkeys < 0) return -1;
    sha1(x->argv[1].p, x->argv[1].n, sha);
    s = script_find(x->e->scripting, sha);
    if (!s) s = script_add(x, x->argv[1], sha, true);
    return s ? run_cached(x, s, nkeys, read_only) : -1;
}

static int reply_no_script(struct call *x) {
    return reply_err(x, "NOSCRIPT No matching script. Please use EVAL.");
}

static int evalsha(struct call *x, bool read_only) {
    struct script *s = script_find_hex(x->e->scripting, x->argv[1]);
    int nkeys;

    if (x->argv[1].n != 2 * SHA1_BYTES) return reply_no_script(x); /* whatever follows */
    nkeys = count_keys(x);
    if (nkeys < 0) return -1;
    return s ? run_cached(x, s, nkeys, read_only) : reply_no_script(x);
}

static int cmd_eval(struct call *x) {
    return eval(x, false);
}

static int cmd_eval_ro(struct call *x) {
    return eval(x, true);
}

static int cmd_evalsha(struct call *x) {
    return evalsha(x, false);
}

static int cmd_evalsha_ro(struct call *x) {
    return evalsha(x, true);
}

/* ---------------------------------------------------------------- SCRIPT */

static int cmd_script(struct call *x) {
    return reply_subcommand_err(x);
}

static int cmd_script_load(struct call *x) {
    uint8_t sha[SHA1_BYTES];
    struct script *s;

    sha1(x->argv[2].p, x->argv[2].n, sha);
    s = script_find(x->e->scripting, sha);
    if (!s) s = script_add(x, x->argv[2], sha, false);
    if (!s) return -1;
    script_keep(x->e->scripting, s);
    reply_bulk(&x->r, s->hex, SHA1_HEX);
    return 0;
}

static int cmd_script_exists(struct call *x) {
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++)
        reply_int(&x->r, script_find_hex(x->e->scripting, x->argv[i]) != NULL);
    return 0;
}

static int cmd_script_show(struct call *x) {
    const struct script *s = script_find_hex(x->e->scripting, x->argv[2]);

    if (!s) return reply_err(x, "NOSCRIPT No matching script.");
    reply_bulk(&x->r, s->body, s->n);
    return 0;
}

static int cmd_script_flush(struct call *x) {
    if (x->argc > 3 || (x->argc == 3 && !arg_is(x, 2, "sync") && !arg_is(x, 2, "async")))
        return reply_err(x, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    script_flush(x->e->scripting);
    reply_ok(&x->r);
    return 0;
}

static int cmd_script_kill(struct call *x) {
    return script_kill(x, false);
}

static int cmd_script_debug(struct call *x) {
    if (arg_is(x, 2, "no")) {
        reply_ok(&x->r);
        return 0;
    }
    if (arg_is(x, 2, "yes") || arg_is(x, 2, "sync"))
        return reply_err(x, "ERR this server has no debugger for scripts");
    return reply_err(x, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

static int cmd_script_help(struct call *x) {
    static const char *const lines[] = {
        "DEBUG (YES|SYNC|NO)",
        "    Only NO is there: this server has no debugger for scripts.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Tell for each digest whether its script is cached.",
        "FLUSH [ASYNC|SYNC]",
        "    Forget all cached scripts.",
        "KILL",
        "    End the script that runs.",
        "LOAD <script>",
        "    Cache a script without running it.",
        "SHOW <sha1>",
        "    Show a cached script.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define E                                                                                          \
    (CMD_MOVABLE_KEYS | CMD_NO_MANDATORY_KEYS | CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_STALE |      \
     CMD_RUNS_SCRIPT)

/* clang-format off */
static const struct command script_subcommands[] = {
    {"debug", 3, CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_script_debug, "3.2.0",
     "Sets how the debugger treats the scripts that follow.",
     .grammar = "mode(YES|SYNC|NO)"},
    {"exists", -3, CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_script_exists, "2.6.0",
     "Tells which scripts are cached.",
     .grammar = "sha1+",
     .tips = "request_policy:all_shards response_policy:agg_logical_and"},
    {"flush", -2, CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_script_flush, "2.6.0",
     "Forgets all cached scripts.",
     .grammar = "[flush-type(ASYNC|SYNC)^6.2.0]",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"help", 2, CMD_LOADING | CMD_STALE, "scripting", {0, 0, 0}, cmd_script_help, "5.0.0",
     "Lists the subcommands."},
    {"kill", 2, CMD_ALLOW_BUSY | CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_script_kill, "2.6.0",
     "Ends the script that runs.",
     .tips = "request_policy:all_shards response_policy:one_succeeded"},
    {"load", 3, CMD_NOSCRIPT | CMD_STALE, "scripting", {0, 0, 0}, cmd_script_load, "2.6.0",
     "Caches a script.",
     .grammar = "script",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {"show", 3, CMD_NOSCRIPT | CMD_STALE, "scripting", {0, 0, 0}, cmd_script_show, "8.0.0",
     "Gives the text of a cached script.",
     .grammar = "sha1"},
    {0},
};

const struct command eval_commands[] = {
    {"eval", -3, E | CMD_SCRIPT_WRITES, "scripting", {0, 0, 0}, cmd_eval, "2.6.0",
     "Runs a script.",
     .grammar = "script numkeys:int [key@0+] [arg+]",
     .key_specs = "@2#0+1 RW access update (We cannot tell how the keys will be used so we assume "
                  "the worst, RW and UPDATE)"},
    {"evalsha", -3, E | CMD_SCRIPT_WRITES, "scripting", {0, 0, 0}, cmd_evalsha, "2.6.0",
     "Runs a cached script.",
     .grammar = "sha1 numkeys:int [key@0+] [arg+]",
     .key_specs = "@2#0+1 RW access update"},
    {"eval_ro", -3, E | CMD_READONLY, "scripting", {0, 0, 0}, cmd_eval_ro, "7.0.0",
     "Runs a script that only reads.",
     .grammar = "script numkeys:int [key@0+] [arg+]",
     .key_specs = "@2#0+1 RO access (We cannot tell how the keys will be used so we assume the "
                  "worst, RO and ACCESS)"},
    {"evalsha_ro", -3, E | CMD_READONLY, "scripting", {0, 0, 0}, cmd_evalsha_ro, "7.0.0",
     "Runs a cached script that only reads.",
     .grammar = "sha1 numkeys:int [key@0+] [arg+]",
     .key_specs = "@2#0+1 RO access"},
    {"script", -2, 0, "scripting", {0, 0, 0}, cmd_script, "2.6.0",
     "Works with the cached scripts.",
     .subcommands = script_subcommands},
    {0},
};
/* clang-format on */

void scripting_register(struct command_registry *r) {
    command_registry_add(r, eval_commands);
    command_registry_add(r, function_commands);
}
