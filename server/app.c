/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/app.h"

#include "conf/conf.h"
#include "server/admin/admin.h"
#include "server/again.h"
#include "server/doubled.h"
#include "server/effects.h"
#include "server/exec/access.h"
#include "server/exec/acl_file.h"
#include "server/exec/blocking.h"
#include "server/exec/evict.h"
#include "server/exec/expire.h"
#include "server/exec/snapshot.h"
#include "server/exec/turn.h"
#include "server/host.h"
#include "server/load.h"
#include "server/process.h"
#include "server/scripting/scripting.h"
#include "server/signals.h"
#include "server/spaces.h"
#include "server/start_log.h"
#include "server/unloaded.h"
#include "server/unsupported.h"
#include "server/version.h"
#include "server/watchdog.h"
#include "server/web.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/base/sha256.h"
#include "storage/lazyfree.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A test double has the same hash function every time, so that the order of SCAN repeats; another
 * server has it by hash-seed. */
static void seed(struct app *a) {
    uint8_t key[16] = "stet test double";
    uint64_t s;
    const char *text = a->v->hash_seed;

    if (text[0]) {
        uint8_t digest[SHA256_BYTES];

        sha256(text, strlen(text), digest);
        memcpy(key, digest, sizeof key);
    } else if (a->v->enable_test_commands == CONF_ACCESS_NO) {
        rng_system(key, sizeof key);
    }
    rng_system(&s, sizeof s);
    hash_set_key(key);
    rng_seed(s);
    rng_hex(a->run_id, RUN_ID_CHARS);
}

/* ---------------------------------------------------------------- start */

static void on_blocked_deadline(void *arg) {
    struct app *a = arg;

    blocked_check_time(&a->engine, clock_mono_us());
}

static void watch_blocked(struct app *a) {
    uint64_t next = engine_next_deadline(&a->engine);

    if (next == a->blocked.node.due && a->blocked.node.at) return;
    if (next)
        loop_timer_set(&a->loop, &a->blocked, next);
    else
        loop_timer_clear(&a->loop, &a->blocked);
}

/* With a master or replicas. */
static void before_wait_of_many(struct app *a) {
    replication_speak(a->replication);
    engine_before_wait(&a->engine);
    watch_blocked(a);
    replication_before_wait(a->replication);
    net_flush(&a->net);
    if (replication_goes_on(a->replication)) loop_hurry(&a->loop);
}

static void before_wait(void *arg) {
    struct app *a = arg;

    a->engine.stats.loop_cycles++;
    if (a->stop_signal) signals_obey(a);
    if (a->stop_until_us) app_go_on_stopping(a);
    if (a->engine.loading) {
        net_flush(&a->net);
        return;
    }
    if (a->reload) a->reload = admin_reload_step(&a->engine, a->reload);
    if (clock_cached_ms() != a->last_expire_ms) {
        a->last_expire_ms = clock_cached_ms();
        if (expire_some(&a->engine, 500)) loop_hurry(&a->loop);
    }
    access_tick(&a->engine);
    if (evict_more(&a->engine)) loop_hurry(&a->loop);
    a->engine.batch_open = net_keeps_open(&a->net);
    if (__builtin_expect(!replication_is_idle(a->replication), 0)) {
        before_wait_of_many(a);
        return;
    }
    engine_before_wait(&a->engine);
    watch_blocked(a);
    net_flush(&a->net);
}

/* While a script or a long command runs: see engine_serve_within and breathe.h. What was appended
 * before it began goes to the AOF, but nothing may look at the data set as a whole. */
static void serve_within(void *arg, struct engine *e) {
    struct app *a = arg;

    aof_push_out(a->aof);
    loop_look(&a->loop);
    net_serve_within(&a->net, e);
    http_serve(a->http);
    watchdog_wind();
    /* A signal to stop ends a script; otherwise it is obeyed when the command is over. */
    if (a->reloading || !e->busy) return;
    if (a->stop_signal && !scripting_end(e) && !a->told_to_wait) {
        log_warning("Shutdown delayed: a running script has already written.");
        a->told_to_wait = true;
    }
}

static void after_wait(void *arg) {
    struct app *a = arg;

    net_serve(&a->net);
}

static void on_wake(void *arg) {
    struct app *a = arg;

    engine_on_log_progress(&a->engine);
}

enum { SLICE_NS = 5 * 1000 * 1000 };

static void build(struct app *a) {
    CHECK(loop_init(&a->loop) == 0);
    app_wire(a);
    net_init(&a->net, &a->loop, &a->engine);
    a->net.nnodes = cluster_count_nodes(a->v);
    doubled_build(a); /* its step comes first, so that what it answers leaves in the same turn */
    loop_before_wait(&a->loop, before_wait, a);
    loop_after_wait(&a->loop, after_wait, a);
    web_build(a);
    a->engine.hooks.serve_within = serve_within;
    a->engine.slice_ns = SLICE_NS;
    loop_on_wake(&a->loop, on_wake, a);
    a->blocked.fn = on_blocked_deadline;
    a->blocked.arg = a;
    a->admin.startup_memory = mem_used();
}

static int rename_commands(struct app *a) {
    size_t n;
    const struct conf_directive *d = conf_directives(a->conf, &n);

    for (size_t i = 0; i < n; i++) {
        struct err e;

        if (strcmp(d[i].argv[0], "rename-command") != 0) continue;
        if (d[i].argc == 3 &&
            command_registry_rename(&a->engine.commands, d[i].argv[1], d[i].argv[2]) == 0)
            continue;
        conf_refuse_directive(a->conf, &d[i], "No such command in rename-command", &e);
        conf_report_error(a->conf, stderr);
        return -1;
    }
    command_registry_seal(&a->engine.commands);
    return 0;
}

static int fail_listening(const struct app *a, const struct err *e) {
    bool tcp = a->net.port == 0 && (a->v->port != 0 || a->v->port_auto);
    bool tls = !tcp && a->net.tls_port == 0 && a->v->tls_port != 0;

    log_warning("Failed listening on port %d (%s), aborting. (%s)",
                (int)(tls ? a->v->tls_port : a->v->port),
                tcp   ? "tcp"
                : tls ? "tls"
                      : "unix",
                e->text);
    return -1;
}

/* Its threads run where the server will. */
static void choose_backend(struct app *a) {
    if (a->v->server_cpulist) process_set_cpus(a->v->server_cpulist, "server-cpulist");
    net_choose_backend(&a->net);
    if (a->v->server_cpulist) process_set_cpus(a->v->bio_cpulist, "bio-cpulist");
    a->admin.io_backend = net_backend(&a->net);
    a->admin.stop_until_us = &a->stop_until_us;
    a->admin.io_threads = a->v->io_threads > 1 && strcmp(a->admin.io_backend, "threads") == 0;
}

static int listen_first(struct app *a) {
    struct err e;

    if (net_configure_tls(&a->net, true) < 0) {
        log_warning("Failed to configure TLS. Check logs for more info.");
        return -1;
    }
    choose_backend(a);
    if (net_listen(&a->net, again_inherited(), &e) < 0) return fail_listening(a, &e);
    if (a->net.nlisteners > 0) return 0;
    log_warning("Configured to not listen anywhere, exiting.");
    return -1;
}

static int fail_with(const struct err *e) {
    log_warning("%s", e->text);
    return -1;
}

/* CONFIG SET tls-crl-file; the other files of TLS are wire.c's. */
static int apply_crl(void *arg, const struct conf_values *v, struct err *e) {
    struct app *a = arg;

    (void)v;
    if (net_configure_tls(&a->net, true) == 0) return 0;
    return err_set(e, EINVAL, "Unable to update TLS configuration. Check server logs.");
}

/* Log lines that tools wait for. */
static void tell_ready(const struct app *a) {
    if (a->net.port) log_notice("Ready to accept connections tcp");
    if (a->v->unixsocket && a->v->unixsocket[0]) log_notice("Ready to accept connections unix");
    if (a->net.tls_port) log_notice("Ready to accept connections tls");
}

/* The port file: the ports of all emulated nodes, the first node's first. */
static int publish_ports(const struct app *a, struct err *e) {
    int ports[CONF_CLUSTER_NODES_MAX] = {a->admin.tcp_port};

    for (unsigned i = 1; i < a->net.nnodes; i++)
        ports[i] = a->net.nodes[i].port ? a->net.nodes[i].port : a->net.nodes[i].tls_port;
    return process_ready(a->v, ports, a->net.nnodes, e);
}

int app_start(struct app *a, struct conf *conf, int argc, char **argv) {
    struct err e;

    *a = (struct app){.conf = conf, .v = conf_values(conf), .argc = argc, .argv = argv};
    a->parent = getppid();
    process_prepare(a->v);
    if (contain_files(&a->containment, conf, &e) < 0) return fail_with(&e);
    process_set_cpus(a->v->bio_cpulist, "bio-cpulist"); /* a new thread inherits them */
    if (!realpath(argv[0], a->executable))
        snprintf(a->executable, sizeof a->executable, "%s", argv[0]);
    seed(a);
    build(a);
    conf_on_apply(a->conf, "tls-crl-file", apply_crl, a);
    if (rename_commands(a) < 0 || acl_start(&a->engine) < 0) return -1;
    process_log_start(conf, argc, argv);
    host_warn(a->v);
    if (process_oom_score(a->v) < 0) log_warning("The server keeps the score it was given.");
    host_set_huge_pages(a->v);
    a->net.maxclients = process_allow_clients(a->v->maxclients, http_descriptors(a->v));
    signals_watch_parent(a);
    if (unsupported_refuse(a->conf) < 0 || listen_first(a) < 0) return -1;
    if (a->v->port_auto) conf_set_bound_port(conf, a->net.port);
    if (web_listen(a) < 0) return -1;
    process_write_pid();
    if (contain_user(&a->containment, a->v, &e) < 0) return fail_with(&e);
    signals_watch(a);
    app_describe_listeners(a);
    log_notice("Server initialized");
    contain_calls(&a->containment, a->v);
    rdb_saver_remove_temps();
    unloaded_warn(a->v);
    unloaded_look_at_backups(a->v, a->aof);
    unloaded_warn_of_cut_rewrite(conf_path(conf));
    unloaded_warn_of_cut_rewrite(a->v->aclfile);
    effects_warn(a->conf);
    clock_refresh();
    access_tick(&a->engine); /* loaded keys get their access time from it */
    if (a->cluster && cluster_start(a->cluster, &e) < 0) return fail_with(&e);
    if (load_data(a) < 0) return -1;
    if (a->cluster && cluster_check_data(a->cluster, &e) < 0) return fail_with(&e);
    if (a->v->server_cpulist)
        process_set_cpus(a->v->server_cpulist, "server-cpulist");
    else if (a->v->bio_cpulist)
        process_set_cpus(NULL, "server-cpulist");
    a->progress.started = true;
    app_cron_start(a);
    if (publish_ports(a, &e) < 0) return fail_with(&e);
    replication_start(a->replication);
    doubled_started(a);
    start_log_tell(a);
    tell_ready(a);
    return 0;
}

void app_run(struct app *a) {
    loop_run(&a->loop);
}

/* ---------------------------------------------------------------- stop */

enum { STOP_DEADLINE_MS = 10000 };

int app_finish(struct app *a) {
    int deadline =
        a->v->shutdown_timeout > 0 ? (int)a->v->shutdown_timeout * 1000 : STOP_DEADLINE_MS;
    bool ok;

    log_warning("User requested shutdown...");
    net_stop_listening(&a->net);
    http_stop_listening(a->http);
    a->engine.batch_open = false;
    if (a->engine.busy)
        aof_push_out(a->aof);
    else
        engine_before_wait(&a->engine);
    if (aof_phase(a->aof) == AOF_ON) aof_want_sync(a->aof);
    net_close_all(&a->net, deadline);
    replication_stop(a->replication);
    engine_finish_files(&a->engine, deadline);
    ok = aof_stop(a->aof, deadline);
    if (!ok) log_warning("Not everything could be made durable before the exit");
    process_stopping(a->v);
#ifdef STET_DCHECK
    if (spaces_busy(a)) { /* a script is in the middle of it */
        snapshot_forget(&a->engine);
        return ok ? 0 : 1;
    }
    doubled_release(a);
    http_free(a->http); /* it has sessions */
    scripting_stop(&a->engine);
    cluster_free(a->cluster);
    replication_free(a->replication);
    engine_release(&a->engine); /* so that what a leak checker reports is a leak */
    lazyfree_drain();
    net_release(&a->net);
    signals_release(a);
    loop_release(&a->loop);
#endif
    log_warning("Redis is now ready to exit, bye bye...");
    return ok ? 0 : 1;
}
