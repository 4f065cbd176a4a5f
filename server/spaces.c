/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/spaces.h"

#include "conf/conf.h"
#include "server/double/double.h"
#include "server/doubled.h"
#include "server/exec/access.h"
#include "server/exec/blocking.h"
#include "server/exec/evict.h"
#include "server/exec/expire.h"
#include "server/exec/notify.h"
#include "server/exec/turn.h"
#include "server/scripting/scripting.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"

/* ---------------------------------------------------------------- what a space cannot do */

static int refuse(struct call *x, const char *name) {
    return reply_errf(x,
                      "ERR '%s' is not available in a space (TEST SPACE): its data is neither "
                      "saved nor replicated",
                      name);
}

static int refuse_file(struct call *x) {
    return refuse(x, x->cmd->name);
}

static int debug_in_space(struct call *x);

/* Commands about the files of the data set and about replicas, whatever calls them. */
static const struct {
    const char *name;
    int (*fn)(struct call *x);
} others[] = {
    {"save", refuse_file},     {"bgsave", refuse_file},    {"bgrewriteaof", refuse_file},
    {"backup", refuse_file},   {"sync", refuse_file},      {"psync", refuse_file},
    {"replconf", refuse_file}, {"replicaof", refuse_file}, {"slaveof", refuse_file},
    {"failover", refuse_file}, {"debug", debug_in_space},
};

enum { OTHERS = sizeof others / sizeof *others, OTHER_ROWS = 32 };

struct guest {
    struct engine e; /* first: an engine is its guest */
    struct app *a;
    struct admin_app admin;
    struct loop_timer doubled;       /* as in struct app */
    struct command rows[OTHER_ROWS]; /* those of `others` and of their subcommands */
    const struct command *debug;     /* the row that DEBUG has elsewhere */
    unsigned nrows;
};

static struct guest *guest_of(struct engine *e) {
    return (struct guest *)e;
}

static int debug_in_space(struct call *x) {
    static const char *const words[] = {"debug reload", "debug loadaof", "debug change-repl-id",
                                        "debug replicate"};

    for (size_t i = 0; x->argc > 1 && i < sizeof words / sizeof *words; i++)
        if (arg_is(x, 1, words[i] + strlen("debug "))) return refuse(x, words[i]);
    return guest_of(x->e)->debug->fn(x);
}

struct loop_timer *app_space_timer(struct engine *e) {
    return &guest_of(e)->doubled;
}

static void replace_row(struct guest *g, struct command_slot *c, int (*fn)(struct call *x)) {
    struct command *row = &g->rows[g->nrows++];

    CHECK(g->nrows <= OTHER_ROWS);
    if (fn == debug_in_space) g->debug = c->row;
    *row = *c->row;
    if (row->fn) row->fn = fn;
    c->row = row;
    for (unsigned i = 0; i < c->nsub; i++) replace_row(g, &c->sub[i], fn);
}

/* The row says what a command is called before it is renamed. */
static void replace_rows(struct guest *g) {
    for (unsigned i = 0; i < g->e.commands.n; i++) {
        struct command_slot *c = &g->e.commands.slots[i];

        for (unsigned k = 0; k < OTHERS; k++)
            if (strcmp(c->row->name, others[k].name) == 0) replace_row(g, c, others[k].fn);
    }
}

/* ---------------------------------------------------------------- making one */

/* The configuration was accepted at the start. */
static void rename_commands(struct guest *g) {
    size_t n;
    const struct conf_directive *d = conf_directives(g->a->conf, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(d[i].argv[0], "rename-command") == 0)
            command_registry_rename(&g->e.commands, d[i].argv[1], d[i].argv[2]);
}

static bool never_forks(void *arg) {
    (void)arg;
    return false;
}

static struct aof *aof_that_is_off(struct app *a) {
    struct aof_options o = app_aof_options(a->v);
    struct aof_hooks h = {.wake = a->engine.hooks.wake, .may_fork = never_forks, .arg = a};

    if (!a->guests.aof) a->guests.aof = aof_new(&a->engine.ks, &o, &h);
    return a->guests.aof;
}

static void fill_admin(struct guest *g) {
    struct admin_rates rates = g->admin.rates;

    g->admin = g->a->admin;
    g->admin.rates = rates;
    g->admin.replication_info = NULL;
    g->e.app = &g->admin;
}

struct engine *app_space_make(void *app) {
    struct guest *g = mem_calloc(sizeof *g);
    struct app *a = app;
    struct engine *e = &g->e;

    g->a = a;
    keyspace_init(&e->ks, (int)a->v->databases);
    app_register_commands(a, &e->commands);
    rename_commands(g);
    engine_init_guest(e, &a->engine, aof_that_is_off(a));
    replace_rows(g);
    e->hooks = a->engine.hooks;
    e->slice_ns = a->engine.slice_ns;
    scripting_start(e);
    fill_admin(g);
    doubled_add(a, e, &g->doubled);
    notify_take_flags(e, a->v->notify_keyspace_events.flags);
    engine_set_importing(e, a->v->import_mode);
    access_tick(e);
    return e;
}

void app_space_release(void *app, struct engine *e) {
    struct guest *g = guest_of(e);
    struct app *a = app;

    loop_timer_clear(&a->loop, &g->doubled);
    double_free(e->test_double);
    for (int i = 0; i < e->ks.ndbs; i++) db_clear(&e->ks.dbs[i], true);
    scripting_stop(e);
    engine_release(e);
    mem_free(g);
}

enum { STOP_MS = 1000 }; /* there is nothing to write */

void app_spaces_end(struct app *a) {
    if (a->guests.aof) aof_stop(a->guests.aof, STOP_MS);
    a->guests.aof = NULL;
    loop_timer_clear(&a->loop, &a->guests.due);
}

void app_space_moves(void *app, const struct session *s) {
    struct app *a = app;

    net_session_moves(&a->net, s);
}

/* ---------------------------------------------------------------- the turns */

#define each_guest(e, a)                                                                           \
    engine_each (e, &(a)->engine)                                                                  \
        if (e != &(a)->engine)

/* Threads that clients wait for have woken the loop. */
static void before_wait(struct app *a, struct engine *e, bool ms_passed) {
    e->stats.loop_cycles++;
    e->turn_began_ns = 0;
    if (ms_passed && expire_some(e, 500)) loop_hurry(&a->loop);
    access_tick(e);
    if (evict_more(e)) loop_hurry(&a->loop);
    if (e->nblocked) blocked_check_progress(e);
    blocked_check_time(e, clock_mono_us());
    engine_before_wait(e);
}

static uint64_t next_deadline(struct app *a) {
    uint64_t nearest = 0;

    each_guest (e, a) {
        uint64_t next = engine_next_deadline(e);

        if (next && (nearest == 0 || next < nearest)) nearest = next;
    }
    return nearest;
}

static void on_due(void *arg) {
    (void)arg; /* the turn that begins does the work */
}

static void watch_deadlines(struct app *a) {
    struct loop_timer *t = &a->guests.due;
    uint64_t next = next_deadline(a);

    t->fn = on_due;
    if (next)
        loop_timer_set(&a->loop, t, next);
    else
        loop_timer_clear(&a->loop, t);
}

void app_spaces_before_wait(struct app *a) {
    bool ms_passed = clock_cached_ms() != a->guests.last_expire_ms;

    a->guests.last_expire_ms = clock_cached_ms();
    each_guest (e, a) before_wait(a, e, ms_passed);
    watch_deadlines(a);
}

static void cron(struct app *a, struct engine *e) {
    fill_admin(guest_of(e));
    access_tick(e);
    if (expire_some(e, 1000)) loop_hurry(&a->loop);
    if (e->nblocked) blocked_check_progress(e);
    admin_cron(e);
    links_cron(&e->links, clock_mono_us());
    out_pool_trim(&e->out_pool);
}

void app_spaces_cron(struct app *a) {
    each_guest (e, a) cron(a, e);
}

bool spaces_busy(struct app *a) {
    engine_each (e, &a->engine)
        if (e->busy) return true;
    return false;
}
