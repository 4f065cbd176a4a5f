/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "server/exec/turn.h"
#include "server/scripting/functions.h"
#include "server/scripting/load.h"

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <stdlib.h>

/* What a script may make Lua allocate at once, and in all. Beyond it Lua raises "not enough
 * memory". */
#define ALLOC_MAX (512ull << 20)
#define TOTAL_MAX (2ull << 30)
#define MUCH      (128ull << 20) /* what a script may leave for the collector to find */

static void *lua_memory(void *arg, void *p, size_t was, size_t n) {
    struct scripting *sc = arg;
    size_t *used = &sc->e->scripts.lua_bytes;

    if (n == 0) {
        *used -= was;
        mem_free(p);
        return NULL;
    }
    if (n > was && (n > ALLOC_MAX || *used + (n - was) > TOTAL_MAX)) return NULL;
    *used += n - was;
    return mem_realloc(p, n);
}

struct scripting *scripting_of(lua_State *L) {
    void *sc;

    lua_getallocf(L, &sc);
    return sc;
}

enum { TEXT_KEPT = 64 * 1024 };

void lib_push_text(lua_State *L) {
    struct scripting *sc = scripting_of(L);

    lua_pushlstring(L, sc->text.p ? sc->text.p : "", sc->text.n);
    if (sc->text.cap > TEXT_KEPT) bytes_release(&sc->text);
    bytes_clear(&sc->text);
}

/* ---------------------------------------------------------------- compiling */

struct compiling {
    const char *chunk;
    struct slice code;
    int ref;
    unsigned looked;
};

static int compile_protected(lua_State *L) {
    struct compiling *c = lua_touserdata(L, 1);

    if (load_text(L, c->code, c->chunk, COMPILE_MS) != 0) return lua_error(L);
    c->looked = bytecode_look(L);
    c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int script_compile(struct scripting *sc, const char *chunk, struct slice code, unsigned *looked,
                   struct bytes *why) {
    struct compiling c = {chunk, code, LUA_NOREF, BYTECODE_ALL};
    lua_State *L = sc->L;

    lua_pushvalue(L, AT_GLOBALS); /* where it stays if it is a plain one */
    lua_replace(L, LUA_GLOBALSINDEX);
    if (lua_cpcall(L, compile_protected, &c) != 0) {
        const char *text = lua_tostring(L, -1);

        bytes_append_str(why, text ? text : "unknown error");
        lua_settop(L, AT_TOP);
        return LUA_NOREF;
    }
    *looked = c.looked;
    return c.ref;
}

/* ---------------------------------------------------------------- errors */

static const char *error_field(lua_State *L, const char *name) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    return lua_tostring(L, -1);
}

/* "<error> script: <name>, on <source>:<line>." for the error value on top. */
static void append_error(lua_State *L, const char *name, struct bytes *b) {
    const char *err, *source, *line;

    if (!lua_istable(L, -1)) {
        const char *text = lua_tostring(L, -1);

        bytes_printf(b, "ERR %s script: %s", text ? text : "unknown error", name);
        return;
    }
    lua_checkstack(L, 4);
    err = error_field(L, "err");
    lua_pushvalue(L, -2);
    source = error_field(L, "source");
    lua_pushvalue(L, -2);
    line = error_field(L, "line");
    bytes_append_str(b, err ? err : "ERR unknown error");
    if (source && line) bytes_printf(b, " script: %s, on %s:%s.", name, source, line);
}

static bool error_was_counted(lua_State *L) {
    bool counted;

    if (!lua_istable(L, -1)) return false;
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_rawget(L, -2);
    counted = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return counted;
}

static void reply_script_error(lua_State *L, struct call *x, const char *name) {
    struct bytes text = {0};
    bool counted = error_was_counted(L);

    append_error(L, name, &text);
    if (!counted) engine_count_error(x->e, bytes_cstr(&text));
    reply_error_text(&x->r, text.p, text.n);
    bytes_release(&text);
}

/* ---------------------------------------------------------------- the endless ones */

/* From now on every instruction fails, so that no pcall of the script gets around it. */
static void raise_killed(struct scripting *sc, lua_State *L) {
    lua_sethook(L, script_on_count, LUA_MASKCOUNT, 1);
    lua_sethook(sc->L, script_on_count, LUA_MASKCOUNT, 1);
    api_raise(L, "Script killed by user with SCRIPT KILL...");
}

static void note_slow(const struct scripting *sc, uint64_t ms) {
    log_warning("Slow script detected: '%s' runs for %llu milliseconds. While it goes on, clients "
                "get BUSY; %s KILL ends it if it has not written yet.",
                sc->run.name, (unsigned long long)ms, sc->run.is_function ? "FUNCTION" : "SCRIPT");
}

/* Called now and then while a script runs, between two instructions of Lua: no command is under way
 * but the script's own. */
void script_on_count(lua_State *L, lua_Debug *ar) {
    struct scripting *sc = scripting_of(L);
    struct run *run = &sc->run;
    int64_t limit_ms = sc->e->v->busy_reply_threshold;
    uint64_t now = clock_real_ns(), ms;

    (void)ar;
    if (!run->outer) return;
    if (run->killed) raise_killed(sc, L);
    if (!run->began_ns) run->began_ns = now - run->ticks * WATCH_TICK_US * 1000ull;
    ms = (now - run->began_ns) / 1000000;
    if (limit_ms > 0 && ms >= (uint64_t)limit_ms) {
        if (!sc->e->busy) note_slow(sc, ms);
        engine_serve_within(sc->e, run->is_function ? BUSY_FUNCTION : BUSY_SCRIPT);
        if (run->killed) raise_killed(sc, L);
    }
    watch_again(sc, L);
}

void script_look(lua_State *L) {
    if (scripting_of(L)->loading)
        library_look(L);
    else
        script_on_count(L, NULL);
}

void script_poll(lua_State *L) {
    struct run *run = &scripting_of(L)->run;

    if (run->polled == run->ticks) return;
    run->polled = run->ticks;
    script_look(L);
}

bool scripting_end(struct engine *e) {
    struct run *run = &e->scripting->run;

    if (!run->outer || run->wrote) return false;
    run->killed = true;
    return true;
}

int script_kill(struct call *x, bool function) {
    struct run *run = &x->e->scripting->run;

    if (!run->outer) return reply_err(x, "NOTBUSY No scripts in execution right now.");
    if (run->wrote)
        return reply_err(x, "UNKILLABLE Sorry the script already executed write commands against "
                            "the dataset. You can either wait the script termination or kill the "
                            "server in a hard way using the SHUTDOWN NOSAVE command.");
    if (run->is_function != function) return reply_err(x, engine_busy_error(x->e));
    run->killed = true;
    log_notice("The script '%s' is ended on demand.", run->name);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- running */

static void push_list(lua_State *L, const struct slice *v, int n) {
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushlstring(L, v[i].p, v[i].n);
        lua_rawseti(L, -2, i + 1);
    }
}

/* A table that scripts only look into is the same for all of them, up to a size. */
enum { SHARED_MAX = 64, SHARED_BYTES = 1024 };

static bool may_share(const struct slice *v, int n) {
    size_t bytes = 0;

    if (n > SHARED_MAX) return false;
    for (int i = 0; i < n; i++) bytes += v[i].n;
    return bytes <= SHARED_BYTES;
}

/* Where invoke finds what it needs: upvalues, see scripting_start. KEYS is followed by ARGV. */
enum { UP_GLOBALS = 1, UP_VIEW, UP_FUNCTION_VIEW, UP_NAME, UP_SHARED = UP_NAME + 2 };

static void show(lua_State *L, int which, int table) {
    lua_pushvalue(L, lua_upvalueindex(UP_NAME + which));
    lua_pushvalue(L, table);
    lua_rawset(L, lua_upvalueindex(UP_GLOBALS));
}

/* KEYS (0) or ARGV (1) as the script sees it. */
static void show_list(struct scripting *sc, lua_State *L, int which, bool asks, bool holds) {
    const struct slice *v = which ? sc->run.args : sc->run.keys;
    int n = which ? sc->run.nargs : sc->run.nkeys, table = lua_upvalueindex(UP_SHARED + which);
    struct shared_list *l = &sc->shared[which];

    if (asks && (holds || !may_share(v, n))) {
        l->shown = false;
        push_list(L, v, n);
        show(L, which, lua_gettop(L));
        lua_pop(L, 1);
        return;
    }
    if (!l->shown) show(L, which, table);
    l->shown = true;
    if (!asks) return;
    for (int i = 0; i < n; i++) {
        lua_pushlstring(L, v[i].p, v[i].n);
        lua_rawseti(L, table, i + 1);
        if (i >= l->n) l->n = i + 1;
    }
    while (l->n > n) {
        lua_pushnil(L);
        lua_rawseti(L, table, l->n--);
    }
}

/* Calls the script or function on top. */
static void call_script(struct scripting *sc, lua_State *L) {
    unsigned flags = sc->run.flags;

    if (!(flags & SCRIPT_PLAIN)) {
        lua_pushvalue(L, lua_upvalueindex(UP_VIEW)); /* of code that is loaded while it runs */
        lua_replace(L, LUA_GLOBALSINDEX);
        lua_pushvalue(L, lua_upvalueindex(flags & SCRIPT_DIRECT ? UP_GLOBALS : UP_VIEW));
        lua_setfenv(L, -2);
    }
    show_list(sc, L, 0, flags & SCRIPT_KEYS, flags & SCRIPT_HOLDS_KEYS);
    show_list(sc, L, 1, flags & SCRIPT_ARGV, flags & SCRIPT_HOLDS_ARGV);
    lua_call(L, 0, 1);
}

/* Its environment is its library's. */
static void call_function(struct scripting *sc, lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(UP_FUNCTION_VIEW));
    lua_replace(L, LUA_GLOBALSINDEX);
    push_list(L, sc->run.keys, sc->run.nkeys);
    push_list(L, sc->run.args, sc->run.nargs);
    lua_call(L, 2, 1);
}

/* Everything of a call to a script that may fail in Lua. */
static int invoke(lua_State *L) {
    struct scripting *sc = scripting_of(L);

    lua_rawgeti(L, LUA_REGISTRYINDEX, sc->run.ref);
    if (sc->run.is_function)
        call_function(sc, L);
    else
        call_script(sc, L);
    sc->run.returned = true;
    convert_to_reply(L, &sc->run.outer->r, sc->run.resp);
    return 0;
}

/* Answers with the error that is its argument. */
static int report(lua_State *L) {
    struct scripting *sc = scripting_of(L);

    lua_settop(L, 1);
    reply_script_error(L, sc->run.outer, sc->run.name);
    return 0;
}

/* With the error on top. Telling of it takes memory of Lua's, too. */
static void fail_run(struct scripting *sc, struct call *x, uint64_t from) {
    lua_State *L = sc->L;

    out_truncate(x->r.out, from);
    lua_pushvalue(L, AT_REPORT);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 0, 0) == 0) return;
    out_truncate(x->r.out, from);
    reply_err(x, "ERR not enough memory");
}

/* Lua's collector goes by what it holds: the garbage of one large script would slow down all later
 * ones. */
static void collect_much(struct scripting *sc) {
    const size_t *used = &sc->e->scripts.lua_bytes;

    if (*used <= sc->collect_above) return;
    lua_gc(sc->L, LUA_GCCOLLECT, 0);
    sc->collect_above = *used > MUCH / 2 ? *used * 2 : MUCH;
}

/* What the last script has set in libraries. */
static void forget_settings(struct scripting *sc) {
    lib_cjson_reset(sc->cjson);
    if (!sc->seeded) return;
    sc->random = sc->random_kept;
    sc->seeded = false;
}

int script_run(struct call *x, struct run run) {
    struct scripting *sc = x->e->scripting;
    lua_State *L = sc->L;
    uint64_t from = x->r.out->end;
    int db = x->s->db;
    bool ok;

    effect_none(x);
    sc->run = run;
    sc->run.outer = x;
    sc->run.resp = 2;
    forget_settings(sc);
    watch_begin(sc);
    lua_pushvalue(L, AT_INVOKE);
    ok = lua_pcall(L, 0, 0, AT_ON_ERROR) == 0;
    if (!ok) fail_run(sc, x, from);
    lua_settop(L, AT_TOP);
    if (sc->text.cap > TEXT_KEPT) bytes_release(&sc->text); /* an error ended a library's work */
    collect_much(sc);
    sc->run.outer = NULL;
    engine_set_busy(x->e, BUSY_NOT);
    x->e->propagation.withhold = false;
    x->s->db = db;
    return ok ? 0 : -1;
}

/* ---------------------------------------------------------------- start */

/* The place of an error: of the function that raised it, or its caller if that is C. */
static int on_error(lua_State *L) {
    lua_Debug ar;
    bool known;

    if (scripting_of(L)->run.returned) return 1;
    known = lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar);
    if (known && ar.what[0] == 'C') known = lua_getstack(L, 2, &ar) && lua_getinfo(L, "Sl", &ar);
    if (!lua_istable(L, 1)) {
        const char *text = lua_tostring(L, 1);

        if (!text)
            text = lua_isboolean(L, 1) ? (lua_toboolean(L, 1) ? "true" : "false")
                                       : lua_typename(L, lua_type(L, 1));
        lua_createtable(L, 0, 3);
        lua_pushfstring(L, "ERR %s", text);
        lua_setfield(L, -2, "err");
        lua_replace(L, 1);
    }
    lua_settop(L, 1);
    if (!known || ar.what[0] == 'C') return 1;
    lua_pushliteral(L, "source");
    lua_pushstring(L, ar.source);
    lua_rawset(L, 1);
    lua_pushliteral(L, "line");
    lua_pushinteger(L, ar.currentline);
    lua_rawset(L, 1);
    return 1;
}

enum { RANDOM_START = 0x1234abcd }; /* what drand48() begins with when it has no seed */

static int on_panic(lua_State *L) {
    log_warning("Lua failed outside a protected call: %s", lua_tostring(L, -1));
    abort();
}

static void seed_scripts(struct engine *e, uint64_t seed) {
    srand48_r((long)seed, &e->scripting->random);
    e->scripting->seeded = false;
}

void scripting_start(struct engine *e) {
    struct scripting *sc = mem_calloc(sizeof *sc);
    lua_State *L;

    sc->e = e;
    e->scripting = sc;
    e->hooks.seed_scripts = seed_scripts;
    sc->collect_above = MUCH;
    srand48_r(RANDOM_START, &sc->random);
    list_init(&sc->aged);
    out_init(&sc->out, &e->out_pool);
    sc->L = L = lua_newstate(lua_memory, sc);
    CHECK(L);
    lua_atpanic(L, on_panic);
    sandbox_open(L);
    library_open(L);
    lua_pushliteral(L, "KEYS");
    lua_pushliteral(L, "ARGV");
    lua_pushcfunction(L, on_error);
    lua_pushcfunction(L, report);
    lua_createtable(L, SHARED_MAX, 0);
    lua_createtable(L, SHARED_MAX, 0);
    lua_pushvalue(L, AT_GLOBALS); /* UP_GLOBALS and those after it */
    lua_pushvalue(L, AT_VIEW);
    lua_pushvalue(L, AT_FUNCTION_VIEW);
    lua_pushvalue(L, AT_KEYS);
    lua_pushvalue(L, AT_ARGV);
    lua_pushvalue(L, AT_SHARED);
    lua_pushvalue(L, AT_SHARED_ARGV);
    lua_pushcclosure(L, invoke, 7);
    CHECK(lua_gettop(L) == AT_TOP);
    functions_start(sc);
}

void scripting_hush(void) {
    watch_stop();
}

void scripting_stop(struct engine *e) {
    struct scripting *sc = e->scripting;

    if (!sc) return;
    watch_stop();
    script_flush(sc);
    functions_stop(sc);
    lua_close(sc->L);
    out_release(&sc->out);
    bytes_release(&sc->flat);
    bytes_release(&sc->text);
    mem_free(sc->argv);
    mem_free(sc->digits);
    mem_free(sc);
    e->scripting = NULL;
}
