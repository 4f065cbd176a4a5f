/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pubsub - the subscriptions of sessions, and sending messages to them.
 *
 * A topic is a channel, a pattern or a shard channel that has subscribers; it is there as long as
 * they are. A session that has subscribed to nothing has no part in this, and no memory.
 * Not here: the gates of messages (push).
 */
#ifndef STET_EXEC_PUBSUB_H
#define STET_EXEC_PUBSUB_H

#include "storage/base/list.h"
#include "storage/ds/table.h"

struct engine;
struct session;

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD, PUBSUB_KINDS };

struct topic {
    struct list link;        /* in pubsub.patterns, of a pattern */
    struct list subscribers; /* struct subscription, in the order they came */
    uint64_t hash;
    size_t nsubscribers;
    enum pubsub_kind kind;
    size_t n;
    char name[];
};

struct pubsub {
    struct table topics[PUBSUB_KINDS];
    struct list patterns; /* in the order they came */
};

/* Of a session that has subscribed to something. */
struct subscriber {
    struct table of[PUBSUB_KINDS];      /* struct subscription, by name */
    struct list in_order[PUBSUB_KINDS]; /* the same */
    size_t bytes;                       /* of all subscriptions, with what keeps their names */
};

void pubsub_init(struct pubsub *p);
void pubsub_release(struct pubsub *p);

/* Each is harmless where it is so already. */
void pubsub_subscribe(struct session *s, enum pubsub_kind kind, struct slice name);
void pubsub_unsubscribe(struct session *s, enum pubsub_kind kind, struct slice name);

/* Ends all subscriptions without a reply: the session ends or is reset. */
void pubsub_forget(struct session *s);

/* Ends the session's subscriptions to shard channels of which `ends` is true, and tells it of each
 * with the push of SUNSUBSCRIBE. */
void pubsub_end_shards(struct session *s, bool (*ends)(void *arg, struct slice channel), void *arg);

/* The name that the session subscribed to first; false: none. */
bool pubsub_first(const struct session *s, enum pubsub_kind kind, struct slice *name);

/* Whether `is` is true of everything that the session has subscribed to. */
bool pubsub_all(const struct session *s,
                bool (*is)(void *arg, enum pubsub_kind kind, struct slice name), void *arg);

size_t pubsub_count(const struct session *s, enum pubsub_kind kind);
size_t pubsub_mem(const struct session *s);

/* How many subscribers the channel has. */
size_t pubsub_subscribers(const struct pubsub *p, enum pubsub_kind kind, struct slice name);

static inline struct slice topic_name(const struct topic *t) {
    return (struct slice){t->name, t->n};
}

/* Tells all subscribers of the channel, and if it is no shard channel those of the patterns it
 * matches. How many messages that made. */
size_t pubsub_publish(struct engine *e, enum pubsub_kind kind, struct slice channel,
                      struct slice message);

/* Whether there is any subscriber. */
static inline bool pubsub_has_audience(const struct pubsub *p) {
    return p->topics[PUBSUB_CHANNEL].count > 0 || p->topics[PUBSUB_PATTERN].count > 0;
}

#endif
