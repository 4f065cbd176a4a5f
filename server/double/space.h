/* SPDX-License-Identifier: BSD-3-Clause
 *
 * space - name spaces: connections that live in a server of their own.
 *
 * A space is a further engine of the process (engine_each): its own data, subscriptions, scripts,
 * clients and statistics. It has the configuration and the users in common with the first engine,
 * and is neither saved nor replicated. The first engine is the space "", where every connection
 * begins.
 *
 * A connection moves between commands. TEST SPACE blocks its client until then. With a user bound
 * to a space (TEST SPACE name USER user) every client that authenticates as this user moves too,
 * before its next command. A client some of whose output waits for a gate moves once the gate is
 * open.
 *
 * Invariant: sessions that are to move are in spaces.moves by session.resuming, which is their only
 * list then. So the end of a session takes it out, as with sessions that are to be resumed.
 */
#ifndef STET_DOUBLE_SPACE_H
#define STET_DOUBLE_SPACE_H

#include "server/exec/call.h"
#include "storage/base/list.h"

enum { SPACES_MAX = 10000, SPACE_NAME_MAX = 128 };

/* What the application does for spaces. */
struct space_app {
    struct engine *(*make)(void *arg);
    void (*release)(void *arg, struct engine *e); /* it has no sessions */
    /* The session is about to leave its engine. */
    void (*moves)(void *arg, const struct session *s);
    void (*hurry)(void *arg); /* another turn of the loop comes at once */
    void *arg;
};

/* Of a process; all its engines have it in common. */
struct spaces {
    struct engine *first;
    struct space_app app;
    struct list all; /* struct space, the oldest first; not the space "" */
    size_t n;
    struct list bindings; /* struct binding */
    struct list moves;    /* sessions, by `resuming` */
};

void spaces_init(struct spaces *all, struct engine *first, const struct space_app *app);
void spaces_release(struct spaces *all);

/* Between commands, before the loop waits: moves sessions and frees spaces that were dropped. */
void spaces_before_wait(struct spaces *all);

/* engine_hooks.authenticated, where spaces are `all`. */
void spaces_authenticated(struct spaces *all, struct session *s);

/* There are users that are bound to a space, so that clients may have to move. */
static inline bool spaces_bind(const struct spaces *all) {
    return !list_empty(&all->bindings);
}

/* Before each command while spaces_bind(): true if the session has to move first. It is PARKED
 * then. */
bool spaces_hold(struct spaces *all, struct session *s);

/* TEST SPACE [name [USER username | DROP]], TEST SPACES. */
int space_command(struct spaces *all, struct call *x);
int spaces_command(struct spaces *all, struct call *x);

#endif
