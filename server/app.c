/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/app.h"

#include "conf/conf.h"
#include "persistence/aof_backup.h"
#include "server/admin/admin.h"
#include "server/again.h"
#include "server/doubled.h"
#include "server/effects.h"
#include "server/exec/access.h"
#include "server/exec/acl_file.h"
#include "server/exec/blocking.h"
#include "server/exec/evict.h"
#include "server/exec/expire.h"
#include "server/exec/replay.h"
#include "server/exec/snapshot.h"
#include "server/exec/turn.h"
#include "server/host.h"
#include "server/process.h"
#include "server/scripting/scripting.h"
#include "server/spaces.h"
#include "server/start_log.h"
#include "server/unloaded.h"
#include "server/unsupported.h"
#include "server/version.h"
#include "server/watchdog.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/hash.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A test double has the same hash function every time, so that the order of SCAN repeats. */
static void seed(struct app *a) {
    uint8_t key[16] = "stet test double";
    uint64_t s;

    if (a->v->enable_test_commands == CONF_ACCESS_NO) rng_system(key, sizeof key);
    rng_system(&s, sizeof s);
    hash_set_key(key);
    rng_seed(s);
    rng_hex(a->run_id, RUN_ID_CHARS);
}

/* ---------------------------------------------------------------- signals */

static void on_stop_signal(evutil_socket_t sig, short what, void *arg) {
    struct app *a = arg;

    (void)what;
    if (a->stopping || a->stop_signal) {
        log_warning("You insist... exiting now.");
        _exit(1);
    }
    log_warning("Received %s scheduling shutdown...", sig == SIGINT ? "SIGINT" : "SIGTERM");
    a->stop_signal = sig;
}

static void obey_stop_signal(struct app *a) {
    unsigned how = a->stop_signal == SIGINT ? a->v->shutdown_on_sigint : a->v->shutdown_on_sigterm;

    a->stop_signal = 0;
    app_shutdown(a, how);
}

static void on_child_signal(evutil_socket_t sig, short what, void *arg) {
    struct app *a = arg;

    (void)sig;
    (void)what;
    loop_wake(&a->loop); /* for the AOF's child: its end may change what replies wait for */
    rdb_saver_poll(&a->engine.saver, a->engine.dirty);
}

static void watch_signals(struct app *a) {
    a->signals[0] = evsignal_new(a->loop.base, SIGTERM, on_stop_signal, a);
    a->signals[1] = evsignal_new(a->loop.base, SIGINT, on_stop_signal, a);
    a->signals[2] = evsignal_new(a->loop.base, SIGCHLD, on_child_signal, a);
    for (int i = 0; i < 3; i++) event_add(a->signals[i], NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* ---------------------------------------------------------------- exit-with-parent */

/* A process whose parent has ended gets another one. Neither PR_SET_PDEATHSIG, which is about the
 * thread that called fork(), nor the loop's own timers, which follow the clock of a test, can tell.
 * A parent that ends before app_start() is not noticed. */
static void look_at_parent(evutil_socket_t fd, short what, void *arg) {
    struct app *a = arg;

    (void)fd;
    (void)what;
    if (getppid() == a->parent || a->stopping || a->stop_signal) return;
    log_warning("The parent process has ended (exit-with-parent), scheduling shutdown...");
    a->stop_signal = SIGTERM; /* once more after the next look, if the shutdown is refused */
}

static void watch_parent(struct app *a) {
    const struct timeval every = {0, 100000};

    if (!a->v->exit_with_parent) return;
    a->parent_watch = event_new(a->loop.base, -1, EV_PERSIST, look_at_parent, a);
    event_add(a->parent_watch, &every);
}

/* ---------------------------------------------------------------- loading */

enum { POLL_EVERY_NS = 2 * 1000 * 1000 };

/* While a start reads the AOF, clients get LOADING, and PING and INFO are answered. When a command
 * of a client loads, others are served as from within a script: the command's state is not touched,
 * and no parameter is set. */
void app_on_load_progress(void *arg, uint64_t done, uint64_t total) {
    struct app *a = arg;
    uint64_t now = clock_real_ns();

    a->engine.loading_done = done;
    a->engine.loading_total = total;
    if (now - a->last_poll_ns < POLL_EVERY_NS) return;
    a->last_poll_ns = now;
    load_progress_tell(&a->progress, done, total, now / 1000);
    if (a->reloading)
        engine_serve_within(&a->engine, BUSY_LOADING);
    else
        loop_poll(&a->loop);
}

static int on_load_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    struct app *a = arg;

    return engine_replay(&a->engine, argc, argv, e);
}

/* An imported snapshot drops expired keys; the base of an AOF keeps them. */
static int on_load_rdb(void *arg, int fd, bool log_follows, uint64_t *end, struct err *e) {
    struct app *a = arg;
    struct rdb_load o = snapshot_load(&a->engine, !log_follows);
    struct rdb_loaded got;

    o.progress = app_on_load_progress;
    o.arg = a;
    if (rdb_load(fd, &o, &got, e) < 0) return -1;
    a->engine.loaded_keys = got.keys;
    a->engine.loaded_due = got.due;
    log_notice("Done loading RDB, keys loaded: %llu, keys expired: %llu.",
               (unsigned long long)got.keys, (unsigned long long)got.due);
    *end = got.report.at;
    a->loaded_stream = got.report.stream;
    return 0;
}

static char *copy_of(const char *name) {
    return name ? mem_strdup(name) : NULL;
}

/* The names are copies, as a client may set others meanwhile. Ends with release_options(). */
static struct aof_load_options load_options(struct app *a) {
    struct aof_options o = app_aof_options(a->v);
    struct aof_load_options l = {.load_truncated = o.load_truncated,
                                 .command = on_load_command,
                                 .rdb = on_load_rdb,
                                 .progress = app_on_load_progress,
                                 .arg = a};

    l.names.dir = copy_of(o.names.dir);
    l.names.dirname = copy_of(o.names.dirname);
    l.names.filename = copy_of(o.names.filename);
    l.names.dbfilename = copy_of(o.names.dbfilename);
    return l;
}

static void release_options(struct aof_load_options *l) {
    mem_free((char *)l->names.dir);
    mem_free((char *)l->names.dirname);
    mem_free((char *)l->names.filename);
    mem_free((char *)l->names.dbfilename);
}

static void begin_loading(struct app *a) {
    a->engine.loading = true;
    a->engine.loading_began_ms = clock_wall_ms();
    clock_refresh();
    engine_replay_begin(&a->engine);
}

/* AOF parameters that were set while data was loaded take effect now. */
void app_take_aof_options(struct app *a) {
    struct aof_options o = app_aof_options(a->v);

    aof_set_options(a->aof, &o);
}

static void end_loading(struct app *a) {
    engine_replay_end(&a->engine);
    a->engine.loading = false;
    app_take_aof_options(a);
}

/* --recover-to: only what was logged up to then is loaded. */
static int set_moment(const struct app *a, struct aof_load_options *l) {
    const char *to = a->v->recover_to;
    struct err e;

    if (!to || aof_moment_parse(to, &l->until, &e) == 0) return 0;
    log_warning("recover-to: %s", e.text);
    return -1;
}

/* --restore-from: makes the AOF's directory from a backup. */
static int restore(struct app *a) {
    struct aof_options o = app_aof_options(a->v);
    struct err e;

    if (!a->v->restore_from) return 0;
    if (!a->v->appendonly)
        err_set(&e, EINVAL,
                "'restore-from' restores the append-only file: it needs 'appendonly "
                "yes'");
    else if (aof_backup_restore(a->v->restore_from, &o.names, &e) == 0)
        return 0;
    log_warning("%s", e.text);
    return -1;
}

/* Every refusal because of damaged files names the command that repairs them. (A command that is
 * not accepted, at some offset, is no damage.) */
static void name_repair(const char *dirname, const char *filename, const struct err *e) {
    bool is_damage = e->code == EILSEQ || e->code == EINVAL || e->code == ENOENT ||
                     strstr(e->text, "its RDB part");

    if (!is_damage || strstr(e->text, "stet-check-aof") || strstr(e->text, "', offset ")) return;
    log_warning("To repair the append only file, make a backup of its directory, then run: "
                "stet-check-aof --fix %s/%s.manifest",
                dirname, filename);
}

static int load(struct app *a) {
    struct aof_load_options l = load_options(a);
    struct err e;
    int rc;

    rc = set_moment(a, &l);
    if (rc == 0) {
        begin_loading(a);
        rc = aof_start(a->aof, &l, &e);
        end_loading(a);
        a->engine.dirty = 0;
        if (rc < 0) log_warning("%s", e.text);
        if (rc < 0) name_repair(l.names.dirname, l.names.filename, &e);
    }
    release_options(&l);
    return rc;
}

int app_reload_log(struct app *a, struct err *e) {
    struct aof_load_options l = load_options(a);
    struct snapshot_aside aside;
    int rc;

    snapshot_set_aside(&a->engine, &aside);
    a->reloading = true;
    begin_loading(a);
    rc = aof_read_again(a->aof, &l, e);
    end_loading(a);
    a->reloading = false;
    engine_set_busy(&a->engine, BUSY_NOT);
    snapshot_end_aside(&a->engine, &aside, rc == 0);
    release_options(&l);
    return rc;
}

/* The snapshot, if there is one. */
static int load_snapshot(struct app *a) {
    uint64_t began_us = clock_mono_us(), end;
    struct err e;
    int dirfd, fd, rc;

    if (!a->v->dbfilename) return 0;
    dirfd = io_open_dir(".", false, &e);
    fd = dirfd < 0 ? -1 : io_open_read(dirfd, a->v->dbfilename, &e);
    if (dirfd >= 0) close(dirfd);
    if (fd < 0 && e.code == ENOENT) return 0;
    if (fd < 0) {
        log_warning("Fatal error: can't open the RDB file for reading: %s", e.text);
        return -1;
    }
    a->engine.loading = true;
    a->engine.loading_began_ms = clock_wall_ms();
    rc = on_load_rdb(a, fd, false, &end, &e);
    a->engine.loading = false;
    app_take_aof_options(a);
    close(fd);
    if (rc < 0) {
        log_warning("%s", e.text);
        log_warning("'stet-check-rdb %s' says more; with --salvage OUT it writes what is readable "
                    "into a new file",
                    a->v->dbfilename);
        log_warning("Terminating server after rdb file reading failure.");
        log_warning("Fatal error loading the DB, check server logs. Exiting.");
        return -1;
    }
    if (a->loaded_stream.id[0])
        replication_resume(a->replication, a->loaded_stream.id, a->loaded_stream.offset,
                           a->loaded_stream.db);
    log_notice("DB loaded from disk: %.3f seconds", (double)(clock_mono_us() - began_us) / 1e6);
    return 0;
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
    if (a->stop_signal) obey_stop_signal(a);
    if (a->stop_until_us) app_go_on_stopping(a);
    if (a->engine.loading) {
        net_flush(&a->net);
        return;
    }
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

static int listen_first(struct app *a) {
    struct err e;

    if (net_configure_tls(&a->net, true) < 0) {
        log_warning("Failed to configure TLS. Check logs for more info.");
        return -1;
    }
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
    process_set_thp(a->v->disable_thp);
    a->net.maxclients = process_allow_clients(a->v->maxclients);
    watch_parent(a);
    if (unsupported_refuse(a->conf) < 0 || listen_first(a) < 0) return -1;
    if (a->v->port_auto) conf_set_bound_port(conf, a->net.port);
    process_write_pid();
    if (contain_user(&a->containment, a->v, &e) < 0) return fail_with(&e);
    watch_signals(a);
    app_describe_listeners(a);
    log_notice("Server initialized");
    contain_calls(&a->containment, a->v);
    rdb_saver_remove_temps();
    unloaded_warn(a->v);
    unloaded_warn_of_cut_rewrite(conf_path(conf));
    unloaded_warn_of_cut_rewrite(a->v->aclfile);
    effects_warn(a->conf);
    clock_refresh();
    access_tick(&a->engine); /* loaded keys get their access time from it */
    if (a->cluster && cluster_start(a->cluster, &e) < 0) return fail_with(&e);
    if (restore(a) < 0) return -1;
    if (a->v->recover_to && !a->v->appendonly) {
        log_warning("'recover-to' is about the append-only file: it needs 'appendonly yes'");
        return -1;
    }
    if (a->v->appendonly ? load(a) < 0 : load_snapshot(a) < 0) return -1;
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
    a->engine.batch_open = false;
    if (a->engine.busy)
        aof_push_out(a->aof);
    else
        engine_before_wait(&a->engine);
    if (aof_phase(a->aof) == AOF_ON) aof_want_sync(a->aof);
    net_close_all(&a->net, deadline);
    engine_finish_files(&a->engine, deadline);
    replication_stop(a->replication);
    ok = aof_stop(a->aof, deadline);
    if (!ok) log_warning("Not everything could be made durable before the exit");
    process_stopping(a->v);
#ifdef STET_DCHECK
    if (spaces_busy(a)) { /* a script is in the middle of it */
        snapshot_forget(&a->engine);
        return ok ? 0 : 1;
    }
    doubled_release(a);
    scripting_stop(&a->engine);
    cluster_free(a->cluster);
    replication_free(a->replication);
    engine_release(&a->engine); /* so that what a leak checker reports is a leak */
    net_release(&a->net);
    for (int i = 0; i < 3; i++) event_free(a->signals[i]);
    if (a->parent_watch) event_free(a->parent_watch);
    loop_release(&a->loop);
#endif
    log_warning("Redis is now ready to exit, bye bye...");
    return ok ? 0 : 1;
}
