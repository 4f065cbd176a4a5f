/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slowlog - SLOWLOG: the commands that took longest, the newest first.
 */
#include "server/admin/rows.h"

enum { DEFAULT_COUNT = 10 };

static void reply_entry(struct call *x, const struct slow_entry *t) {
    reply_array(&x->r, 6);
    reply_int(&x->r, (int64_t)t->id);
    reply_int(&x->r, t->at_s);
    reply_int(&x->r, (int64_t)t->us);
    reply_array(&x->r, (size_t)t->argc);
    for (int i = 0; i < t->argc; i++) reply_bulk(&x->r, t->argv[i].p, t->argv[i].n);
    reply_bulk_str(&x->r, t->addr);
    reply_bulk_str(&x->r, t->name);
}

static int cmd_slowlog_get(struct call *x) {
    const struct slowlog *l = &x->e->slowlog;
    int64_t count = DEFAULT_COUNT;

    if (x->argc > 3) return reply_subcommand_err(x);
    if (x->argc == 3 && !arg_int_range(x, 2, -1, INT64_MAX, &count,
                                       "ERR count should be greater than or equal to -1"))
        return -1;
    if (count == -1 || (uint64_t)count > l->n) count = (int64_t)l->n;
    reply_array(&x->r, (size_t)count);
    for (const struct list *it = l->entries.prev; count > 0; it = it->prev, count--)
        reply_entry(x, list_entry(it, struct slow_entry, link));
    return 0;
}

static int cmd_slowlog_len(struct call *x) {
    reply_int(&x->r, (int64_t)x->e->slowlog.n);
    return 0;
}

static int cmd_slowlog_reset(struct call *x) {
    slowlog_trim(&x->e->slowlog, 0);
    reply_ok(&x->r);
    return 0;
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

const struct command slowlog_commands[] = {
    {"slowlog", -2, 0, "server", {0, 0, 0}, NULL, "2.2.12",
     "The commands about commands that took long.", .subcommands = slowlog_subcommands},
    {0},
};
/* clang-format on */
