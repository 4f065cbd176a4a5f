/* SPDX-License-Identifier: BSD-3-Clause
 *
 * notify - keyspace events: messages on the channels "__keyspace@DB__:KEY" and
 * "__keyevent@DB__:EVENT" of pub/sub, as notify-keyspace-events asks for.
 */
#ifndef STET_EXEC_NOTIFY_H
#define STET_EXEC_NOTIFY_H

#include "server/exec/engine.h"

/* Kinds of keyspace event; the values are conf's notify flags. */
enum event_class {
    EVENT_GENERIC = CONF_NOTIFY_GENERIC,
    EVENT_STRING = CONF_NOTIFY_STRING,
    EVENT_LIST = CONF_NOTIFY_LIST,
    EVENT_SET = CONF_NOTIFY_SET,
    EVENT_HASH = CONF_NOTIFY_HASH,
    EVENT_ZSET = CONF_NOTIFY_ZSET,
    EVENT_STREAM = CONF_NOTIFY_STREAM,
    EVENT_EXPIRED = CONF_NOTIFY_EXPIRED,
    EVENT_EVICTED = CONF_NOTIFY_EVICTED,
    EVENT_NEW = CONF_NOTIFY_NEW,
    EVENT_MISS = CONF_NOTIFY_KEY_MISS,
};

/* Publishes the event whatever the configuration says; nothing while the data set is loaded. */
void notify_publish(struct engine *e, const char *event, struct slice key, int db);

/* Something happened to a key. Costs one test if no events of this class are asked for. */
static inline void notify_event(struct engine *e, enum event_class cls, const char *event,
                                struct slice key, int db) {
    if (__builtin_expect(e->v->notify_keyspace_events.flags & cls, 0))
        notify_publish(e, event, key, db);
}

#endif
