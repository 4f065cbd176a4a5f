/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reset - TEST RESET: the server is as after its start, but for its connections and for snapshots.
 */
#include "conf/conf.h"
#include "server/double/impl.h"
#include "server/exec/acl.h"
#include "server/exec/acl_file.h"
#include "server/exec/propagate.h"
#include "server/exec/pubsub.h"
#include "server/exec/run.h"
#include "server/exec/slots.h"
#include "server/exec/turn.h"
#include "storage/base/clock.h"
#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

struct setting {
    char *name, *value;
    size_t n; /* bytes of the value */
};

struct start {
    struct setting *settings;
    size_t n, cap;
    struct bytes users;
    bool is_replica;
};

/* ---------------------------------------------------------------- what there was */

static void note_setting(void *arg, struct slice name, struct slice value) {
    struct start *s = arg;
    struct setting *to;

    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->settings = mem_realloc(s->settings, s->cap * sizeof *s->settings);
    }
    to = &s->settings[s->n++];
    to->name = mem_alloc(name.n + 1);
    memcpy(to->name, name.p, name.n);
    to->name[name.n] = '\0';
    to->value = mem_alloc(value.n + 1);
    memcpy(to->value, value.p, value.n);
    to->n = value.n;
}

static void note_settings(const struct conf *conf, struct start *s) {
    struct slice all = SLICE("*");

    conf_get(conf, &all, 1, note_setting, s);
}

struct start *start_note(const struct engine *e) {
    struct start *s = mem_calloc(sizeof *s);

    note_settings(e->conf, s);
    acl_file_text(&e->acl->users, &s->users);
    s->is_replica = e->role.is_replica;
    return s;
}

void start_free(struct start *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n; i++) {
        mem_free(s->settings[i].name);
        mem_free(s->settings[i].value);
    }
    mem_free(s->settings);
    bytes_release(&s->users);
    mem_free(s);
}

/* ---------------------------------------------------------------- going back */

static void set_back(struct engine *e, const struct setting *to) {
    struct slice pair[2] = {slice_str(to->name), slice_of(to->value, to->n)};
    struct err err;

    if (conf_set(e->conf, pair, 1, true, &err) < 0)
        log_warning("TEST RESET: %s cannot be what it was: %s", to->name, err.text);
}

struct difference {
    struct engine *e;
    const struct start *was;
    size_t at; /* both list the same parameters in the same order */
    bool *differs;
};

static void compare(void *arg, struct slice name, struct slice value) {
    struct difference *c = arg;
    const struct setting *was = &c->was->settings[c->at];

    (void)name;
    c->differs[c->at++] = was->n != value.n || memcmp(was->value, value.p, value.n) != 0;
}

/* An alias differs too; when its turn comes it is set to what it has by then. */
static void reset_settings(struct engine *e, const struct start *was) {
    struct difference c = {e, was, 0, mem_calloc(was->n + 1)};
    struct slice all = SLICE("*");

    conf_get(e->conf, &all, 1, compare, &c);
    for (size_t i = 0; i < was->n; i++)
        if (c.differs[i]) set_back(e, &was->settings[i]);
    mem_free(c.differs);
}

static void reset_users(struct engine *e, const struct start *was) {
    struct bytes now = {0}, errors = {0};
    struct acl_users users = {0};

    acl_file_text(&e->acl->users, &now);
    if (!slice_eq(bytes_slice(&now), bytes_slice(&was->users)) &&
        acl_file_parse(bytes_slice(&was->users), "start", &e->acl->terms, &users, &errors) == 0)
        acl_replace_users(e, &users);
    bytes_release(&now);
    bytes_release(&errors);
}

static void end_subscriptions(struct engine *e) {
    list_each (it, &e->sessions) pubsub_forget(list_entry(it, struct session, link));
}

/* A command of another layer, whatever it is called (rename-command); its reply is dropped. */
static void run_row(struct call *x, int argc, const struct slice *argv) {
    bool unknown_sub;
    struct command_slot *cmd = command_resolve_logged(&x->e->commands, argc, argv, &unknown_sub);
    struct out_pool pool = {0};
    struct out out;
    struct reply to = {&out, 2};

    if (!cmd) return; /* an engine without that layer (unit tests) */
    out_init(&out, &pool);
    call_scripted(x, cmd, argc, argv, to);
    out_release(&out);
    out_pool_release(&pool);
}

#define RUN(x, ...)                                                                                \
    run_row((x), (int)(sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice)),              \
            (struct slice[]){__VA_ARGS__})

/* Of every node of an emulated cluster, which is as after the start first. */
static void reset_data(struct call *x) {
    struct cluster_seam *c = x->e->cluster;

    if (c) c->reset(c->arg);
    x->e->cluster = NULL;
    RUN(x, SLICE("flushall"), SLICE("async"));
    RUN(x, SLICE("function"), SLICE("flush"), SLICE("async"));
    RUN(x, SLICE("script"), SLICE("flush"), SLICE("async"));
    x->e->cluster = c;
}

static void reset_figures(struct call *x) {
    RUN(x, SLICE("config"), SLICE("resetstat"));
    RUN(x, SLICE("slowlog"), SLICE("reset"));
    RUN(x, SLICE("hotkeys"), SLICE("stop"));
    RUN(x, SLICE("hotkeys"), SLICE("reset"));
    RUN(x, SLICE("latency"), SLICE("reset"));
    if (!engine_is_guest(x->e)) RUN(x, SLICE("acl"), SLICE("log"), SLICE("reset"));
}

/* What belongs to the process, and is left alone where a space is reset. */
static void reset_process(struct test_double *d) {
    uint64_t seed;

    rng_system(&seed, sizeof seed);
    rng_seed(seed);
    io_fault_reset();
    if (clock_is_virtual()) clock_follow_system();
    if (d->app.clock_changed) d->app.clock_changed(d->app.arg);
    reset_settings(d->e, d->start);
    reset_users(d->e, d->start);
}

static void reset_debug(struct engine *e) {
    e->active_expire = true;
    e->scripts_may_all = e->skip_sums = false;
    engine_unpause(e, PAUSE_BY_CLIENT);
}

int test_reset(struct call *x) {
    struct test_double *d = x->e->test_double;

    if (x->e->loading) return reply_err(x, ERR_LOADING);
    if (x->e->role.is_replica && !d->start->is_replica)
        RUN(x, SLICE("replicaof"), SLICE("no"), SLICE("one"));
    effect_none(x); /* what the commands below propagate is all there is */
    mode_end(d);
    faults_clear(d);
    journal_stop(&d->journal);
    journal_clear(&d->journal);
    d->strict.on = false;
    d->profile.version = NULL;
    reset_data(x);
    end_subscriptions(x->e);
    reset_debug(x->e);
    if (!engine_is_guest(x->e)) reset_process(d);
    reset_figures(x);
    double_look(d);
    reply_ok(&x->r);
    return 0;
}
