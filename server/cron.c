/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cron - periodic work, `hz` times a second.
 */
#include "conf/conf.h"
#include "server/app.h"
#include "server/exec/expire.h"

#include "server/exec/access.h"
#include "server/exec/blocking.h"
#include "server/exec/call.h"
#include "server/spaces.h"
#include "server/watchdog.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

enum { RETRY_S = 5 }; /* after a save that failed */

/* The save points of the configuration. */
static void save_if_due(struct app *a) {
    struct rdb_saver *s = &a->engine.saver;
    int64_t now_s = clock_wall_ms() / 1000;
    uint64_t changes = a->engine.dirty - s->saved_changes;

    rdb_saver_poll(s, a->engine.dirty);
    if (a->engine.loading) return;
    if (s->phase != RDB_SAVER_IDLE || !s->h.may_fork(s->h.arg)) return;
    if (!s->last_ok && now_s - s->last_try_s <= RETRY_S) return;
    for (size_t i = 0; i < a->v->save.n; i++) {
        const struct conf_save_point *p = &a->v->save.points[i];

        if (changes < (uint64_t)p->changes || now_s - s->last_save_s <= p->seconds) continue;
        log_notice("%lld changes in %lld seconds. Saving...", (long long)p->changes,
                   (long long)p->seconds);
        rdb_saver_start(s, a->engine.dirty);
        return;
    }
}

static void run(void *arg) {
    struct app *a = arg;
    struct engine *e = &a->engine;
    size_t used = mem_used();
    uint64_t hz = (uint64_t)a->v->hz;

    loop_timer_set(&a->loop, &a->cron, clock_mono_us() + 1000000 / (hz ? hz : 10));
    watchdog_wind();
    if (a->cron_paused) return;
    access_tick(e);
    if (used > e->stats.peak_memory) e->stats.peak_memory = used;
    if (expire_some(e, 1000)) loop_hurry(&a->loop);
    aof_cron(a->aof);
    if (e->nblocked) blocked_check_progress(e);
    if (spaces_are_there(a)) app_spaces_cron(a);
    save_if_due(a);
    net_cron(&a->net);
    replication_cron(a->replication);
    admin_cron(e);
    links_cron(&e->links, clock_mono_us());
    out_pool_trim(&e->out_pool);
    log_follow_file();
}

void app_cron_start(struct app *a) {
    a->cron.fn = run;
    a->cron.arg = a;
    watchdog_set(a->v->watchdog_period);
    run(a);
}
