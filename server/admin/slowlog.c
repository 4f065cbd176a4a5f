/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slowlog - SLOWLOG: the commands that took longest, the newest first; COMMANDLOG: the same log
 * and those of commands whose request or reply was large.
 */
#include "server/exec/slowlog.h"
#include "server/admin/rows.h"

enum { DEFAULT_COUNT = 10 };

static void reply_entry(struct call *x, const struct slow_entry *t) {
    reply_array(&x->r, 6);
    reply_int(&x->r, (int64_t)t->id);
    reply_int(&x->r, t->at_s);
    reply_int(&x->r, (int64_t)t->cost);
    reply_array(&x->r, (size_t)t->argc);
    for (int i = 0; i < t->argc; i++) reply_bulk(&x->r, t->argv[i].p, t->argv[i].n);
    reply_bulk_str(&x->r, t->addr);
    reply_bulk_str(&x->r, t->name);
}

/* Argument 2 as a number of entries. */
static bool arg_count(struct call *x, int64_t *count) {
    return arg_int_range(x, 2, -1, INT64_MAX, count,
                         "ERR count should be greater than or equal to -1");
}

/* The newest of a log; argument 2, if it is there, says how many. */
static int reply_log(struct call *x, const struct slowlog *l) {
    int64_t count = DEFAULT_COUNT;

    if (x->argc > 2 && !arg_count(x, &count)) return -1;
    if (count == -1 || (uint64_t)count > l->n) count = (int64_t)l->n;
    reply_array(&x->r, (size_t)count);
    for (const struct list *it = l->entries.prev; count > 0; it = it->prev, count--)
        reply_entry(x, list_entry(it, struct slow_entry, link));
    return 0;
}

static int reply_len(struct call *x, const struct slowlog *l) {
    reply_int(&x->r, (int64_t)l->n);
    return 0;
}

static int reset_log(struct call *x, struct slowlog *l) {
    slowlog_trim(l, 0);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- SLOWLOG */

static int cmd_slowlog_get(struct call *x) {
    return x->argc > 3 ? reply_subcommand_err(x) : reply_log(x, &x->e->logs[LOG_SLOW]);
}

static int cmd_slowlog_len(struct call *x) {
    return reply_len(x, &x->e->logs[LOG_SLOW]);
}

static int cmd_slowlog_reset(struct call *x) {
    return reset_log(x, &x->e->logs[LOG_SLOW]);
}

static int cmd_slowlog_help(struct call *x) {
    static const char *const lines[] = {
        "GET [<count>]",
        "    The newest <count> entries (10 unless said otherwise; -1: all). Each has: its number,",
        "    the Unix time, how many microseconds it took, the arguments, the client's address and",
        "    its name.",
        "LEN",
        "    How many entries there are.",
        "RESET",
        "    Forget all entries.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- COMMANDLOG */

/* The log that argument i names; NULL: answered with an error. */
static struct slowlog *log_arg(struct call *x, int i) {
    static const char *const names[COMMAND_LOGS] = {"slow", "large-request", "large-reply"};

    for (int l = 0; l < COMMAND_LOGS; l++)
        if (arg_is(x, i, names[l])) return &x->e->logs[l];
    reply_err(x, "ERR type should be one of the following: slow, large-request, large-reply");
    return NULL;
}

static int cmd_commandlog_get(struct call *x) {
    const struct slowlog *l;
    int64_t count;

    if (!arg_count(x, &count)) return -1;
    l = log_arg(x, 3);
    return l ? reply_log(x, l) : -1;
}

static int cmd_commandlog_len(struct call *x) {
    const struct slowlog *l = log_arg(x, 2);

    return l ? reply_len(x, l) : -1;
}

static int cmd_commandlog_reset(struct call *x) {
    struct slowlog *l = log_arg(x, 2);

    return l ? reset_log(x, l) : -1;
}

static int cmd_commandlog_help(struct call *x) {
    static const char *const lines[] = {
        "GET <count> <type>",
        "    The newest <count> entries (-1: all) of the log that <type> names: slow,",
        "    large-request or large-reply. Each has: its number, the Unix time, how many",
        "    microseconds it took or how many bytes it had, the arguments, the client's address",
        "    and its name.",
        "LEN <type>",
        "    How many entries the log has.",
        "RESET <type>",
        "    Forget all entries of the log.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
static const struct command slowlog_subcommands[] = {
    {"get", -2, CMD_ADMIN | CMD_LOADING | CMD_STALE, "server", {0, 0, 0}, cmd_slowlog_get, "2.2.12",
     "Shows the commands that took longest.",
     .grammar = "[count:int]",
     .tips = "request_policy:all_nodes nondeterministic_output"},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_slowlog_help, "6.2.0",
     "Explains the subcommands."},
    {"len", 2, CMD_ADMIN | CMD_LOADING | CMD_STALE, "server", {0, 0, 0}, cmd_slowlog_len, "2.2.12",
     "Counts the slow commands that are remembered.",
     .tips = "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {"reset", 2, CMD_ADMIN | CMD_LOADING | CMD_STALE, "server", {0, 0, 0}, cmd_slowlog_reset,
     "2.2.12", "Forgets the slow commands that are remembered.",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {0},
};

#define LOGS "type(SLOW|LARGE-REQUEST|LARGE-REPLY)"
static const struct command commandlog_subcommands[] = {
    {"get", 4, CMD_ADMIN | CMD_LOADING | CMD_STALE, "server", {0, 0, 0}, cmd_commandlog_get,
     "8.1.0", "Shows the commands that took longest or were largest.",
     .grammar = "count:int " LOGS,
     .tips = "request_policy:all_nodes nondeterministic_output"},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_commandlog_help, "8.1.0",
     "Explains the subcommands."},
    {"len", 3, CMD_ADMIN | CMD_LOADING | CMD_STALE, "server", {0, 0, 0}, cmd_commandlog_len,
     "8.1.0", "Counts the commands that a log remembers.",
     .grammar = LOGS,
     .tips = "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {"reset", 3, CMD_ADMIN | CMD_LOADING | CMD_STALE, "server", {0, 0, 0}, cmd_commandlog_reset,
     "8.1.0", "Forgets the commands that a log remembers.",
     .grammar = LOGS,
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {0},
};
#undef LOGS

const struct command slowlog_commands[] = {
    {"commandlog", -2, 0, "server", {0, 0, 0}, NULL, "8.1.0",
     "The commands about commands that took long or were large.",
     .subcommands = commandlog_subcommands},
    {"slowlog", -2, 0, "server", {0, 0, 0}, NULL, "2.2.12",
     "The commands about commands that took long.", .subcommands = slowlog_subcommands},
    {0},
};
/* clang-format on */
