/* SPDX-License-Identifier: BSD-3-Clause
 *
 * expire - removes keys, fields of hashes and members of sets whose time is over: a key when a
 * command looks it up, and all of them in the background. The removal is propagated (DEL or UNLINK
 * of a key, HDEL of fields, SREM of members), so that nothing else that holds the data has to look
 * at a clock.
 *
 * Commands do not see fields and members whose time is over; only expire_some() removes them.
 */
#ifndef STET_EXEC_EXPIRE_H
#define STET_EXEC_EXPIRE_H

#include "server/exec/keys.h"

/* Removes the entry of r, whose time is over: r->e is NULL then. A r->key that pointed into the
 * entry is a copy, good until the next call. */
void expire_now(struct engine *e, struct ref *r);

/* Whether what is due may be removed now: not by a replica, because its master says when, nor
 * while clients are paused, nor in import-mode. */
static inline bool expire_removes(const struct engine *e) {
    return e->pause.mode == PAUSE_NONE && !e->role.is_replica && !engine_is_importing(e);
}

/* Removes keys, fields and members that are due for at most budget_us; true if some are left. Does
 * nothing while the data set is loaded, or where !expire_removes(). */
bool expire_some(struct engine *e, uint64_t budget_us);

#endif
