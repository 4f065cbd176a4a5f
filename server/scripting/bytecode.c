/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bytecode - whether a compiled function assigns to a global anywhere. One that does not may read
 * its globals straight from their table instead of through a view, which is what makes a loop of
 * library calls fast.
 *
 * What is read is what lua_dump() of Lua 5.1 has just written, so nothing is checked but that it is
 * of that form; any other form counts as "it does".
 */
#include "server/scripting/interp.h"

enum { HEADER_BYTES = 12, OPCODE_MASK = 0x3f, OP_SETGLOBAL = 7 };

static const char header[HEADER_BYTES] = "\033Lua\x51\x00\x01\x04\x08\x04\x08";

static uint32_t take_int(const char **p) {
    uint32_t v;

    memcpy(&v, *p, sizeof v);
    *p += sizeof v;
    return v;
}

static void skip_string(const char **p) {
    uint64_t n;

    memcpy(&n, *p, sizeof n);
    *p += sizeof n + n;
}

static void skip_constants(const char **p) {
    for (uint32_t n = take_int(p); n > 0; n--) {
        switch (*(*p)++) {
        case LUA_TBOOLEAN: ++*p; break;
        case LUA_TNUMBER: *p += sizeof(lua_Number); break;
        case LUA_TSTRING: skip_string(p); break;
        default: break; /* nil */
        }
    }
}

static void skip_debug(const char **p) {
    uint32_t lines = take_int(p);

    *p += (size_t)lines * 4;
    for (uint32_t n = take_int(p); n > 0; n--) { /* local variables */
        skip_string(p);
        *p += 8;
    }
    for (uint32_t n = take_int(p); n > 0; n--) skip_string(p); /* upvalues */
}

/* One function and those in it; the parser bounds how deep they are nested. */
static bool sets_global(const char **p) {
    bool found = false;

    skip_string(p);
    *p += 2 * 4 + 4; /* lines; numbers of things */
    for (uint32_t n = take_int(p); n > 0; n--) found |= (take_int(p) & OPCODE_MASK) == OP_SETGLOBAL;
    skip_constants(p);
    for (uint32_t n = take_int(p); n > 0; n--) found |= sets_global(p);
    skip_debug(p);
    return found;
}

static int append(lua_State *L, const void *p, size_t n, void *arg) {
    (void)L;
    bytes_append(arg, p, n);
    return 0;
}

bool bytecode_sets_global(lua_State *L) {
    struct bytes b = {0};
    const char *p;
    bool yes = true;

    if (lua_dump(L, append, &b) == 0 && b.n > HEADER_BYTES &&
        memcmp(b.p, header, HEADER_BYTES) == 0) {
        p = b.p + HEADER_BYTES;
        yes = sets_global(&p);
    }
    bytes_release(&b);
    return yes;
}
