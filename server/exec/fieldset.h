/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fieldset - lists of field names that a client prepares once and then stores hashes with (HIMPORT
 * of Redis 8.10). They are the session's: they go with it, and with RESET.
 */
#ifndef STET_EXEC_FIELDSET_H
#define STET_EXEC_FIELDSET_H

#include "server/exec/call.h"

/* Of one session. */
enum { FIELDSETS_MAX = 256, FIELDSETS_BYTES_MAX = 1024 * 1024 };

struct fieldset {
    struct slice *v; /* the name, then the fields; own copy, see args_copy */
    int n;           /* with the name */
    size_t bytes;
};

struct fieldsets {
    struct fieldset v[FIELDSETS_MAX];
    int n;
    size_t bytes;
};

/* NULL: there is none called so. */
const struct fieldset *fieldset_find(const struct session *s, struct slice name);

/* Keeps argv[0] as a name and what follows as its fields, in place of a set of that name. False:
 * that would be more than a session may have, and nothing has changed. */
bool fieldset_keep(struct session *s, int n, const struct slice *argv);

/* Whether there was one; how many there were. */
bool fieldset_drop(struct session *s, struct slice name);
int fieldset_drop_all(struct session *s);

/* For session_parts.c. */
void fieldsets_end(struct session *s);
size_t fieldsets_mem(const struct session *s);

#endif
