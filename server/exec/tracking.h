/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tracking - client-side caching: clients that keep copies of keys, and are notified when a key
 * changes.
 *
 * By default the server remembers which session has read which key, once: a session that was
 * notified of a change has to read the key again. With BCAST it remembers nothing: it notifies the
 * session of every change of a key that begins with one of its prefixes, at the end of the loop's
 * turn and all at once. A key's name counts, not its database.
 *
 * Which keys a command reads is seen where they are looked up. At most tracking-table-max-keys are
 * remembered; beyond that a key is forgotten, and its readers are notified as if it had changed.
 */
#ifndef STET_EXEC_TRACKING_H
#define STET_EXEC_TRACKING_H

#include "storage/base/list.h"
#include "storage/ds/scoretree.h"
#include "storage/ds/table.h"

struct call;
struct engine;
struct session;

enum tracking_option {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_NOLOOP = 1 << 3,
    TRACKING_CACHING = 1 << 4, /* CLIENT CACHING was said, for the next command */
    TRACKING_BROKEN = 1 << 5,  /* the session to notify instead is gone */
};

struct tracking {
    struct list trackers;
    struct scoretree prefixes; /* struct tracked_prefix; all scores are 0 */
    struct list changed;       /* those with changes in this turn */
    struct table keys;         /* struct tracked_key */
    size_t nitems;             /* readers of all keys */
    size_t ntrackers;
};

/* Of a session that tracks. Remembered keys keep it alive when the session has ended. */
struct tracker {
    struct list link; /* in tracking.trackers, while the session tracks */
    struct session *s;
    struct session *redirect; /* notified instead; NULL: gone, if redirect_id is not 0 */
    uint64_t redirect_id;
    struct tracked_member **prefixes; /* sorted */
    size_t nprefixes, cap;
    size_t refs;
    unsigned options;
};

void tracking_init(struct engine *e);
void tracking_release(struct engine *e);

/* `redirect` NULL: notifies the session itself. Prefixes are added to those it has; with BCAST and
 * no prefix it is notified of every key. */
void tracking_begin(struct session *s, unsigned options, struct session *redirect,
                    const struct slice *prefixes, size_t n);
void tracking_end(struct session *s);

/* The session ends, and with it the redirections to it. */
void tracking_forget(struct session *s);

/* How many prefixes the session has, and the i-th of them in order. */
size_t tracking_prefixes(const struct session *s);
struct slice tracking_prefix(const struct session *s, size_t i);

/* A key was looked up by a command that reads. Only for sessions that track. */
void tracking_read(struct call *x, struct slice key, uint64_t hash);

/* A command of a session that tracks is over, and it was not queued by a transaction. */
void tracking_after(struct call *x);

/* One key changed, or any key may have. Cheap while no session tracks. */
void tracking_changed(struct engine *e, struct slice key, uint64_t hash);
void tracking_all_changed(struct engine *e);

/* Before the loop waits: notifies sessions that track by prefix. */
void tracking_broadcast(struct engine *e);

#endif
