/* SPDX-License-Identifier: BSD-3-Clause
 *
 * load - compiling source text: for EVAL, for libraries, and load() and loadstring() of scripts.
 *
 * Three things stand between a client and the parser of liblua5.1:
 * - The parser does not anchor the name of a chunk. The name stays on the stack until the parser
 *   returns, so that a reader function that collects garbage does not free it.
 * - Compiled code is refused, because Lua does not verify it.
 * - The parser takes quadratic time for some texts (a chain of 40,000 `elseif` takes 14 s, because
 *   each one walks the list of all jumps to the end of the chain). It gets the text in small
 *   pieces, and each piece looks at the time the parser has used.
 */
#ifndef STET_SCRIPTING_LOAD_H
#define STET_SCRIPTING_LOAD_H

#include "server/scripting/interp.h"

enum { COMPILE_MS = 500, COMPILE_NO_LIMIT = -1 };

/* As luaL_loadbuffer(): pushes the function or the error, and returns Lua's status. The parser has
 * limit_ms, which is COMPILE_NO_LIMIT for what was accepted before. */
int load_text(lua_State *L, struct slice code, const char *chunk, int limit_ms);

/* load() and loadstring(). */
int load_from_function(lua_State *L);
int load_from_string(lua_State *L);

#endif
