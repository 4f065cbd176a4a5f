/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/doubled.h"

#include "conf/conf.h"
#include "server/again.h"
#include "server/app.h"
#include "server/double/double.h"
#include "server/double/space.h"
#include "server/replication/replication.h"
#include "server/scripting/scripting.h"
#include "server/spaces.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/lazyfree.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static bool is_double(const struct app *a) {
    return a->v->enable_test_commands != CONF_ACCESS_NO;
}

/* ---------------------------------------------------------------- what it asks for */

static void set_timer(void *arg, struct engine *e, uint64_t due_us) {
    struct app *a = arg;
    struct loop_timer *t = e == &a->engine ? &a->doubled : app_space_timer(e);

    if (due_us == t->node.due && t->node.at) return;
    if (due_us)
        loop_timer_set(&a->loop, t, due_us);
    else
        loop_timer_clear(&a->loop, t);
}

static void clock_changed(void *arg) {
    struct app *a = arg;

    loop_clock_changed(&a->loop);
}

static void hurry(void *arg) {
    struct app *a = arg;

    loop_hurry(&a->loop);
}

static bool is_settled(void *arg) {
    const struct app *a = arg;

    return aof_phase(a->aof) == AOF_OFF || aof_is_settled(a->aof);
}

static void crash_is_near(void *arg) {
    struct app *a = arg;

    net_rest(&a->net);
    a->net.still = true;
}

static void end_child(pid_t pid) {
    if (pid <= 0) return;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* What would have died with the process, but outlives execv(2). */
static void end_rest(struct app *a) {
    scripting_hush();
    engine_each (e, &a->engine) end_child(e->saver.child.pid);
    end_child(aof_child(a->aof));
    end_child(a->replication->syncs.child.pid);
}

/* A power cut takes what was not synced of the file that is written; `bytes` of it are left. */
static int begin_anew(struct app *a, enum double_crash how, uint64_t bytes, struct err *e) {
    struct aof_tail tail;
    struct again_cut cut;

    if (how == CRASH_WRITTEN || !aof_unsynced_tail(a->aof, &tail)) return again(a, NULL, e);
    cut.path = tail.path;
    cut.size = tail.synced;
    if (how == CRASH_BYTES) cut.size += bytes < tail.unsynced ? bytes : tail.unsynced;
    return again(a, &cut, e);
}

static int crash(void *arg, enum double_crash how, uint64_t bytes, struct err *e) {
    struct app *a = arg;
    int rc;

    net_drain(&a->net); /* the answer */
    log_warning("TEST CRASH: this process forgets everything, and begins anew.");
    end_rest(a);
    rc = begin_anew(a, how, bytes, e);
    a->net.still = false; /* it could not */
    return rc;
}

/* Replicas get the new data set by a full sync. */
static void replaced(void *arg) {
    struct app *a = arg;

    if (a->v->appendonly) {
        if (aof_phase(a->aof) != AOF_OFF) aof_disable(a->aof);
        aof_enable(a->aof);
    }
    replication_begin_anew(a->replication);
}

static bool is_quiet(const struct session *s) {
    struct session_wire wire = {.fd = -1};

    s->ops->describe(s, &wire);
    return wire.query_bytes == 0 && out_pending(&s->out) == 0 && s->state != SESSION_PARKED;
}

static bool is_idle(void *arg, const struct session *but) {
    struct app *a = arg;

    struct aof_info info;

    aof_get_info(a->aof, &info);
    if (lazyfree_pending() || info.rewrite_in_progress || aof_backlog(a->aof)) return false;
    if (rdb_saver_running(&a->engine.saver) || net_has_input(&a->net, but->e)) return false;
    list_each (it, &but->e->sessions) {
        const struct session *s = list_entry(it, struct session, link);

        if (s != but && !is_quiet(s)) return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the loop */

static void before_wait(void *arg) {
    struct app *a = arg;

    if (a->engine.loading) return;
    engine_each (e, &a->engine) double_before_wait(e->test_double);
    spaces_before_wait(a->spaces);
    if (spaces_are_there(a)) app_spaces_before_wait(a);
}

static void on_time(void *arg) {
    (void)arg; /* the turn that begins does the work */
}

static bool may_stay(void *arg, struct session *s) {
    const struct app *a = arg;

    return double_accepts(a->engine.test_double, s);
}

/* ---------------------------------------------------------------- start and end */

void doubled_register(const struct app *a, struct command_registry *r) {
    if (is_double(a)) double_register(r);
}

void doubled_add(struct app *a, struct engine *e, struct loop_timer *timer) {
    struct double_app app = {.set_timer = set_timer,
                             .clock_changed = clock_changed,
                             .hurry = hurry,
                             .is_settled = is_settled,
                             .crash_is_near = crash_is_near,
                             .crash = crash,
                             .is_idle = is_idle,
                             .arg = a,
                             .spaces = a->spaces};

    if (!engine_is_guest(e)) app.replaced = replaced;
    timer->fn = on_time;
    e->hooks.authenticated = double_authenticated;
    double_new(e, &app);
}

void doubled_build(struct app *a) {
    struct space_app app = {.make = app_space_make,
                            .release = app_space_release,
                            .moves = app_space_moves,
                            .hurry = hurry,
                            .arg = a};

    if (!is_double(a)) return;
    a->spaces = mem_alloc(sizeof *a->spaces);
    spaces_init(a->spaces, &a->engine, &app);
    log_warning("This server is a TEST DOUBLE (enable-test-commands): clients can stop its clock, "
                "make it fail and forget its data. It has no sandbox.");
    doubled_add(a, &a->engine, &a->doubled);
    a->net.may_stay = may_stay;
    a->net.may_stay_arg = a;
    loop_before_wait(&a->loop, before_wait, a);
}

void doubled_started(struct app *a) {
    if (a->engine.test_double) double_started(a->engine.test_double);
}

void doubled_release(struct app *a) {
    if (!a->spaces) return;
    spaces_release(a->spaces);
    app_spaces_end(a);
    mem_free(a->spaces);
    double_free(a->engine.test_double);
}
