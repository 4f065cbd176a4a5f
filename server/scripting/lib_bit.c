/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lib_bit - the table `bit`: operations on 32 bits, with the interface of LuaBitOp.
 */
#include "server/scripting/interp.h"

/* Adding it leaves a number's low 32 bits at the end of the double, whatever its sign. */
#define BIAS 6755399441055744.0

static uint32_t bits_arg(lua_State *L, int at) {
    double v = luaL_checknumber(L, at) + BIAS;
    uint64_t u;

    memcpy(&u, &v, sizeof u);
    return (uint32_t)u;
}

static int push_bits(lua_State *L, uint32_t v) {
    lua_pushnumber(L, (double)(int32_t)v);
    return 1;
}

static int bit_tobit(lua_State *L) {
    return push_bits(L, bits_arg(L, 1));
}

static int bit_bnot(lua_State *L) {
    return push_bits(L, ~bits_arg(L, 1));
}

static int bit_bswap(lua_State *L) {
    return push_bits(L, __builtin_bswap32(bits_arg(L, 1)));
}

static int bit_band(lua_State *L) {
    uint32_t v = bits_arg(L, 1);

    for (int i = lua_gettop(L); i > 1; i--) v &= bits_arg(L, i);
    return push_bits(L, v);
}

static int bit_bor(lua_State *L) {
    uint32_t v = bits_arg(L, 1);

    for (int i = lua_gettop(L); i > 1; i--) v |= bits_arg(L, i);
    return push_bits(L, v);
}

static int bit_bxor(lua_State *L) {
    uint32_t v = bits_arg(L, 1);

    for (int i = lua_gettop(L); i > 1; i--) v ^= bits_arg(L, i);
    return push_bits(L, v);
}

static int bit_lshift(lua_State *L) {
    uint32_t v = bits_arg(L, 1);

    return push_bits(L, v << (bits_arg(L, 2) & 31));
}

static int bit_rshift(lua_State *L) {
    uint32_t v = bits_arg(L, 1);

    return push_bits(L, v >> (bits_arg(L, 2) & 31));
}

static int bit_arshift(lua_State *L) {
    uint32_t v = bits_arg(L, 1);

    return push_bits(L, (uint32_t)((int32_t)v >> (bits_arg(L, 2) & 31)));
}

static int bit_rol(lua_State *L) {
    uint32_t v = bits_arg(L, 1), by = bits_arg(L, 2) & 31;

    return push_bits(L, v << by | v >> (-by & 31));
}

static int bit_ror(lua_State *L) {
    uint32_t v = bits_arg(L, 1), by = bits_arg(L, 2) & 31;

    return push_bits(L, v >> by | v << (-by & 31));
}

/* The lowest n digits; a negative n: in upper case. */
static int bit_tohex(lua_State *L) {
    uint32_t v = bits_arg(L, 1);
    int32_t n = lua_isnone(L, 2) ? 8 : (int32_t)bits_arg(L, 2);
    const char *digits = n < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[8];

    if (n < -8 || n > 8) n = 8;
    if (n < 0) n = -n;
    for (int i = n - 1; i >= 0; i--, v >>= 4) text[i] = digits[v & 15];
    lua_pushlstring(L, text, (size_t)n);
    return 1;
}

void lib_bit_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"tobit", bit_tobit},
                                         {"bnot", bit_bnot},
                                         {"band", bit_band},
                                         {"bor", bit_bor},
                                         {"bxor", bit_bxor},
                                         {"lshift", bit_lshift},
                                         {"rol", bit_rol},
                                         {"ror", bit_ror},
                                         {"rshift", bit_rshift},
                                         {"arshift", bit_arshift},
                                         {"bswap", bit_bswap},
                                         {"tohex", bit_tohex},
                                         {NULL, NULL}};

    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
