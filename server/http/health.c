/* SPDX-License-Identifier: BSD-3-Clause
 *
 * health - /healthz: the event loop turns. /readyz: clients get what they ask for; if not, 503
 * and the reason, as clients get it.
 *
 * A full memory under `noeviction` is no reason: reads and deletions are served, and without them
 * it would stay full.
 */
#include "server/exec/admit.h"
#include "server/http/http_impl.h"

bool health_live(struct http_conn *c) {
    http_answer(c, 200, NULL, SLICE("ok\n"));
    return true;
}

static bool refuses_writes(const struct engine *e, char text[CALL_REFUSAL_MAX]) {
    bool is_replica = e->role.is_replica && e->v->replica_read_only;

    return !is_replica && call_refusal(e, CMD_WRITE, text);
}

bool health_reason(const struct http *h, char text[HEALTH_REASON_MAX]) {
    const struct engine *e = h->e;
    const char *why = NULL;

    if (h->app.is_stopping(h->app.arg))
        why = "The server is shutting down.";
    else if (e->loading || e->async_loading)
        why = "LOADING The server is loading the data set in memory.";
    else if (e->busy)
        why = engine_busy_error(e);
    else
        why = data_refusal(e, 0);
    if (why) snprintf(text, HEALTH_REASON_MAX, "%s", why);
    if (!why && e->role.is_replica && !e->role.link_up) {
        why = "The link to the master is down.";
        snprintf(text, HEALTH_REASON_MAX, "%s", why);
    }
    return why || refuses_writes(e, text);
}

bool health_ready(struct http_conn *c) {
    char why[HEALTH_REASON_MAX];
    struct bytes text = {0};

    if (!health_reason(c->h, why)) {
        http_answer(c, 200, NULL, SLICE("ready\n"));
        return true;
    }
    bytes_printf(&text, "%s\n", http_access(c) == 200 ? why : "not ready");
    http_answer(c, 503, NULL, bytes_slice(&text));
    bytes_release(&text);
    return true;
}
