/* SPDX-License-Identifier: BSD-3-Clause
 *
 * info - the INFO command: which sections are asked for, and those that list rows. The sections of
 * plain fields stand in info_fields.c.
 *
 * Field names and their meaning are Redis 7's; what only stet knows has names of its own.
 */
#include "server/admin/info.h"

#include "conf/conf.h"
#include "server/admin/rows.h"
#include "server/exec/observe.h"

/* ---------------------------------------------------------------- sections of rows */

static void each_slot(struct engine *e, struct bytes *out,
                      void (*line)(struct engine *e, const struct command_slot *s,
                                   struct bytes *out)) {
    for (unsigned i = 0; i < e->commands.n; i++) {
        const struct command_slot *s = &e->commands.slots[i];

        line(e, s, out);
        for (unsigned k = 0; k < s->nsub; k++) line(e, &s->sub[k], out);
    }
}

static void commandstat(struct engine *e, const struct command_slot *s, struct bytes *out) {
    (void)e;
    if (!s->calls && !s->rejected && !s->failed) return;
    bytes_printf(out,
                 "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                 "failed_calls=%llu\r\n",
                 s->name, (unsigned long long)s->calls, (unsigned long long)s->ns / 1000,
                 s->calls ? (double)s->ns / 1000 / (double)s->calls : 0,
                 (unsigned long long)s->rejected, (unsigned long long)s->failed);
}

static void commandstats(struct engine *e, struct bytes *out) {
    each_slot(e, out, commandstat);
}

/* "99.9", "50" */
static void append_percentile_name(struct bytes *out, double p) {
    char text[32];
    size_t n = (size_t)snprintf(text, sizeof text, "%f", p);

    while (text[n - 1] == '0') n--;
    if (text[n - 1] == '.') n--;
    bytes_append(out, text, n);
}

static void latencystat(struct engine *e, const struct command_slot *s, struct bytes *out) {
    const struct conf_percentiles *ps = &e->v->latency_tracking_info_percentiles;
    uint64_t total = 0;

    if (!s->latency) return;
    for (int i = 0; i < OBSERVE_BUCKETS; i++) total += s->latency[i];
    if (total == 0) return;
    bytes_printf(out, "latency_percentiles_usec_%s:", s->name);
    for (size_t i = 0; i < ps->n; i++) {
        bytes_append_str(out, i ? ",p" : "p");
        append_percentile_name(out, ps->p[i]);
        bytes_printf(out, "=%.3f", observe_time_at(s->latency, total, ps->p[i]));
    }
    bytes_append_str(out, "\r\n");
}

static void latencystats(struct engine *e, struct bytes *out) {
    if (e->v->latency_tracking) each_slot(e, out, latencystat);
}

static void errorstats(struct engine *e, struct bytes *out) {
    for (size_t i = 0; i < e->nerrors; i++)
        bytes_printf(out, "errorstat_%s:count=%llu\r\n", e->errors[i].code,
                     (unsigned long long)e->errors[i].count);
}

struct node_keys {
    const struct cluster_seam *c;
    size_t keys, expires;
    uint64_t ttl_ms;
};

static void count_key(void *entry, void *arg) {
    const struct entry *key = entry;
    struct node_keys *n = arg;
    int64_t left_ms;

    if (!n->c->has(n->c->arg, n->c->informed, entry_key(key))) return;
    n->keys++;
    if (!(key->flags & ENTRY_EXPIRES)) return;
    n->expires++;
    left_ms = entry_expire(key) - clock_cached_ms();
    if (left_ms > 0) n->ttl_ms += (uint64_t)left_ms;
}

/* Of a node that has a part of the keys. */
static void keys_of_node(struct engine *e, struct bytes *out) {
    struct node_keys n = {.c = e->cluster};

    table_each(&e->ks.dbs[0].keys, count_key, &n);
    if (n.keys == 0) return;
    bytes_printf(out, "db0:keys=%zu,expires=%zu,avg_ttl=%llu\r\n", n.keys, n.expires,
                 (unsigned long long)(n.expires ? n.ttl_ms / n.expires : 0));
}

static void keyspace(struct engine *e, struct bytes *out) {
    if (cluster_hides_some(e) && e->cluster->informed) {
        keys_of_node(e, out);
        return;
    }
    for (int i = 0; i < e->ks.ndbs; i++) {
        const struct db *db = &e->ks.dbs[i];

        if (db->keys.count == 0) continue;
        bytes_printf(out, "db%d:keys=%zu,expires=%zu,avg_ttl=%lld\r\n", i, db->keys.count,
                     db->expires.count, (long long)expiry_avg_ttl(&db->expires, clock_cached_ms()));
    }
}

static void modules(struct engine *e, struct bytes *out) {
    (void)e;
    (void)out;
}

/* As if one thread served all clients: I/O threads have no figures of their own. */
static void threads(struct engine *e, struct bytes *out) {
    bytes_printf(out, "io_thread_0:clients=%zu,reads=%llu,writes=%llu\r\n", engine_clients(e),
                 (unsigned long long)e->stats.reads, (unsigned long long)e->stats.writes);
}

static void tls(struct engine *e, struct bytes *out) {
    const struct admin_app *app = app_of(e);

    if (app->tls_info) app->tls_info(app->arg, out);
}

static void cluster(struct engine *e, struct bytes *out) {
    bytes_printf(out, "cluster_enabled:%d\r\n", e->v->cluster_enabled);
}

/* ---------------------------------------------------------------- which sections */

enum { IN_DEFAULT = 1, IN_ALL = 2, IN_EVERYTHING = 4, EVERYWHERE = 7 };

static const struct section {
    const char *name;
    unsigned in;
    void (*write)(struct engine *e, struct bytes *out);
} sections[] = {
    {"Server", EVERYWHERE, info_server},
    {"Clients", EVERYWHERE, info_clients},
    {"Memory", EVERYWHERE, info_memory},
    {"Persistence", EVERYWHERE, info_persistence},
    {"Stats", EVERYWHERE, info_stats},
    {"Replication", EVERYWHERE, info_replication},
    {"CPU", EVERYWHERE, info_cpu},
    {"TLS", IN_EVERYTHING, tls},
    {"Threads", IN_EVERYTHING, threads},
    {"Modules", IN_DEFAULT | IN_EVERYTHING, modules},
    {"Commandstats", IN_ALL | IN_EVERYTHING, commandstats},
    {"Errorstats", EVERYWHERE, errorstats},
    {"Latencystats", IN_ALL | IN_EVERYTHING, latencystats},
    {"Cluster", EVERYWHERE, cluster},
    {"Keyspace", EVERYWHERE, keyspace},
};

static bool asked_for(const struct section *s, const struct slice *words, size_t n) {
    if (n == 0) return s->in & IN_DEFAULT;
    for (size_t i = 0; i < n; i++)
        if (slice_is(words[i], s->name) || (slice_is(words[i], "default") && s->in & IN_DEFAULT) ||
            (slice_is(words[i], "all") && s->in & IN_ALL) ||
            (slice_is(words[i], "everything") && s->in & IN_EVERYTHING))
            return true;
    return false;
}

void admin_info(struct engine *e, const struct slice *words, size_t n, struct bytes *out) {
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (!asked_for(&sections[i], words, n)) continue;
        bytes_printf(out, "%s# %s\r\n", out->n ? "\r\n" : "", sections[i].name);
        sections[i].write(e, out);
    }
}

static int cmd_info(struct call *x) {
    struct cluster_seam *c = x->e->cluster;
    struct bytes b = {0};

    if (c) c->informed = x->s;
    admin_info(x->e, x->argv + 1, (size_t)x->argc - 1, &b);
    if (c) c->informed = NULL;
    reply_verbatim(&x->r, "txt", b.n ? b.p : "", b.n);
    bytes_release(&b);
    return 0;
}

/* clang-format off */
const struct command info_commands[] = {
    {"info", -1, CMD_LOADING | CMD_STALE | CMD_DANGEROUS, "server", {0, 0, 0}, cmd_info, "1.0.0",
     "Reports what the server is, does and has done.",
     .grammar = "[section+]",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {0},
};
/* clang-format on */
