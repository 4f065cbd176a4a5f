/* SPDX-License-Identifier: BSD-3-Clause
 *
 * redirect - clients that a replica sends to its master (CLIENT CAPA redirect of Valkey 8): they
 * get "REDIRECT host:port" for what reads or writes data, instead of stale data or READONLY.
 *
 * A client that has said READONLY reads from the replica, and is redirected for what writes. A
 * cluster has redirections of its own, so none of this holds there. What a script calls is not
 * redirected; a script that says by its shebang that it may write is, as a whole.
 */
#ifndef STET_EXEC_REDIRECT_H
#define STET_EXEC_REDIRECT_H

#include "server/exec/call.h"

enum { REDIRECT_MAX = 1152 }; /* a host of 1,023 bytes, and the rest */

/* Whether the session's client is to be sent to the master with a command of these flags. */
bool is_redirected(const struct session *s, uint32_t flags);

/* The error for it: "REDIRECT host:port". */
void redirect_text(const struct engine *e, char text[REDIRECT_MAX]);

#endif
