/* SPDX-License-Identifier: BSD-3-Clause
 *
 * admin - commands that come by HTTP: POST /command, with `http-admin yes`.
 *
 * The body is one command as a client would send it, the answer's body its reply in RESP2. Each
 * command has a session of its own, of the user `http-admin-user`, so whatever holds for a client's
 * command holds for it: rights, admission, slow log, MONITOR, CLIENT LIST and KILL, gates. It is
 * executed between commands of others, one a turn.
 *
 * What keeps other web pages out: the field Stet-Admin, which a page of another origin cannot add
 * without asking first (and that is refused), and what browsers say of the origin (request.h).
 *
 * Not possible: what waits for others (BLPOP), what has more than one reply (MONITOR, SUBSCRIBE),
 * what concerns the commands to come (MULTI, CLIENT REPLY).
 */
#ifndef STET_HTTP_ADMIN_H
#define STET_HTTP_ADMIN_H

#include "server/http/http_impl.h"

enum { ADMIN_REPLY_MAX = 1024 * 1024 }; /* of a reply; a longer one is not shown */

/* Why commands are carried out for no peer; NULL: they are. A sentence without a line end. */
const char *admin_refusal(const struct http *h);

/* The answer to POST /command: it comes later. */
bool admin_answer(struct http_conn *c);

/* Between commands: executes one that is new, and answers those that have their reply. */
void admin_run(struct http *h);

/* The connection ends: so does the session of its command. Not while that is being executed. */
void admin_forget(struct http_conn *c);

#endif
