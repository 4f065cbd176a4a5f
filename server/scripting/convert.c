/* SPDX-License-Identifier: BSD-3-Clause
 *
 * convert - replies of commands as Lua values, and what scripts return as replies.
 *
 * The replies are the server's own and therefore well-formed: nothing is checked here but the
 * room on Lua's stack.
 */
#include "server/scripting/interp.h"

#include "storage/base/check.h"
#include "storage/base/num.h"

#include <math.h>

/* ---------------------------------------------------------------- to Lua */

static const char *read_int(const char *p, int64_t *v) {
    bool minus = *p == '-';
    uint64_t n = 0;

    if (minus) p++;
    for (; *p != '\r'; p++) n = n * 10 + (uint64_t)(*p - '0');
    *v = minus ? (int64_t)(0 - n) : (int64_t)n;
    return p + 2;
}

static const char *line_end(const char *p) {
    while (*p != '\r') p++;
    return p;
}

/* A table with one field. */
static void push_named(lua_State *L, const char *name, const char *p, size_t n) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, name);
    lua_pushlstring(L, p, n);
    lua_rawset(L, -3);
}

static const char *push_value(lua_State *L, const char *p, int resp);

static void push_null(lua_State *L, int resp) {
    if (resp == 2)
        lua_pushboolean(L, false);
    else
        lua_pushnil(L);
}

static const char *push_array(lua_State *L, const char *p, int64_t n, int resp) {
    luaL_checkstack(L, 6, "reply is nested too deeply");
    lua_createtable(L, n > INT32_MAX ? 0 : (int)n, 0);
    for (int64_t i = 1; i <= n; i++) {
        p = push_value(L, p, resp);
        lua_rawseti(L, -2, (int)i);
    }
    return p;
}

/* {map={k=v}} and {set={k=true}} */
static const char *push_keyed(lua_State *L, const char *p, int64_t n, int resp, bool map) {
    luaL_checkstack(L, 6, "reply is nested too deeply");
    lua_createtable(L, 0, 1);
    lua_pushstring(L, map ? "map" : "set");
    lua_newtable(L); /* grown as Redis grows it: the size decides the order of the keys */
    for (int64_t i = 0; i < n; i++) {
        p = push_value(L, p, resp);
        if (map)
            p = push_value(L, p, resp);
        else
            lua_pushboolean(L, true);
        if (lua_isnil(L, -2))
            lua_pop(L, 2);
        else
            lua_rawset(L, -3);
    }
    lua_rawset(L, -3);
    return p;
}

static const char *push_double(lua_State *L, const char *p) {
    const char *end = line_end(p);
    double v;

    if (!num_parse_double(p, (size_t)(end - p), &v)) v = NAN;
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "double");
    lua_pushnumber(L, v);
    lua_rawset(L, -3);
    return end + 2;
}

static const char *push_verbatim(lua_State *L, const char *p, int64_t n) {
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "verbatim_string");
    push_named(L, "format", p, 3);
    lua_pushliteral(L, "string");
    lua_pushlstring(L, p + 4, (size_t)n - 4);
    lua_rawset(L, -3);
    lua_rawset(L, -3);
    return p + n + 2;
}

static const char *push_line(lua_State *L, const char *p, const char *name) {
    const char *end = line_end(p);

    push_named(L, name, p, (size_t)(end - p));
    return end + 2;
}

static const char *push_sized(lua_State *L, char type, const char *p, int resp) {
    int64_t n;

    p = read_int(p, &n);
    if (type == ':') {
        lua_pushnumber(L, (double)n);
        return p;
    }
    if (n < 0) {
        push_null(L, resp);
        return p;
    }
    switch (type) {
    case '$': lua_pushlstring(L, p, (size_t)n); return p + n + 2;
    case '=': return push_verbatim(L, p, n);
    case '%': return push_keyed(L, p, n, resp, true);
    case '~': return push_keyed(L, p, n, resp, false);
    default: return push_array(L, p, n, resp);
    }
}

static const char *push_value(lua_State *L, const char *p, int resp) {
    char type = *p++;

    switch (type) {
    case '+': return push_line(L, p, "ok");
    case '-': return push_line(L, p, "err");
    case '(': return push_line(L, p, "big_number");
    case ',': return push_double(L, p);
    case '#': lua_pushboolean(L, *p == 't'); return p + 3;
    case '_': push_null(L, resp); return p + 2;
    default: return push_sized(L, type, p, resp);
    }
}

/* The reply in one piece. */
static const char *flatten(struct scripting *sc) {
    const struct out *o = &sc->out;

    if (o->first && !o->first->next) return o->first->p;
    bytes_clear(&sc->flat);
    for (const struct out_chunk *c = o->first; c; c = c->next) bytes_append(&sc->flat, c->p, c->n);
    return sc->flat.p;
}

enum { FLAT_KEPT = 64 * 1024 };

void convert_to_lua(struct scripting *sc, lua_State *L) {
    if (out_pending(&sc->out) == 0)
        lua_pushboolean(L, false);
    else
        push_value(L, flatten(sc), sc->run.resp);
    if (sc->flat.cap > FLAT_KEPT) bytes_release(&sc->flat);
}

/* ---------------------------------------------------------------- to a reply */

/* A number as the integer that it is cut to; what does not fit is the smallest one. */
static int64_t cut(double v) {
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

static void write_value(lua_State *L, struct reply *r, int script_resp);

/* The field, if the table on top has one of this type: pushed, else nothing is. */
static bool field(lua_State *L, const char *name, int type) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    if (lua_type(L, -1) == type) return true;
    lua_pop(L, 1);
    return false;
}

static struct slice text_on_top(lua_State *L) {
    size_t n;
    const char *p = lua_tolstring(L, -1, &n);

    return slice_of(p, n);
}

/* A line: its line breaks become blanks. */
static void write_line(struct reply *r, char type, struct slice s) {
    char *p = out_room(r->out, s.n + 3);

    p[0] = type;
    for (size_t i = 0; i < s.n; i++) p[1 + i] = s.p[i] == '\r' || s.p[i] == '\n' ? ' ' : s.p[i];
    memcpy(p + 1 + s.n, "\r\n", 2);
    out_advance(r->out, s.n + 3);
}

static void write_map(lua_State *L, struct reply *r, int script_resp, bool map) {
    size_t n = 0;

    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) n++;
    map ? reply_map(r, n) : reply_set(r, n);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        write_value(L, r, script_resp);
        if (map)
            write_value(L, r, script_resp);
        else
            lua_pop(L, 1);
    }
}

static void write_verbatim(lua_State *L, struct reply *r) {
    struct slice format, text;
    char name[4] = "txt";

    if (!field(L, "format", LUA_TSTRING)) {
        reply_null(r);
        return;
    }
    format = text_on_top(L);
    memcpy(name, format.p, format.n < 3 ? format.n : 3);
    lua_pop(L, 1);
    if (!field(L, "string", LUA_TSTRING)) {
        reply_null(r);
        return;
    }
    text = text_on_top(L);
    reply_verbatim(r, name, text.p, text.n);
    lua_pop(L, 1);
}

static void write_list(lua_State *L, struct reply *r, int script_resp) {
    int n = 0;

    for (;; n++) {
        bool end;

        lua_rawgeti(L, -1, n + 1);
        end = lua_isnil(L, -1);
        lua_pop(L, 1);
        if (end) break;
    }
    reply_array(r, (size_t)n);
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        write_value(L, r, script_resp);
    }
}

/* The tables that mean something else than a list; false: it is none of them. */
static bool write_special(lua_State *L, struct reply *r, int script_resp) {
    if (field(L, "err", LUA_TSTRING)) {
        write_line(r, '-', text_on_top(L));
    } else if (field(L, "ok", LUA_TSTRING)) {
        write_line(r, '+', text_on_top(L));
    } else if (field(L, "double", LUA_TNUMBER)) {
        reply_double(r, lua_tonumber(L, -1));
    } else if (field(L, "map", LUA_TTABLE)) {
        write_map(L, r, script_resp, true);
    } else if (field(L, "set", LUA_TTABLE)) {
        write_map(L, r, script_resp, false);
    } else if (field(L, "big_number", LUA_TSTRING)) {
        if (r->resp == 2)
            reply_bulk(r, text_on_top(L).p, text_on_top(L).n);
        else
            write_line(r, '(', text_on_top(L));
    } else if (field(L, "verbatim_string", LUA_TTABLE)) {
        write_verbatim(L, r);
    } else {
        return false;
    }
    lua_pop(L, 1);
    return true;
}

/* A table that holds itself twice would have more elements than there is memory. */
#define REPLY_MAX (512ull << 20)

/* The same string may stand in a table any number of times. */
static void write_text(lua_State *L, struct reply *r) {
    struct slice s = text_on_top(L);

    if (out_pending(r->out) > REPLY_MAX)
        reply_error_text(r, "ERR reply is too long", 21);
    else
        reply_bulk(r, s.p, s.n);
}

static void write_table(lua_State *L, struct reply *r, int script_resp) {
    if (out_pending(r->out) > REPLY_MAX || !lua_checkstack(L, 8)) {
        reply_error_text(r, "ERR reached lua stack limit", 27);
        return;
    }
    if (!write_special(L, r, script_resp)) write_list(L, r, script_resp);
}

static void write_bool(struct reply *r, bool v, int script_resp) {
    if (script_resp == 3)
        reply_bool(r, v);
    else if (v)
        reply_int(r, 1);
    else
        reply_null(r);
}

/* Pops it. */
static void write_value(lua_State *L, struct reply *r, int script_resp) {
    switch (lua_type(L, -1)) {
    case LUA_TSTRING: write_text(L, r); break;
    case LUA_TNUMBER: reply_int(r, cut(lua_tonumber(L, -1))); break;
    case LUA_TBOOLEAN: write_bool(r, lua_toboolean(L, -1), script_resp); break;
    case LUA_TTABLE: write_table(L, r, script_resp); break;
    default: reply_null(r);
    }
    lua_pop(L, 1);
}

void convert_to_reply(lua_State *L, struct reply *r, int script_resp) {
    write_value(L, r, script_resp);
}
