/* SPDX-License-Identifier: BSD-3-Clause
 *
 * push - messages to clients that are no replies: messages of channels, keyspace events, lines of
 * MONITOR.
 *
 * A push shows something of the command that caused it, so it carries that command's gate: it
 * leaves no earlier than the command's own reply could. But the position in the AOF is known only
 * when the command (transaction, script) is over. So every session that gets something meanwhile is
 * noted with the offset at which that begins, and push_settle() puts the gates.
 *
 *   push_run(p, s)                        a command of session s begins
 *   push_begin(e, to) ... reply_*() ...   any number of times, for any session
 *   push_ran(e, p, need)                  it is over
 *
 * A push that a client's own command causes to that client follows the command's reply; which of
 * its copies are stale comes first, in the protocol that it speaks then (HELLO in a transaction).
 * If other clients are served while the command is under way (breathe.h), what they cause is held
 * too.
 */
#ifndef STET_EXEC_PUSH_H
#define STET_EXEC_PUSH_H

#include "protocol/reply.h"
#include "storage/base/list.h"

struct engine;
struct session;

struct pushes {
    struct list told;        /* sessions, by `told` */
    struct session *running; /* whose command is under way; NULL: none */
    struct out copies; /* what follows its reply: which of its own copies are stale, in RESP3 */
    struct out own;    /* what follows that */
    struct session *held_for; /* whose command has others served from within; NULL: none */
    struct out held;          /* what follows the reply of that */
    uint64_t held_need;       /* the position that `held` waits for */
    struct out nowhere;       /* what sessions that are CLOSING would be told */
};

void push_init(struct engine *e);
void push_release(struct engine *e);

/* Where to write one push for this session. Good until the next call. */
struct reply push_begin(struct engine *e, struct session *s);

/* The same for a message to the session whose command is under way that exists in RESP3 only. It is
 * dropped if the session speaks RESP2 when the command (transaction) is over. */
struct reply push_begin_copies(struct engine *e);

/* The command that pushed is over: its messages wait for this position (0: for nothing). Code that
 * changes keys outside of a command calls this itself. */
void push_settle(struct engine *e, uint64_t need);

/* A session's command begins, and is over. */
static inline void push_run(struct pushes *p, struct session *s) {
    p->running = s;
}

static inline void push_ran(struct engine *e, struct pushes *p, uint64_t need) {
    if (__builtin_expect(!list_empty(&p->told) || out_pending(&p->own) + out_pending(&p->copies),
                         0))
        push_settle(e, need);
    p->running = NULL;
}

/* The command of session `s` is about to have others served: settles what it pushed so far, and
 * holds what it and the others push to `s` from now on. */
void push_hold(struct engine *e, struct session *s, uint64_t need);

/* They were served: the command of `s` goes on, and push_ran() releases what is held. */
void push_keep(struct engine *e, struct session *s);

/* The session goes away. */
void push_forget(struct session *s);

#endif
