/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug - the DEBUG command: looking inside, and making things happen that tests wait for.
 */
#include "server/admin/debug.h"

#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/blocking.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/glob.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* ---------------------------------------------------------------- ends of the process */

static int debug_segfault(struct call *x) {
    volatile char *volatile nowhere = NULL;

    (void)x;
    *nowhere = 'x';
    return 0;
}

static int debug_panic(struct call *x) {
    (void)x;
    check_fail(__FILE__, __LINE__, "DEBUG PANIC");
}

static int debug_assert(struct call *x) {
    CHECK(x == NULL);
    return 0;
}

/* ---------------------------------------------------------------- switches and small things */

static int ok(struct call *x) {
    reply_ok(&x->r);
    return 0;
}

/* Like atoi: what is no number is 0. */
static int64_t number_arg(const struct call *x, int i) {
    int64_t v = 0;

    num_parse_i64(x->argv[i].p, x->argv[i].n, &v);
    return v;
}

static int debug_set_active_expire(struct call *x) {
    x->e->active_expire = number_arg(x, 2) != 0;
    return ok(x);
}

static int debug_skip_sums(struct call *x) {
    x->e->skip_sums = number_arg(x, 2) != 0;
    return ok(x);
}

static int debug_let_scripts(struct call *x) {
    x->e->scripts_may_all = number_arg(x, 2) != 0;
    return ok(x);
}

static int debug_pause_cron(struct call *x) {
    const struct admin_app *app = app_of(x->e);

    if (app->pause_cron) app->pause_cron(app->arg, number_arg(x, 2) != 0);
    return ok(x);
}

static int debug_sleep(struct call *x) {
    double seconds = 0;
    struct timespec t;

    num_parse_double(x->argv[2].p, x->argv[2].n, &seconds);
    if (seconds > 0 && seconds < 1e9) {
        t.tv_sec = (time_t)seconds;
        t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
        while (nanosleep(&t, &t) < 0 && errno == EINTR) continue;
        clock_refresh();
    }
    return ok(x);
}

/* For tests: how many nanoseconds a command may hold the loop, and after how many steps that is
 * looked at. */
static int debug_slice(struct call *x) {
    int64_t ns, steps;

    if (!arg_int_range(x, 2, 0, INT64_MAX, &ns, ERR_NOT_INT)) return -1;
    if (!arg_int_range(x, 3, 1, UINT32_MAX, &steps, ERR_NOT_INT)) return -1;
    x->e->slice_ns = (uint64_t)ns;
    x->e->breath.limit = (uint32_t)steps;
    return ok(x);
}

static int debug_log(struct call *x) {
    log_warning("DEBUG LOG: %.*s", slice_shown(x->argv[2]), x->argv[2].p);
    return ok(x);
}

static int debug_error(struct call *x) {
    return reply_errf(x, "%.*s", slice_shown(x->argv[2]), x->argv[2].p);
}

static int debug_config_rewrite(struct call *x) {
    struct err err;

    if (conf_rewrite_all(x->e->conf, &err) < 0)
        return reply_errf(x, "ERR CONFIG-REWRITE-FORCE-ALL failed: %s", err.text);
    return ok(x);
}

static int debug_change_repl_id(struct call *x) {
    struct admin_app *app = app_of(x->e);

    if (app->change_replid)
        app->change_replid(app->arg);
    else
        rng_hex(app->replid, sizeof app->replid - 1);
    log_notice("Changing replication IDs after receiving change-repl-id");
    return ok(x);
}

/* Loading anew in the middle of loading would mix two data sets; in a transaction that has written
 * it would drop what is not logged yet. */
bool debug_refuse_now(struct call *x, const char *what) {
    if (x->e->loading)
        reply_err(x, ERR_LOADING);
    else if (x->e->propagation.ncommands > 0)
        reply_errf(x, "ERR DEBUG %s cannot follow writes in a transaction", what);
    else
        return false;
    return true;
}

#define ERR_LOADAOF "ERR Error trying to load the AOF files, check server logs."

enum { LOADAOF_WAITS_US = 60 * 1000 * 1000 };

static bool log_can_be_read(const struct blocked *b) {
    return aof_can_read_again(engine_first(b->s->e)->aof, b->position);
}

static void answer_that_log_is_not_written(struct blocked *b, struct reply *r) {
    (void)b;
    reply_error_text(r, ERR_LOADAOF, sizeof ERR_LOADAOF - 1);
}

/* A disk that is slow or refuses to write holds up this client, not the loop. */
static bool await_log(struct call *x) {
    struct aof *aof = engine_first(x->e)->aof;
    struct blocked b = {.cmd = x->cmd,
                        .argc = x->argc,
                        .db = x->db->id,
                        .position = aof_appended(aof),
                        .ready = log_can_be_read,
                        .answer = answer_that_log_is_not_written};

    if (x->from == FROM_RETRY || !call_may_wait(x) || aof_can_read_again(aof, b.position))
        return false;
    b.argv = args_copy(x->argc, x->argv);
    block_on_progress(x, &b, clock_mono_us() + LOADAOF_WAITS_US);
    return true;
}

static int debug_loadaof(struct call *x) {
    const struct admin_app *app = app_of(x->e);
    struct err err = {0};
    int rc;

    if (debug_refuse_now(x, "LOADAOF")) return -1;
    if (!app->load_log)
        return reply_err(x, "ERR the append-only file is off: there is nothing to load");
    if (await_log(x)) return 0;
    rc = app->load_log(app->arg, &err);
    x->e->dirty = x->dirty_before; /* what was read is in the AOF already */
    if (rc < 0) {
        log_warning("DEBUG LOADAOF: %s", err.text);
        return reply_err(x, ERR_LOADAOF);
    }
    log_warning("Append Only File loaded by DEBUG LOADAOF");
    return ok(x);
}

/* An AOF with anything else does not load again. */
static bool is_whole_write(struct call *x, int from) {
    bool unknown_sub;
    const struct command_slot *c =
        command_resolve(&x->e->commands, x->argc - from, x->argv + from, &unknown_sub);

    return c && !unknown_sub && c->row->flags & CMD_WRITE &&
           command_arity_ok(c->row, x->argc - from);
}

/* [AOF|REPL|ALL] <command> ...: into the AOF as it stands, without being executed. */
static int debug_replicate(struct call *x) {
    int from = 2;
    bool to_log = true;

    if (x->argc > 3 && (arg_is(x, 2, "aof") || arg_is(x, 2, "all"))) {
        from = 3;
    } else if (x->argc > 3 && arg_is(x, 2, "repl")) {
        to_log = false;
    }
    if (!is_whole_write(x, from))
        return reply_err(x, "ERR DEBUG REPLICATE takes a whole command that writes");
    if (to_log) effect(x, x->argc - from, x->argv + from);
    return ok(x);
}

/* <pattern> <text>: whether they match. */
static int debug_stringmatch_len(struct call *x) {
    reply_int(&x->r, glob_match(x->argv[2], x->argv[3], false));
    return 0;
}

static int debug_packed_threshold(struct call *x) {
    uint64_t size;

    if (!num_parse_size(x->argv[2].p, x->argv[2].n, &size) || size >= UINT32_MAX)
        return reply_err(x, "ERR argument must be a memory value bigger than 1 and smaller than "
                            "4gb");
    return ok(x);
}

/* ---------------------------------------------------------------- the table */

static int debug_help(struct call *x);

static const struct subcommand {
    const char *name;
    int min, max; /* of argc */
    int (*fn)(struct call *x);
    const char *usage, *help; /* NULL: accepted, but not told of */
} subcommands[] = {
    {"AOF-FLUSH-SLEEP", 3, 3, ok, "<microseconds>",
     "Accepted without effect: the main thread does not write the AOF."},
    {"ASSERT", 2, 2, debug_assert, "", "End the process by an assertion that fails."},
    {"CHANGE-REPL-ID", 2, 2, debug_change_repl_id, "", "Take a new replication id."},
    {"CONFIG-REWRITE-FORCE-ALL", 2, 2, debug_config_rewrite, "",
     "As CONFIG REWRITE, with every parameter, the defaults too."},
    {"DICT-STATS", 3, 3, debug_htstats, NULL, NULL},
    {"DICT-RESIZING", 3, 3, ok, NULL, NULL},
    {"DIGEST", 2, 2, debug_digest, "", "A fingerprint of the whole data set, 40 digits."},
    {"DIGEST-VALUE", 3, INT32_MAX, debug_digest_value, "<key> [<key> ...]",
     "Fingerprints of values, whatever their keys are called."},
    {"ERROR", 3, 3, debug_error, "<text>", "Answer with this text as an error."},
    {"HELP", 2, 2, debug_help, NULL, NULL},
    {"HTSTATS", 3, 4, debug_htstats, "<dbid>", "How full a database's hash table is."},
    {"HTSTATS-KEY", 3, 4, debug_htstats_key, "<key>", "The same for a value that is a table."},
    {"JEMALLOC", 3, 3, debug_jemalloc, "INFO", "The allocator's own report."},
    {"LISTPACK", 3, 3, debug_listpack, "<key>", "Log how a small value is laid out."},
    {"LOADAOF", 2, 2, debug_loadaof, "", "Empty the data set and load the AOF again."},
    {"LOG", 3, 3, debug_log, "<text>", "Write a line to the server's log."},
    {"MALLCTL", 3, 4, debug_mallctl, "<name> [<value>]", "Read or set a number of the allocator."},
    {"MALLCTL-STR", 3, 4, debug_mallctl_str, "<name>", "Read a text of the allocator."},
    {"OBJECT", 3, 4, debug_object, "<key>", "Where and how a value is stored."},
    {"PANIC", 2, 2, debug_panic, "", "End the process as if a state were impossible."},
    {"PAUSE-CRON", 3, 3, debug_pause_cron, "(0|1)", "Stop the regular work, or resume it."},
    {"POPULATE", 3, 5, debug_populate, "<count> [<prefix>] [<size>]",
     "Add so many strings, PREFIX:0 and up; keys that exist stay as they are."},
    {"PROTOCOL", 3, 3, debug_protocol, "<type>",
     "A sample reply: string, integer, double, bignum, null, array, set, map, attrib, push, "
     "verbatim, true or false."},
    {"QUICKLIST-PACKED-THRESHOLD", 3, 3, debug_packed_threshold, "<size>",
     "Accepted without effect."},
    {"RELOAD", 2, INT32_MAX, debug_reload, "[MERGE] [NOFLUSH] [NOSAVE]",
     "Save the data set, empty it and load the file: without saving, without emptying, or in "
     "place of what is there."},
    {"REPLICATE", 3, INT32_MAX, debug_replicate, "[AOF|REPL|ALL] <command> [<arg> ...]",
     "Log this command without executing it."},
    {"REPLYBUFFER", 4, 4, ok, "(PEAK-RESET-TIME|RESIZING) <value>", "Accepted without effect."},
    {"SEGFAULT", 2, 2, debug_segfault, "", "End the process by a bad memory access."},
    {"SET-ACTIVE-EXPIRE", 3, 3, debug_set_active_expire, "(0|1)",
     "Whether keys are deleted that are due but not asked for."},
    {"SET-DISABLE-DENY-SCRIPTS", 3, 3, debug_let_scripts, "(0|1)",
     "Whether scripts may call commands that are denied to them."},
    {"SET-SKIP-CHECKSUM-VALIDATION", 3, 3, debug_skip_sums, "(0|1)",
     "Whether the checksums of RDB files and of RESTORE's payloads are looked over."},
    {"SLICE", 4, 4, debug_slice, NULL, NULL},
    {"SLEEP", 3, 3, debug_sleep, "<seconds>", "Stop serving anybody for so long."},
    {"STRINGMATCH-LEN", 4, 4, debug_stringmatch_len, "<pattern> <text>",
     "Whether the pattern matches the text."},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static int debug_help(struct call *x) {
    const char *lines[2 * SUBCOMMANDS + 1];
    char text[2 * SUBCOMMANDS][160];
    int n = 0;

    for (int i = 0; i < SUBCOMMANDS; i++) {
        const struct subcommand *s = &subcommands[i];

        if (!s->usage) continue;
        snprintf(text[n], sizeof text[n], "%s%s%s", s->name, *s->usage ? " " : "", s->usage);
        snprintf(text[n + 1], sizeof text[n + 1], "    %s", s->help);
        n += 2;
    }
    for (int i = 0; i < n; i++) lines[i] = text[i];
    lines[n] = NULL;
    reply_help(x, lines);
    return 0;
}

static int cmd_debug(struct call *x) {
    if (!admin_is_allowed(x, x->e->v->enable_debug_command))
        return reply_err(x, "ERR DEBUG command not allowed. If the enable-debug-command option is "
                            "set to \"local\", you can run it from a local connection, otherwise "
                            "you need to set this option in the configuration file, and then "
                            "restart the server.");
    for (int i = 0; i < SUBCOMMANDS; i++) {
        const struct subcommand *s = &subcommands[i];

        if (arg_is(x, 1, s->name) && x->argc >= s->min && x->argc <= s->max) return s->fn(x);
    }
    return reply_subcommand_err(x);
}

/* clang-format off */
const struct command debug_commands[] = {
    {"debug", -2, CMD_OPERATOR, "server", {0, 0, 0}, cmd_debug, "1.0.0",
     "Looks inside the server, and breaks it on purpose.",
     .grammar = "!syscmd;"},
    {0},
};
/* clang-format on */
