/* SPDX-License-Identifier: BSD-3-Clause
 *
 * notify - keyspace events: messages on the channels "__keyspace@DB__:KEY" and
 * "__keyevent@DB__:EVENT" of pub/sub, as notify-keyspace-events asks for.
 */
#ifndef STET_EXEC_NOTIFY_H
#define STET_EXEC_NOTIFY_H

#include "server/exec/engine.h"

/* Kinds of keyspace event. The values are conf's notify flags (checked in notify.c), which are not
 * included here so that a new parameter does not rebuild every command. */
enum event_class {
    EVENT_GENERIC = 1 << 2,
    EVENT_STRING = 1 << 3,
    EVENT_LIST = 1 << 4,
    EVENT_SET = 1 << 5,
    EVENT_HASH = 1 << 6,
    EVENT_ZSET = 1 << 7,
    EVENT_EXPIRED = 1 << 8,
    EVENT_EVICTED = 1 << 9,
    EVENT_STREAM = 1 << 10,
    EVENT_MISS = 1 << 11,
    EVENT_MODULE = 1 << 12,
    EVENT_NEW = 1 << 13,
    EVENT_OVERWRITTEN = 1 << 14,
    EVENT_TYPE_CHANGED = 1 << 15,
};

/* notify-keyspace-events has this value now. */
void notify_take_flags(struct engine *e, unsigned conf_flags);

/* Publishes the event whatever the configuration says; nothing while the data set is loaded. */
void notify_publish(struct engine *e, const char *event, struct slice key, int db);

/* Something happened to a key. Costs one test if no events of this class are asked for. */
static inline void notify_event(struct engine *e, enum event_class cls, const char *event,
                                struct slice key, int db) {
    if (__builtin_expect(e->events & cls, 0)) notify_publish(e, event, key, db);
}

#endif
