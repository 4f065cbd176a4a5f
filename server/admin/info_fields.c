/* SPDX-License-Identifier: BSD-3-Clause
 *
 * info_fields - INFO's sections server, clients, memory, stats, replication and cpu. Fields of
 * features that this server does not have are there with the value they have in a Redis that does
 * not use them: programs look for them.
 */
#include "conf/conf.h"
#include "server/admin/info.h"
#include "server/exec/blocking.h"
#include "server/exec/evict.h"
#include "server/exec/multi.h"
#include "server/exec/pubsub.h"
#include "server/exec/tracking.h"

#include "server/admin/rows.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/lazyfree.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

typedef unsigned long long ull;

static const char *or_none(const char *s) {
    return s ? s : "";
}

/* ---------------------------------------------------------------- server */

static void append_build(const struct engine *e, struct bytes *out) {
    const struct admin_app *app = app_of(e);
    const char *sha = app->git_sha ? app->git_sha : "00000000";

    bytes_printf(out,
                 "redis_version:%s\r\nserver_name:stet\r\nstet_version:%s\r\nredis_git_sha1:%s\r\n"
                 "redis_git_dirty:0\r\nredis_build_id:%s\r\nredis_mode:%s\r\n"
                 "server_mode:%s\r\n",
                 conf_redis_version(e->v), STET_VERSION, sha, sha,
                 e->cluster ? "cluster" : "standalone", e->cluster ? "cluster" : "standalone");
}

bool info_node(const struct engine *e, struct cluster_node_facts *node) {
    const struct cluster_seam *c = e->cluster;

    if (!c || !c->has || !c->informed) return false;
    c->facts(c->arg, c->informed, node);
    return true;
}

/* A shutdown that waits for replicas. */
static void append_shutdown(const struct admin_app *app, struct bytes *out) {
    uint64_t until_us = app->stop_until_us ? *app->stop_until_us : 0, now_us = clock_mono_us();

    if (!until_us) return;
    bytes_printf(out, "shutdown_in_milliseconds:%llu\r\n",
                 (unsigned long long)(until_us > now_us ? (until_us - now_us) / 1000 : 0));
}

void info_server(struct engine *e, struct bytes *out) {
    const struct admin_app *app = app_of(e);
    const char *config_file = conf_path(e->conf);
    int64_t now_us = clock_wall_us(), up = (now_us / 1000 - e->started_ms) / 1000;
    struct cluster_node_facts node;
    int port = app->tcp_port;
    struct utsname os;

    if (info_node(e, &node)) port = node.port;

    append_build(e, out);
    if (e->v->availability_zone[0])
        bytes_printf(out, "availability_zone:%s\r\n", e->v->availability_zone);
    uname(&os);
    bytes_printf(out,
                 "os:%s %s %s\r\narch_bits:%d\r\nmonotonic_clock:POSIX clock_gettime\r\n"
                 "multiplexing_api:epoll\r\natomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d\r\n",
                 os.sysname, os.release, os.machine, (int)sizeof(void *) * 8, __GNUC__,
                 __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    bytes_printf(out,
                 "process_id:%d\r\nprocess_supervised:%s\r\nrun_id:%s\r\ntcp_port:%d\r\n"
                 "server_time_usec:%lld\r\nuptime_in_seconds:%lld\r\nuptime_in_days:%lld\r\n",
                 (int)getpid(), app->process_supervised ? app->process_supervised : "no",
                 or_none(app->run_id), port, (long long)now_us, (long long)up,
                 (long long)up / 86400);
    bytes_printf(
        out,
        "hz:%lld\r\nconfigured_hz:%lld\r\nclients_hz:%lld\r\nlru_clock:%u\r\nexecutable:%s\r\n"
        "config_file:%s\r\nio_threads_active:%d\r\nio_backend:%s\r\n",
        (long long)e->v->hz, (long long)e->v->hz, (long long)e->v->hz, e->lru_clock,
        or_none(app->executable), or_none(config_file), app->io_threads, or_none(app->io_backend));
    append_shutdown(app, out);
    bytes_append_str(out, or_none(app->listeners));
}

/* ---------------------------------------------------------------- clients */

/* Fields of Valkey. A command that takes long and lets others be served is no pause. */
static void append_pause(const struct pause *p, struct bytes *out) {
    static const char *const reasons[PAUSE_REASONS] = {
        [PAUSE_BY_CLIENT] = "client_pause",
        [PAUSE_FOR_SHUTDOWN] = "shutdown_in_progress",
        [PAUSE_FOR_FAILOVER] = "failover_in_progress",
    };
    static const char *const actions[] = {"none", "write", "all", "none"};
    bool on = p->mode == PAUSE_WRITES || p->mode == PAUSE_ALL;
    uint64_t now_us = clock_mono_us(), left_us = 0;
    const char *reason = "none";

    for (int i = 0; i < PAUSE_REASONS && on; i++)
        if (p->of[i].mode == p->mode) reason = reasons[i];
    if (on && p->until_us != PAUSE_FOR_EVER && p->until_us > now_us) left_us = p->until_us - now_us;
    bytes_printf(out,
                 "paused_reason:%s\r\npaused_actions:%s\r\n"
                 "paused_timeout_milliseconds:%llu\r\n",
                 reason, actions[p->mode], (ull)(left_us / 1000));
}

void info_clients(struct engine *e, struct bytes *out) {
    size_t biggest_in = 0, biggest_out = 0, subscribers = 0, watching = 0, replicas = 0;
    struct key_counts keys = blocking_count_keys(e);

    list_each (it, &e->sessions) {
        const struct session *s = list_entry(it, struct session, link);
        struct session_wire w;

        s->ops->describe(s, &w);
        if (w.query_cap > biggest_in) biggest_in = w.query_cap;
        if (s->out.mem_bytes > biggest_out) biggest_out = s->out.mem_bytes;
        subscribers += s->subscriber != NULL;
        watching += multi_watches(s);
        replicas += (s->flags & SESSION_REPLICA) != 0;
    }
    bytes_printf(
        out,
        "connected_clients:%zu\r\ncluster_connections:0\r\nmaxclients:%lld\r\n"
        "client_recent_max_input_buffer:%zu\r\nclient_recent_max_output_buffer:%zu\r\n"
        "blocked_clients:%zu\r\ntracking_clients:%zu\r\npubsub_clients:%zu\r\n"
        "watching_clients:%zu\r\nclients_in_timeout_table:%zu\r\ntotal_watched_keys:%zu\r\n"
        "total_blocking_keys:%zu\r\ntotal_blocking_keys_on_nokey:%zu\r\n",
        engine_clients(e) - replicas, (long long)e->v->maxclients, biggest_in, biggest_out,
        e->nblocked + e->nparked, e->tracking->ntrackers, subscribers, watching, e->nblocked,
        keys.watched, keys.waited_on, keys.waited_on_nokey);
    append_pause(&e->pause, out);
}

/* ---------------------------------------------------------------- memory */

struct info_usage info_measure(struct engine *e) {
    struct info_usage u = {
        .used = mem_used(), .rss = mem_rss(), .startup = app_of(e)->startup_memory};

    if (u.used > e->stats.peak_memory) e->stats.peak_memory = u.used;
    u.peak = e->stats.peak_memory;
    u.aof_buffer = aof_backlog(e->aof);
    list_each (it, &e->sessions) {
        const struct session *s = list_entry(it, struct session, link);
        struct session_wire w;

        s->ops->describe(s, &w);
        u.clients += session_mem(s) + w.query_cap;
    }
    u.overhead = u.startup + u.clients + u.aof_buffer;
    for (int i = 0; i < e->ks.ndbs; i++) u.overhead += db_overhead(&e->ks.dbs[i]);
    u.dataset = u.used > u.overhead ? u.used - u.overhead : 0;
    return u;
}

/* NAME and NAME_human */
static void append_size(struct bytes *out, const char *name, uint64_t bytes) {
    char text[32];

    num_format_human(text, bytes);
    bytes_printf(out, "%s:%llu\r\n%s_human:%s\r\n", name, (ull)bytes, name, text);
}

static void append_human(struct bytes *out, const char *name, uint64_t bytes) {
    char text[32];

    num_format_human(text, bytes);
    bytes_printf(out, "%s_human:%s\r\n", name, text);
}

static double ratio(double a, double b) {
    return b > 0 ? a / b : 0;
}

/* NAME_ratio and NAME_bytes: how much `part` is above `base`. */
static void append_excess(struct bytes *out, const char *name, size_t part, size_t base) {
    bytes_printf(out, "%s_ratio:%.2f\r\n%s_bytes:%lld\r\n", name, ratio((double)part, (double)base),
                 name, (long long)part - (long long)base);
}

static void append_usage(const struct info_usage *u, struct bytes *out) {
    size_t above = u->used > u->startup ? u->used - u->startup : 0;

    append_size(out, "used_memory", u->used);
    append_size(out, "used_memory_rss", u->rss);
    append_size(out, "used_memory_peak", u->peak);
    bytes_printf(out,
                 "used_memory_peak_perc:%.2f%%\r\nused_memory_overhead:%zu\r\n"
                 "used_memory_startup:%zu\r\nused_memory_dataset:%zu\r\n"
                 "used_memory_dataset_perc:%.2f%%\r\n",
                 ratio((double)u->used, (double)u->peak) * 100, u->overhead, u->startup, u->dataset,
                 ratio((double)u->dataset, (double)above) * 100);
}

/* One interpreter runs scripts and functions; it is counted with the scripts. */
static void append_scripts(const struct script_figures *s, struct bytes *out) {
    bytes_printf(out, "used_memory_lua:%zu\r\nused_memory_vm_eval:%zu\r\n", s->lua_bytes,
                 s->lua_bytes);
    append_human(out, "used_memory_lua", s->lua_bytes);
    bytes_printf(out,
                 "used_memory_scripts_eval:%zu\r\nnumber_of_cached_scripts:%zu\r\n"
                 "number_of_functions:%zu\r\nnumber_of_libraries:%zu\r\n"
                 "used_memory_vm_functions:0\r\n",
                 s->cached_bytes, s->cached, s->functions, s->libraries);
    append_size(out, "used_memory_vm_total", s->lua_bytes);
    bytes_printf(out, "used_memory_functions:%zu\r\n", s->function_bytes);
    append_size(out, "used_memory_scripts", s->cached_bytes + s->function_bytes);
}

static void append_value(void *arg, struct slice name, struct slice value) {
    bytes_printf(arg, "maxmemory_policy:%.*s\r\n", (int)value.n, value.p);
    (void)name;
}

void info_memory(struct engine *e, struct bytes *out) {
    struct info_usage u = info_measure(e);
    struct mem_stats m;

    mem_stats_read(&m);
    append_usage(&u, out);
    bytes_printf(out,
                 "allocator_allocated:%zu\r\nallocator_active:%zu\r\nallocator_resident:%zu\r\n"
                 "allocator_muzzy:%zu\r\n",
                 m.allocated, m.active, m.resident, m.muzzy);
    append_size(out, "total_system_memory",
                (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    append_scripts(&e->scripts, out);
    append_size(out, "maxmemory", e->v->maxmemory);
    conf_get(e->conf, &SLICE("maxmemory-policy"), 1, append_value, out);
    append_excess(out, "allocator_frag", m.active, m.allocated);
    append_excess(out, "allocator_rss", m.resident, m.active);
    append_excess(out, "rss_overhead", u.rss, m.resident);
    append_excess(out, "mem_fragmentation", u.rss, u.used);
    bytes_printf(out,
                 "mem_not_counted_for_evict:%zu\r\nmem_replication_backlog:0\r\n"
                 "mem_total_replication_buffers:0\r\nmem_clients_slaves:0\r\n"
                 "mem_clients_normal:%zu\r\nmem_cluster_links:0\r\nmem_aof_buffer:%zu\r\n"
                 "mem_allocator:%s\r\nmem_overhead_db_hashtable_rehashing:0\r\n"
                 "active_defrag_running:0\r\nlazyfree_pending_objects:%zu\r\n"
                 "lazyfreed_objects:%llu\r\n",
                 u.aof_buffer, u.clients, u.aof_buffer, mem_allocator_name(), lazyfree_pending(),
                 (ull)lazyfree_freed());
}

/* ---------------------------------------------------------------- stats */

static uint64_t rate(const struct engine *e, enum admin_rate which) {
    const struct admin_rates *r = &app_of(e)->rates;
    uint64_t sum = 0;

    for (int i = 0; i < ADMIN_SAMPLES; i++) sum += r->per_second[i][which];
    return sum / ADMIN_SAMPLES;
}

static void append_traffic(const struct engine *e, struct bytes *out) {
    const struct engine_stats *s = &e->stats;

    bytes_printf(out,
                 "total_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
                 "instantaneous_ops_per_sec:%llu\r\ntotal_net_input_bytes:%llu\r\n"
                 "total_net_output_bytes:%llu\r\ntotal_net_repl_input_bytes:%llu\r\n"
                 "total_net_repl_output_bytes:%llu\r\ninstantaneous_input_kbps:%.2f\r\n"
                 "instantaneous_output_kbps:%.2f\r\ninstantaneous_input_repl_kbps:0.00\r\n"
                 "instantaneous_output_repl_kbps:0.00\r\nrejected_connections:%llu\r\n"
                 "sync_full:%llu\r\nsync_partial_ok:%llu\r\nsync_partial_err:%llu\r\n"
                 "sync_full_without_fork:%llu\r\n",
                 (ull)s->connections, (ull)s->commands, (ull)rate(e, ADMIN_RATE_COMMANDS),
                 (ull)s->net_in, (ull)s->net_out, (ull)s->repl_in, (ull)s->repl_out,
                 (double)rate(e, ADMIN_RATE_NET_IN) / 1024,
                 (double)rate(e, ADMIN_RATE_NET_OUT) / 1024, (ull)s->rejected_connections,
                 (ull)s->full_syncs, (ull)s->partial_syncs, (ull)s->refused_syncs,
                 (ull)s->full_syncs_without_fork);
}

static void append_keys(const struct engine *e, struct bytes *out) {
    const struct engine_stats *s = &e->stats;

    bytes_printf(out,
                 "expired_subkeys:%llu\r\nexpired_fields:%llu\r\nexpired_keys:%llu\r\nexpired_"
                 "stale_perc:0.00\r\n"
                 "expired_time_cap_reached_count:%llu\r\nexpire_cycle_cpu_milliseconds:%llu\r\n"
                 "evicted_keys:%llu\r\nevicted_clients:%llu\r\nevicted_scripts:%llu\r\n"
                 "total_eviction_exceeded_time:%llu\r\ncurrent_eviction_exceeded_time:%llu\r\n"
                 "keyspace_hits:%llu\r\nkeyspace_misses:%llu\r\n",
                 (ull)s->expired_fields, (ull)s->expired_fields, (ull)s->expired,
                 (ull)s->expired_time_cap, (ull)s->expire_cycle_us / 1000, (ull)s->evicted,
                 (ull)s->evicted_clients, (ull)e->scripts.evicted,
                 (ull)evict_exceeded_us(e, true) / 1000, (ull)evict_exceeded_us(e, false) / 1000,
                 (ull)s->hits, (ull)s->misses);
}

static void append_loop(struct engine *e, struct bytes *out) {
    const struct engine_stats *s = &e->stats;
    uint64_t cycles = rate(e, ADMIN_RATE_CYCLES), us = rate(e, ADMIN_RATE_LOOP_US);

    admin_note_loop(e);
    bytes_printf(out,
                 "total_reads_processed:%llu\r\ntotal_writes_processed:%llu\r\n"
                 "io_threaded_reads_processed:0\r\nio_threaded_writes_processed:0\r\n"
                 "client_query_buffer_limit_disconnections:%llu\r\n"
                 "client_output_buffer_limit_disconnections:%llu\r\nreply_buffer_shrinks:0\r\n"
                 "reply_buffer_expands:0\r\neventloop_cycles:%llu\r\n"
                 "eventloop_duration_sum:%llu\r\neventloop_duration_cmd_sum:%llu\r\n"
                 "instantaneous_eventloop_cycles_per_sec:%llu\r\n"
                 "instantaneous_eventloop_duration_usec:%llu\r\n"
                 "acl_access_denied_auth:%llu\r\nacl_access_denied_cmd:%llu\r\n"
                 "acl_access_denied_key:%llu\r\nacl_access_denied_channel:%llu\r\n"
                 "acl_access_denied_tls_cert:%llu\r\nacl_access_denied_db:%llu\r\n",
                 (ull)s->reads, (ull)s->writes, (ull)s->query_limit_closes,
                 (ull)s->output_limit_closes, (ull)s->loop_cycles, (ull)s->loop_us,
                 (ull)admin_command_us(e), (ull)cycles, (ull)(cycles ? us / cycles : 0),
                 (ull)s->auth_denied, (ull)s->command_denied, (ull)s->key_denied,
                 (ull)s->channel_denied, (ull)s->cert_denied, (ull)s->db_denied);
}

void info_stats(struct engine *e, struct bytes *out) {
    const struct engine_stats *s = &e->stats;

    append_traffic(e, out);
    append_keys(e, out);
    bytes_printf(out,
                 "pubsub_channels:%zu\r\npubsub_patterns:%zu\r\npubsubshard_channels:%zu\r\n"
                 "latest_fork_usec:%llu\r\ntotal_forks:%llu\r\nmigrate_cached_sockets:%zu\r\n"
                 "slave_expires_tracked_keys:0\r\nactive_defrag_hits:0\r\n"
                 "active_defrag_misses:0\r\nactive_defrag_key_hits:0\r\n"
                 "active_defrag_key_misses:0\r\ntotal_active_defrag_time:0\r\n"
                 "current_active_defrag_time:0\r\ntracking_total_keys:%zu\r\n"
                 "tracking_total_items:%zu\r\ntracking_total_prefixes:%zu\r\n"
                 "unexpected_error_replies:%llu\r\ntotal_error_replies:%llu\r\n"
                 "dump_payload_sanitizations:0\r\n",
                 e->pubsub->topics[PUBSUB_CHANNEL].count, e->pubsub->topics[PUBSUB_PATTERN].count,
                 e->pubsub->topics[PUBSUB_SHARD].count, (ull)s->last_fork_us, (ull)s->forks,
                 e->links.n, e->tracking->keys.count, e->tracking->nitems,
                 e->tracking->prefixes.count, (ull)s->unexpected_errors, (ull)s->error_replies);
    append_loop(e, out);
}

/* ---------------------------------------------------------------- replication, cpu */

static void append_master(const struct cluster_node_facts *node, uint64_t offset,
                          struct bytes *out) {
    bytes_printf(out,
                 "role:slave\r\nmaster_host:%s\r\nmaster_port:%d\r\nmaster_link_status:%s\r\n"
                 "master_last_io_seconds_ago:%d\r\nmaster_sync_in_progress:0\r\n"
                 "slave_read_repl_offset:%llu\r\nslave_repl_offset:%llu\r\n",
                 node->host, node->master_port, node->link_up ? "up" : "down",
                 node->link_up ? 0 : -1, (ull)offset, (ull)offset);
    if (!node->link_up) bytes_append_str(out, "master_link_down_since_seconds:0\r\n");
    bytes_append_str(out, "slave_priority:100\r\nslave_read_only:1\r\nreplica_announced:1\r\n");
}

/* Nodes of one process share the data, so every replica has all of it. */
static void append_node(struct engine *e, const struct cluster_node_facts *node,
                        struct bytes *out) {
    const struct admin_app *app = app_of(e);
    uint64_t offset = e->propagation.stream_offset ? *e->propagation.stream_offset : 0;

    if (node->is_replica)
        append_master(node, offset, out);
    else
        bytes_append_str(out, "role:master\r\n");
    bytes_printf(out, "connected_slaves:%u\r\n", node->nreplicas);
    for (unsigned i = 0; i < node->nreplicas; i++)
        bytes_printf(out, "slave%u:ip=%s,port=%d,state=online,offset=%llu,lag=0\r\n", i, node->host,
                     node->replica_port[i], (ull)offset);
    bytes_printf(out,
                 "master_failover_state:no-failover\r\nmaster_replid:%s\r\n"
                 "master_replid2:%040d\r\nmaster_repl_offset:%llu\r\nsecond_repl_offset:-1\r\n"
                 "repl_backlog_active:0\r\nrepl_backlog_size:%llu\r\n"
                 "repl_backlog_first_byte_offset:0\r\nrepl_backlog_histlen:0\r\n",
                 app->replid, 0, (ull)offset, (ull)e->v->repl_backlog_size);
}

void info_replication(struct engine *e, struct bytes *out) {
    const struct admin_app *app = app_of(e);
    struct cluster_node_facts node;

    if (info_node(e, &node)) {
        append_node(e, &node, out);
        return;
    }
    if (app->replication_info) {
        app->replication_info(app->arg, out);
        return;
    }
    bytes_printf(out,
                 "role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n"
                 "master_replid:%s\r\nmaster_replid2:%040d\r\nmaster_repl_offset:0\r\n"
                 "second_repl_offset:-1\r\nrepl_backlog_active:0\r\nrepl_backlog_size:%llu\r\n"
                 "repl_backlog_first_byte_offset:0\r\nrepl_backlog_histlen:0\r\n",
                 app->replid, 0, (ull)e->v->repl_backlog_size);
}

static void append_cpu(struct bytes *out, const char *suffix, int who) {
    struct rusage u;

    if (getrusage(who, &u) < 0) return;
    bytes_printf(out, "used_cpu_sys%s:%lld.%06ld\r\nused_cpu_user%s:%lld.%06ld\r\n", suffix,
                 (long long)u.ru_stime.tv_sec, (long)u.ru_stime.tv_usec, suffix,
                 (long long)u.ru_utime.tv_sec, (long)u.ru_utime.tv_usec);
}

void info_cpu(struct engine *e, struct bytes *out) {
    append_cpu(out, "", RUSAGE_SELF);
    append_cpu(out, "_children", RUSAGE_CHILDREN);
    append_cpu(out, "_main_thread", RUSAGE_THREAD);
    admin_note_loop(e);
    bytes_printf(out, "used_active_time_main_thread:%llu.%06llu\r\n",
                 (ull)e->stats.loop_us / 1000000, (ull)e->stats.loop_us % 1000000);
}
