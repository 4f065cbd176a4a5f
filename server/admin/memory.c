/* SPDX-License-Identifier: BSD-3-Clause
 *
 * memory - MEMORY: where the memory is.
 */
#include "server/admin/doctor.h"
#include "server/admin/info.h"
#include "server/admin/rows.h"
#include "server/exec/breathe.h"
#include "server/exec/keys.h"
#include "storage/base/mem.h"

#ifdef STET_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

/* ---------------------------------------------------------------- USAGE */

enum { DEFAULT_SAMPLES = 5, TABLE_SLOT_BYTES = 10 };

static int cmd_memory_usage(struct call *x) {
    int64_t samples = DEFAULT_SAMPLES;
    const struct type_ops *ops;
    struct pace pace = call_pace(x);
    struct ref r;

    for (int i = 3; i < x->argc; i += 2) {
        if (!arg_is(x, i, "samples") || i + 1 == x->argc) return reply_err(x, ERR_SYNTAX);
        if (!arg_int(x, i + 1, &samples)) return -1;
        if (samples < 0) return reply_err(x, ERR_SYNTAX);
    }
    r = lookup_quiet(x, 2);
    if (!r.e) {
        reply_null(&x->r);
        return 0;
    }
    ops = type_ops_of(r.e->type);
    reply_int(&x->r, (int64_t)(mem_usable(r.e) + TABLE_SLOT_BYTES +
                               (ops->mem ? ops->mem(r.e, (size_t)samples, &pace) : 0)));
    return 0;
}

/* ---------------------------------------------------------------- STATS */

static void field(struct call *x, const char *name, size_t v) {
    reply_bulk_str(&x->r, name);
    reply_int(&x->r, (int64_t)v);
}

static void ratio_field(struct call *x, const char *name, double part, double whole) {
    reply_bulk_str(&x->r, name);
    reply_double(&x->r, whole > 0 ? part / whole : 0);
}

/* "NAME.ratio" and "NAME.bytes": how much `part` is above `base`. */
static void excess(struct call *x, const char *ratio, const char *bytes, size_t part, size_t base) {
    ratio_field(x, ratio, (double)part, (double)base);
    reply_bulk_str(&x->r, bytes);
    reply_int(&x->r, (int64_t)part - (int64_t)base);
}

static size_t used_dbs(const struct engine *e) {
    size_t n = 0;

    for (int i = 0; i < e->ks.ndbs; i++) n += e->ks.dbs[i].keys.count > 0;
    return n;
}

static void reply_dbs(struct call *x) {
    for (int i = 0; i < x->e->ks.ndbs; i++) {
        const struct db *db = &x->e->ks.dbs[i];
        char name[16];

        if (db->keys.count == 0) continue;
        snprintf(name, sizeof name, "db.%d", i);
        reply_bulk_str(&x->r, name);
        reply_map(&x->r, 3);
        field(x, "overhead.hashtable.main", db->keys.mem_bytes);
        field(x, "overhead.hashtable.expires", db->expires.mem_bytes + db->parts.mem_bytes);
        field(x, "overhead.hashtable.slot-to-keys", 0);
    }
}

enum { PLAIN_FIELDS = 27 };

static void reply_allocator(struct call *x, const struct info_usage *u) {
    struct mem_stats m;

    mem_stats_read(&m);
    field(x, "allocator.allocated", m.allocated);
    field(x, "allocator.active", m.active);
    field(x, "allocator.resident", m.resident);
    excess(x, "allocator-fragmentation.ratio", "allocator-fragmentation.bytes", m.active,
           m.allocated);
    excess(x, "allocator-rss.ratio", "allocator-rss.bytes", m.resident, m.active);
    excess(x, "rss-overhead.ratio", "rss-overhead.bytes", u->rss, m.resident);
    excess(x, "fragmentation", "fragmentation.bytes", u->rss, u->used);
}

static int cmd_memory_stats(struct call *x) {
    struct info_usage u = info_measure(x->e);
    size_t keys = keyspace_count(&x->e->ks), above = u.used > u.startup ? u.used - u.startup : 0;

    reply_map(&x->r, PLAIN_FIELDS + used_dbs(x->e));
    field(x, "peak.allocated", u.peak);
    field(x, "total.allocated", u.used);
    field(x, "startup.allocated", u.startup);
    field(x, "replication.backlog", 0);
    field(x, "clients.slaves", 0);
    field(x, "clients.normal", u.clients);
    field(x, "cluster.links", 0);
    field(x, "aof.buffer", u.aof_buffer);
    field(x, "lua.caches", x->e->scripts.cached_bytes);
    field(x, "functions.caches", x->e->scripts.function_bytes);
    reply_dbs(x);
    field(x, "overhead.total", u.overhead);
    field(x, "keys.count", keys);
    field(x, "keys.bytes-per-key", keys ? above / keys : 0);
    field(x, "dataset.bytes", u.dataset);
    ratio_field(x, "dataset.percentage", (double)u.dataset * 100, (double)above);
    ratio_field(x, "peak.percentage", (double)u.used * 100, (double)u.peak);
    reply_allocator(x, &u);
    return 0;
}

/* ---------------------------------------------------------------- DOCTOR */

static int cmd_memory_doctor(struct call *x) {
    struct bytes b = {0};

    doctor_memory(x->e, &b);
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

/* ---------------------------------------------------------------- the allocator */

#ifdef STET_JEMALLOC
static void append_report(void *out, const char *text) {
    bytes_append_str(out, text);
}

static void report(struct bytes *out) {
    malloc_stats_print(append_report, out, NULL);
}
#else
static void report(struct bytes *out) {
    bytes_append_str(out, "Stats not supported for the current allocator");
}
#endif

static int cmd_memory_malloc_stats(struct call *x) {
    struct bytes b = {0};

    report(&b);
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

static int cmd_memory_purge(struct call *x) {
    mem_purge();
    reply_ok(&x->r);
    return 0;
}

static int cmd_memory_help(struct call *x) {
    static const char *const lines[] = {
        "DOCTOR",
        "    What is remarkable about the memory in use.",
        "MALLOC-STATS",
        "    The allocator's own report.",
        "PURGE",
        "    Give memory that is not used back to the system.",
        "STATS",
        "    What takes how much.",
        "USAGE <key> [SAMPLES <count>]",
        "    How many bytes <key> and its value take. Of a value of many parts <count> are looked",
        "    at (5 unless said otherwise, 0: all).",
        NULL,
    };

    reply_help(x, lines);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define ALL_SHARDS "nondeterministic_output request_policy:all_shards response_policy:special"

/* clang-format off */
static const struct command memory_subcommands[] = {
    {"doctor", 2, 0, "server", {0, 0, 0}, cmd_memory_doctor, "4.0.0",
     "Explains in words what is unusual about the memory.", .tips = ALL_SHARDS},
    {"help", 2, CMD_HELP, "server", {0, 0, 0}, cmd_memory_help, "4.0.0",
     "Explains the subcommands."},
    {"malloc-stats", 2, 0, "server", {0, 0, 0}, cmd_memory_malloc_stats, "4.0.0",
     "Shows the allocator's report.", .tips = ALL_SHARDS},
    {"purge", 2, 0, "server", {0, 0, 0}, cmd_memory_purge, "4.0.0",
     "Gives unused memory back to the system.",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {"stats", 2, 0, "server", {0, 0, 0}, cmd_memory_stats, "4.0.0",
     "Shows how much memory each part of the server takes.", .tips = ALL_SHARDS},
    {"usage", -3, CMD_READONLY, "server", {2, 2, 1}, cmd_memory_usage, "4.0.0",
     "Estimates how much memory a key takes.",
     .grammar = "key@0 [SAMPLES=count:int]",
     .key_specs = "RO"},
    {0},
};

const struct command memory_commands[] = {
    {"memory", -2, 0, "server", {0, 0, 0}, NULL, "4.0.0", "The commands about memory.",
     .subcommands = memory_subcommands},
    {0},
};
/* clang-format on */
