/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf/conf.h"
#include "server/admin/doctor.h"
#include "server/admin/info.h"
#include "server/exec/session.h"
#include "storage/base/mem.h"

#include <unistd.h>

enum {
    MUCH = 16 * 1024 * 1024,        /* a loss below this is none */
    CLIENTS_MUCH = 10 * 1024 * 1024 /* of all together */
};

static double percent(uint64_t part, uint64_t whole) {
    return whole ? (double)part * 100 / (double)whole : 0;
}

static void sized(struct bytes *out, const char *before, uint64_t bytes, const char *after) {
    bytes_append_str(out, before);
    doctor_size(out, bytes);
    bytes_append_str(out, after);
}

static void tell_figures(const struct engine *e, const struct info_usage *u, struct bytes *out) {
    size_t keys = keyspace_count(&e->ks);
    uint64_t rest =
        u->overhead > u->clients + u->aof_buffer ? u->overhead - u->clients - u->aof_buffer : 0;

    sized(out, "Memory in use is ", u->used, "");
    if (e->v->maxmemory) sized(out, ", of maxmemory ", e->v->maxmemory, "");
    sized(out, "; the process holds ", u->rss, "");
    sized(out, ", the peak was ", u->peak, ".\n");
    bytes_printf(out, "Of it: values of %zu keys ", keys);
    sized(out, "", u->dataset, "");
    if (keys) bytes_printf(out, " (%zu bytes a key)", u->dataset / keys);
    sized(out, ", clients ", u->clients, "");
    sized(out, ", AOF buffer ", u->aof_buffer, "");
    sized(out, ", tables and the server itself ", rest, ".\n");
}

static void look_at_limit(const struct engine *e, const struct info_usage *u, struct bytes *out) {
    uint64_t system = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    bool evicts = e->v->maxmemory_policy != CONF_EVICT_NONE;

    if (!e->v->maxmemory && u->rss > system / 2) {
        bytes_printf(out, "- maxmemory is 0 and the process holds %.0f %% of the machine's ",
                     percent(u->rss, system));
        sized(out, "", system, ": the kernel may kill it. Set maxmemory below that.\n");
    }
    if (!e->v->maxmemory || u->used < e->v->maxmemory / 10 * 9) return;
    bytes_printf(out, "- %.0f %% of maxmemory are in use. At 100 %% ",
                 percent(u->used, e->v->maxmemory));
    if (evicts)
        bytes_printf(out, "keys are evicted (%llu so far). Raise maxmemory if those are missed.\n",
                     (unsigned long long)e->stats.evicted);
    else
        bytes_append_str(out, "writes are refused (OOM), as maxmemory-policy is noeviction. Raise "
                              "maxmemory, or let keys be evicted: CONFIG SET maxmemory-policy "
                              "allkeys-lru.\n");
}

static void look_at_losses(const struct info_usage *u, struct bytes *out) {
    struct mem_stats m;

    mem_stats_read(&m);
    if (u->peak > u->used + u->used / 2 && u->peak - u->used > MUCH)
        sized(out, "- There was more data once: ", u->peak - u->used,
              " above what is in use now. To give back what the process kept of that: MEMORY "
              "PURGE.\n");
    if (m.active > m.allocated + m.allocated / 10 && m.active - m.allocated > MUCH)
        sized(out, "- Fragmentation: ", m.active - m.allocated,
              " are lost between allocations, as values were deleted or have grown. MEMORY PURGE "
              "may help; a restart packs the data anew.\n");
    if (u->rss > u->used + u->used / 2 && u->rss - u->used > MUCH)
        sized(out, "- The process holds ", u->rss - u->used,
              " more than it uses. To give that back: MEMORY PURGE.\n");
}

/* MEMORY DOCTOR is for every user: it tells no address. */
static void look_at_clients(const struct engine *e, const struct info_usage *u, struct bytes *out) {
    const struct session *most = NULL;
    struct session_wire w;
    size_t most_bytes = 0;

    if (u->clients < CLIENTS_MUCH) return;
    list_each (it, &e->sessions) {
        const struct session *s = list_entry(it, struct session, link);
        size_t bytes;

        s->ops->describe(s, &w);
        bytes = session_mem(s) + w.query_cap;
        if (bytes <= most_bytes) continue;
        most = s;
        most_bytes = bytes;
    }
    if (!most) return;
    bytes_printf(out, "- %zu clients hold ", engine_clients(e));
    sized(out, "", u->clients, " in buffers");
    sized(out, ", one of them ", most_bytes, ": ");
    bytes_printf(out,
                 "id %llu. It reads too slowly, or its commands are large. CLIENT LIST ID %llu "
                 "shows it, CLIENT KILL ID %llu ends it; client-output-buffer-limit and "
                 "maxmemory-clients limit all.\n",
                 (unsigned long long)most->id, (unsigned long long)most->id,
                 (unsigned long long)most->id);
}

static void look_at_others(const struct engine *e, const struct info_usage *u, struct bytes *out) {
    size_t scripts = e->scripts.cached_bytes + e->scripts.lua_bytes;

    if (u->aof_buffer > MUCH)
        sized(out, "- ", u->aof_buffer,
              " wait to be written to the AOF: the disk is too slow. DOCTOR LATENCY has its times; "
              "writes wait from aof-buffer-limit on.\n");
    if (scripts > MUCH) {
        bytes_printf(out, "- %zu scripts take ", e->scripts.cached);
        sized(out, "", scripts,
              ": a program makes scripts with values in them instead of arguments. SCRIPT FLUSH "
              "frees them.\n");
    }
}

void doctor_memory(struct engine *e, struct bytes *out) {
    struct info_usage u = info_measure(e);
    size_t before;

    tell_figures(e, &u, out);
    before = out->n;
    look_at_limit(e, &u, out);
    look_at_losses(&u, out);
    look_at_clients(e, &u, out);
    look_at_others(e, &u, out);
    if (out->n == before)
        bytes_append_str(out, "Nothing remarkable. The largest keys: redis-cli --memkeys.\n");
}
