/* SPDX-License-Identifier: BSD-3-Clause
 *
 * wire - the function pointers for calls to upper layers, and the appliers of CONFIG SET.
 */
#include "conf/conf.h"
#include "server/app.h"
#include "server/doubled.h"
#include "server/exec/latency.h"
#include "server/exec/pubsub.h"
#include "server/exec/turn.h"
#include "server/load.h"
#include "server/load_sync.h"

#include "server/commands/commands.h"
#include "server/exec/notify.h"
#include "server/exec/snapshot.h"
#include "server/process.h"
#include "server/scripting/scripting.h"
#include "server/version.h"
#include "server/watchdog.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static enum aof_fsync fsync_of(int conf) {
    switch (conf) {
    case CONF_FSYNC_ALWAYS: return AOF_FSYNC_ALWAYS;
    case CONF_FSYNC_NO: return AOF_FSYNC_NO;
    default: return AOF_FSYNC_EVERYSEC;
    }
}

static struct aof_keep history_keep(const struct conf_values *v) {
    struct aof_keep keep = {.all = v->aof_disable_auto_gc};

    conf_history_keep(v->aof_history_keep, &keep.bytes, &keep.ms);
    return keep;
}

struct aof_options app_aof_options(const struct conf_values *v) {
    return (struct aof_options){
        .names = {v->dir.path, v->appenddirname, v->appendfilename, v->dbfilename},
        .policy = fsync_of(v->appendfsync),
        .checksum = v->aof_checksum,
        .timestamps = v->aof_timestamp_enabled,
        .load_truncated = v->aof_load_truncated,
        .rewrite_incremental_fsync = v->aof_rewrite_incremental_fsync,
        .no_fsync_on_rewrite = v->no_appendfsync_on_rewrite,
        .keep = history_keep(v),
        .auto_percentage = (int)v->auto_aof_rewrite_percentage,
        .auto_min_size = v->auto_aof_rewrite_min_size,
        .rdb_preamble = v->aof_use_rdb_preamble,
        .key_save_delay_us = v->rdb_key_save_delay,
    };
}

/* ---------------------------------------------------------------- hooks of the AOF */

static void aof_wake(void *arg) {
    struct app *a = arg;

    loop_wake(&a->loop);
}

/* The child closes all listeners and serves no client. */
static void in_child(void *arg) {
    struct app *a = arg;

    for (size_t i = 0; i < a->net.nlisteners; i++) close(a->net.listener[i].fd);
    http_in_child(a->http);
}

static void in_rewriting_child(void *arg) {
    const struct app *a = arg;

    in_child(arg);
    if (a->v->aof_rewrite_cpulist)
        process_set_cpus(a->v->aof_rewrite_cpulist, "aof-rewrite-cpulist");
    process_set_child_title("stet-aof-rewrite");
}

/* ---------------------------------------------------------------- snapshots */

static void in_saving_child(void *arg) {
    const struct app *a = arg;

    in_child(arg);
    if (a->v->bgsave_cpulist) process_set_cpus(a->v->bgsave_cpulist, "bgsave-cpulist");
    process_set_child_title("stet-rdb-bgsave");
}

static void rdb_options(void *arg, struct rdb_save *o) {
    const struct app *a = arg;

    *o = snapshot_save(&a->engine);
}

static void save_options(void *arg, struct rdb_save *o, const char **file) {
    const struct app *a = arg;

    rdb_options(arg, o);
    *file = a->v->dbfilename;
}

/* One child at a time. */
static bool may_fork(void *arg) {
    struct app *a = arg;

    return aof_child(a->aof) == 0 && !rdb_saver_running(&a->engine.saver) &&
           !sync_is_saving(&a->replication->syncs);
}

static void latency(void *arg, const char *event, uint64_t us) {
    struct app *a = arg;

    latency_note(&a->engine, event, us);
    if (strcmp(event, "fork") != 0) return;
    a->engine.stats.forks++;
    a->engine.stats.last_fork_us = us;
}

/* ---------------------------------------------------------------- CONFIG SET */

static int apply_events(void *arg, const struct conf_values *v, struct err *e) {
    struct app *a = arg;

    (void)e;
    engine_each (one, &a->engine) notify_take_flags(one, v->notify_keyspace_events.flags);
    return 0;
}

static int apply_import(void *arg, const struct conf_values *v, struct err *e) {
    struct app *a = arg;

    (void)e;
    engine_each (one, &a->engine) engine_set_importing(one, v->import_mode);
    return 0;
}

static int apply_aof(void *arg, const struct conf_values *v, struct err *e) {
    struct app *a = arg;
    struct aof_options o = app_aof_options(v);

    if (a->engine.loading) return 0; /* the end of loading takes them */
    aof_set_options(a->aof, &o);
    (void)e;
    if (v->appendonly) aof_enable(a->aof);
    replication_tell_log(a->replication);
    if (!v->appendonly && aof_phase(a->aof) != AOF_OFF) aof_disable(a->aof);
    return 0;
}

static int apply_log(void *arg, const struct conf_values *v, struct err *e) {
    (void)arg;
    (void)e;
    log_set_level((enum log_level)v->loglevel);
    log_set_form((enum log_format)v->log_format, (enum log_time)v->log_timestamp_format);
    return 0;
}

static int apply_process(void *arg, const struct conf_values *v, struct err *e) {
    struct app *a = arg;

    if (process_oom_score(v) < 0)
        return err_set(e, EACCES,
                       "Failed to apply new oom_score_adj configuration, check server "
                       "logs.");
    a->net.maxclients = process_allow_clients(v->maxclients, http_descriptors(v));
    return 0;
}

static int apply_maxmemory(void *arg, const struct conf_values *v, struct err *e) {
    size_t used = mem_used();

    (void)arg;
    (void)e;
    if (v->maxmemory > 0 && v->maxmemory < used)
        log_warning("WARNING: the new maxmemory value set via CONFIG SET (%llu) is smaller than "
                    "the current memory usage (%zu): keys are evicted or writes refused, as "
                    "maxmemory-policy says.",
                    (unsigned long long)v->maxmemory, used);
    return 0;
}

static int listen_again(struct app *a, unsigned kinds) {
    struct err e;

    if (net_relisten(&a->net, kinds, &e) < 0) return -1;
    if (a->v->port_auto) conf_set_bound_port(a->conf, a->net.port);
    app_describe_listeners(a);
    return 0;
}

static int apply_port(void *arg, const struct conf_values *v, struct err *e) {
    (void)v;
    if (listen_again(arg, 1u << NET_TCP) == 0) return 0;
    return err_set(e, EADDRINUSE, "Unable to listen on this port. Check server logs.");
}

static int apply_bind(void *arg, const struct conf_values *v, struct err *e) {
    (void)v;
    if (listen_again(arg, 1u << NET_TCP | 1u << NET_TLS) == 0) return 0;
    return err_set(e, EADDRNOTAVAIL, "Failed to bind to specified addresses.");
}

static int configure_tls(struct app *a, bool again, struct err *e) {
    if (net_configure_tls(&a->net, again) == 0) return 0;
    return err_set(e, EINVAL, "Unable to update TLS configuration. Check server logs.");
}

static int apply_tls(void *arg, const struct conf_values *v, struct err *e) {
    (void)v;
    return configure_tls(arg, true, e);
}

static int apply_tls_port(void *arg, const struct conf_values *v, struct err *e) {
    (void)v;
    if (configure_tls(arg, false, e) < 0) return -1;
    if (listen_again(arg, 1u << NET_TLS) == 0) return 0;
    return err_set(e, EADDRINUSE, "Unable to listen on this port. Check server logs.");
}

static int apply_title(void *arg, const struct conf_values *v, struct err *e) {
    const struct app *a = arg;

    (void)e;
    process_set_title(v, a->admin.tcp_port);
    return 0;
}

static int apply_panic(void *arg, const struct conf_values *v, struct err *e) {
    (void)arg;
    (void)e;
    process_exit_on_panic(v->use_exit_on_panic);
    return 0;
}

static int apply_watchdog(void *arg, const struct conf_values *v, struct err *e) {
    (void)arg;
    (void)e;
    watchdog_set(v->watchdog_period);
    return 0;
}

static int apply_collation(void *arg, const struct conf_values *v, struct err *e) {
    (void)arg;
    return process_set_collation(v->locale_collate, e);
}

static int apply_replicas(void *arg, const struct conf_values *v, struct err *e) {
    const struct app *a = arg;

    (void)v;
    (void)e;
    replicas_count_good(a->replication);
    ack_configure(a->replication);
    return 0;
}

static void register_appliers(struct app *a) {
    conf_on_apply_group(a->conf, CONF_GROUP_AOF, apply_aof, a);
    conf_on_apply_group(a->conf, CONF_GROUP_TLS, apply_tls, a);
    conf_on_apply(a->conf, "notify-keyspace-events", apply_events, a);
    conf_on_apply(a->conf, "import-mode", apply_import, a);
    conf_on_apply(a->conf, "locale-collate", apply_collation, a);
    conf_on_apply(a->conf, "watchdog-period", apply_watchdog, a);
    conf_on_apply(a->conf, "use-exit-on-panic", apply_panic, a);
    conf_on_apply(a->conf, "loglevel", apply_log, a);
    conf_on_apply(a->conf, "log-format", apply_log, a);
    conf_on_apply(a->conf, "log-timestamp-format", apply_log, a);
    conf_on_apply(a->conf, "maxclients", apply_process, a);
    conf_on_apply(a->conf, "maxmemory", apply_maxmemory, a);
    conf_on_apply(a->conf, "min-replicas-to-write", apply_replicas, a);
    conf_on_apply(a->conf, "min-replicas-max-lag", apply_replicas, a);
    conf_on_apply(a->conf, "replica-ack-min", apply_replicas, a);
    conf_on_apply(a->conf, "replica-ack-level", apply_replicas, a);
    conf_on_apply(a->conf, "oom-score-adj", apply_process, a);
    conf_on_apply(a->conf, "oom-score-adj-values", apply_process, a);
    conf_on_apply(a->conf, "port", apply_port, a);
    conf_on_apply(a->conf, "bind", apply_bind, a);
    conf_on_apply(a->conf, "tls-port", apply_tls_port, a);
    conf_on_apply(a->conf, "proc-title-template", apply_title, a);
}

static void describe_ports(const struct app *a, enum net_kind kind, const char *name, int port,
                           struct bytes *out) {
    if (!port) return;
    bytes_printf(out, "listener%d:name=%s", (int)kind, name);
    for (size_t i = 0; i < a->v->bind.n; i++) bytes_printf(out, ",bind=%s", a->v->bind.addr[i]);
    bytes_printf(out, ",port=%d\r\n", port);
}

/* Each kind of listener has a fixed number. */
void app_describe_listeners(struct app *a) {
    struct bytes b = {0};

    a->admin.tcp_port = a->net.port ? a->net.port : a->net.tls_port;
    describe_ports(a, NET_TCP, "tcp", a->net.port, &b);
    if (a->v->unixsocket && a->v->unixsocket[0])
        bytes_printf(&b, "listener%d:name=unix,bind=%s\r\n", NET_UNIX, a->v->unixsocket);
    describe_ports(a, NET_TLS, "tls", a->net.tls_port, &b);
    snprintf(a->listeners, sizeof a->listeners, "%s", bytes_cstr(&b));
    bytes_release(&b);
    process_set_title(a->v, a->admin.tcp_port);
}

/* ---------------------------------------------------------------- hooks of admin commands */

static bool admin_shutdown(void *arg, unsigned flags, struct session *by) {
    (void)by;
    return app_shutdown(arg, flags);
}

static bool admin_shutdown_abort(void *arg) {
    return app_shutdown_abort(arg);
}

static bool admin_is_stopping(void *arg) {
    const struct app *a = arg;

    return a->stop_until_us || a->stopping;
}

static int admin_load_log(void *arg, struct err *e) {
    return app_reload_log(arg, e);
}

static void admin_pause_cron(void *arg, bool paused) {
    struct app *a = arg;

    a->cron_paused = paused;
}

static void admin_replication_info(void *arg, struct bytes *out) {
    const struct app *a = arg;

    replication_info(a->replication, out);
}

static void admin_tls_info(void *arg, struct bytes *out) {
    const struct app *a = arg;

    net_describe_tls(&a->net, out);
}

static void admin_change_replid(void *arg) {
    const struct app *a = arg;

    repl_stream_rename(&a->replication->stream);
    replication_tell_log(a->replication);
}

/* ---------------------------------------------------------------- hooks of replication */

static void replication_ports(void *arg, int *tcp, int *tls) {
    const struct app *a = arg;

    *tcp = a->net.port;
    *tls = a->net.tls_port;
}

static struct session *replication_connect(void *arg, const char *ip, int port,
                                           const struct session_source *source, void *source_arg,
                                           struct err *e) {
    struct app *a = arg;

    return net_connect(&a->net, ip, port, source, source_arg, e);
}

static void in_syncing_child(void *arg) {
    const struct app *a = arg;

    in_child(arg);
    if (a->v->bgsave_cpulist) process_set_cpus(a->v->bgsave_cpulist, "bgsave-cpulist");
    process_set_child_title("stet-rdb-to-slaves");
}

static void start_replication(struct app *a) {
    struct replication_app app = {.connect = replication_connect,
                                  .load = app_load_sync,
                                  .wake = aof_wake,
                                  .ports = replication_ports,
                                  .in_child = in_syncing_child,
                                  .may_fork = may_fork,
                                  .arg = a};

    a->replication = replication_new(&a->engine, &app);
}

/* ---------------------------------------------------------------- hooks of the cluster */

static int cluster_port(void *arg, unsigned node, bool tls) {
    const struct app *a = arg;

    if (node == 0) return tls ? a->net.tls_port : a->net.port;
    return tls ? a->net.nodes[node].tls_port : a->net.nodes[node].port;
}

static int cluster_listen(void *arg, unsigned node, bool on, struct err *e) {
    struct app *a = arg;

    return net_listen_node(&a->net, node, on, e);
}

static void start_cluster(struct app *a) {
    struct cluster_app app = {.port = cluster_port, .listen = cluster_listen, .arg = a};

    if (a->v->cluster_enabled) a->cluster = cluster_new(&a->engine, &app);
}

static void fill_admin(struct app *a) {
    static const char *const supervised[] = {"no", "no", "systemd", "upstart"};

    a->admin.run_id = a->run_id;
    a->admin.git_sha = stet_git_sha;
    a->admin.executable = a->executable;
    a->admin.process_supervised = supervised[a->v->supervised];
    a->admin.listeners = a->listeners;
    rng_hex(a->admin.replid, RUN_ID_CHARS);
    a->admin.shutdown = admin_shutdown;
    a->admin.shutdown_abort = admin_shutdown_abort;
    a->admin.is_stopping = admin_is_stopping;
    a->admin.load_log = admin_load_log;
    a->admin.pause_cron = admin_pause_cron;
    a->admin.replication_info = admin_replication_info;
    a->admin.tls_info = admin_tls_info;
    a->admin.change_replid = admin_change_replid;
    a->admin.arg = a;
    a->engine.app = &a->admin;
}

void app_register_commands(const struct app *a, struct command_registry *r) {
    commands_register(r);
    scripting_register(r);
    replication_register(r);
    admin_register(r);
    cluster_register(r);
    doubled_register(a, r);
}

void app_wire(struct app *a) {
    struct aof_options o = app_aof_options(a->v);
    struct aof_hooks h = {.wake = aof_wake,
                          .on_fork = in_rewriting_child,
                          .may_fork = may_fork,
                          .latency = latency,
                          .rdb = rdb_options,
                          .arg = a};

    struct rdb_saver_hooks s = {.options = save_options,
                                .on_fork = in_saving_child,
                                .may_fork = may_fork,
                                .latency = latency,
                                .arg = a};

    keyspace_init(&a->engine.ks, (int)a->v->databases);
    app_register_commands(a, &a->engine.commands);
    a->aof = aof_new(&a->engine.ks, &o, &h);
    engine_init(&a->engine, a->conf, a->aof);
    rdb_saver_init(&a->engine.saver, &a->engine.ks, &s);
    a->engine.hooks.arg = a;
    a->engine.hooks.wake = aof_wake;
    a->engine.hooks.describe = admin_describe;
    scripting_start(&a->engine);
    start_replication(a);
    start_cluster(a);
    fill_admin(a);
    apply_events(a, a->v, NULL);
    apply_import(a, a->v, NULL);
    register_appliers(a);
}
