/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib_coroutine - coroutine.create, resume and wrap with the interface of Lua 5.1. Their difference
 * is that the interpreter's owner knows which coroutine runs, so that a script can be looked at in
 * any of them (watch.c), and that a script which is being ended does not go on in the coroutine
 * that resumed another one. Each level counts as a C call: beyond 200 it is an error.
 */
#include "server/scripting/interp.h"

/* Why the coroutine cannot be resumed; NULL: it can. */
static const char *unfit(lua_State *L, lua_State *co) {
    lua_Debug ar;

    if (co == L) return "running";
    if (lua_status(co) == LUA_YIELD) return NULL;
    if (lua_status(co) != 0) return "dead";
    if (lua_getstack(co, 0, &ar)) return "normal";
    return lua_gettop(co) == 0 ? "dead" : NULL;
}

static int run(lua_State *L, lua_State *co, int n) {
    struct scripting *sc = scripting_of(L);
    int status;

    lua_xmove(L, co, n);
    lua_setlevel(L, co); /* C calls under way count on */
    sc->current = co;
    status = lua_resume(co, n);
    sc->current = L;
    if (sc->run.killed) script_look(L);
    return status;
}

/* Resumes it with the n values on top. How many results are pushed, or -1: an error is. */
static int resume(lua_State *L, lua_State *co, int n) {
    const char *why = unfit(L, co);
    int status;

    if (!lua_checkstack(co, n)) return luaL_error(L, "too many arguments to resume");
    if (why) {
        lua_pushfstring(L, "cannot resume %s coroutine", why);
        return -1;
    }
    status = run(L, co, n);
    if (status != 0 && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    n = lua_gettop(co);
    if (!lua_checkstack(L, n + 1)) return luaL_error(L, "too many results to resume");
    lua_xmove(co, L, n);
    return n;
}

static int coroutine_resume(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    int n;

    luaL_argcheck(L, co, 1, "coroutine expected");
    n = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    if (n < 0) n = 1;
    lua_insert(L, -(n + 1));
    return n + 1;
}

static int coroutine_create(lua_State *L) {
    lua_State *co;

    luaL_argcheck(L, lua_isfunction(L, 1) && !lua_iscfunction(L, 1), 1, "Lua function expected");
    co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int call_wrapped(lua_State *L) {
    int n = resume(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));

    if (n >= 0) return n;
    if (lua_isstring(L, -1)) { /* where it was called */
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L) {
    coroutine_create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

void lib_coroutine_guard(lua_State *L) {
    static const luaL_Reg functions[] = {{"create", coroutine_create},
                                         {"resume", coroutine_resume},
                                         {"wrap", coroutine_wrap},
                                         {NULL, NULL}};

    luaL_register(L, NULL, functions);
}
