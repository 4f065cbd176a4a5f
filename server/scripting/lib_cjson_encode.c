/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/scripting/cjson.h"

#include <limits.h>
#include <math.h>

struct writer {
    lua_State *L;
    const struct cjson *c;
    struct bytes *b;
};

enum { STRING_MAX = 128 * 1024 * 1024 }; /* each byte may become six */

static void put_escaped(struct bytes *b, const char *p, size_t n) {
    static const char digits[] = "0123456789abcdef";
    char *from = bytes_room(b, n * 6 + 2), *q = from;

    *q++ = '"';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        char letter = 0;

        if (__builtin_expect(c >= 0x20 && c != '"' && c != '\\' && c != '/' && c != 0x7f, 1)) {
            *q++ = (char)c;
            continue;
        }
        switch (c) {
        case '"':
        case '\\':
        case '/': letter = (char)c; break;
        case '\b': letter = 'b'; break;
        case '\t': letter = 't'; break;
        case '\n': letter = 'n'; break;
        case '\f': letter = 'f'; break;
        case '\r': letter = 'r'; break;
        }
        *q++ = '\\';
        if (letter) {
            *q++ = letter;
        } else {
            memcpy(q, "u00", 3);
            q[3] = digits[c >> 4];
            q[4] = digits[c & 15];
            q += 5;
        }
    }
    *q++ = '"';
    b->n += (size_t)(q - from);
}

static void put_string(struct writer *w, int at) {
    size_t n;
    const char *p = lua_tolstring(w->L, at, &n);

    if (n > STRING_MAX || w->b->n > LIB_TEXT_MAX) luaL_error(w->L, "JSON is too long");
    put_escaped(w->b, p, n);
}

static void put_number(struct writer *w, int at) {
    double v = lua_tonumber(w->L, at);
    char *p = bytes_room(w->b, 40);

    if (!isfinite(v) && w->c->encode_invalid != 1) {
        if (w->c->encode_invalid == 0)
            luaL_error(w->L, "Cannot serialise number: must not be NaN or Inf");
        bytes_append(w->b, "null", 4);
        return;
    }
    if (!signbit(v) && v <= INT_MAX && v == (double)(int)v)
        bytes_append_int(w->b, (int)v);
    else if (isnan(v))
        bytes_append(w->b, "nan", 3);
    else
        w->b->n += (size_t)snprintf(p, 40, "%.*g", w->c->precision, v);
}

/* How many elements the table on top has as an array, or -1: it is an object. */
static int64_t array_length(struct writer *w) {
    lua_State *L = w->L;
    double max = 0;
    int64_t items = 0;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), items++) {
        double k = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

        if (!(k > 0) || floor(k) != k) {
            lua_pop(L, 2);
            return -1;
        }
        if (k > max) max = k;
    }
    if (w->c->sparse_ratio > 0 && max > (double)items * w->c->sparse_ratio &&
        max > w->c->sparse_safe) {
        if (!w->c->sparse_convert)
            luaL_error(L, "Cannot serialise %s: %s", "table", "excessively sparse array");
        return -1;
    }
    if (max > INT32_MAX) luaL_error(L, "JSON is too long");
    return (int64_t)max;
}

static void put_value(struct writer *w, int depth);

static void put_array(struct writer *w, int64_t n, int depth) {
    bytes_append_char(w->b, '[');
    for (int64_t i = 1; i <= n; i++) {
        if (i > 1) bytes_append_char(w->b, ',');
        lua_rawgeti(w->L, -1, (int)i);
        put_value(w, depth);
        lua_pop(w->L, 1);
    }
    bytes_append_char(w->b, ']');
}

static void put_key(struct writer *w) {
    int type = lua_type(w->L, -2);

    if (type == LUA_TNUMBER) {
        bytes_append_char(w->b, '"');
        put_number(w, -2);
        bytes_append_char(w->b, '"');
    } else if (type == LUA_TSTRING) {
        put_string(w, -2);
    } else {
        luaL_error(w->L, "Cannot serialise %s: %s", lua_typename(w->L, type),
                   "table key must be a number or string");
    }
    bytes_append_char(w->b, ':');
}

static void put_object(struct writer *w, int depth) {
    bool first = true;

    bytes_append_char(w->b, '{');
    for (lua_pushnil(w->L); lua_next(w->L, -2); lua_pop(w->L, 1)) {
        if (!first) bytes_append_char(w->b, ',');
        first = false;
        put_key(w);
        put_value(w, depth);
    }
    bytes_append_char(w->b, '}');
}

static void put_table(struct writer *w, int depth) {
    int64_t n;

    if (depth > w->c->encode_depth || !lua_checkstack(w->L, 4))
        luaL_error(w->L, "Cannot serialise, excessive depth (%d)", depth);
    n = array_length(w);
    if (n > 0)
        put_array(w, n, depth);
    else
        put_object(w, depth);
}

static void put_value(struct writer *w, int depth) {
    int type = lua_type(w->L, -1);

    if (w->b->n > LIB_TEXT_MAX) luaL_error(w->L, "JSON is too long");
    switch (type) {
    case LUA_TSTRING: put_string(w, -1); return;
    case LUA_TNUMBER: put_number(w, -1); return;
    case LUA_TBOOLEAN: bytes_append_str(w->b, lua_toboolean(w->L, -1) ? "true" : "false"); return;
    case LUA_TTABLE: put_table(w, depth + 1); return;
    case LUA_TNIL: bytes_append(w->b, "null", 4); return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(w->L, -1)) {
            bytes_append(w->b, "null", 4);
            return;
        }
    }
    luaL_error(w->L, "Cannot serialise %s: %s", lua_typename(w->L, type), "type not supported");
}

int cjson_encode(lua_State *L) {
    struct writer w = {L, lua_touserdata(L, lua_upvalueindex(1)), &scripting_of(L)->text};

    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    bytes_clear(w.b);
    put_value(&w, 0);
    lib_push_text(L);
    return 1;
}
