/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/load.h"

#include "conf/conf.h"
#include "persistence/aof_backup.h"
#include "persistence/key_delay.h"
#include "server/again.h"
#include "server/exec/replay.h"
#include "server/exec/snapshot.h"
#include "server/exec/turn.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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
    else if (!again_inherited()) /* after TEST CRASH clients wait, so that suites see no LOADING */
        loop_poll(&a->loop);
}

static int on_load_command(void *arg, size_t argc, const struct slice *argv, struct err *e) {
    struct app *a = arg;
    int rc = engine_replay(&a->engine, argc, argv, e);

    if (a->v->key_load_delay == 0) return rc;
    key_delay(a->v->key_load_delay, ++a->slow_commands);
    app_on_load_progress(a, a->engine.loading_done, a->engine.loading_total);
    return rc;
}

static void on_load_soon(void *arg, size_t argc, const struct slice *argv) {
    struct app *a = arg;

    engine_replay_soon(&a->engine, argc, argv);
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
                                 .soon = on_load_soon,
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

/* Every refusal because of damaged files names the command that repairs them. What is not accepted,
 * or not read here, is no damage: it has other codes. */
static void name_repair(const char *dirname, const char *filename, const struct err *e) {
    bool is_damage = e->code == EILSEQ || e->code == EINVAL || e->code == ENOENT;

    if (!is_damage || strstr(e->text, "stet-check-aof")) return;
    log_warning("To repair the append only file, make a backup of its directory, then run: "
                "stet-check-aof --fix %s/%s.manifest",
                dirname, filename);
}

static int load_log(struct app *a) {
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

int load_data(struct app *a) {
    if (restore(a) < 0) return -1;
    if (a->v->recover_to && !a->v->appendonly) {
        log_warning("'recover-to' is about the append-only file: it needs 'appendonly yes'");
        return -1;
    }
    return a->v->appendonly ? load_log(a) : load_snapshot(a);
}
