/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lualibs - what scripts decode: cjson, cmsgpack, struct; and what was decoded is encoded again.
 * The first byte chooses the function; for struct, the bytes up to a NUL are the format.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "server/scripting/interp.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum { LUA_BYTES_MAX = 64 * 1024 * 1024 };

static struct scripting *sc;
static size_t held;

static void *lua_memory(void *arg, void *p, size_t old, size_t n) {
    void *q = NULL;

    (void)arg;
    if (n > old && held + (n - old) > LUA_BYTES_MAX) return NULL;
    if (n == 0)
        free(p);
    else if (!(q = realloc(p, n)))
        return NULL;
    held += n - old;
    return q;
}

/* arg: pushes the table of a library. Leaves it as a global of that name. */
static void open_library(lua_State *L, const char *name, void (*open)(lua_State *)) {
    open(L);
    lua_setglobal(L, name);
}

static int open_all(lua_State *L) {
    open_library(L, "cjson", lib_cjson_open);
    open_library(L, "cmsgpack", lib_cmsgpack_open);
    open_library(L, "struct", lib_struct_open);
    return 0;
}

struct feeding {
    const char *library, *decode, *encode;
    struct slice format, input;
    uint8_t how;
};

static void push_function(lua_State *L, const char *library, const char *name) {
    lua_getglobal(L, library);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

static int decode(lua_State *L) {
    struct feeding *f = lua_touserdata(L, 1);
    int nargs = 1, top = lua_gettop(L);

    push_function(L, f->library, f->decode);
    if (f->format.p) {
        lua_pushlstring(L, f->format.p, f->format.n);
        nargs++;
    }
    lua_pushlstring(L, f->input.p, f->input.n);
    if (strstr(f->decode, "_limit") || strstr(f->decode, "_one")) {
        lua_pushinteger(L, f->how / 16);
        nargs++;
    }
    lua_call(L, nargs, LUA_MULTRET);
    if (f->encode) {
        push_function(L, f->library, f->encode);
        lua_insert(L, top + 1);
        if (f->format.p) {
            lua_pushlstring(L, f->format.p, f->format.n);
            lua_insert(L, top + 2);
        }
        lua_call(L, lua_gettop(L) - top - 1, LUA_MULTRET);
    }
    return 0;
}

static const struct feeding functions[] = {
    {"cjson", "decode", "encode", {0}, {0}, 0},    {"cmsgpack", "unpack", "pack", {0}, {0}, 0},
    {"cmsgpack", "unpack_one", NULL, {0}, {0}, 0}, {"cmsgpack", "unpack_limit", NULL, {0}, {0}, 0},
    {"struct", "unpack", "pack", {0}, {0}, 0},     {"struct", "size", NULL, {0}, {0}, 0},
};

static void feed(struct choices *c) {
    uint8_t how = choose(c);
    struct feeding f = functions[how % (sizeof functions / sizeof *functions)];
    lua_State *L = lua_newstate(lua_memory, sc);

    f.how = how;
    f.input = choose_bytes(c, choices_left(c));
    if (strcmp(f.library, "struct") == 0) {
        size_t n = f.input.n ? strnlen(f.input.p, f.input.n) : 0;

        f.format = slice_of(f.input.p ? f.input.p : "", n);
        f.input = n < f.input.n ? slice_of(f.input.p + n + 1, f.input.n - n - 1) : SLICE("");
        if (strcmp(f.decode, "size") == 0) f.input = f.format, f.format.p = NULL;
    }
    CHECK(lua_cpcall(L, open_all, NULL) == 0);
    lua_cpcall(L, decode, &f);
    lua_close(L);
    CHECK(held == 0);
}

FUZZ_TARGET(lualibs) {
    struct choices c = choices_of(data, size);

    fuzz_begin();
    if (!sc) sc = mem_calloc(sizeof *sc);
    if (size > 16384) return 0;
    feed(&c);
    bytes_release(&sc->text);
    return 0;
}
