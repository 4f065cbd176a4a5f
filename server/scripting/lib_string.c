/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib_string - the functions of the table `string` that look for patterns or may grow without
 * bounds: find, match, gmatch, gsub, rep, upper, lower, reverse. Their interface is that of
 * Lua 5.1.
 */
#include "server/scripting/pattern.h"

#include <ctype.h>

/* ---------------------------------------------------------------- captures */

/* Capture i of the match from s to e, pushed. Capture 0 of a pattern without any is the match. */
static void push_capture(struct matcher *m, int i, const char *s, const char *e) {
    const struct pattern_capture *c = &m->captures[i < PATTERN_CAPTURES ? i : 0];

    if (i >= m->ncaptures) {
        if (i != 0) luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, s, (size_t)(e - s));
    } else if (c->n == CAPTURE_OPEN) {
        luaL_error(m->L, "unfinished capture");
    } else if (c->n == CAPTURE_POSITION) {
        lua_pushinteger(m->L, c->p - m->subject + 1);
    } else {
        lua_pushlstring(m->L, c->p, (size_t)c->n);
    }
}

/* All of them, or the match if there are none and `whole`; how many. */
static int push_captures(struct matcher *m, bool whole, const char *s, const char *e) {
    int n = m->ncaptures == 0 && whole ? 1 : m->ncaptures;

    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++) push_capture(m, i, s, e);
    return n;
}

/* ---------------------------------------------------------------- find, match */

static struct slice text_arg(lua_State *L, int at) {
    size_t n;
    const char *p = luaL_checklstring(L, at, &n);

    return slice_of(p, n);
}

/* Where argument 3 says to begin, from 0 on. */
static size_t begin_arg(lua_State *L, size_t n) {
    ptrdiff_t at = luaL_optinteger(L, 3, 1);

    if (at < 0) at += (ptrdiff_t)n + 1;
    if (at < 1) return 0;
    return (size_t)at - 1 > n ? n : (size_t)at - 1;
}

enum { SHORT_BYTES = 512 };

/* memmem() is linear, but takes its time to begin. */
static const char *find_text(const char *p, size_t n, struct slice what) {
    const char *last;

    if (what.n == 0) return p;
    if (n > SHORT_BYTES || what.n > n) return memmem(p, n, what.p, what.n);
    for (last = p + (n - what.n); p <= last; p++) {
        p = memchr(p, what.p[0], (size_t)(last - p) + 1);
        if (!p || memcmp(p, what.p, what.n) == 0) return p;
    }
    return NULL;
}

static int find_plain(lua_State *L, struct slice s, struct slice what, size_t begin) {
    const char *p = find_text(s.p + begin, s.n - begin, what);

    pattern_spend(scripting_of(L), L, (p ? (size_t)(p - s.p) - begin : s.n - begin) / 8);
    if (!p) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, p - s.p + 1);
    lua_pushinteger(L, p - s.p + (ptrdiff_t)what.n);
    return 2;
}

static int look_for(lua_State *L, bool find) {
    struct slice text = text_arg(L, 1), pattern = text_arg(L, 2);
    size_t begin = begin_arg(L, text.n);
    bool anchored = pattern.p[0] == '^';
    struct matcher m;

    if (find && (lua_toboolean(L, 4) || !strpbrk(pattern.p, "^$*+?.([%-")))
        return find_plain(L, text, pattern, begin);
    pattern_begin(&m, L, text);
    pattern_prepare(&m, pattern.p + anchored);
    for (const char *s = text.p + begin; s <= m.end; s++) {
        const char *e = pattern_match(&m, s);

        if (e && !find) return push_captures(&m, true, s, e);
        if (e) {
            lua_pushinteger(L, s - text.p + 1);
            lua_pushinteger(L, e - text.p);
            return push_captures(&m, false, s, e) + 2;
        }
        if (anchored) break;
    }
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L) {
    return look_for(L, true);
}

static int string_match(lua_State *L) {
    return look_for(L, false);
}

/* ---------------------------------------------------------------- gmatch */

enum { UP_TEXT = 1, UP_SLOTS, UP_CAPTURES, UP_BEGIN };

static int next_match(lua_State *L) {
    struct slice text;
    struct matcher m;

    text.p = lua_tolstring(L, lua_upvalueindex(UP_TEXT), &text.n);
    pattern_begin(&m, L, text);
    m.slots = lua_touserdata(L, lua_upvalueindex(UP_SLOTS));
    m.ncaptures = (int)lua_tointeger(L, lua_upvalueindex(UP_CAPTURES));
    for (const char *s = text.p + lua_tointeger(L, lua_upvalueindex(UP_BEGIN)); s <= m.end; s++) {
        const char *e = pattern_match(&m, s);

        if (!e) continue;
        lua_pushinteger(L, e - text.p + (e == s));
        lua_replace(L, lua_upvalueindex(UP_BEGIN));
        return push_captures(&m, true, s, e);
    }
    return 0;
}

static int string_gmatch(lua_State *L) {
    const char *pattern;
    size_t n;

    luaL_checkstring(L, 1);
    pattern = luaL_checkstring(L, 2);
    lua_settop(L, 2);
    n = pattern_slots(L, pattern);
    lua_pushvalue(L, 1);
    lua_pushinteger(L,
                    pattern_compile(lua_newuserdata(L, n * sizeof(union pattern_slot)), pattern));
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* ---------------------------------------------------------------- gsub */

/* A text in place of the match: %0 to %9 are captures, %x is x. */
static void add_text(struct matcher *m, luaL_Buffer *b, const char *s, const char *e) {
    size_t n;
    const char *p = lua_tolstring(m->L, 3, &n);

    pattern_spend(m->sc, m->L, n);
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '%') {
            luaL_addchar(b, p[i]);
            continue;
        }
        i++; /* a zero comes after the text */
        if (p[i] < '0' || p[i] > '9') {
            luaL_addchar(b, p[i]);
        } else if (p[i] == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else {
            push_capture(m, p[i] - '1', s, e);
            luaL_addvalue(b);
        }
    }
}

/* What a function or a table makes of the match; nil and false leave it as it is. */
static void add_made(struct matcher *m, luaL_Buffer *b, const char *s, const char *e) {
    lua_State *L = m->L;

    script_poll(L);
    if (lua_isfunction(L, 3)) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, true, s, e), 1);
    } else {
        push_capture(m, 0, s, e);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, s, (size_t)(e - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

static int string_gsub(lua_State *L) {
    struct slice text = text_arg(L, 1);
    const char *pattern = luaL_checkstring(L, 2), *s = text.p;
    int type = lua_type(L, 3), done = 0, most = luaL_optint(L, 4, (int)(text.n + 1));
    bool anchored = pattern[0] == '^', is_text = type == LUA_TSTRING || type == LUA_TNUMBER;
    struct matcher m;
    luaL_Buffer b;

    luaL_argcheck(L, is_text || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                  "string/function/table expected");
    lua_settop(L, 4);
    pattern_begin(&m, L, text);
    pattern_prepare(&m, pattern + anchored);
    luaL_buffinit(L, &b);
    while (done < most) {
        const char *e = pattern_match(&m, s);

        if (e && is_text)
            add_text(&m, &b, s, e);
        else if (e)
            add_made(&m, &b, s, e);
        done += e != NULL;
        if (e && e > s)
            s = e;
        else if (s < m.end)
            luaL_addchar(&b, *s++);
        else
            break;
        if (anchored) break;
    }
    luaL_addlstring(&b, s, (size_t)(m.end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, done);
    return 2;
}

/* ---------------------------------------------------------------- rep, upper, lower, reverse */

enum { CHUNK_BYTES = 1024 * 1024 };

/* How much of `left` is done before the script is looked at: a multiple of `unit`. */
static size_t next_chunk(lua_State *L, size_t left, size_t unit) {
    size_t n = unit < CHUNK_BYTES ? CHUNK_BYTES / unit * unit : unit;

    if (n > left) n = left;
    pattern_spend(scripting_of(L), L, n / 8);
    return n;
}

static int string_rep(lua_State *L) {
    struct slice text = text_arg(L, 1);
    double times = luaL_checknumber(L, 2);
    struct bytes *b = &scripting_of(L)->text;
    size_t n, total;
    char *p;

    if (times * (double)text.n > (double)LIB_STRING_MAX)
        return luaL_error(L, "resulting string too large");
    bytes_clear(b);
    total = times >= 1 ? (size_t)times * text.n : 0;
    p = bytes_room(b, total);
    if (total) memcpy(p, text.p, text.n);
    for (b->n = total ? text.n : 0; b->n < total; b->n += n) {
        n = next_chunk(L, total - b->n < b->n ? total - b->n : b->n, text.n);
        memcpy(p + b->n, p, n);
    }
    lib_push_text(L);
    return 1;
}

static void copy_upper(char *to, const char *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (char)toupper((unsigned char)from[i]);
}

static void copy_lower(char *to, const char *from, size_t n) {
    for (size_t i = 0; i < n; i++) to[i] = (char)tolower((unsigned char)from[i]);
}

static int change_case(lua_State *L, void (*copy)(char *to, const char *from, size_t n)) {
    struct slice text = text_arg(L, 1);
    struct bytes *b = &scripting_of(L)->text;
    char *p;

    bytes_clear(b);
    p = bytes_room(b, text.n);
    for (size_t n; b->n < text.n; b->n += n) {
        n = next_chunk(L, text.n - b->n, 1);
        copy(p + b->n, text.p + b->n, n);
    }
    lib_push_text(L);
    return 1;
}

static int string_upper(lua_State *L) {
    return change_case(L, copy_upper);
}

static int string_lower(lua_State *L) {
    return change_case(L, copy_lower);
}

static int string_reverse(lua_State *L) {
    struct slice text = text_arg(L, 1);
    struct bytes *b = &scripting_of(L)->text;
    char *p;

    bytes_clear(b);
    p = bytes_room(b, text.n);
    for (size_t n; b->n < text.n; b->n += n) {
        n = next_chunk(L, text.n - b->n, 1);
        for (size_t i = b->n; i < b->n + n; i++) p[i] = text.p[text.n - 1 - i];
    }
    lib_push_text(L);
    return 1;
}

/* ---------------------------------------------------------------- format */

enum { QUOTED_MAX = 32 * 1024 * 1024 };

/* Lua's own; %q writes a byte at a time, and no one can end it. */
static int string_format(lua_State *L) {
    size_t n = 0;

    if (lua_type(L, 1) == LUA_TSTRING && memchr(lua_tostring(L, 1), 'q', lua_objlen(L, 1)))
        for (int i = 2; i <= lua_gettop(L); i++)
            if (lua_type(L, i) == LUA_TSTRING) n += lua_objlen(L, i);
    if (n > QUOTED_MAX) return luaL_error(L, "string too long to be quoted");
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void lib_string_guard(lua_State *L) {
    static const luaL_Reg functions[] = {{"find", string_find},       {"match", string_match},
                                         {"gmatch", string_gmatch},   {"gfind", string_gmatch},
                                         {"gsub", string_gsub},       {"rep", string_rep},
                                         {"upper", string_upper},     {"lower", string_lower},
                                         {"reverse", string_reverse}, {NULL, NULL}};

    luaL_register(L, NULL, functions);
    lua_getfield(L, -1, "format");
    lua_pushcclosure(L, string_format, 1);
    lua_setfield(L, -2, "format");
}
