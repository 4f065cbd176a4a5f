/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib_struct - the table `struct`: values as bytes of a given layout, with the interface of
 * R. Ierusalimschy's library of that name.
 *
 * Sizes stand in the format and therefore come from the script: each is bounded when it is read,
 * and what is unpacked is compared with what is left of the data before it is touched.
 */
#include "server/scripting/interp.h"

enum { INT_SIZE_MAX = 32, NATIVE_ALIGN = 8, SIZE_LIMIT = INT32_MAX };

struct layout {
    const char *p; /* what is left of the format */
    bool little;
    size_t align;
};

/* One option of the format. */
struct option {
    char code;
    size_t size;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t read_size(lua_State *L, const char **p, size_t otherwise) {
    size_t n = 0;

    if (!is_digit(**p)) return otherwise;
    for (; is_digit(**p); (*p)++) {
        n = n * 10 + (size_t)(**p - '0');
        if (n > SIZE_LIMIT) luaL_error(L, "integral size overflow");
    }
    return n;
}

static size_t size_of(lua_State *L, char code, const char **p) {
    size_t n;

    switch (code) {
    case 'B':
    case 'b': return 1;
    case 'H':
    case 'h': return sizeof(short);
    case 'L':
    case 'l': return sizeof(long);
    case 'T': return sizeof(size_t);
    case 'f': return sizeof(float);
    case 'd': return sizeof(double);
    case 'x': return 1;
    case 'c': return read_size(L, p, 1);
    case 'I':
    case 'i':
        n = read_size(L, p, sizeof(int));
        if (n > INT_SIZE_MAX)
            luaL_error(L, "integral size %d is larger than limit of %d", (int)n, INT_SIZE_MAX);
        return n;
    default: return 0;
    }
}

static void set_mode(lua_State *L, struct layout *l, char code) {
    switch (code) {
    case ' ': return;
    case '>': l->little = false; return;
    case '<': l->little = true; return;
    case '!':
        l->align = read_size(L, &l->p, NATIVE_ALIGN);
        if (l->align == 0 || l->align & (l->align - 1))
            luaL_error(L, "alignment is not a power of 2");
        return;
    default: luaL_argerror(L, 1, lua_pushfstring(L, "invalid format option '%c'", code));
    }
}

/* The next option that stands for data; false: the format is over. */
static bool next_option(lua_State *L, struct layout *l, struct option *o) {
    while (*l->p) {
        o->code = *l->p++;
        if (strchr("bBhHlLTiIfdxcs", o->code)) {
            o->size = size_of(L, o->code, &l->p);
            return true;
        }
        set_mode(L, l, o->code);
    }
    return false;
}

/* Bytes to skip so that the option is aligned. */
static size_t padding(const struct layout *l, const struct option *o, size_t at) {
    size_t to = o->size < l->align ? o->size : l->align;

    if (to <= 1 || o->code == 'c' || o->code == 's' || to & (to - 1)) return 0;
    return -at & (to - 1);
}

/* ---------------------------------------------------------------- pack */

static void put_integer(struct bytes *b, const struct layout *l, double v, size_t size) {
    uint64_t u = v < 0 ? (uint64_t)(v > -0x1p63 ? (int64_t)v : INT64_MIN)
                       : (v < 0x1p64 ? (uint64_t)v : UINT64_MAX);
    char *p = bytes_room(b, size);

    for (size_t i = 0; i < size; i++) {
        size_t shift = i * 8;
        char c = (char)(shift < 64 ? u >> shift : (v < 0 ? 0xff : 0));

        p[l->little ? i : size - 1 - i] = c;
    }
    b->n += size;
}

static void put_float(struct bytes *b, const struct layout *l, const void *v, size_t size) {
    const char *from = v;
    char *p = bytes_room(b, size);

    for (size_t i = 0; i < size; i++) p[i] = from[l->little ? i : size - 1 - i];
    b->n += size;
}

static void put_string(lua_State *L, struct bytes *b, const struct option *o, int arg) {
    size_t n, size = o->size;
    const char *p = luaL_checklstring(L, arg, &n);

    if (o->code == 's' || size == 0) size = n;
    luaL_argcheck(L, n >= size, arg, "string too short");
    if (b->n + size > LIB_TEXT_MAX) luaL_error(L, "result is too long");
    bytes_append(b, p, size);
    if (o->code == 's') bytes_append_char(b, '\0');
}

/* Packs argument `arg`; whether it was used. */
static bool put(lua_State *L, struct bytes *b, const struct layout *l, const struct option *o,
                int arg) {
    double d;
    float f;

    switch (o->code) {
    case 'x': bytes_append_char(b, '\0'); return false;
    case 'c':
    case 's': put_string(L, b, o, arg); return true;
    case 'f':
        f = (float)luaL_checknumber(L, arg);
        put_float(b, l, &f, sizeof f);
        return true;
    case 'd':
        d = luaL_checknumber(L, arg);
        put_float(b, l, &d, sizeof d);
        return true;
    default:
        d = luaL_checknumber(L, arg);
        put_integer(b, l, d != d ? 0 : d, o->size);
        return true;
    }
}

static int struct_pack(lua_State *L) {
    struct layout l = {luaL_checkstring(L, 1), true, 1};
    struct bytes *b = &scripting_of(L)->text;
    struct option o;
    int arg = 2;

    bytes_clear(b);
    while (next_option(L, &l, &o)) {
        for (size_t n = padding(&l, &o, b->n); n > 0; n--) bytes_append_char(b, '\0');
        arg += put(L, b, &l, &o, arg);
    }
    lib_push_text(L);
    return 1;
}

/* ---------------------------------------------------------------- unpack */

static void get_integer(lua_State *L, const char *p, const struct layout *l,
                        const struct option *o) {
    uint64_t u = 0;
    size_t n = o->size;

    for (size_t i = n < 8 ? n : 8; i > 0; i--) u = u << 8 | (uint8_t)p[l->little ? i - 1 : n - i];
    if (strchr("BHLTI", o->code)) {
        lua_pushnumber(L, (double)u);
        return;
    }
    if (n > 0 && n < 8 && u >> (n * 8 - 1)) u |= ~0ull << (n * 8);
    lua_pushnumber(L, (double)(int64_t)u);
}

static void get_float(lua_State *L, const char *p, const struct layout *l, size_t size) {
    char b[sizeof(double)];
    double d;
    float f;

    for (size_t i = 0; i < size; i++) b[i] = p[l->little ? i : size - 1 - i];
    if (size == sizeof f) {
        memcpy(&f, b, sizeof f);
        d = f;
    } else {
        memcpy(&d, b, sizeof d);
    }
    lua_pushnumber(L, d);
}

/* "c0" takes its size from the value before it. */
static size_t previous_size(lua_State *L, int pushed) {
    double v;

    if (pushed == 0 || !lua_isnumber(L, -1)) luaL_error(L, "format 'c0' needs a previous size");
    v = lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (!(v >= 0 && v <= SIZE_LIMIT)) luaL_error(L, "data string too short");
    return (size_t)v;
}

/* Pushes what stands at `at`; where the next one stands. *pushed counts the results. */
static size_t get(lua_State *L, struct slice data, size_t at, const struct layout *l,
                  struct option *o, int *pushed) {
    const char *p = data.p + at, *end;

    switch (o->code) {
    case 'x': return at + 1;
    case 's':
        end = at < data.n ? memchr(p, '\0', data.n - at) : NULL;
        if (!end) luaL_error(L, "unfinished string in data");
        lua_pushlstring(L, p, (size_t)(end - p));
        ++*pushed;
        return at + (size_t)(end - p) + 1;
    case 'c':
        if (o->size == 0) {
            o->size = previous_size(L, *pushed);
            --*pushed;
            if (o->size > data.n - at) luaL_error(L, "data string too short");
        }
        lua_pushlstring(L, p, o->size);
        break;
    case 'f':
    case 'd': get_float(L, p, l, o->size); break;
    default: get_integer(L, p, l, o);
    }
    ++*pushed;
    return at + o->size;
}

static int struct_unpack(lua_State *L) {
    struct layout l = {luaL_checkstring(L, 1), true, 1};
    struct slice data;
    struct option o;
    lua_Number from = luaL_optnumber(L, 3, 1);
    size_t at;
    int pushed = 0;

    data.p = luaL_checklstring(L, 2, &data.n);
    luaL_argcheck(L, from >= 1, 3, "offset must be 1 or greater");
    if (from - 1 > (double)data.n) from = (double)data.n + 1;
    at = (size_t)from - 1;
    lua_settop(L, 2);
    while (next_option(L, &l, &o)) {
        size_t skip = padding(&l, &o, at);

        if (skip > data.n - at || o.size > data.n - at - skip)
            return luaL_argerror(L, 2, "data string too short");
        luaL_checkstack(L, 2, "too many results");
        at = get(L, data, at + skip, &l, &o, &pushed);
    }
    lua_pushnumber(L, (double)at + 1);
    return pushed + 1;
}

static int struct_size(lua_State *L) {
    struct layout l = {luaL_checkstring(L, 1), true, 1};
    struct option o;
    size_t at = 0;

    while (next_option(L, &l, &o)) {
        at += padding(&l, &o, at);
        if (o.code == 's') return luaL_argerror(L, 1, "variable-size format in sizeof");
        if (o.code == 'c' && o.size == 0)
            return luaL_argerror(L, 1, "variable-length format in sizeof");
        at += o.size;
        if (at > SIZE_LIMIT) return luaL_argerror(L, 1, "format is too long");
    }
    lua_pushnumber(L, (double)at);
    return 1;
}

void lib_struct_open(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"pack", struct_pack}, {"unpack", struct_unpack}, {"size", struct_size}, {NULL, NULL}};

    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
