/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug - the subcommands of DEBUG, by file: data (debug_data.c), digest (debug_digest.c), sample
 * replies (debug_protocol.c), saving and loading (debug_reload.c), the allocator (debug_memory.c),
 * the rest (debug.c).
 */
#ifndef STET_ADMIN_DEBUG_H
#define STET_ADMIN_DEBUG_H

#include "server/exec/call.h"

/* True, and answered: the data set cannot be loaded again at this point (`what` for the text). */
bool debug_refuse_now(struct call *x, const char *what);

/* Handlers, as those of commands; argv[1] is the subcommand's name. */
int debug_digest(struct call *x);
int debug_digest_value(struct call *x);
int debug_populate(struct call *x);
int debug_object(struct call *x);
int debug_listpack(struct call *x);
int debug_htstats(struct call *x);
int debug_htstats_key(struct call *x);
int debug_protocol(struct call *x);
int debug_reload(struct call *x);
int debug_mallctl(struct call *x);
int debug_mallctl_str(struct call *x);
int debug_jemalloc(struct call *x);

#endif
