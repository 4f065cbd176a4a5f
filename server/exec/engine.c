/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/engine.h"

#include "server/exec/call.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"

void engine_count_error(struct engine *e, const char *text) {
    size_t n = strcspn(text, " "), i;

    e->stats.error_replies++;
    for (i = 0; i < e->nerrors; i++)
        if (strncmp(e->errors[i].code, text, n) == 0 && e->errors[i].code[n] == '\0') break;
    if (i == ERROR_STATS_MAX || n >= sizeof e->errors[0].code) return;
    if (i == e->nerrors) {
        memcpy(e->errors[i].code, text, n);
        e->errors[i].code[n] = '\0';
        e->errors[i].count = 0;
        e->nerrors++;
    }
    e->errors[i].count++;
}

static void reset_slot(struct command_slot *s) {
    s->calls = s->ns = s->rejected = s->failed = 0;
    mem_free(s->latency);
    s->latency = NULL;
    for (unsigned i = 0; i < s->nsub; i++) reset_slot(&s->sub[i]);
}

void engine_reset_stats(struct engine *e) {
    e->stats = (struct engine_stats){.peak_memory = mem_used()};
    e->nerrors = 0;
    for (unsigned i = 0; i < e->commands.n; i++) reset_slot(&e->commands.slots[i]);
}

static void set_odd(struct engine *e, unsigned bit, bool on) {
    e->odd = (uint8_t)(on ? e->odd | bit : e->odd & ~bit);
}

void guard_add(struct engine *e, const struct guard *g) {
    CHECK(e->detours.nguards < GUARDS_MAX);
    e->detours.guards[e->detours.nguards++] = *g;
    set_odd(e, ODD_GUARD, true);
}

void detour_set(struct engine *e, const struct detour *d) {
    CHECK(!e->detours.detour.before);
    e->detours.detour = *d;
}

void detour_want(struct engine *e, bool wanted) {
    set_odd(e, ODD_DETOUR, wanted && e->detours.detour.before);
}

void engine_set_busy(struct engine *e, enum engine_busy why) {
    e->busy = why;
    set_odd(e, ODD_BUSY, why != BUSY_NOT);
}

void engine_set_replica(struct engine *e, bool is_replica) {
    e->role.is_replica = is_replica;
    set_odd(e, ODD_REPLICA, is_replica);
}

void engine_set_importing(struct engine *e, bool on) {
    set_odd(e, ODD_IMPORT, on);
}

const char *engine_busy_error(const struct engine *e) {
    if (e->busy == BUSY_LOADING) return ERR_LOADING;
    return e->busy == BUSY_FUNCTION ? "BUSY Redis is busy running a script. You can only call "
                                      "FUNCTION KILL or SHUTDOWN NOSAVE."
                                    : "BUSY Redis is busy running a script. You can only call "
                                      "SCRIPT KILL or SHUTDOWN NOSAVE.";
}
