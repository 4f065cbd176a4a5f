/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics_info - the metrics that are fields of INFO, under redis_exporter's names, and those that
 * combine several fields in labels.
 */
#include "server/http/metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum kind {
    PLAIN,        /* the field's text is a number */
    STATUS,       /* ok is 1, anything else 0 */
    MICROSECONDS, /* become seconds */
};

/* In order of the fields' names. */
static const struct row {
    const char *field, *metric;
    enum metric_type type;
    enum kind kind;
} rows[] = {
    /* clang-format off */
    {"acl_access_denied_auth", "redis_acl_access_denied_auth_total", M_COUNTER, PLAIN},
    {"acl_access_denied_channel", "redis_acl_access_denied_channel_total", M_COUNTER, PLAIN},
    {"acl_access_denied_cmd", "redis_acl_access_denied_cmd_total", M_COUNTER, PLAIN},
    {"acl_access_denied_key", "redis_acl_access_denied_key_total", M_COUNTER, PLAIN},
    {"active_defrag_hits", "redis_defrag_hits", M_GAUGE, PLAIN},
    {"active_defrag_key_hits", "redis_defrag_key_hits", M_GAUGE, PLAIN},
    {"active_defrag_key_misses", "redis_defrag_key_misses", M_GAUGE, PLAIN},
    {"active_defrag_misses", "redis_defrag_misses", M_GAUGE, PLAIN},
    {"active_defrag_running", "redis_active_defrag_running", M_GAUGE, PLAIN},
    {"allocator_active", "redis_allocator_active_bytes", M_GAUGE, PLAIN},
    {"allocator_allocated", "redis_allocator_allocated_bytes", M_GAUGE, PLAIN},
    {"allocator_frag_bytes", "redis_allocator_frag_bytes", M_GAUGE, PLAIN},
    {"allocator_frag_ratio", "redis_allocator_frag_ratio", M_GAUGE, PLAIN},
    {"allocator_resident", "redis_allocator_resident_bytes", M_GAUGE, PLAIN},
    {"allocator_rss_bytes", "redis_allocator_rss_bytes", M_GAUGE, PLAIN},
    {"allocator_rss_ratio", "redis_allocator_rss_ratio", M_GAUGE, PLAIN},
    {"aof_base_size", "redis_aof_base_size_bytes", M_GAUGE, PLAIN},
    {"aof_buffer_length", "redis_aof_buffer_length", M_GAUGE, PLAIN},
    {"aof_current_rewrite_time_sec", "redis_aof_current_rewrite_duration_sec", M_GAUGE, PLAIN},
    {"aof_current_size", "redis_aof_current_size_bytes", M_GAUGE, PLAIN},
    {"aof_delayed_fsync", "redis_aof_delayed_fsync", M_GAUGE, PLAIN},
    {"aof_enabled", "redis_aof_enabled", M_GAUGE, PLAIN},
    {"aof_last_bgrewrite_status", "redis_aof_last_bgrewrite_status", M_GAUGE, STATUS},
    {"aof_last_cow_size", "redis_aof_last_cow_size_bytes", M_GAUGE, PLAIN},
    {"aof_last_rewrite_time_sec", "redis_aof_last_rewrite_duration_sec", M_GAUGE, PLAIN},
    {"aof_last_write_status", "redis_aof_last_write_status", M_GAUGE, STATUS},
    {"aof_pending_bio_fsync", "redis_aof_pending_bio_fsync", M_GAUGE, PLAIN},
    {"aof_pending_rewrite", "redis_aof_pending_rewrite", M_GAUGE, PLAIN},
    {"aof_rewrite_in_progress", "redis_aof_rewrite_in_progress", M_GAUGE, PLAIN},
    {"aof_rewrite_scheduled", "redis_aof_rewrite_scheduled", M_GAUGE, PLAIN},
    {"blocked_clients", "redis_blocked_clients", M_GAUGE, PLAIN},
    {"client_recent_max_input_buffer", "redis_client_recent_max_input_buffer_bytes", M_GAUGE, PLAIN},
    {"client_recent_max_output_buffer", "redis_client_recent_max_output_buffer_bytes", M_GAUGE, PLAIN},
    {"clients_in_timeout_table", "redis_clients_in_timeout_table", M_GAUGE, PLAIN},
    {"cluster_connections", "redis_cluster_connections", M_GAUGE, PLAIN},
    {"cluster_enabled", "redis_cluster_enabled", M_GAUGE, PLAIN},
    {"connected_clients", "redis_connected_clients", M_GAUGE, PLAIN},
    {"connected_slaves", "redis_connected_slaves", M_GAUGE, PLAIN},
    {"dump_payload_sanitizations", "redis_dump_payload_sanitizations", M_COUNTER, PLAIN},
    {"evicted_keys", "redis_evicted_keys_total", M_COUNTER, PLAIN},
    {"expired_keys", "redis_expired_keys_total", M_COUNTER, PLAIN},
    {"expired_stale_perc", "redis_expired_stale_percentage", M_GAUGE, PLAIN},
    {"expired_time_cap_reached_count", "redis_expired_time_cap_reached_total", M_GAUGE, PLAIN},
    {"io_threaded_reads_processed", "redis_io_threaded_reads_processed", M_COUNTER, PLAIN},
    {"io_threaded_writes_processed", "redis_io_threaded_writes_processed", M_COUNTER, PLAIN},
    {"io_threads_active", "redis_io_threads_active", M_GAUGE, PLAIN},
    {"keyspace_hits", "redis_keyspace_hits_total", M_COUNTER, PLAIN},
    {"keyspace_misses", "redis_keyspace_misses_total", M_COUNTER, PLAIN},
    {"latest_fork_usec", "redis_latest_fork_seconds", M_GAUGE, MICROSECONDS},
    {"lazyfree_pending_objects", "redis_lazyfree_pending_objects", M_GAUGE, PLAIN},
    {"loading", "redis_loading_dump_file", M_GAUGE, PLAIN},
    {"master_repl_offset", "redis_master_repl_offset", M_GAUGE, PLAIN},
    {"maxclients", "redis_max_clients", M_GAUGE, PLAIN},
    {"maxmemory", "redis_memory_max_bytes", M_GAUGE, PLAIN},
    {"mem_clients_normal", "redis_mem_clients_normal", M_GAUGE, PLAIN},
    {"mem_clients_slaves", "redis_mem_clients_slaves", M_GAUGE, PLAIN},
    {"mem_fragmentation_bytes", "redis_mem_fragmentation_bytes", M_GAUGE, PLAIN},
    {"mem_fragmentation_ratio", "redis_mem_fragmentation_ratio", M_GAUGE, PLAIN},
    {"mem_not_counted_for_evict", "redis_mem_not_counted_for_eviction_bytes", M_GAUGE, PLAIN},
    {"migrate_cached_sockets", "redis_migrate_cached_sockets_total", M_GAUGE, PLAIN},
    {"module_fork_in_progress", "redis_module_fork_in_progress", M_GAUGE, PLAIN},
    {"module_fork_last_cow_size", "redis_module_fork_last_cow_size", M_GAUGE, PLAIN},
    {"number_of_cached_scripts", "redis_number_of_cached_scripts", M_GAUGE, PLAIN},
    {"process_id", "redis_process_id", M_GAUGE, PLAIN},
    {"pubsub_channels", "redis_pubsub_channels", M_GAUGE, PLAIN},
    {"pubsub_patterns", "redis_pubsub_patterns", M_GAUGE, PLAIN},
    {"rdb_bgsave_in_progress", "redis_rdb_bgsave_in_progress", M_GAUGE, PLAIN},
    {"rdb_changes_since_last_save", "redis_rdb_changes_since_last_save", M_GAUGE, PLAIN},
    {"rdb_current_bgsave_time_sec", "redis_rdb_current_bgsave_duration_sec", M_GAUGE, PLAIN},
    {"rdb_last_bgsave_status", "redis_rdb_last_bgsave_status", M_GAUGE, STATUS},
    {"rdb_last_bgsave_time_sec", "redis_rdb_last_bgsave_duration_sec", M_GAUGE, PLAIN},
    {"rdb_last_cow_size", "redis_rdb_last_cow_size_bytes", M_GAUGE, PLAIN},
    {"rdb_last_save_time", "redis_rdb_last_save_timestamp_seconds", M_GAUGE, PLAIN},
    {"rejected_connections", "redis_rejected_connections_total", M_COUNTER, PLAIN},
    {"repl_backlog_active", "redis_repl_backlog_is_active", M_GAUGE, PLAIN},
    {"repl_backlog_first_byte_offset", "redis_repl_backlog_first_byte_offset", M_GAUGE, PLAIN},
    {"repl_backlog_histlen", "redis_repl_backlog_history_bytes", M_GAUGE, PLAIN},
    {"repl_backlog_size", "redis_replication_backlog_bytes", M_GAUGE, PLAIN},
    {"second_repl_offset", "redis_second_repl_offset", M_GAUGE, PLAIN},
    {"slave_expires_tracked_keys", "redis_slave_expires_tracked_keys", M_GAUGE, PLAIN},
    {"slave_priority", "redis_slave_priority", M_GAUGE, PLAIN},
    {"sync_full", "redis_replica_resyncs_full", M_GAUGE, PLAIN},
    {"sync_partial_err", "redis_replica_partial_resync_denied", M_GAUGE, PLAIN},
    {"sync_partial_ok", "redis_replica_partial_resync_accepted", M_GAUGE, PLAIN},
    {"total_commands_processed", "redis_commands_processed_total", M_COUNTER, PLAIN},
    {"total_connections_received", "redis_connections_received_total", M_COUNTER, PLAIN},
    {"total_error_replies", "redis_total_error_replies", M_COUNTER, PLAIN},
    {"total_net_input_bytes", "redis_net_input_bytes_total", M_COUNTER, PLAIN},
    {"total_net_output_bytes", "redis_net_output_bytes_total", M_COUNTER, PLAIN},
    {"total_reads_processed", "redis_total_reads_processed", M_COUNTER, PLAIN},
    {"total_system_memory", "redis_total_system_memory_bytes", M_GAUGE, PLAIN},
    {"total_writes_processed", "redis_total_writes_processed", M_COUNTER, PLAIN},
    {"tracking_clients", "redis_tracking_clients", M_GAUGE, PLAIN},
    {"tracking_total_items", "redis_tracking_total_items", M_GAUGE, PLAIN},
    {"tracking_total_keys", "redis_tracking_total_keys", M_GAUGE, PLAIN},
    {"tracking_total_prefixes", "redis_tracking_total_prefixes", M_GAUGE, PLAIN},
    {"unexpected_error_replies", "redis_unexpected_error_replies", M_COUNTER, PLAIN},
    {"uptime_in_seconds", "redis_uptime_in_seconds", M_GAUGE, PLAIN},
    {"used_cpu_sys", "redis_cpu_sys_seconds_total", M_COUNTER, PLAIN},
    {"used_cpu_sys_children", "redis_cpu_sys_children_seconds_total", M_COUNTER, PLAIN},
    {"used_cpu_sys_main_thread", "redis_cpu_sys_main_thread_seconds_total", M_COUNTER, PLAIN},
    {"used_cpu_user", "redis_cpu_user_seconds_total", M_COUNTER, PLAIN},
    {"used_cpu_user_children", "redis_cpu_user_children_seconds_total", M_COUNTER, PLAIN},
    {"used_cpu_user_main_thread", "redis_cpu_user_main_thread_seconds_total", M_COUNTER, PLAIN},
    {"used_memory", "redis_memory_used_bytes", M_GAUGE, PLAIN},
    {"used_memory_dataset", "redis_memory_used_dataset_bytes", M_GAUGE, PLAIN},
    {"used_memory_lua", "redis_memory_used_lua_bytes", M_GAUGE, PLAIN},
    {"used_memory_overhead", "redis_memory_used_overhead_bytes", M_GAUGE, PLAIN},
    {"used_memory_peak", "redis_memory_used_peak_bytes", M_GAUGE, PLAIN},
    {"used_memory_rss", "redis_memory_used_rss_bytes", M_GAUGE, PLAIN},
    {"used_memory_scripts", "redis_memory_used_scripts_bytes", M_GAUGE, PLAIN},
    {"used_memory_startup", "redis_memory_used_startup_bytes", M_GAUGE, PLAIN},
    /* clang-format on */
};

enum { ROWS = sizeof rows / sizeof *rows };

/* ---------------------------------------------------------------- fields */

static int compare(const void *key, const void *row) {
    return slice_cmp(*(const struct slice *)key, slice_str(((const struct row *)row)->field));
}

static void write_row(struct scrape *s, const struct row *r, struct slice value) {
    char help[80];

    snprintf(help, sizeof help, "The field '%s' of INFO.", r->field);
    metric_family(&s->m, r->metric, r->type, help);
    metric_name(&s->m, r->metric, "");
    if (r->kind == STATUS)
        metric_int(&s->m, slice_eq(value, SLICE("ok")));
    else if (r->kind == MICROSECONDS)
        metric_us(&s->m, strtoull(value.p, NULL, 10));
    else
        metric_text(&s->m, value);
}

/* Takes "name:value" and its line end from the front of `text`; false: a line of another kind. */
static bool take_field(struct slice *text, struct slice *name, struct slice *value) {
    const char *end = memchr(text->p, '\n', text->n);
    size_t n = end ? (size_t)(end - text->p) + 1 : text->n;
    const char *colon = memchr(text->p, ':', n);

    *name = slice_of(text->p, colon ? (size_t)(colon - text->p) : n);
    *value = slice_of(text->p + name->n + 1, colon ? n - name->n - 1 : 0);
    while (value->n && (value->p[value->n - 1] == '\n' || value->p[value->n - 1] == '\r'))
        value->n--;
    text->p += n;
    text->n -= n;
    return colon != NULL;
}

void metrics_section(struct scrape *s, const char *section) {
    size_t from = s->info.n;
    struct slice text, name, value;

    s->h->app.info(s->h->app.arg, section, &s->info);
    bytes_cstr(&s->info); /* so that strtoull() stops */
    text = slice_of(s->info.p + from, s->info.n - from);
    while (text.n) {
        const struct row *r;

        if (!take_field(&text, &name, &value)) continue;
        r = bsearch(&name, rows, ROWS, sizeof *rows, compare);
        if (r) write_row(s, r, value);
    }
}

struct slice metrics_field(const struct scrape *s, const char *wanted) {
    struct slice text = bytes_slice(&s->info), name, value;

    while (text.n)
        if (take_field(&text, &name, &value) && slice_eq(name, slice_str(wanted))) return value;
    return (struct slice){0};
}

/* ---------------------------------------------------------------- labels */

static void label_field(struct scrape *s, const char *label, const char *field) {
    metric_label(&s->m, label, metrics_field(s, field));
}

static void instance(struct scrape *s) {
    static const char *const fields[] = {
        "maxmemory_policy", "os",   "process_id", "redis_build_id", "redis_mode",
        "redis_version",    "role", "run_id",     "tcp_port"};

    metric_family(&s->m, "redis_instance_info", M_GAUGE, "What the server is, in labels.");
    metric_name(&s->m, "redis_instance_info", "");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        label_field(s, fields[i], fields[i]);
    metric_int(&s->m, 1);
}

static void of_master(struct scrape *s, const char *metric, const char *help, struct slice value) {
    if (!value.p) return;
    metric_family(&s->m, metric, M_GAUGE, help);
    metric_name(&s->m, metric, "");
    label_field(s, "master_host", "master_host");
    label_field(s, "master_port", "master_port");
    metric_text(&s->m, value);
}

static void as_replica(struct scrape *s) {
    bool is_up = slice_eq(metrics_field(s, "master_link_status"), SLICE("up"));

    of_master(s, "redis_master_link_up", "Whether the link to the master is up.",
              is_up ? SLICE("1") : SLICE("0"));
    of_master(s, "redis_master_last_io_seconds_ago", "Since the master was last heard of.",
              metrics_field(s, "master_last_io_seconds_ago"));
    of_master(s, "redis_master_sync_in_progress", "Whether a full sync is under way.",
              metrics_field(s, "master_sync_in_progress"));
    of_master(s, "redis_slave_repl_offset", "How far in the stream this replica is.",
              metrics_field(s, "slave_repl_offset"));
    metric_family(&s->m, "redis_slave_info", M_GAUGE, "What kind of replica this is, in labels.");
    metric_name(&s->m, "redis_slave_info", "");
    label_field(s, "master_host", "master_host");
    label_field(s, "master_port", "master_port");
    label_field(s, "read_only", "slave_read_only");
    metric_int(&s->m, 1);
}

/* The value of "key=" in "ip=127.0.0.1,port=6380,...". */
static struct slice part(struct slice list, const char *key) {
    while (list.n) {
        const char *comma = memchr(list.p, ',', list.n);
        struct slice item = {list.p, comma ? (size_t)(comma - list.p) : list.n};
        size_t n = strlen(key);

        if (item.n > n && memcmp(item.p, key, n) == 0 && item.p[n] == '=')
            return slice_of(item.p + n + 1, item.n - n - 1);
        list.p += item.n + (comma != NULL);
        list.n -= item.n + (comma != NULL);
    }
    return (struct slice){0};
}

/* What a replica says of itself is not taken over as it is. */
static int64_t number(struct slice s) {
    return s.n ? strtoll(s.p, NULL, 10) : 0;
}

/* One family of the lines slave0, slave1...; two replicas may have the same labels only if they
 * are the same. */
static void of_replicas(struct scrape *s, const char *metric, const char *key, const char *help) {
    bool begun = false;
    char field[32];

    for (unsigned i = 0;; i++) {
        struct slice line;

        snprintf(field, sizeof field, "slave%u", i);
        line = metrics_field(s, field);
        if (!line.p) return;
        if (!begun) metric_family(&s->m, metric, M_GAUGE, help);
        begun = true;
        metric_name(&s->m, metric, "");
        metric_label(&s->m, "slave_ip", part(line, "ip"));
        metric_label(&s->m, "slave_port", part(line, "port"));
        metric_label(&s->m, "slave_state", part(line, "state"));
        metric_int(&s->m, number(part(line, key)));
    }
}

void metrics_of_fields(struct scrape *s) {
    instance(s);
    if (slice_eq(metrics_field(s, "role"), SLICE("slave"))) as_replica(s);
    of_replicas(s, "redis_connected_slave_offset_bytes", "offset",
                "How far in the stream a replica has confirmed.");
    of_replicas(s, "redis_connected_slave_lag_seconds", "lag", "Since a replica last confirmed.");
}
