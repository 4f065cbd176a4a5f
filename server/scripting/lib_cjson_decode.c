/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text comes from Lua and ends in a NUL, so looking one byte ahead is always allowed.
 */
#include "server/scripting/cjson.h"
#include "storage/base/num.h"

#include <stdlib.h>

enum token {
    T_OBJ_BEGIN,
    T_OBJ_END,
    T_ARR_BEGIN,
    T_ARR_END,
    T_STRING,
    T_NUMBER,
    T_BOOLEAN,
    T_NULL,
    T_COLON,
    T_COMMA,
    T_END,
    T_ERROR
};

struct parser {
    lua_State *L;
    const struct cjson *c;
    struct bytes *text; /* of a string */
    const char *from, *p, *end;
    const char *at; /* where the token begins */
    const char *error;
    double number;
    bool truth;
    int depth;
};

static enum token wrong(struct parser *j, const char *at, const char *why) {
    j->at = at;
    j->error = why;
    return T_ERROR;
}

/* ---------------------------------------------------------------- strings */

/* The four digits at p, or -1. */
static int32_t hex_unit(const char *p) {
    int32_t v = 0;

    for (int i = 0; i < 4; i++) {
        int d = num_hex_digit(p[i]);

        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

static void put_utf8(struct bytes *b, uint32_t c) {
    char *p = bytes_room(b, 4);

    if (c < 0x80) {
        p[0] = (char)c;
        b->n += 1;
    } else if (c < 0x800) {
        p[0] = (char)(0xc0 | c >> 6);
        p[1] = (char)(0x80 | (c & 63));
        b->n += 2;
    } else if (c < 0x10000) {
        p[0] = (char)(0xe0 | c >> 12);
        p[1] = (char)(0x80 | (c >> 6 & 63));
        p[2] = (char)(0x80 | (c & 63));
        b->n += 3;
    } else {
        p[0] = (char)(0xf0 | c >> 18);
        p[1] = (char)(0x80 | (c >> 12 & 63));
        p[2] = (char)(0x80 | (c >> 6 & 63));
        p[3] = (char)(0x80 | (c & 63));
        b->n += 4;
    }
}

/* "\uXXXX", or two of them that are one character; j->p stands at the backslash. */
static bool take_unicode(struct parser *j) {
    int32_t c = hex_unit(j->p + 2), low;

    if (c < 0 || (c & 0xfc00) == 0xdc00) return false;
    j->p += 6;
    if ((c & 0xfc00) == 0xd800) {
        if (j->p[0] != '\\' || j->p[1] != 'u') return false;
        low = hex_unit(j->p + 2);
        if (low < 0 || (low & 0xfc00) != 0xdc00) return false;
        c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
        j->p += 6;
    }
    put_utf8(j->text, (uint32_t)c);
    return true;
}

static char escaped(char c) {
    switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

static enum token take_string(struct parser *j) {
    bytes_clear(j->text);
    for (j->p++;;) {
        const char *run = j->p;
        char c;

        while (j->p < j->end && *j->p != '"' && *j->p != '\\' && *j->p) j->p++;
        bytes_append(j->text, run, (size_t)(j->p - run));
        if (j->p == j->end || !*j->p) return wrong(j, j->p, "unexpected end of string");
        if (*j->p == '"') break;
        if (j->p[1] == 'u') {
            const char *at = j->p;

            if (!take_unicode(j)) return wrong(j, at, "invalid unicode escape code");
            continue;
        }
        c = escaped(j->p[1]);
        if (!c) return wrong(j, j->p, "invalid escape code");
        bytes_append_char(j->text, c);
        j->p += 2;
    }
    j->p++;
    return T_STRING;
}

/* ---------------------------------------------------------------- tokens */

static bool strict_number(const char *p) {
    if (*p == '-') p++;
    if (*p == '0') return (p[1] | 0x20) != 'x' && !(p[1] >= '0' && p[1] <= '9');
    return *p >= '1' && *p <= '9';
}

static enum token take_number(struct parser *j) {
    char *end;

    if (!j->c->decode_invalid && !strict_number(j->p)) return wrong(j, j->p, "invalid number");
    j->number = strtod(j->p, &end);
    if (end == j->p) return wrong(j, j->p, "invalid number");
    j->p = end;
    return T_NUMBER;
}

static bool take_word(struct parser *j, const char *word) {
    size_t n = strlen(word);

    if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0) return false;
    j->p += n;
    return true;
}

static enum token take_other(struct parser *j) {
    char c = *j->p;

    if (take_word(j, "true") || take_word(j, "false")) {
        j->truth = c == 't';
        return T_BOOLEAN;
    }
    if (take_word(j, "null")) return T_NULL;
    if (c == '-' || (c >= '0' && c <= '9')) return take_number(j);
    if (j->c->decode_invalid &&
        (strncasecmp(j->p, "inf", 3) == 0 || strncasecmp(j->p, "nan", 3) == 0))
        return take_number(j);
    return wrong(j, j->p, "invalid token");
}

static enum token next_token(struct parser *j) {
    static const char marks[] = "{}[]:,";
    static const enum token tokens[] = {T_OBJ_BEGIN, T_OBJ_END, T_ARR_BEGIN,
                                        T_ARR_END,   T_COLON,   T_COMMA};
    const char *mark;

    while (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r') j->p++;
    j->at = j->p;
    if (!*j->p) return j->p == j->end ? T_END : wrong(j, j->p, "invalid token");
    if (*j->p == '"') return take_string(j);
    mark = strchr(marks, *j->p);
    if (!mark) return take_other(j);
    j->p++;
    return tokens[mark - marks];
}

static void refuse(struct parser *j, const char *expected, enum token t) {
    static const char *const names[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END",
                                        "T_STRING",    "T_NUMBER",  "T_BOOLEAN",   "T_NULL",
                                        "T_COLON",     "T_COMMA",   "T_END"};

    luaL_error(j->L, "Expected %s but found %s at character %d", expected,
               t == T_ERROR ? j->error : names[t], (int)(j->at - j->from) + 1);
}

/* ---------------------------------------------------------------- values */

static void push_value(struct parser *j, enum token t);

static void descend(struct parser *j) {
    j->depth++;
    if (j->depth > j->c->decode_depth || !lua_checkstack(j->L, 4))
        luaL_error(j->L, "Found too many nested data structures (%d)", j->depth);
    lua_newtable(j->L);
}

static void push_object(struct parser *j) {
    enum token t;

    descend(j);
    t = next_token(j);
    while (t != T_OBJ_END) {
        if (t != T_STRING) refuse(j, "object key string", t);
        lua_pushlstring(j->L, j->text->p ? j->text->p : "", j->text->n);
        t = next_token(j);
        if (t != T_COLON) refuse(j, "colon", t);
        push_value(j, next_token(j));
        lua_rawset(j->L, -3);
        t = next_token(j);
        if (t == T_OBJ_END) break;
        if (t != T_COMMA) refuse(j, "comma or object end", t);
        t = next_token(j);
        if (t == T_OBJ_END) refuse(j, "object key string", t);
    }
    j->depth--;
}

static void push_array(struct parser *j) {
    enum token t;

    descend(j);
    t = next_token(j);
    for (int i = 1; t != T_ARR_END; i++) {
        push_value(j, t);
        lua_rawseti(j->L, -2, i);
        t = next_token(j);
        if (t == T_ARR_END) break;
        if (t != T_COMMA) refuse(j, "comma or array end", t);
        t = next_token(j);
        if (t == T_ARR_END) refuse(j, "value", t);
    }
    j->depth--;
}

static void push_value(struct parser *j, enum token t) {
    switch (t) {
    case T_STRING: lua_pushlstring(j->L, j->text->p ? j->text->p : "", j->text->n); return;
    case T_NUMBER: lua_pushnumber(j->L, j->number); return;
    case T_BOOLEAN: lua_pushboolean(j->L, j->truth); return;
    case T_NULL: lua_pushlightuserdata(j->L, NULL); return;
    case T_OBJ_BEGIN: push_object(j); return;
    case T_ARR_BEGIN: push_array(j); return;
    default: refuse(j, "value", t);
    }
}

int cjson_decode(lua_State *L) {
    struct parser j = {
        .L = L, .c = lua_touserdata(L, lua_upvalueindex(1)), .text = &scripting_of(L)->text};
    size_t n;
    enum token t;

    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    j.from = j.p = luaL_checklstring(L, 1, &n);
    j.end = j.from + n;
    if (n >= 2 && (!j.p[0] || !j.p[1]))
        return luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");
    push_value(&j, next_token(&j));
    t = next_token(&j);
    if (t != T_END) refuse(&j, "the end", t);
    return 1;
}
