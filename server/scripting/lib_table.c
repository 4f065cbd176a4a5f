/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib_table - functions of the table `table` that may take long while no instruction of Lua runs:
 * foreach, foreachi and sort call C functions in a loop, concat may write 512 MiB. So the script is
 * looked at here.
 */
#include "server/scripting/interp.h"

/* Calls argument 2 with the two values on top; whether its result, left on top, ends the loop. */
static bool call_each(lua_State *L) {
    script_poll(L);
    lua_pushvalue(L, 2);
    lua_insert(L, -3);
    lua_call(L, 2, 1);
    if (!lua_isnil(L, -1)) return true;
    lua_pop(L, 1);
    return false;
}

static int table_foreach(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    for (lua_pushnil(L); lua_next(L, 1);) {
        lua_pushvalue(L, -2); /* the key stays */
        lua_insert(L, -2);
        if (call_each(L)) return 1;
    }
    return 0;
}

static int table_foreachi(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    for (int i = 1, n = (int)lua_objlen(L, 1); i <= n; i++) {
        lua_pushinteger(L, i);
        lua_rawgeti(L, 1, i);
        if (call_each(L)) return 1;
    }
    return 0;
}

/* ---------------------------------------------------------------- concat */

/* Element i of argument 1, pushed as a string. */
static struct slice push_element(lua_State *L, int i) {
    struct slice s;

    lua_rawgeti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %d in table for 'concat'", luaL_typename(L, -1),
                   i);
    s.p = lua_tolstring(L, -1, &s.n);
    return s;
}

static int table_concat(lua_State *L) {
    struct bytes *b = &scripting_of(L)->text;
    struct slice sep;
    size_t n = 0;
    int from, to;

    sep.p = luaL_optlstring(L, 2, "", &sep.n);
    luaL_checktype(L, 1, LUA_TTABLE);
    from = luaL_optint(L, 3, 1);
    to = luaL_opt(L, luaL_checkint, 4, (int)lua_objlen(L, 1));
    for (int64_t i = from; i <= to; i++) {
        n += push_element(L, (int)i).n + (i < to ? sep.n : 0);
        lua_pop(L, 1);
        if (n > LIB_STRING_MAX) return luaL_error(L, "resulting string too large");
        if (i % 1024 == 0) script_poll(L);
    }
    bytes_clear(b);
    bytes_room(b, n);
    for (int64_t i = from; i <= to; i++) {
        struct slice s = push_element(L, (int)i);

        bytes_append(b, s.p, s.n);
        lua_pop(L, 1);
        if (i < to) bytes_append(b, sep.p, sep.n);
        if (i % 1024 == 0) script_poll(L);
    }
    lib_push_text(L);
    return 1;
}

/* ---------------------------------------------------------------- sort */

static int compare_with_c(lua_State *L) {
    int n = lua_gettop(L);

    script_poll(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, 1);
    return 1;
}

static int compare_long(lua_State *L) {
    script_poll(L);
    lua_pushboolean(L, lua_lessthan(L, 1, 2));
    return 1;
}

enum { COMPARED_MAX = 64 * 1024 * 1024 };

/* Whether comparing once a value may take so long that the script has to be looked at. */
static bool has_long_texts(lua_State *L) {
    size_t longest = 0, n = lua_objlen(L, 1);

    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, (int)i);
        if (lua_type(L, -1) == LUA_TSTRING && lua_objlen(L, -1) > longest)
            longest = lua_objlen(L, -1);
        lua_pop(L, 1);
    }
    return n * longest > COMPARED_MAX;
}

static int table_sort(lua_State *L) {
    lua_CFunction sort = lua_tocfunction(L, lua_upvalueindex(1));

    luaL_checktype(L, 1, LUA_TTABLE);
    if (lua_iscfunction(L, 2)) {
        lua_pushvalue(L, 2);
        lua_pushcclosure(L, compare_with_c, 1);
        lua_replace(L, 2);
    } else if (lua_isnoneornil(L, 2) && has_long_texts(L)) {
        lua_settop(L, 1);
        lua_pushcfunction(L, compare_long);
    }
    return sort(L);
}

void lib_table_guard(lua_State *L) {
    static const luaL_Reg functions[] = {{"foreach", table_foreach},
                                         {"foreachi", table_foreachi},
                                         {"concat", table_concat},
                                         {NULL, NULL}};

    luaL_register(L, NULL, functions);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, table_sort, 1);
    lua_setfield(L, -2, "sort");
}
