/* SPDX-License-Identifier: BSD-3-Clause
 *
 * library - a library of functions is compiled and run once, to register what it has. Meanwhile it
 * sees the table `redis` with little in it, and nothing else; afterwards its functions see what
 * they may use. For that the view that is the environment of all libraries stands for one table or
 * the other.
 */
#include "server/scripting/functions.h"
#include "server/scripting/load.h"

#include "protocol/request.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <ctype.h>
#include <strings.h>

/* ---------------------------------------------------------------- the first line */

#define BAD_NAME                                                                                   \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one " \
    "character long"

static bool good_name(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_') return false;
    return s.n > 0;
}

static int fail(struct bytes *why, const char *text) {
    bytes_append_str(why, text);
    return -1;
}

/* Takes "name=..." from the words after the first one. */
static int parse_name(const struct slice *words, size_t n, struct slice *name, struct bytes *why) {
    for (size_t i = 0; i < n; i++) {
        bool is_name = words[i].n >= 5 && strncasecmp(words[i].p, "name=", 5) == 0;

        if (is_name && name->p)
            return fail(why, "Invalid metadata value, name argument was given multiple times");
        if (!is_name) {
            bytes_printf(why, "Invalid metadata value given: %.*s",
                         (int)(words[i].n > 128 ? 128 : words[i].n), words[i].p);
            return -1;
        }
        *name = slice_of(words[i].p + 5, words[i].n - 5);
    }
    if (!name->p) return fail(why, "Library name was not given");
    return good_name(*name) ? 0 : fail(why, BAD_NAME);
}

static int parse_words(const struct request_args *args, struct slice *name, struct bytes *why) {
    struct slice engine = slice_of(args->v[0].p + 2, args->v[0].n - 2);

    if (parse_name(args->v + 1, args->n - 1, name, why) < 0) return -1;
    if (slice_is(engine, "lua")) return 0;
    bytes_printf(why, "Engine '%.*s' not found", (int)(engine.n > 128 ? 128 : engine.n), engine.p);
    return -1;
}

int library_parse_head(struct slice code, struct library_head *head, struct bytes *why) {
    const char *end = code.n ? memchr(code.p, '\n', code.n) : NULL;
    struct request_args args = {0};
    struct slice name = {0};
    char *line;
    int rc;

    if (code.n < 2 || memcmp(code.p, "#!", 2) != 0) return fail(why, "Missing library metadata");
    if (!end) return fail(why, "Invalid library metadata");
    head->body = (size_t)(end - code.p);
    line = mem_alloc(head->body + 1);
    memcpy(line, code.p, head->body);
    line[head->body] = '\0';
    if (!request_split_line(line, head->body, &args) || args.n == 0 || args.v[0].n < 2)
        rc = fail(why, "Invalid library metadata");
    else
        rc = parse_words(&args, &name, why);
    if (rc == 0) { /* a good name has nothing that quoting would change */
        head->name.p = memmem(code.p, head->body, name.p, name.n);
        head->name.n = name.n;
        if (!head->name.p) rc = fail(why, "Invalid library metadata");
    }
    mem_free(args.v);
    mem_free(line);
    return rc;
}

/* ---------------------------------------------------------------- redis.register_function */

/* What is known of a function before it is registered. */
struct registering {
    struct slice name, description;
    int callback; /* its place on the stack; 0: none yet */
    unsigned flags;
};

static struct slice text_at(lua_State *L, int at) {
    size_t n;
    const char *p = lua_tolstring(L, at, &n);

    return slice_of(p, n);
}

/* The list of names on top; false: something in it is no flag. */
static bool read_flags(lua_State *L, unsigned *flags) {
    *flags = 0;
    for (int i = 1;; i++) {
        unsigned flag;

        lua_rawgeti(L, -1, i);
        if (lua_isnil(L, -1)) break;
        flag = lua_type(L, -1) == LUA_TSTRING ? script_flag(text_at(L, -1)) : 0;
        if (!flag) return false;
        *flags |= flag;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return true;
}

#define MUST_BE " argument given to redis.register_function must be a "

/* One named argument: its name at -2, its value on top. NULL, or what is wrong with it. */
static const char *read_named(lua_State *L, struct registering *r) {
    const char *key;

    if (!lua_isstring(L, -2))
        return "named argument key given to redis.register_function is not a string";
    key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcasecmp(key, "function_name") == 0) {
        if (!lua_isstring(L, -1)) return "function_name" MUST_BE "string";
        r->name = text_at(L, -1);
    } else if (strcasecmp(key, "description") == 0) {
        if (!lua_isstring(L, -1)) return "description" MUST_BE "string";
        r->description = text_at(L, -1);
    } else if (strcasecmp(key, "callback") == 0) {
        if (!lua_isfunction(L, -1)) return "callback" MUST_BE "function";
        r->callback = lua_gettop(L);
    } else if (strcasecmp(key, "flags") == 0) {
        if (!lua_istable(L, -1))
            return "flags argument to redis.register_function must be a table representing "
                   "function flags";
        if (!read_flags(L, &r->flags)) return "unknown flag given";
    } else {
        return "unknown argument given to redis.register_function";
    }
    return NULL;
}

/* Values stay on the stack, so that their texts do. */
static const char *read_table(lua_State *L, struct registering *r) {
    const char *why = NULL;

    lua_pushnil(L);
    while (!why && lua_next(L, 1)) {
        luaL_checkstack(L, 8, "too many arguments");
        why = read_named(L, r);
        lua_pushvalue(L, -2); /* the key, once more */
    }
    if (why) return why;
    if (!r->name.p) return "redis.register_function must get a function name argument";
    return r->callback ? NULL : "redis.register_function must get a callback argument";
}

static const char *read_arguments(lua_State *L, struct registering *r) {
    int n = lua_gettop(L);

    if (n < 1 || n > 2) return "wrong number of arguments to redis.register_function";
    if (n == 1 && !lua_istable(L, 1))
        return "calling redis.register_function with a single argument is only applicable to Lua "
               "table (representing named arguments).";
    if (n == 1) return read_table(L, r);
    if (!lua_isstring(L, 1)) return "first argument to redis.register_function must be a string";
    if (!lua_isfunction(L, 2))
        return "second argument to redis.register_function must be a function";
    r->name = text_at(L, 1);
    r->callback = 2;
    return NULL;
}

static bool has_function(const struct function_library *l, struct slice name) {
    for (const struct function *f = l->functions; f; f = f->sibling)
        if (f->n == name.n && strncasecmp(f->name, name.p, name.n) == 0) return true;
    return false;
}

/* Belongs to the library at once: Lua may jump out of the steps that follow. */
static struct function *add_function(struct function_library *l, const struct registering *r) {
    struct function *f = mem_calloc(sizeof *f + r->name.n + 1 + r->description.n);

    *f = (struct function){
        .sibling = l->functions, .library = l, .ref = LUA_NOREF, .flags = r->flags, .n = r->name.n};
    memcpy(f->name, r->name.p, r->name.n);
    if (r->description.p) {
        char *text = f->name + r->name.n + 1;

        memcpy(text, r->description.p, r->description.n);
        f->description = slice_of(text, r->description.n);
    }
    l->functions = f;
    l->n++;
    l->bytes += mem_usable(f);
    return f;
}

static int register_function(lua_State *L) {
    struct scripting *sc = scripting_of(L);
    struct function_library *l = sc->loading ? sc->loading->library : NULL;
    struct registering r = {0};
    const char *why = read_arguments(L, &r);
    struct function *f;

    if (!why && !l) why = "redis.register_function can only be called on FUNCTION LOAD command";
    if (!why && !good_name(r.name)) why = BAD_NAME;
    if (!why && has_function(l, r.name)) why = "Function already exists in the library";
    if (why) return api_raise(L, why);
    f = add_function(l, &r);
    lua_pushvalue(L, r.callback);
    f->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* ---------------------------------------------------------------- running the code */

enum { LOOK_EVERY = 100000 }; /* instructions */

/* An upvalue of what runs the code of a library. */
enum { UP_VIEW = 1, UP_META, UP_LOADING };

void library_look(lua_State *L) {
    const struct library_loading *l = scripting_of(L)->loading;

    if (l && l->deadline_ns && clock_real_ns() > l->deadline_ns)
        api_raise(L, "FUNCTION LOAD timeout");
}

static void watch_time(lua_State *L, lua_Debug *ar) {
    (void)ar;
    library_look(L);
}

static int run_code(lua_State *L) {
    struct library_loading *l = lua_touserdata(L, 1);
    int limit_ms = l->deadline_ns ? LIBRARY_LOAD_MS : COMPILE_NO_LIMIT;

    if (load_text(L, l->code, "@user_function", limit_ms) != 0) return lua_error(L);
    l->compiled = true;
    lua_pushvalue(L, lua_upvalueindex(UP_VIEW));
    lua_setfenv(L, -2);
    lua_pushvalue(L, lua_upvalueindex(UP_LOADING));
    lua_setfield(L, lua_upvalueindex(UP_META), "__index");
    if (l->deadline_ns) lua_sethook(L, watch_time, LUA_MASKCOUNT, LOOK_EVERY);
    lua_call(L, 0, 0);
    return 0;
}

/* What stands on top, which came from run_code. */
static void explain(lua_State *L, const struct library_loading *l, struct bytes *why) {
    const char *text = "unknown error";

    bytes_append_str(why,
                     l->compiled ? "Error registering functions: " : "Error compiling function: ");
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
    } else if (l->compiled) {
        bytes_append_str(why, "ERR ");
    }
    if (lua_type(L, -1) == LUA_TSTRING) text = lua_tostring(L, -1);
    bytes_append_str(why, text);
}

static int load_functions(struct scripting *sc, struct function_library *l, size_t body, bool timed,
                          struct bytes *why) {
    struct library_loading loading = {
        .library = l,
        .code = slice_of(l->base.code.p + body, l->base.code.n - body),
        .deadline_ns = timed ? clock_real_ns() + LIBRARY_LOAD_MS * 1000000ull : 0};
    lua_State *L = sc->L;
    int rc;

    sc->loading = &loading;
    lua_pushvalue(L, AT_LOAD);
    lua_pushlightuserdata(L, &loading);
    rc = lua_pcall(L, 1, 0, 0);
    if (timed) lua_sethook(L, NULL, 0, 0);
    sc->loading = NULL;
    if (rc != 0) explain(L, &loading, why);
    lua_pushvalue(L, AT_FUNCTION_GLOBALS);
    lua_setfield(L, AT_FUNCTION_META, "__index");
    lua_settop(L, AT_TOP);
    if (rc != 0) return -1;
    return l->functions ? 0 : fail(why, "No functions registered");
}

struct function_library *library_new(struct scripting *sc, struct slice code,
                                     const struct library_head *head, bool timed,
                                     struct bytes *why) {
    struct function_library *l = mem_calloc(sizeof *l + code.n);
    char *text = (char *)(l + 1);

    memcpy(text, code.p, code.n);
    l->base.code = slice_of(text, code.n);
    l->name = slice_of(text + (head->name.p - code.p), head->name.n);
    l->bytes = mem_usable(l);
    if (load_functions(sc, l, head->body, timed, why) == 0) return l;
    library_free(sc, l);
    return NULL;
}

void library_free(struct scripting *sc, struct function_library *l) {
    while (l->functions) {
        struct function *f = l->functions;

        l->functions = f->sibling;
        luaL_unref(sc->L, LUA_REGISTRYINDEX, f->ref);
        mem_free(f);
    }
    mem_free(l);
}

/* ---------------------------------------------------------------- what libraries see */

/* A copy of the globals, with a table `redis` of its own: pushed. */
static void push_function_globals(lua_State *L) {
    static const char *const removed[] = {"breakpoint", "debug", "replicate_commands"};

    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, AT_GLOBALS); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    api_open(L);
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, removed[i]);
    }
    sandbox_protect(L);
    lua_setfield(L, -2, "redis");
    sandbox_complain(L);
}

/* The table `redis` of a library that is loading, in a table of its own: pushed. */
static void push_loading_globals(lua_State *L) {
    static const char *const kept[] = {
        "log",         "LOG_DEBUG",     "LOG_VERBOSE",      "LOG_NOTICE",
        "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM"};

    lua_newtable(L);
    lua_newtable(L);
    api_open(L);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        lua_getfield(L, -1, kept[i]);
        lua_setfield(L, -3, kept[i]);
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, register_function);
    lua_setfield(L, -2, "register_function");
    sandbox_complain(L);
    sandbox_protect(L);
    lua_setfield(L, -2, "redis");
    sandbox_complain(L);
}

void library_open(lua_State *L) {
    push_function_globals(L); /* AT_FUNCTION_GLOBALS */
    lua_pushvalue(L, -1);
    sandbox_protect(L); /* the view */
    lua_pushvalue(L, -1);
    lua_setfield(L, AT_FUNCTION_GLOBALS, "_G");
    lua_getmetatable(L, -1); /* AT_FUNCTION_META */
    lua_pushvalue(L, AT_FUNCTION_VIEW);
    lua_pushvalue(L, AT_FUNCTION_META);
    push_loading_globals(L);
    lua_pushcclosure(L, run_code, 3); /* AT_LOAD */
}
