/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/notify.h"

#include "server/exec/pubsub.h"

void notify_publish(struct engine *e, const char *event, struct slice key, int db) {
    unsigned flags = e->v->notify_keyspace_events.flags;
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
