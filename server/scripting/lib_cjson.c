/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib_cjson - the table `cjson`: JSON with the interface of lua-cjson 2.1.
 */
#include "server/scripting/cjson.h"

#include <limits.h>

static struct cjson *settings(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

static void set_defaults(struct cjson *c) {
    *c = (struct cjson){.sparse_ratio = 2,
                        .sparse_safe = 10,
                        .encode_depth = 1000,
                        .decode_depth = 1000,
                        .precision = 14,
                        .decode_invalid = true,
                        .keep_buffer = true};
}

/* Argument `at` into *v, if it is there; pushes what holds then. */
static void int_setting(lua_State *L, int at, int *v, int min, int max) {
    char why[64];

    if (!lua_isnoneornil(L, at)) {
        lua_Integer n = luaL_checkinteger(L, at);

        snprintf(why, sizeof why, "expected integer between %d and %d", min, max);
        luaL_argcheck(L, n >= min && n <= max, at, why);
        *v = (int)n;
    }
    lua_pushinteger(L, *v);
}

static void bool_setting(lua_State *L, int at, bool *v) {
    if (!lua_isnoneornil(L, at)) {
        luaL_argcheck(L, lua_isboolean(L, at), at, "invalid option");
        *v = lua_toboolean(L, at);
    }
    lua_pushboolean(L, *v);
}

static int cjson_sparse(lua_State *L) {
    struct cjson *c = settings(L);

    luaL_argcheck(L, lua_gettop(L) <= 3, 4, "found too many arguments");
    lua_settop(L, 3);
    bool_setting(L, 1, &c->sparse_convert);
    int_setting(L, 2, &c->sparse_ratio, 0, INT_MAX);
    int_setting(L, 3, &c->sparse_safe, 0, INT_MAX);
    return 3;
}

static int one_int(lua_State *L, int *v, int min, int max) {
    luaL_argcheck(L, lua_gettop(L) <= 1, 2, "found too many arguments");
    int_setting(L, 1, v, min, max);
    return 1;
}

static int one_bool(lua_State *L, bool *v) {
    luaL_argcheck(L, lua_gettop(L) <= 1, 2, "found too many arguments");
    bool_setting(L, 1, v);
    return 1;
}

/* Encoding and decoding call themselves once for each level. */
enum { DEPTH_MAX = 8000 };

static int cjson_encode_depth(lua_State *L) {
    return one_int(L, &settings(L)->encode_depth, 1, DEPTH_MAX);
}

static int cjson_decode_depth(lua_State *L) {
    return one_int(L, &settings(L)->decode_depth, 1, DEPTH_MAX);
}

static int cjson_precision(lua_State *L) {
    return one_int(L, &settings(L)->precision, 1, 14);
}

static int cjson_keep_buffer(lua_State *L) {
    return one_bool(L, &settings(L)->keep_buffer);
}

static int cjson_decode_invalid(lua_State *L) {
    return one_bool(L, &settings(L)->decode_invalid);
}

static int cjson_encode_invalid(lua_State *L) {
    static const char *const names[] = {"off", "on", "null", NULL};
    struct cjson *c = settings(L);

    luaL_argcheck(L, lua_gettop(L) <= 1, 2, "found too many arguments");
    if (lua_isboolean(L, 1))
        c->encode_invalid = lua_toboolean(L, 1);
    else if (!lua_isnoneornil(L, 1))
        c->encode_invalid = luaL_checkoption(L, 1, NULL, names);
    if (c->encode_invalid == 2)
        lua_pushliteral(L, "null");
    else
        lua_pushboolean(L, c->encode_invalid);
    return 1;
}

static struct cjson *push_module(lua_State *L);

static int cjson_new(lua_State *L) {
    push_module(L);
    return 1;
}

static struct cjson *push_module(lua_State *L) {
    static const luaL_Reg functions[] = {{"encode", cjson_encode},
                                         {"decode", cjson_decode},
                                         {"encode_sparse_array", cjson_sparse},
                                         {"encode_max_depth", cjson_encode_depth},
                                         {"decode_max_depth", cjson_decode_depth},
                                         {"encode_number_precision", cjson_precision},
                                         {"encode_keep_buffer", cjson_keep_buffer},
                                         {"encode_invalid_numbers", cjson_encode_invalid},
                                         {"decode_invalid_numbers", cjson_decode_invalid},
                                         {"new", cjson_new}};
    struct cjson *c;

    lua_newtable(L);
    c = lua_newuserdata(L, sizeof *c);
    set_defaults(c);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, functions[i].func, 1);
        lua_setfield(L, -3, functions[i].name);
    }
    lua_pop(L, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushliteral(L, "cjson");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "2.1.0");
    lua_setfield(L, -2, "_VERSION");
    return c;
}

void lib_cjson_open(lua_State *L) {
    scripting_of(L)->cjson = push_module(L);
}

void lib_cjson_reset(struct cjson *c) {
    set_defaults(c);
}
