/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fcall - FCALL, FCALL_RO, FUNCTION: the libraries of functions as clients see them.
 *
 * The libraries are part of the data set. What changes them is logged as it was received; a reply
 * that shows them waits, like that of a lookup, until what it shows is safe.
 */
#include "conf/conf.h"
#include "server/scripting/functions.h"

#include "persistence/rdb.h"
#include "storage/base/clock.h"
#include "storage/base/glob.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <errno.h>

/* The libraries as the gate knows them: one thing, like a key. */
enum { LIBRARIES_HASH = 0x66756e63 };

static uint64_t gate_hash(void) {
    return (uint64_t)LIBRARIES_HASH << 32 | LIBRARIES_HASH;
}

/* Of everything that looks at them. */
static struct function_set *libraries_of(struct call *x) {
    uint64_t need = gate_need(&x->e->gate, gate_hash());

    if (need > x->need) x->need = need;
    return x->e->scripting->functions;
}

static void update_figures(struct scripting *sc) {
    const struct function_set *s = sc->functions;

    sc->e->scripts.functions = s->nfunctions;
    sc->e->scripts.libraries = s->nlibraries;
    sc->e->scripts.function_bytes = s->bytes;
}

static void libraries_changed(struct call *x) {
    x->e->dirty++;
    gate_changed(&x->e->gate, gate_hash());
    update_figures(x->e->scripting);
}

/* The text is a sentence of bounded length, but for what Lua has to say. */
static int reply_why(struct call *x, struct bytes *why) {
    reply_errf(x, "ERR %s", bytes_cstr(why));
    bytes_release(why);
    return -1;
}

/* ---------------------------------------------------------------- FCALL */

static int fcall(struct call *x, bool read_only) {
    struct function *f = function_find(libraries_of(x), x->argv[1]);
    struct run run;
    int64_t nkeys;

    if (!f) return reply_err(x, "ERR Function not found");
    if (!num_parse_i64(x->argv[2].p, x->argv[2].n, &nkeys))
        return reply_err(x, "ERR Bad number of keys provided");
    if (nkeys > x->argc - 3)
        return reply_err(x, "ERR Number of keys can't be greater than number of args");
    if (nkeys < 0) return reply_err(x, "ERR Number of keys can't be negative");
    if (script_check_flags(x, f->flags, read_only) < 0) return -1;
    run = (struct run){.name = f->name,
                       .ref = f->ref,
                       .flags = f->flags | (read_only ? SCRIPT_NO_WRITES : 0),
                       .keys = x->argv + 3,
                       .nkeys = (int)nkeys,
                       .args = x->argv + 3 + nkeys,
                       .nargs = x->argc - 3 - (int)nkeys,
                       .slot = script_slot(x, (int)nkeys),
                       .is_function = true};
    return script_run(x, run);
}

static int cmd_fcall(struct call *x) {
    return fcall(x, false);
}

static int cmd_fcall_ro(struct call *x) {
    return fcall(x, true);
}

/* ---------------------------------------------------------------- coming in */

/* The library that the code makes, if there is none of that name; NULL: `why` says what is wrong.
 * The one that it replaces stays where it is. */
static struct function_library *compile(struct scripting *sc, const struct function_set *s,
                                        struct slice code, bool replace, bool timed,
                                        struct bytes *why) {
    struct library_head head;
    struct function_library *l;
    const struct function *f;

    if (library_parse_head(code, &head, why) < 0) return NULL;
    if (!replace && function_find_library(s, head.name)) {
        bytes_printf(why, "Library '%.*s' already exists", (int)head.name.n, head.name.p);
        return NULL;
    }
    l = library_new(sc, code, &head, timed, why);
    f = l ? function_clash(s, l, NULL) : NULL;
    if (!f) return l;
    bytes_printf(why, "Function %s already exists", f->name);
    library_free(sc, l);
    return NULL;
}

/* Puts it in, in the place of the one with its name. */
static void enter(struct scripting *sc, struct function_set *s, struct function_library *l) {
    struct function_library *old = function_find_library(s, l->name);

    if (old) {
        function_set_remove(s, old);
        library_free(sc, old);
    }
    function_set_add(s, l);
}

static int cmd_function_load(struct call *x) {
    struct scripting *sc = x->e->scripting;
    struct slice code = x->argv[x->argc - 1];
    struct function_library *l;
    struct bytes why = {0};
    bool replace = false;

    for (int i = 2; i < x->argc - 1; i++) {
        if (!arg_is(x, i, "replace"))
            return reply_errf(x, "ERR Unknown option given: %.*s",
                              (int)(x->argv[i].n > 128 ? 128 : x->argv[i].n), x->argv[i].p);
        replace = true;
    }
    l = compile(sc, libraries_of(x), code, replace, !call_obeys(x), &why);
    if (!l) return reply_why(x, &why);
    enter(sc, sc->functions, l);
    libraries_changed(x);
    reply_bulk(&x->r, l->name.p, l->name.n);
    return 0;
}

/* What a payload holds, on its way in. */
struct restoring {
    struct scripting *sc;
    struct library *libraries;
    struct function_set set;
};

static int take_code(void *arg, struct slice code, struct err *e) {
    struct restoring *r = arg;
    struct bytes why = {0};
    struct function_library *l = compile(r->sc, &r->set, code, false, false, &why);
    int rc = l ? 0 : err_set(e, EINVAL, "%s", bytes_cstr(&why));

    bytes_release(&why);
    if (l) function_set_add(&r->set, l);
    return rc;
}

/* Whether all of it may come in beside, or in the place of, what is there. */
static int check_restored(struct restoring *r, const struct function_set *to, bool replace,
                          struct err *e) {
    for (struct library *it = r->libraries; it; it = it->next) {
        const struct function_library *l = (struct function_library *)it;
        const struct function *f;

        if (!replace && function_find_library(to, l->name))
            return err_set(e, EEXIST, "Library %.*s already exists", (int)l->name.n, l->name.p);
        f = function_clash(to, l, &r->set);
        if (f) return err_set(e, EEXIST, "Function %s already exists", f->name);
    }
    return 0;
}

static void enter_restored(struct restoring *r, struct function_set *to) {
    while (r->libraries) {
        struct function_library *l = (struct function_library *)r->libraries;

        function_set_remove(&r->set, l);
        enter(r->sc, to, l);
    }
}

enum policy { POLICY_APPEND, POLICY_REPLACE, POLICY_FLUSH, POLICY_UNKNOWN };

static enum policy policy_of(const struct call *x) {
    if (x->argc == 3 || arg_is(x, 3, "append")) return POLICY_APPEND;
    if (arg_is(x, 3, "replace")) return POLICY_REPLACE;
    return arg_is(x, 3, "flush") ? POLICY_FLUSH : POLICY_UNKNOWN;
}

static int cmd_function_restore(struct call *x) {
    struct function_set *to = libraries_of(x);
    struct restoring r = {.sc = x->e->scripting};
    enum policy policy = policy_of(x);
    struct err e;
    int rc;

    if (x->argc > 4) return reply_subcommand_err(x);
    if (policy == POLICY_UNKNOWN)
        return reply_err(x, "ERR Wrong restore policy given, value should be either FLUSH, APPEND "
                            "or REPLACE.");
    function_set_init(&r.set, &r.libraries);
    rc = rdb_restore_libraries(x->argv[2], take_code, &r, &e);
    if (rc == 0 && policy != POLICY_FLUSH)
        rc = check_restored(&r, to, policy == POLICY_REPLACE, &e);
    if (rc < 0) {
        function_set_clear(r.sc, &r.set);
        return reply_errf(x, "ERR %s", e.text);
    }
    if (policy == POLICY_FLUSH) function_set_clear(r.sc, to);
    enter_restored(&r, to);
    libraries_changed(x);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- going */

static int cmd_function_delete(struct call *x) {
    struct function_set *s = libraries_of(x);
    struct function_library *l = function_find_library(s, x->argv[2]);

    if (!l) return reply_err(x, "ERR Library not found");
    function_set_remove(s, l);
    library_free(x->e->scripting, l);
    libraries_changed(x);
    reply_ok(&x->r);
    return 0;
}

static int cmd_function_flush(struct call *x) {
    if (x->argc > 3) return reply_subcommand_err(x);
    if (x->argc == 3 && !arg_is(x, 2, "sync") && !arg_is(x, 2, "async"))
        return reply_err(x, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    function_set_clear(x->e->scripting, libraries_of(x));
    libraries_changed(x);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- what there is */

static int cmd_function_dump(struct call *x) {
    struct bytes b = {0};

    rdb_dump_libraries(&b, *libraries_of(x)->libraries, x->e->v->rdbcompression);
    reply_bulk(&x->r, b.p, b.n);
    bytes_release(&b);
    return 0;
}

static void reply_flags(struct reply *r, unsigned flags) {
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {{SCRIPT_NO_WRITES, "no-writes"},
                 {SCRIPT_ALLOW_OOM, "allow-oom"},
                 {SCRIPT_ALLOW_STALE, "allow-stale"},
                 {SCRIPT_NO_CLUSTER, "no-cluster"},
                 {SCRIPT_CROSS_SLOT, "allow-cross-slot-keys"}};

    reply_set(r, (size_t)__builtin_popcount(flags));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (flags & names[i].flag) reply_simple(r, names[i].name);
}

static void reply_library(struct reply *r, const struct function_library *l, bool with_code) {
    reply_map(r, with_code ? 4 : 3);
    reply_bulk_str(r, "library_name");
    reply_bulk(r, l->name.p, l->name.n);
    reply_bulk_str(r, "engine");
    reply_bulk_str(r, "LUA");
    reply_bulk_str(r, "functions");
    reply_array(r, l->n);
    for (const struct function *f = l->functions; f; f = f->sibling) {
        reply_map(r, 3);
        reply_bulk_str(r, "name");
        reply_bulk(r, f->name, f->n);
        reply_bulk_str(r, "description");
        f->description.p ? reply_bulk(r, f->description.p, f->description.n) : reply_null(r);
        reply_bulk_str(r, "flags");
        reply_flags(r, f->flags);
    }
    if (!with_code) return;
    reply_bulk_str(r, "library_code");
    reply_bulk(r, l->base.code.p, l->base.code.n);
}

struct listing {
    struct slice pattern; /* p NULL: all */
    bool with_code;
};

static int parse_listing(struct call *x, struct listing *o) {
    *o = (struct listing){0};
    for (int i = 2; i < x->argc; i++) {
        if (!o->with_code && arg_is(x, i, "withcode")) {
            o->with_code = true;
        } else if (!o->pattern.p && arg_is(x, i, "libraryname")) {
            if (++i == x->argc) return reply_err(x, "ERR library name argument was not given");
            o->pattern = x->argv[i];
        } else {
            return reply_errf(x, "ERR Unknown argument %.*s",
                              (int)(x->argv[i].n > 128 ? 128 : x->argv[i].n), x->argv[i].p);
        }
    }
    return 0;
}

static bool is_listed(const struct listing *o, const struct library *l) {
    struct slice name = ((const struct function_library *)l)->name;

    return !o->pattern.p || glob_match(o->pattern, name, true);
}

static int cmd_function_list(struct call *x) {
    const struct function_set *s = libraries_of(x);
    struct listing o;
    size_t n = 0;

    if (parse_listing(x, &o) < 0) return -1;
    for (const struct library *l = *s->libraries; l; l = l->next) n += is_listed(&o, l);
    reply_array(&x->r, n);
    for (const struct library *l = *s->libraries; l; l = l->next)
        if (is_listed(&o, l)) reply_library(&x->r, (const struct function_library *)l, o.with_code);
    return 0;
}

/* From another client, while the function or script has the server busy. */
static void reply_running(struct reply *r, const struct run *run) {
    const struct call *c = run->outer;

    if (!c) {
        reply_null(r);
        return;
    }
    reply_map(r, 3);
    reply_bulk_str(r, "name");
    reply_bulk_str(r, run->name);
    reply_bulk_str(r, "command");
    reply_array(r, (size_t)c->argc);
    for (int i = 0; i < c->argc; i++) reply_bulk(r, c->argv[i].p, c->argv[i].n);
    reply_bulk_str(r, "duration_ms");
    reply_int(r, run->began_ns ? (int64_t)((clock_real_ns() - run->began_ns) / 1000000) : 0);
}

static int cmd_function_stats(struct call *x) {
    const struct function_set *s = libraries_of(x);

    if (x->e->busy == BUSY_SCRIPT) return reply_err(x, engine_busy_error(x->e));
    reply_map(&x->r, 2);
    reply_bulk_str(&x->r, "running_script");
    reply_running(&x->r, &x->e->scripting->run);
    reply_bulk_str(&x->r, "engines");
    reply_map(&x->r, 1);
    reply_bulk_str(&x->r, "LUA");
    reply_map(&x->r, 2);
    reply_bulk_str(&x->r, "libraries_count");
    reply_int(&x->r, (int64_t)s->nlibraries);
    reply_bulk_str(&x->r, "functions_count");
    reply_int(&x->r, (int64_t)s->nfunctions);
    return 0;
}

static int cmd_function_kill(struct call *x) {
    return script_kill(x, true);
}

static int cmd_function_help(struct call *x) {
    static const char *const lines[] = {
        "DELETE <library-name>",
        "    Remove a library and its functions.",
        "DUMP",
        "    All libraries as a payload for RESTORE.",
        "FLUSH [ASYNC|SYNC]",
        "    Remove all libraries.",
        "KILL",
        "    End the function that runs, if it has not written anything.",
        "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
        "    Show the libraries and their functions.",
        "LOAD [REPLACE] <function-code>",
        "    Add a library. Its first line is '#!lua name=<library-name>'.",
        "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
        "    Add the libraries of a payload. APPEND (the default) fails if one of them is there",
        "    already, REPLACE replaces such ones, FLUSH removes everything that is there first.",
        "STATS",
        "    Show which function runs, and how many there are.",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

static int cmd_function(struct call *x) {
    return reply_subcommand_err(x);
}

/* ---------------------------------------------------------------- with the data set */

/* A snapshot brings a library. */
static int load_library(void *engine, struct slice code, bool replace, struct err *e) {
    struct scripting *sc = ((struct engine *)engine)->scripting;
    struct bytes why = {0};
    struct function_library *l = compile(sc, sc->functions, code, replace, false, &why);
    int rc = l ? 0 : err_set(e, EINVAL, "a library of functions: %s", bytes_cstr(&why));

    bytes_release(&why);
    if (l) enter(sc, sc->functions, l);
    update_figures(sc);
    return rc;
}

static void clear_libraries(struct engine *e) {
    function_set_clear(e->scripting, e->scripting->functions);
    update_figures(e->scripting);
}

void functions_start(struct scripting *sc) {
    sc->functions = mem_alloc(sizeof *sc->functions);
    function_set_init(sc->functions, &sc->e->ks.libraries);
    sc->e->libraries = (struct library_hooks){load_library, clear_libraries};
}

void functions_stop(struct scripting *sc) {
    sc->e->libraries = (struct library_hooks){0};
    function_set_clear(sc, sc->functions);
    mem_free(sc->functions);
}

/* ---------------------------------------------------------------- rows */

#define E                                                                                          \
    (CMD_MOVABLE_KEYS | CMD_NO_MANDATORY_KEYS | CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_STALE |      \
     CMD_RUNS_SCRIPT)
#define ALL_SUCCEED "request_policy:all_shards response_policy:all_succeeded"

/* clang-format off */
static const struct command function_subcommands[] = {
    {"delete", 3, CMD_NOSCRIPT | CMD_WRITE, "scripting", {0, 0, 0}, cmd_function_delete, "7.0.0",
     "Removes a library and its functions.",
     .grammar = "library-name", .tips = ALL_SUCCEED},
    {"dump", 2, CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_function_dump, "7.0.0",
     "Returns all libraries as a payload for FUNCTION RESTORE."},
    {"flush", -2, CMD_NOSCRIPT | CMD_WRITE, "scripting", {0, 0, 0}, cmd_function_flush, "7.0.0",
     "Removes all libraries.",
     .grammar = "[flush-type(ASYNC|SYNC)]", .tips = ALL_SUCCEED},
    {"help", 2, CMD_LOADING | CMD_STALE, "scripting", {0, 0, 0}, cmd_function_help, "7.0.0",
     "Lists the subcommands."},
    {"kill", 2, CMD_ALLOW_BUSY | CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_function_kill, "7.0.0",
     "Ends the function that runs.",
     .tips = "request_policy:all_shards response_policy:one_succeeded"},
    {"list", -2, CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_function_list, "7.0.0",
     "Shows the libraries and their functions.",
     .grammar = "[LIBRARYNAME=library-name-pattern] [WITHCODE]",
     .tips = "nondeterministic_output_order"},
    {"load", -3, CMD_DENYOOM | CMD_NOSCRIPT | CMD_WRITE, "scripting", {0, 0, 0},
     cmd_function_load, "7.0.0",
     "Adds a library of functions.",
     .grammar = "[REPLACE] function-code", .tips = ALL_SUCCEED},
    {"restore", -3, CMD_DENYOOM | CMD_NOSCRIPT | CMD_WRITE, "scripting", {0, 0, 0},
     cmd_function_restore, "7.0.0",
     "Adds the libraries of a payload.",
     .grammar = "serialized-value [policy(FLUSH|APPEND|REPLACE)]", .tips = ALL_SUCCEED},
    {"stats", 2, CMD_ALLOW_BUSY | CMD_NOSCRIPT, "scripting", {0, 0, 0}, cmd_function_stats, "7.0.0",
     "Shows which function runs, and how many there are.",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {0},
};

const struct command function_commands[] = {
    {"function", -2, 0, "scripting", {0, 0, 0}, cmd_function, "7.0.0",
     "Works with the libraries of functions.",
     .subcommands = function_subcommands},
    {"fcall", -3, E | CMD_SCRIPT_WRITES, "scripting", {0, 0, 0}, cmd_fcall, "7.0.0",
     "Calls a function.",
     .grammar = "function numkeys:int [key@0+] [arg+]",
     .key_specs = "@2#0+1 RW access update (We cannot tell how the keys will be used so we assume "
                  "the worst, RW and UPDATE)"},
    {"fcall_ro", -3, E | CMD_READONLY, "scripting", {0, 0, 0}, cmd_fcall_ro, "7.0.0",
     "Calls a function that only reads.",
     .grammar = "function numkeys:int [key@0+] [arg+]",
     .key_specs = "@2#0+1 RO access (We cannot tell how the keys will be used so we assume the "
                  "worst, RO and ACCESS)"},
    {0},
};
/* clang-format on */
