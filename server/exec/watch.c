/* SPDX-License-Identifier: BSD-3-Clause
 *
 * watch - the command WATCH, which may name a million keys and lets others be served meanwhile.
 * What is watched, and what becomes of it, is multi.c's.
 */
#include "server/exec/breathe.h"
#include "server/exec/keys.h"
#include "server/exec/multi.h"

static int cmd_watch(struct call *x) {
    if (multi_is_open(x->s)) return reply_err(x, "ERR WATCH inside MULTI is not allowed");
    for (int i = 1; i < x->argc; i++) {
        struct ref r = lookup_quiet(x, i);

        multi_watch(x, &r);
        call_breathe(x);
    }
    reply_ok(&x->r);
    return 0;
}

#define T (CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_IN_MULTI)
#define F (CMD_FAST | CMD_ALLOW_BUSY)

/* clang-format off */
const struct command watch_commands[] = {
    {"watch", -2, T | F, "transactions", {1, -1, 1}, cmd_watch, "2.2.0",
     "Makes the next EXEC fail if one of the keys changes before it.",
     .grammar = "key@0+",
     .key_specs = "RO"},
    {0},
};
/* clang-format on */
