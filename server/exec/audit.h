/* SPDX-License-Identifier: BSD-3-Clause
 *
 * audit - lines in the log file for events that matter to security: failed AUTH, changed users,
 * changed parameters. One line an event, AUDIT_LINES_MAX a second; the next second says how many
 * were left out. Names in a line are quoted and cut: clients choose them.
 */
#ifndef STET_EXEC_AUDIT_H
#define STET_EXEC_AUDIT_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct call;

enum { AUDIT_LINES_MAX = 10 };

struct audit {
    uint64_t second; /* monotonic, of the lines counted */
    unsigned lines;
    uint64_t left_out;
};

/* Writes "Audit: WHAT NAME. Client ..."; `name.p` NULL: no name. */
void audit(struct call *x, const char *what, struct slice name);

/* CONFIG SET of these pairs was carried out: names those that matter, never their values. */
void audit_parameters(struct call *x, const struct slice *pairs, size_t n);

#endif
