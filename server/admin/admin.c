/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/admin.h"

#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/hotkeys.h"
#include "storage/base/mem.h"

#include <sys/resource.h>

void admin_register(struct command_registry *r) {
    command_registry_add(r, acl_commands);
    command_registry_add(r, connection_commands);
    command_registry_add(r, client_commands);
    command_registry_add(r, config_commands);
    command_registry_add(r, command_commands);
    command_registry_add(r, info_commands);
    command_registry_add(r, debug_commands);
    command_registry_add(r, server_commands);
    command_registry_add(r, slowlog_commands);
    command_registry_add(r, latency_commands);
    command_registry_add(r, memory_commands);
    command_registry_add(r, doctor_commands);
    command_registry_add(r, lolwut_commands);
    command_registry_add(r, save_commands);
    command_registry_add(r, backup_commands);
    command_registry_add(r, module_commands);
    command_registry_add(r, hotkeys_commands);
}

bool admin_is_allowed(const struct call *x, int64_t who) {
    return who == CONF_ACCESS_YES || (who == CONF_ACCESS_LOCAL && x->s->flags & SESSION_LOCAL);
}

struct admin_app *app_of(const struct engine *e) {
    static struct admin_app none;

    return e->app ? e->app : &none;
}

void admin_note_loop(struct engine *e) {
    struct admin_rates *r = &app_of(e)->rates;
    struct rusage u;
    uint64_t cpu_us;

    if (getrusage(RUSAGE_THREAD, &u) < 0) return;
    cpu_us = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
             (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    e->stats.loop_us += cpu_us - r->cpu_us;
    r->cpu_us = cpu_us;
}

static uint64_t slot_ns(const struct command_slot *s) {
    uint64_t ns = s->ns;

    for (unsigned k = 0; k < s->nsub; k++) ns += s->sub[k].ns;
    return ns;
}

uint64_t admin_command_us(const struct engine *e) {
    uint64_t ns = 0;

    for (unsigned i = 0; i < e->commands.n; i++) ns += slot_ns(&e->commands.slots[i]);
    return ns / 1000;
}

void admin_cron(struct engine *e) {
    struct admin_rates *r = &app_of(e)->rates;
    const struct engine_stats *s = &e->stats;
    uint64_t now_us = clock_mono_us(), past_us = now_us - r->at_us, used = mem_used();

    hotkeys_tick(e);
    admin_note_loop(e);
    const uint64_t now[ADMIN_RATES] = {s->commands, s->net_in, s->net_out, s->loop_cycles,
                                       s->loop_us};

    if (used > e->stats.peak_memory) e->stats.peak_memory = used;
    if (past_us == 0) return;
    for (int i = 0; i < ADMIN_RATES; i++) {
        /* After CONFIG RESETSTAT the counters start again below the last sample. */
        uint64_t more = now[i] >= r->last[i] ? now[i] - r->last[i] : now[i];

        r->per_second[r->next][i] = r->at_us ? more * 1000000 / past_us : 0;
        r->last[i] = now[i];
    }
    r->at_us = now_us;
    r->next = (r->next + 1) % ADMIN_SAMPLES;
}
