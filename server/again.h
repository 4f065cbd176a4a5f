/* SPDX-License-Identifier: BSD-3-Clause
 *
 * again - the process begins anew under the same pid, on the same listening sockets (TEST CRASH).
 *
 * execve(2) ends every thread where it is and closes every connection, as a kill does, and what was
 * written stays written. What a power cut would take with it is cut off by the new process, before
 * it reads anything. The environment tells it what it inherits.
 */
#ifndef STET_SERVER_AGAIN_H
#define STET_SERVER_AGAIN_H

#include "server/app.h"

/* First of all: names are relative to the directory of now when the process begins anew. */
void again_note_start(void);

/* Does not return unless it fails: -1. `cut` (may be NULL): no more than so much of that file is
 * left. */
struct again_cut {
    const char *path;
    uint64_t size;
};
int again(const struct app *a, const struct again_cut *cut, struct err *e);

/* At the start, before any data is read: cuts off what is to be cut off. A server that is no test
 * double was not begun anew: it forgets what the environment says. 0, or -1 and it is on standard
 * error. */
int again_begin(bool is_double);

/* What net_listen() takes over instead of opening sockets; NULL: nothing. */
const char *again_inherited(void);

#endif
