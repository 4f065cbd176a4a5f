/* SPDX-License-Identifier: BSD-3-Clause
 *
 * strict - refuses what a user's production would not forgive, and says why.
 *
 * A guard (exec/detour.h): commands of clients, also those that a transaction queues, but not what
 * scripts call. The table of commands and reasons stands in strict.c; server/double/README.md lists
 * it. A collection counts as large from STRICT_LARGE elements on.
 */
#ifndef STET_DOUBLE_STRICT_H
#define STET_DOUBLE_STRICT_H

#include "server/exec/call.h"

enum { STRICT_LARGE = 5000 };

struct strict {
    bool on;
    char text[256]; /* of the last refusal */
};

/* NULL: the command may run. To be asked while `on`. */
const char *strict_refusal(struct strict *s, struct call *x);

/* TEST STRICT [yes|no]: without a word, which it is. */
int strict_command(struct strict *s, struct call *x);

#endif
