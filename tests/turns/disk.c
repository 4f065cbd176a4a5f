/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk.h"

#include "check.h"
#include "conf/conf.h"
#include "server/exec/replay.h"
#include "server/exec/turn.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTLE_NS UINT64_C(30000000000)

struct disk {
    char dir[64];
};

/* ---------------------------------------------------------------- the directory */

struct disk *disk_new(void) {
    struct disk *l = mem_calloc(sizeof *l);

    snprintf(l->dir, sizeof l->dir, "/tmp/stet-turns-XXXXXX");
    CHECK(mkdtemp(l->dir));
    return l;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

void disk_free(struct disk *l) {
    if (!l) return;
    nftw(l->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(l);
}

/* ---------------------------------------------------------------- starting */

struct conf *disk_conf(struct disk *l, enum program_log how) {
    char *argv[] = {"stet-server", "--dir", l->dir, "--appendonly", how == LOG_ON ? "yes" : "no",
                    NULL};
    struct conf *c = conf_new();

    CHECK(conf_load_args(c, 5, argv, NULL) == 0);
    return c;
}

static struct aof_options options_of(const struct disk *l, const struct conf_values *v) {
    static const enum aof_fsync policies[] = {[CONF_FSYNC_ALWAYS] = AOF_FSYNC_ALWAYS,
                                              [CONF_FSYNC_EVERYSEC] = AOF_FSYNC_EVERYSEC,
                                              [CONF_FSYNC_NO] = AOF_FSYNC_NO};

    return (struct aof_options){
        .names = {l->dir, v->appenddirname, v->appendfilename, v->dbfilename},
        .policy = policies[v->appendfsync],
        .checksum = true,
        .load_truncated = true};
}

static void no_wake(void *arg) {
    (void)arg;
}

static void no_latency(void *arg, const char *event, uint64_t us) {
    (void)arg, (void)event, (void)us;
}

static bool may_fork(void *arg) {
    const struct world *w = arg;

    return aof_child(w->e.aof) == 0;
}

struct aof *disk_open(struct disk *l, struct world *w) {
    struct aof_hooks hooks = {
        .wake = no_wake, .may_fork = may_fork, .latency = no_latency, .arg = w};
    struct aof_options o = options_of(l, conf_values(w->conf));

    return aof_new(&w->e.ks, &o, &hooks);
}

/* As server/wire.c does. */
static int apply(void *arg, const struct conf_values *v, struct err *e) {
    struct world *w = arg;
    struct aof_options o = options_of(w->disk, v);

    (void)e;
    aof_set_options(w->e.aof, &o);
    if (v->appendonly) aof_enable(w->e.aof);
    if (!v->appendonly && aof_phase(w->e.aof) != AOF_OFF) aof_disable(w->e.aof);
    return 0;
}

static struct aof_load_options load_options(const struct world *from, struct world *into) {
    struct aof_names names = options_of(from->disk, from->e.v).names;

    return (struct aof_load_options){
        .names = names, .load_truncated = true, .command = engine_replay, .arg = &into->e};
}

void disk_start(struct world *w) {
    struct aof_load_options l = load_options(w, w);
    struct err e;

    conf_on_apply_group(w->conf, CONF_GROUP_AOF, apply, w);
    if (!w->e.v->appendonly) return;
    engine_replay_begin(&w->e);
    CHECK(aof_start(w->e.aof, &l, &e) == 0);
    engine_replay_end(&w->e);
    gate_refresh(&w->e.gate);
}

/* ---------------------------------------------------------------- progress */

static bool is_done(struct aof *a) {
    enum aof_phase phase = aof_phase(a);

    return (phase == AOF_OFF || phase == AOF_ON) && !aof_is_opening(a) && aof_is_settled(a) &&
           aof_child(a) == 0 && aof_safe(a, AOF_LEVEL_SYNCED) >= aof_appended(a);
}

const char *disk_settle(struct world *w) {
    uint64_t began_ns = clock_real_ns();
    int rests = 0;

    while (clock_real_ns() - began_ns < SETTLE_NS) {
        engine_before_wait(&w->e);
        aof_want_sync(w->e.aof);
        engine_on_log_progress(&w->e);
        aof_cron(w->e.aof);
        engine_before_wait(&w->e);
        rests = is_done(w->e.aof) ? rests + 1 : 0;
        if (rests == 2) return NULL; /* what ended in the first round was told in the second */
        usleep(50);
    }
    return "the AOF does not come to rest";
}

/* ---------------------------------------------------------------- what the files hold */

static const char *load(struct world *w, struct world *other, int dirfd) {
    static char why[600];
    struct aof_load_options o = load_options(w, other);
    struct aof_loaded loaded;
    struct err e;
    int rc;

    engine_replay_begin(&other->e);
    rc = aof_load(dirfd, &o, &loaded, &e);
    engine_replay_end(&other->e);
    if (rc == 0) {
        aof_loaded_release(&loaded);
        return NULL;
    }
    snprintf(why, sizeof why, "the AOF cannot be loaded: %s", e.text);
    return why;
}

const char *disk_check(struct world *w, struct world *other) {
    char path[128];
    const char *no = NULL;
    int dirfd;

    snprintf(path, sizeof path, "%s/%s", w->disk->dir, w->e.v->appenddirname);
    dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd >= 0) {
        no = load(w, other, dirfd);
        close(dirfd);
    }
    if (!no && aof_phase(w->e.aof) == AOF_ON && data_sum(other) != data_sum(w))
        no = "the AOF holds other data";
    for (int i = 0; i < other->e.ks.ndbs; i++) db_clear(&other->e.ks.dbs[i], false);
    return no;
}
