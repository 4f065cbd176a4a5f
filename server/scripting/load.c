/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/scripting/load.h"

#include "storage/base/clock.h"

enum { PIECE_BYTES = 256, PIECES_MAX = 1024 * 1024, SHORT_BYTES = 4096 /* takes no time */ };

/* What the parser reads from. */
struct source {
    struct slice rest;   /* of the text, or of the piece at hand */
    int pieces;          /* that the function has given */
    uint64_t left_ns;    /* when the parser got its last piece; 0: it has none yet */
    uint64_t used_ns;    /* by the parser */
    uint64_t allowed_ns; /* 0: no limit */
    bool late;
};

static void look_at_time(lua_State *L, struct source *s) {
    if (!s->allowed_ns) return;
    if (s->left_ns) s->used_ns += clock_real_ns() - s->left_ns;
    s->late = s->used_ns > s->allowed_ns;
    if (s->late) luaL_error(L, "late");
}

static const char *give(struct source *s, size_t *n) {
    const char *p = s->rest.p;

    *n = s->rest.n < PIECE_BYTES || !s->allowed_ns ? s->rest.n : PIECE_BYTES;
    s->rest = slice_of(p + *n, s->rest.n - *n);
    if (s->allowed_ns) s->left_ns = clock_real_ns();
    return *n ? p : NULL;
}

static const char *next_of_text(lua_State *L, void *arg, size_t *n) {
    look_at_time(L, arg);
    return give(arg, n);
}

static bool is_bytecode(struct slice code) {
    return code.n && code.p[0] == LUA_SIGNATURE[0];
}

#define WRONG_MODE "attempt to load chunk with wrong mode"

static int load_named(lua_State *L, lua_Reader reader, struct source *s, const char *chunk,
                      int limit_ms) {
    int status;

    if (limit_ms != COMPILE_NO_LIMIT) s->allowed_ns = (uint64_t)limit_ms * 1000000;
    lua_pushstring(L, chunk); /* the very string that the parser finds for this name */
    status = lua_load(L, reader, s, lua_tostring(L, -1));
    if (s->late) { /* an error handler may have made something else of it */
        lua_pop(L, 1);
        lua_pushliteral(L, "chunk takes too long to compile");
    }
    lua_remove(L, -2);
    return status;
}

int load_text(lua_State *L, struct slice code, const char *chunk, int limit_ms) {
    struct source s = {.rest = code};

    if (is_bytecode(code)) {
        lua_pushliteral(L, WRONG_MODE);
        return LUA_ERRSYNTAX;
    }
    return load_named(L, next_of_text, &s, chunk,
                      code.n <= SHORT_BYTES ? COMPILE_NO_LIMIT : limit_ms);
}

/* ---------------------------------------------------------------- for scripts */

/* The function, or nil and the error's text. */
static int results(lua_State *L, int status) {
    if (status == 0) return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

int load_from_string(lua_State *L) {
    size_t n;
    const char *p = luaL_checklstring(L, 1, &n);

    return results(L, load_text(L, slice_of(p, n), luaL_optstring(L, 2, p), COMPILE_MS));
}

/* The next piece of what argument 1 gives; the one that is being read is kept at place 3. The time
 * that the function takes is not the parser's. */
static const char *next_of_function(lua_State *L, void *arg, size_t *n) {
    struct source *s = arg;

    look_at_time(L, s);
    if (s->rest.n) return give(s, n);
    script_poll(L);
    luaL_checkstack(L, 2, "too many nested functions");
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return give(s, n);
    }
    if (!lua_isstring(L, -1)) luaL_error(L, "reader function must return a string");
    lua_replace(L, 3);
    s->rest.p = lua_tolstring(L, 3, &s->rest.n);
    if (s->pieces == 0 && is_bytecode(s->rest)) luaL_error(L, WRONG_MODE);
    if (++s->pieces > PIECES_MAX) luaL_error(L, "chunk has too many pieces");
    return give(s, n);
}

int load_from_function(lua_State *L) {
    const char *chunk = luaL_optstring(L, 2, "=(load)");
    struct source s = {.pieces = 0};

    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 3);
    return results(L, load_named(L, next_of_function, &s, chunk, COMPILE_MS));
}
