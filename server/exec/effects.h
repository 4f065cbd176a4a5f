/* SPDX-License-Identifier: BSD-3-Clause
 *
 * effects - what is going to be logged of the command, transaction or script under way, if that is
 * not the command as it was received. All of it becomes one unit of the log: everything of it is
 * read back, or nothing.
 */
#ifndef STET_EXEC_EFFECTS_H
#define STET_EXEC_EFFECTS_H

#include "storage/base/bytes.h"

struct engine;

/* All-zero: none. */
struct effects {
    struct bytes buf;      /* commands in RESP */
    size_t n;              /* how many */
    int first_db, last_db; /* the database of the first command, and of the last */
};

/* One more command, for this database: the caller appends exactly one to what is returned. */
struct bytes *effects_begin(struct engine *e, int db);

/* Gives them to the log. */
void effects_flush(struct engine *e);

#endif
