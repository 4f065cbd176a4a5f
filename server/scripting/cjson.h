/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cjson - settings that the two directions of lib_cjson share.
 */
#ifndef STET_SCRIPTING_CJSON_H
#define STET_SCRIPTING_CJSON_H

#include "server/scripting/interp.h"

/* Upvalue 1 of each function, a userdatum. */
struct cjson {
    bool sparse_convert;
    int sparse_ratio, sparse_safe;
    int encode_depth, decode_depth, precision;
    int encode_invalid; /* 0: refused, 1: as they are, 2: as null */
    bool decode_invalid, keep_buffer;
};

int cjson_encode(lua_State *L);
int cjson_decode(lua_State *L);

#endif
