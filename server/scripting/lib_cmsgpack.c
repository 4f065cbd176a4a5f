/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib_cmsgpack - the table `cmsgpack`: MessagePack (msgpack.org), with the interface of
 * lua-cmsgpack 0.4.
 *
 * Tables deeper than NESTING_MAX are packed as nil. What is unpacked is bounded by its own bytes:
 * counts are not believed before the elements are there.
 */
#include "server/scripting/interp.h"

#include <math.h>

enum { NESTING_MAX = 16, DECODE_DEPTH_MAX = 1000 };

/* ---------------------------------------------------------------- packing */

static void put_head(struct bytes *b, uint8_t code, uint64_t v, int bytes) {
    char *p = bytes_room(b, 9);

    p[0] = (char)code;
    for (int i = 0; i < bytes; i++) p[1 + i] = (char)(v >> (8 * (bytes - 1 - i)));
    b->n += 1 + (size_t)bytes;
}

static void put_integer(struct bytes *b, int64_t v) {
    uint64_t u = (uint64_t)v;

    if (v >= -32 && v <= 127)
        put_head(b, (uint8_t)v, 0, 0);
    else if (v >= 0)
        v <= 0xff         ? put_head(b, 0xcc, u, 1)
        : v <= 0xffff     ? put_head(b, 0xcd, u, 2)
        : v <= 0xffffffff ? put_head(b, 0xce, u, 4)
                          : put_head(b, 0xcf, u, 8);
    else
        v >= INT8_MIN    ? put_head(b, 0xd0, u, 1)
        : v >= INT16_MIN ? put_head(b, 0xd1, u, 2)
        : v >= INT32_MIN ? put_head(b, 0xd2, u, 4)
                         : put_head(b, 0xd3, u, 8);
}

static void put_number(struct bytes *b, double v) {
    float f = (float)v;

    if (v >= -0x1p63 && v < 0x1p63 && v == (double)(int64_t)v) {
        put_integer(b, (int64_t)v);
    } else if ((double)f == v) {
        uint32_t u;

        memcpy(&u, &f, sizeof u);
        put_head(b, 0xca, u, 4);
    } else {
        uint64_t u;

        memcpy(&u, &v, sizeof u);
        put_head(b, 0xcb, u, 8);
    }
}

static void put_string(lua_State *L, struct bytes *b, int at) {
    size_t n;
    const char *p = lua_tolstring(L, at, &n);

    if (b->n + n > LIB_TEXT_MAX) luaL_error(L, "result is too long");
    if (n < 32)
        put_head(b, (uint8_t)(0xa0 | n), 0, 0);
    else if (n <= 0xff)
        put_head(b, 0xd9, n, 1);
    else
        n <= 0xffff ? put_head(b, 0xda, n, 2) : put_head(b, 0xdb, n, 4);
    bytes_append(b, p, n);
}

static void put_count(struct bytes *b, size_t n, uint8_t fix, uint8_t code16) {
    if (n < 16)
        put_head(b, (uint8_t)(fix | n), 0, 0);
    else if (n <= 0xffff)
        put_head(b, code16, n, 2);
    else
        put_head(b, (uint8_t)(code16 + 1), n, 4);
}

/* Whether the keys of the table on top are 1 to n, each of them; counts them. */
static bool is_list(lua_State *L, size_t *count) {
    size_t n = 0;
    double max = 0;
    bool list = true;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), n++) {
        double k = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

        if (!(k > 0) || k != floor(k)) list = false;
        if (k > max) max = k;
    }
    *count = n;
    return list && max == (double)n;
}

static void put_value(lua_State *L, struct bytes *b, int depth);

static void put_table(lua_State *L, struct bytes *b, int depth) {
    size_t n;

    luaL_checkstack(L, 6, "table is nested too deeply");
    if (is_list(L, &n)) {
        put_count(b, n, 0x90, 0xdc);
        for (size_t i = 1; i <= n; i++) {
            lua_rawgeti(L, -1, (int)i);
            put_value(L, b, depth + 1);
        }
        return;
    }
    put_count(b, n, 0x80, 0xde);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        put_value(L, b, depth + 1);
        put_value(L, b, depth + 1);
    }
}

/* Packs the value on top and pops it. */
static void put_value(lua_State *L, struct bytes *b, int depth) {
    int type = lua_type(L, -1);

    if (b->n > LIB_TEXT_MAX) luaL_error(L, "result is too long");
    if (type == LUA_TSTRING)
        put_string(L, b, -1);
    else if (type == LUA_TNUMBER)
        put_number(b, lua_tonumber(L, -1));
    else if (type == LUA_TBOOLEAN)
        put_head(b, lua_toboolean(L, -1) ? 0xc3 : 0xc2, 0, 0);
    else if (type == LUA_TTABLE && depth < NESTING_MAX)
        put_table(L, b, depth);
    else
        put_head(b, 0xc0, 0, 0);
    lua_pop(L, 1);
}

static int msgpack_pack(lua_State *L) {
    struct bytes *b = &scripting_of(L)->text;
    int n = lua_gettop(L);

    if (n == 0) return luaL_argerror(L, 0, "MessagePack pack needs input.");
    luaL_checkstack(L, 4, "too many arguments");
    bytes_clear(b);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        put_value(L, b, 0);
    }
    lib_push_text(L);
    return 1;
}

/* ---------------------------------------------------------------- unpacking */

struct reader {
    const uint8_t *p;
    size_t left;
    int depth;
};

static const uint8_t *take(lua_State *L, struct reader *r, uint64_t n) {
    const uint8_t *p = r->p;

    if (n > r->left) luaL_error(L, "Missing bytes in input.");
    r->p += n;
    r->left -= (size_t)n;
    return p;
}

static uint64_t take_uint(lua_State *L, struct reader *r, int bytes) {
    const uint8_t *p = take(L, r, (uint64_t)bytes);
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++) v = v << 8 | p[i];
    return v;
}

static void get_string(lua_State *L, struct reader *r, uint64_t n) {
    const uint8_t *p = take(L, r, n);

    lua_pushlstring(L, (const char *)p, (size_t)n);
}

static void get_value(lua_State *L, struct reader *r);

static void enter(lua_State *L, struct reader *r) {
    if (++r->depth > DECODE_DEPTH_MAX) luaL_error(L, "input is nested too deeply");
    luaL_checkstack(L, 4, "input is nested too deeply");
    lua_newtable(L);
}

static void get_array(lua_State *L, struct reader *r, uint64_t n) {
    enter(L, r);
    for (uint64_t i = 1; i <= n; i++) {
        get_value(L, r);
        lua_rawseti(L, -2, (int)i);
    }
    r->depth--;
}

static void get_map(lua_State *L, struct reader *r, uint64_t n) {
    enter(L, r);
    for (uint64_t i = 0; i < n; i++) {
        get_value(L, r);
        get_value(L, r);
        if (lua_isnil(L, -2) ||
            (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) != lua_tonumber(L, -2)))
            luaL_error(L, "Bad data format in input.");
        lua_rawset(L, -3);
    }
    r->depth--;
}

static void get_float(lua_State *L, struct reader *r, int bytes) {
    uint64_t u = take_uint(L, r, bytes);
    uint32_t u32 = (uint32_t)u;
    double d;
    float f;

    if (bytes == 4) {
        memcpy(&f, &u32, sizeof f);
        d = f;
    } else {
        memcpy(&d, &u, sizeof d);
    }
    lua_pushnumber(L, d);
}

static void get_signed(lua_State *L, struct reader *r, int bytes) {
    uint64_t u = take_uint(L, r, bytes);

    if (bytes < 8 && u >> (bytes * 8 - 1)) u |= ~0ull << (bytes * 8);
    lua_pushnumber(L, (double)(int64_t)u);
}

/* The codes from c0 to df. */
static void get_coded(lua_State *L, struct reader *r, uint8_t code) {
    switch (code) {
    case 0xc0: lua_pushnil(L); return;
    case 0xc2:
    case 0xc3: lua_pushboolean(L, code == 0xc3); return;
    case 0xca: get_float(L, r, 4); return;
    case 0xcb: get_float(L, r, 8); return;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: lua_pushnumber(L, (double)take_uint(L, r, 1 << (code - 0xcc))); return;
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: get_signed(L, r, 1 << (code - 0xd0)); return;
    case 0xd9:
    case 0xda:
    case 0xdb: get_string(L, r, take_uint(L, r, 1 << (code - 0xd9))); return;
    case 0xdc:
    case 0xdd: get_array(L, r, take_uint(L, r, code == 0xdc ? 2 : 4)); return;
    case 0xde:
    case 0xdf: get_map(L, r, take_uint(L, r, code == 0xde ? 2 : 4)); return;
    default: luaL_error(L, "Bad data format in input.");
    }
}

static void get_value(lua_State *L, struct reader *r) {
    uint8_t code = *take(L, r, 1);

    if (code < 0x80)
        lua_pushnumber(L, code);
    else if (code >= 0xe0)
        lua_pushnumber(L, (int8_t)code);
    else if (code < 0x90)
        get_map(L, r, code & 15);
    else if (code < 0xa0)
        get_array(L, r, code & 15);
    else if (code < 0xc0)
        get_string(L, r, code & 31);
    else
        get_coded(L, r, code);
}

/* `limit` values from `offset` on (0: all of them), before them where the next one stands if only
 * so many were asked for: -1 at the end. */
static int unpack(lua_State *L, int limit, int64_t offset) {
    size_t n;
    const char *p = luaL_checklstring(L, 1, &n);
    struct reader r = {0};
    int got = 0;

    if (offset < 0 || limit < 0)
        return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.",
                          (int)offset, (int)n);
    if ((uint64_t)offset > n)
        return luaL_error(L, "Start offset %d greater than input length %d.", (int)offset, (int)n);
    if (limit == 0) limit = INT32_MAX;
    r.p = (const uint8_t *)p + offset;
    r.left = n - (size_t)offset;
    lua_settop(L, 1);
    for (; r.left > 0 && got < limit; got++) {
        luaL_checkstack(L, 2, "in function mp_unpack_full");
        get_value(L, &r);
    }
    if (limit == INT32_MAX) return got;
    luaL_checkstack(L, 1, "too many results");
    lua_pushnumber(L, r.left == 0 ? -1 : (double)(n - r.left));
    lua_insert(L, 2);
    return got + 1;
}

static int64_t offset_arg(lua_State *L, int at) {
    double v = luaL_optnumber(L, at, 0);

    return v >= -1 && v <= 0x1p40 ? (int64_t)v : -1;
}

static int msgpack_unpack(lua_State *L) {
    return unpack(L, 0, 0);
}

static int msgpack_unpack_one(lua_State *L) {
    return unpack(L, 1, offset_arg(L, 2));
}

static int msgpack_unpack_limit(lua_State *L) {
    double limit = luaL_checknumber(L, 2);

    return unpack(L, limit >= 0 && limit < INT32_MAX ? (int)limit : -1, offset_arg(L, 3));
}

void lib_cmsgpack_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"pack", msgpack_pack},
                                         {"unpack", msgpack_unpack},
                                         {"unpack_one", msgpack_unpack_one},
                                         {"unpack_limit", msgpack_unpack_limit},
                                         {NULL, NULL}};

    lua_newtable(L);
    luaL_register(L, NULL, functions);
    lua_pushliteral(L, "cmsgpack");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "lua-cmsgpack 0.4.0");
    lua_setfield(L, -2, "_VERSION");
    lua_pushliteral(L, "MessagePack for Lua");
    lua_setfield(L, -2, "_DESCRIPTION");
}
