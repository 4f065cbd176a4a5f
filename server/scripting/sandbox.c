/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sandbox - the globals that scripts see, and how they are kept from changing them.
 *
 * Stock Lua has no read-only tables. So a script gets an empty table, a view, whose metatable reads
 * from the table that it stands for and refuses what is written. The functions that would go
 * around a metatable (rawset, next, setmetatable...) know views. Nothing that opens files, loads
 * compiled code or outlives the script is there.
 */
#include "server/scripting/load.h"

#include "storage/base/check.h"

#include <math.h>
#include <stdlib.h>

static const char view_key; /* in a view's metatable: the table that it stands for */

#define READ_ONLY "Attempt to modify a readonly table"

/* If it is a view: pushes what it stands for. */
static bool push_viewed(lua_State *L, int at) {
    if (!lua_istable(L, at) || !lua_getmetatable(L, at)) return false;
    lua_pushlightuserdata(L, (void *)&view_key);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (!lua_isnil(L, -1)) return true;
    lua_pop(L, 1);
    return false;
}

static bool is_view(lua_State *L, int at) {
    bool yes = push_viewed(L, at);

    if (yes) lua_pop(L, 1);
    return yes;
}

static int refuse_write(lua_State *L) {
    return luaL_error(L, READ_ONLY);
}

static int refuse_raw(lua_State *L) {
    lua_pushliteral(L, READ_ONLY);
    return lua_error(L);
}

static int missing_global(lua_State *L) {
    const char *name = lua_tostring(L, 2);

    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                      name ? name : luaL_typename(L, 2));
}

void sandbox_complain(lua_State *L) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, missing_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void sandbox_protect(lua_State *L) {
    lua_newtable(L); /* the view */
    lua_createtable(L, 0, 3);
    lua_pushlightuserdata(L, (void *)&view_key);
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

/* ---------------------------------------------------------------- functions that know views */

static int safe_rawset(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    if (is_view(L, 1)) return refuse_raw(L);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int safe_rawget(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (push_viewed(L, 1)) lua_replace(L, 1);
    lua_rawget(L, 1);
    return 1;
}

static int safe_next(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (push_viewed(L, 1)) lua_replace(L, 1);
    if (lua_next(L, 1)) return 2;
    lua_pushnil(L);
    return 1;
}

static int safe_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* No script gets the metatable of a userdatum: a finalizer would outlive the script. */
static int safe_getmetatable(lua_State *L) {
    luaL_checkany(L, 1);
    if (lua_isuserdata(L, 1) || is_view(L, 1) || !lua_getmetatable(L, 1))
        lua_pushnil(L);
    else
        luaL_getmetafield(L, 1, "__metatable");
    return 1;
}

static int safe_setmetatable(lua_State *L) {
    int t = lua_type(L, 2);

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, t == LUA_TNIL || t == LUA_TTABLE, 2, "nil or table expected");
    if (is_view(L, 1)) return refuse_raw(L);
    if (luaL_getmetafield(L, 1, "__metatable"))
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int64_t whole_arg(lua_State *L, int at, double otherwise) {
    double v = luaL_optnumber(L, at, otherwise);

    return v > INT32_MIN && v < INT32_MAX ? (int64_t)v : luaL_argerror(L, at, "out of range");
}

enum { INSERT_MIN = -1024 * 1024 }; /* everything from there on is moved */

static int safe_insert(lua_State *L) {
    int end, at;

    luaL_checktype(L, 1, LUA_TTABLE);
    if (is_view(L, 1)) return refuse_raw(L);
    at = end = (int)lua_objlen(L, 1) + 1;
    if (lua_gettop(L) == 3) {
        luaL_checknumber(L, 2);
        at = (int)whole_arg(L, 2, 0);
        luaL_argcheck(L, at >= INSERT_MIN, 2, "out of range");
        if (at > end) end = at;
        for (int i = end; i > at; i--) {
            lua_rawgeti(L, 1, i - 1);
            lua_rawseti(L, 1, i);
        }
    } else if (lua_gettop(L) != 2) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_rawseti(L, 1, at);
    return 0;
}

/* Lua's own counts in an int, which overflows. */
static int safe_unpack(lua_State *L) {
    int64_t from, to;

    luaL_checktype(L, 1, LUA_TTABLE);
    from = whole_arg(L, 2, 1);
    to = whole_arg(L, 3, (double)lua_objlen(L, 1));
    if (from > to) return 0;
    if (to - from >= LUAI_MAXCSTACK || !lua_checkstack(L, (int)(to - from + 1)))
        return luaL_error(L, "too many results to unpack");
    for (int64_t i = from; i <= to; i++) lua_rawgeti(L, 1, (int)i);
    return (int)(to - from + 1);
}

/* ---------------------------------------------------------------- others with a difference */

/* An error that is a table of ours arrives as its text, as it did before it was a table. */
static int text_pcall(lua_State *L) {
    int status;

    luaL_checkany(L, 1);
    status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    lua_pushboolean(L, status == 0);
    lua_insert(L, 1);
    if (status != 0 && lua_istable(L, -1)) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
        if (lua_isstring(L, -1))
            lua_replace(L, -2);
        else
            lua_pop(L, 1);
    }
    return lua_gettop(L);
}

enum { EXACT_DIGITS = 15 };

/* What most scripts ask for is a short whole number; Lua's own asks strtod(). */
static bool whole_number(const char *p, size_t n, double *v) {
    bool minus = n && *p == '-';
    int64_t sum = 0;

    if (n - minus == 0 || n - minus > EXACT_DIGITS) return false;
    for (size_t i = minus; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        sum = sum * 10 + (p[i] - '0');
    }
    *v = (double)sum;
    if (minus) *v = -*v;
    return true;
}

static int quick_tonumber(lua_State *L) {
    size_t len;
    const char *p;
    double v;

    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING) {
        p = lua_tolstring(L, 1, &len);
        if (whole_number(p, len, &v)) {
            lua_pushnumber(L, v);
            return 1;
        }
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Collecting may be asked for, but not turned off or tuned. */
static int safe_collect(lua_State *L) {
    const char *what = luaL_optstring(L, 1, "collect");

    if (strcmp(what, "count") == 0) {
        int kb = lua_gc(L, LUA_GCCOUNT, 0), rest = lua_gc(L, LUA_GCCOUNTB, 0);

        lua_pushnumber(L, kb + rest / 1024.0);
    } else if (strcmp(what, "step") == 0) {
        lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, luaL_optint(L, 2, 0)));
    } else {
        lua_pushinteger(L, strcmp(what, "collect") == 0 ? lua_gc(L, LUA_GCCOLLECT, 0) : 0);
    }
    return 1;
}

/* One sequence for all scripts since the start of the server, as in Redis. */
static int steady_random(lua_State *L) {
    long bits;
    double r;

    lrand48_r(&scripting_of(L)->random, &bits);
    r = (double)(bits % INT32_MAX) / (double)INT32_MAX;
    if (lua_gettop(L) == 0) {
        lua_pushnumber(L, r);
    } else {
        int two = lua_gettop(L) > 1, low = two ? luaL_checkint(L, 1) : 1;
        int high = luaL_checkint(L, two ? 2 : 1);

        luaL_argcheck(L, low <= high, two ? 2 : 1, "interval is empty");
        if (lua_gettop(L) > 2) return luaL_error(L, "wrong number of arguments");
        lua_pushnumber(L, floor(r * ((double)high - low + 1)) + low);
    }
    return 1;
}

/* Until the end of the script; then the sequence goes on. */
static int steady_seed(lua_State *L) {
    struct scripting *sc = scripting_of(L);
    int seed = luaL_checkint(L, 1);

    if (!sc->seeded) sc->random_kept = sc->random;
    sc->seeded = true;
    srand48_r(seed, &sc->random);
    return 0;
}

/* ---------------------------------------------------------------- putting it together */

static void open_library(lua_State *L, const char *name, lua_CFunction open) {
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

static void remove_global(lua_State *L, const char *name) {
    lua_pushnil(L);
    lua_setfield(L, LUA_GLOBALSINDEX, name);
}

static void replace_functions(lua_State *L) {
    static const luaL_Reg globals[] = {{"rawset", safe_rawset},
                                       {"rawget", safe_rawget},
                                       {"next", safe_next},
                                       {"getmetatable", safe_getmetatable},
                                       {"setmetatable", safe_setmetatable},
                                       {"unpack", safe_unpack},
                                       {"loadstring", load_from_string},
                                       {"load", load_from_function},
                                       {"pcall", text_pcall},
                                       {"collectgarbage", safe_collect},
                                       {NULL, NULL}};

    for (const luaL_Reg *f = globals; f->name; f++) lua_register(L, f->name, f->func);
    lua_getglobal(L, "tonumber");
    lua_pushcclosure(L, quick_tonumber, 1);
    lua_setglobal(L, "tonumber");
    lua_getglobal(L, "next");
    lua_pushcclosure(L, safe_pairs, 1);
    lua_setglobal(L, "pairs");
    lua_getglobal(L, "table");
    lua_pushcfunction(L, safe_insert);
    lua_setfield(L, -2, "insert");
    lib_table_guard(L);
    lua_getglobal(L, "math");
    lua_pushcfunction(L, steady_random);
    lua_setfield(L, -2, "random");
    lua_pushcfunction(L, steady_seed);
    lua_setfield(L, -2, "randomseed");
    lua_getglobal(L, "coroutine");
    lib_coroutine_guard(L);
    lua_pop(L, 3);
}

static void open_all(lua_State *L) {
    static const char *const removed[] = {"dofile",  "loadfile", "print",   "module",  "require",
                                          "package", "getfenv",  "setfenv", "newproxy"};

    open_library(L, "", luaopen_base);
    open_library(L, LUA_TABLIBNAME, luaopen_table);
    open_library(L, LUA_STRLIBNAME, luaopen_string);
    open_library(L, LUA_MATHLIBNAME, luaopen_math);
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++) remove_global(L, removed[i]);
    lua_getglobal(L, "string");
    lib_string_guard(L);
    lua_pop(L, 1);
    replace_functions(L);
    lib_bit_open(L);
    lua_setglobal(L, "bit");
    lib_struct_open(L);
    lua_setglobal(L, "struct");
    lib_cmsgpack_open(L);
    lua_setglobal(L, "cmsgpack");
    lib_cjson_open(L);
    lua_setglobal(L, "cjson");
    api_open(L);
    lua_setglobal(L, "redis");
}

/* Every library becomes a view; strings' metatable, which all scripts share, shows one. */
static void protect_libraries(lua_State *L) {
    static const char *const names[] = {"string", "table",    "math",  "coroutine", "bit",
                                        "struct", "cmsgpack", "cjson", "redis"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_getglobal(L, names[i]);
        CHECK(lua_istable(L, -1));
        sandbox_protect(L);
        lua_setglobal(L, names[i]);
    }
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_newtable(L);
    lua_getglobal(L, "string");
    lua_setfield(L, -2, "__index");
    sandbox_protect(L);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void sandbox_open(lua_State *L) {
    open_all(L);
    protect_libraries(L);
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    sandbox_complain(L);
    lua_pushvalue(L, AT_GLOBALS);
    sandbox_protect(L);
    lua_pushvalue(L, AT_VIEW);
    lua_setfield(L, AT_GLOBALS, "_G");
    lua_pushvalue(L, AT_VIEW);
    lua_replace(L, LUA_GLOBALSINDEX);
}
