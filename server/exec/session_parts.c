/* SPDX-License-Identifier: BSD-3-Clause
 *
 * session_parts - the parts of exec that keep something for sessions, in the order in which a
 * session leaves them.
 */
#include "server/exec/acl.h"
#include "server/exec/blocking.h"
#include "server/exec/fieldset.h"
#include "server/exec/monitor.h"
#include "server/exec/multi.h"
#include "server/exec/pubsub.h"
#include "server/exec/push.h"
#include "server/exec/tracking.h"

/* server/replication keeps something for a session that is a replica. */
static void end_replica(struct session *s) {
    if (s->replica && s->e->hooks.replica_end) s->e->hooks.replica_end(s);
}

static void end_detour(struct session *s) {
    const struct detour *d = &s->e->detours.detour;

    if (s->detoured) d->end(d->arg, s);
}

const struct session_part session_parts[SESSION_PARTS] = {
    {.end = blocked_forget},
    {.end = multi_reset, .reset = multi_reset, .memory = multi_mem},
    {.end = pubsub_forget, .reset = pubsub_forget, .memory = pubsub_mem},
    {.end = monitor_end, .reset = monitor_end},
    {.end = tracking_forget, .reset = tracking_end},
    {.end = push_forget},
    {.end = fieldsets_end, .reset = fieldsets_end, .memory = fieldsets_mem},
    {.end = end_replica},
    {.end = end_detour},
    {.begin = acl_begin_session},
};
