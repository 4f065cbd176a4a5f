/* SPDX-License-Identifier: BSD-3-Clause
 *
 * multi - transactions: commands that are queued between MULTI and EXEC and then executed as one,
 * unless a key that was WATCHed has changed.
 *
 *   no transaction --MULTI--> QUEUEING --EXEC--> executed, nil (a watched key changed) or EXECABORT
 *                             QUEUEING --a command that is refused--> FAILED --EXEC--> EXECABORT
 *   DISCARD, RESET and the end of the connection lead back from everywhere.
 *
 * The effects of a transaction are one unit of the AOF, whatever databases it touches: it is read
 * back as a whole or not at all. Its replies wait for all of it.
 */
#ifndef STET_EXEC_MULTI_H
#define STET_EXEC_MULTI_H

#include "server/exec/call.h"

struct queued {
    struct command_slot *cmd;
    struct slice *argv; /* own copy, see args_copy */
    int argc;
};

enum multi_state { MULTI_NONE, MULTI_QUEUEING, MULTI_FAILED };

/* Of a session that is in a transaction or watches keys; the others have none. */
struct multi {
    enum multi_state state;
    struct queued *v;
    int n, cap;
    size_t bytes;         /* of all arguments */
    uint32_t flags;       /* those of all queued commands */
    struct list watches;  /* struct own_watch */
    size_t watched_bytes; /* about, with what keeps the keys */
    bool broken;          /* a watched key has changed */
};

extern const struct command multi_commands[], watch_commands[];

static inline bool multi_is_open(const struct session *s) {
    return s->multi && s->multi->state != MULTI_NONE;
}

/* Whether the command is to be queued, not executed. */
static inline bool multi_queues(const struct call *x) {
    return multi_is_open(x->s) && !(x->cmd->row->flags & CMD_IN_MULTI);
}

/* Queues the call's command and answers that. */
void multi_queue(struct call *x);

/* A command was refused before it could be queued: there will be no EXEC. */
void multi_fail(struct session *s);

/* EXEC itself is refused: the transaction is over, and the error says why. */
bool multi_is_exec(const struct command_slot *cmd);
int multi_abort(struct call *x, const char *error);

/* What EXEC would do: the flags of all queued commands. */
static inline uint32_t multi_flags(const struct session *s) {
    return s->multi ? s->multi->flags : 0;
}

size_t multi_mem(const struct session *s);

/* The next EXEC of the call's client fails if this key changes before it. */
struct ref;
void multi_watch(struct call *x, const struct ref *r);

/* Whether the session watches keys. */
static inline bool multi_watches(const struct session *s) {
    return s->multi && !list_empty(&s->multi->watches);
}

/* Forgets the transaction and what is watched. */
void multi_reset(struct session *s);

#endif
