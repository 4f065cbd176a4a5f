/* SPDX-License-Identifier: BSD-3-Clause
 *
 * journal - what clients sent, in the order of execution, for assertions about an application.
 *
 * A ring of the newest entries: JOURNAL_ENTRIES_MAX of them and JOURNAL_BYTES_MAX in all; the
 * oldest are dropped and counted. An entry is made when its command is over. The entry of a command
 * that blocks its client is made at once and completed when the client has its answer; until then
 * its reply is "none". Secret arguments are not kept. While the journal is stopped nothing here is
 * called.
 *
 * Not here: commands of scripts, and those that a transaction runs; EXEC is an entry, and so is
 * each command when it is queued.
 */
#ifndef STET_DOUBLE_JOURNAL_H
#define STET_DOUBLE_JOURNAL_H

#include "server/exec/call.h"
#include "storage/base/list.h"

enum {
    JOURNAL_ENTRIES_MAX = 100000,
    JOURNAL_BYTES_MAX = 64 * 1024 * 1024,
    JOURNAL_NESTED = 2, /* a long command, and one that is served within it */
};

struct journal {
    bool on;
    struct list entries; /* the oldest first */
    struct list waiting; /* those whose clients are blocked */
    size_t n, bytes;
    uint64_t dropped;
    uint64_t began_ns[JOURNAL_NESTED]; /* of the commands under way */
    unsigned depth;
};

void journal_init(struct journal *j);
void journal_clear(struct journal *j);
void journal_start(struct journal *j);
void journal_stop(struct journal *j);

/* Around each command of a client while the journal is on: see detour.h. */
void journal_before(struct journal *j);
void journal_after(struct journal *j, struct call *x, uint64_t from);

/* The client that was blocked has its answer, at stream offset `from`. */
void journal_answered(struct journal *j, const struct session *s, uint64_t from);

/* TEST JOURNAL START|STOP|CLEAR|INFO, GET [filter], COUNT [filter]. */
int journal_command(struct journal *j, struct call *x);

#endif
