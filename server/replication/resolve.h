/* SPDX-License-Identifier: BSD-3-Clause
 *
 * resolve - the addresses of a name, found on a thread so that the loop does not wait for it.
 *
 * Main thread only; the thread shares the struct under its mutex. resolve_drop() may be called at
 * any time: a look-up under way then ends by itself.
 */
#ifndef STET_REPLICATION_RESOLVE_H
#define STET_REPLICATION_RESOLVE_H

#include "storage/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { RESOLVE_IP_CHARS = 64, RESOLVE_MAX = 8 };

struct addresses {
    char ip[RESOLVE_MAX][RESOLVE_IP_CHARS];
    size_t n;
};

struct resolve;

/* A numeric address is its own answer: true. */
bool resolve_at_once(const char *host, struct addresses *out);

/* `wake` is called from the thread when there is an answer. NULL: no thread could be had. */
struct resolve *resolve_start(const char *host, void (*wake)(void *arg), void *arg);

/* False: there is no answer yet. An answer without addresses: `e` says why. */
bool resolve_take(struct resolve *r, struct addresses *out, struct err *e);

void resolve_drop(struct resolve *r); /* NULL is fine */

#endif
