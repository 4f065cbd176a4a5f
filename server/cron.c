/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cron - what has to happen now and then, `hz` times a second.
 */
#include "server/app.h"

#include "server/exec/call.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

static void run(void *arg) {
    struct app *a = arg;
    struct engine *e = &a->engine;
    size_t used = mem_used();
    uint64_t hz = (uint64_t)a->v->hz;

    loop_timer_set(&a->loop, &a->cron, clock_mono_us() + 1000000 / (hz ? hz : 10));
    if (a->cron_paused) return;
    e->lru_clock = (uint32_t)(clock_cached_ms() / 1000) & 0xffffff;
    if (used > e->stats.peak_memory) e->stats.peak_memory = used;
    if (engine_expire_some(e, 1000)) loop_hurry(&a->loop);
    aof_cron(a->aof);
    net_cron(&a->net);
    admin_cron(e);
    log_follow_file();
}

void app_cron_start(struct app *a) {
    a->cron.fn = run;
    a->cron.arg = a;
    run(a);
}
