/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/notify.h"

#include "conf/conf.h"
#include "server/exec/pubsub.h"

_Static_assert(EVENT_GENERIC == (int)CONF_NOTIFY_GENERIC &&
                   EVENT_STRING == (int)CONF_NOTIFY_STRING && EVENT_LIST == (int)CONF_NOTIFY_LIST &&
                   EVENT_SET == (int)CONF_NOTIFY_SET && EVENT_HASH == (int)CONF_NOTIFY_HASH &&
                   EVENT_ZSET == (int)CONF_NOTIFY_ZSET &&
                   EVENT_EXPIRED == (int)CONF_NOTIFY_EXPIRED &&
                   EVENT_EVICTED == (int)CONF_NOTIFY_EVICTED &&
                   EVENT_STREAM == (int)CONF_NOTIFY_STREAM &&
                   EVENT_MISS == (int)CONF_NOTIFY_KEY_MISS &&
                   EVENT_MODULE == (int)CONF_NOTIFY_MODULE && EVENT_NEW == (int)CONF_NOTIFY_NEW &&
                   EVENT_OVERWRITTEN == (int)CONF_NOTIFY_OVERWRITTEN &&
                   EVENT_TYPE_CHANGED == (int)CONF_NOTIFY_TYPE_CHANGED,
               "an event class is the flag that asks for it");

void notify_take_flags(struct engine *e, unsigned conf_flags) {
    e->events = conf_flags & (CONF_NOTIFY_KEYSPACE | CONF_NOTIFY_KEYEVENT) ? conf_flags : 0;
}

void notify_publish(struct engine *e, const char *event, struct slice key, int db) {
    unsigned flags = e->events;
    struct bytes channel = {0};

    if (e->loading || !pubsub_has_audience(e->pubsub)) return;
    if (flags & CONF_NOTIFY_KEYSPACE) {
        bytes_printf(&channel, "__keyspace@%d__:", db);
        bytes_append(&channel, key.p, key.n);
        pubsub_publish(e, PUBSUB_CHANNEL, bytes_slice(&channel), slice_str(event));
    }
    if (flags & CONF_NOTIFY_KEYEVENT) {
        bytes_clear(&channel);
        bytes_printf(&channel, "__keyevent@%d__:%s", db, event);
        pubsub_publish(e, PUBSUB_CHANNEL, bytes_slice(&channel), key);
    }
    bytes_release(&channel);
}
