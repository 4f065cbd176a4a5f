/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bytecode - what a compiled function does with globals, by name or otherwise. One that assigns to
 * none may read them straight from their table instead of through a view, which is what makes a
 * loop of library calls fast; and a script that does not use KEYS need not get them.
 *
 * What is read is what lua_dump() of Lua 5.1 has just written, so nothing is checked but that it is
 * of that form; any other form counts as doing everything. The source for it is lopcodes.h and
 * lundump.c of Lua 5.1: an instruction is op:6 A:8 C:9 B:9, or op:6 A:8 Bx:18.
 */
#include "server/scripting/interp.h"

enum { HEADER_BYTES = 12 };

enum op { OP_GETGLOBAL = 5, OP_GETTABLE = 6, OP_SETGLOBAL = 7, OP_LEN = 20 };

static const char header[HEADER_BYTES] = "\033Lua\x51\x00\x01\x04\x08\x04\x08";

static enum op op_of(uint32_t i) {
    return (enum op)(i & 0x3f);
}

static unsigned a_of(uint32_t i) {
    return i >> 6 & 0xff;
}

static unsigned b_of(uint32_t i) {
    return i >> 23;
}

static unsigned bx_of(uint32_t i) {
    return i >> 14;
}

static uint32_t take_int(const char **p) {
    uint32_t v;

    memcpy(&v, *p, sizeof v);
    *p += sizeof v;
    return v;
}

static struct slice take_string(const char **p) {
    uint64_t n;
    struct slice s;

    memcpy(&n, *p, sizeof n); /* its NUL counts; 0: there is none */
    s = slice_of(*p + sizeof n, n ? (size_t)n - 1 : 0);
    *p += sizeof n + n;
    return s;
}

/* A constant, if it is a string. */
static struct slice take_constant(const char **p) {
    switch (*(*p)++) {
    case LUA_TBOOLEAN: ++*p; break;
    case LUA_TNUMBER: *p += sizeof(lua_Number); break;
    case LUA_TSTRING: return take_string(p);
    default: break; /* nil */
    }
    return (struct slice){0};
}

/* Functions and tables through which a global can be had without saying its name. */
static bool leads_to_globals(struct slice name) {
    static const char *const names[] = {"_G", "load", "loadstring"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_eq(name, slice_str(names[i]))) return true;
    return false;
}

/* One function's instructions. */
struct code {
    const char *p;
    uint32_t n;
};

static uint32_t instruction(const struct code *c, uint32_t at) {
    uint32_t i;

    memcpy(&i, c->p + (size_t)at * sizeof i, sizeof i);
    return i;
}

/* Whether every time the global with constant `k` is read, the next instruction takes an element or
 * the length of it and puts that in its place: then nothing of the script holds the table itself.
 */
static bool only_looks_in(const struct code *c, unsigned k) {
    for (uint32_t at = 0; at < c->n; at++) {
        uint32_t i = instruction(c, at), next;

        if (op_of(i) != OP_GETGLOBAL || bx_of(i) != k) continue;
        next = at + 1 < c->n ? instruction(c, at + 1) : 0;
        if (op_of(next) != OP_GETTABLE && op_of(next) != OP_LEN) return false;
        if (a_of(next) != a_of(i) || b_of(next) != a_of(i)) return false;
    }
    return true;
}

static bool assigns_to_global(const struct code *c) {
    for (uint32_t at = 0; at < c->n; at++)
        if (op_of(instruction(c, at)) == OP_SETGLOBAL) return true;
    return false;
}

static unsigned note_constant(const struct code *c, unsigned k, struct slice s) {
    if (slice_eq(s, SLICE("KEYS")))
        return BYTECODE_KEYS | (only_looks_in(c, k) ? 0 : BYTECODE_HOLDS_KEYS);
    if (slice_eq(s, SLICE("ARGV")))
        return BYTECODE_ARGV | (only_looks_in(c, k) ? 0 : BYTECODE_HOLDS_ARGV);
    return leads_to_globals(s) ? BYTECODE_ALL & ~BYTECODE_SETS_GLOBAL : 0;
}

static void skip_debug(const char **p) {
    uint32_t lines = take_int(p);

    *p += (size_t)lines * 4;
    for (uint32_t n = take_int(p); n > 0; n--) { /* local variables */
        take_string(p);
        *p += 8;
    }
    for (uint32_t n = take_int(p); n > 0; n--) take_string(p); /* upvalues */
}

/* One function and those in it; the parser bounds how deep they are nested. */
static unsigned take_function(const char **p) {
    unsigned found = 0;
    struct code c;

    take_string(p);  /* the source */
    *p += 2 * 4 + 4; /* lines; numbers of things */
    c.n = take_int(p);
    c.p = *p;
    *p += (size_t)c.n * 4;
    if (assigns_to_global(&c)) found |= BYTECODE_SETS_GLOBAL;
    for (uint32_t k = 0, n = take_int(p); k < n; k++)
        found |= note_constant(&c, k, take_constant(p));
    for (uint32_t n = take_int(p); n > 0; n--) found |= take_function(p);
    skip_debug(p);
    return found;
}

static int append(lua_State *L, const void *p, size_t n, void *arg) {
    (void)L;
    bytes_append(arg, p, n);
    return 0;
}

unsigned bytecode_look(lua_State *L) {
    struct bytes b = {0};
    const char *p;
    unsigned found = BYTECODE_ALL;

    if (lua_dump(L, append, &b) == 0 && b.n > HEADER_BYTES &&
        memcmp(b.p, header, HEADER_BYTES) == 0) {
        p = b.p + HEADER_BYTES;
        found = take_function(&p);
    }
    bytes_release(&b);
    return found;
}
