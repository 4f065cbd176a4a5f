/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include "conf/conf.h"
#include "disk.h"
#include "server/exec/dispatch.h"
#include "server/exec/expire.h"
#include "server/exec/notify.h"
#include "server/exec/turn.h"

#include "protocol/encode.h"
#include "server/admin/rows.h"
#include "server/commands/commands.h"
#include "server/replication/rows.h"
#include "server/scripting/scripting.h"
#include "storage/base/hash.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <stdlib.h>

#define BEGINNING_MS INT64_C(1000000000000)

/* ---------------------------------------------------------------- what sessions ask for */

static struct client *client_of(struct session *s) {
    return (struct client *)s;
}

static void feed(struct client *c);
static void serve_within(void *arg, struct engine *e);

static void wake(struct session *s) {
    struct client *c = client_of(s);

    if (!c->brittle || s->state == SESSION_CLOSING) return;
    session_enter(s, SESSION_CLOSING);
    s->flags |= SESSION_GONE;
}

static void resume(struct session *s) {
    struct client *c = client_of(s);

    if (!c->feeding) feed(c);
}

static void close_session(struct session *s, bool after_reply) {
    if (s->state != SESSION_CLOSING) session_enter(s, SESSION_CLOSING);
    if (!after_reply) s->flags |= SESSION_GONE;
}

static void describe(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.addr = "client", .laddr = "server", .fd = -1, .events = "r"};
}

static const struct session_ops ops = {wake, resume, close_session, describe};

/* ---------------------------------------------------------------- an engine */

static void no_wake(void *arg) {
    (void)arg;
}

static void record(struct world *w, int db, struct slice resp) {
    char text[NUM_I64_MAX];
    struct slice argv[] = {SLICE("SELECT"), slice_of(text, (size_t)num_format_i64(text, db))};

    encode_command(&w->propagated, 2, argv);
    bytes_append(&w->propagated, resp.p, resp.n);
}

static void record_unit(void *arg, const struct unit *u) {
    record(arg, u->db, u->resp);
}

static void publish_events(struct world *w) {
    struct slice pair[] = {SLICE("notify-keyspace-events"), SLICE("KEA")};
    struct err e;

    CHECK(conf_set(w->conf, pair, 1, true, &e) == 0);
    notify_take_flags(&w->e, w->e.v->notify_keyspace_events.flags);
}

static void register_commands(struct command_registry *r) {
    commands_register(r);
    scripting_register(r);
    command_registry_add(r, connection_commands);
    command_registry_add(r, client_commands);
    command_registry_add(r, config_commands);
    command_registry_add(r, wait_commands);
}

static struct aof *no_log(struct world *w) {
    struct aof_options o = {.names = {"/none", "none", "none", "none"}};
    struct aof_hooks hooks = {.wake = no_wake};

    return aof_new(&w->e.ks, &o, &hooks);
}

void world_begin(struct world *w, enum program_log how) {
    static const uint8_t key[16] = "all turns";
    struct sink sink = {&w->recording, record_unit, w};

    *w = (struct world){0};
    mem_thread_init();
    hash_set_key(key);
    log_set_level(LOG_AT_NOTHING);
    clock_set_virtual(BEGINNING_MS);
    clock_refresh();
    if (how) w->disk = disk_new();
    w->conf = how ? disk_conf(w->disk, how) : conf_new();
    keyspace_init(&w->e.ks, 2);
    register_commands(&w->e.commands);
    engine_init(&w->e, w->conf, how ? disk_open(w->disk, w) : no_log(w));
    if (how) disk_start(w);
    scripting_start(&w->e);
    w->e.slice_ns = 1;
    w->e.breath.limit = 1;
    w->e.hooks.serve_within = serve_within;
    w->e.hooks.arg = w;
    propagate_to(&w->e.propagation, &sink);
    publish_events(w);
}

void world_end(struct world *w) {
    struct aof *aof = w->e.aof;

    for (int i = 0; i < CLIENTS_MAX; i++) {
        bytes_release(&w->client[i].in);
        bytes_release(&w->client[i].got);
    }
    bytes_release(&w->propagated);
    scripting_stop(&w->e);
    engine_release(&w->e);
    aof_stop(aof, 1000);
    conf_free(w->conf);
    disk_free(w->disk);
}

/* ---------------------------------------------------------------- clients */

static void connect_client(struct world *w, int i, const struct program *p) {
    struct client *c = &w->client[i];

    session_init(&c->s, &w->e, &ops);
    c->s.resp = 3;
    c->exists = true;
    c->feeding = false;
    c->brittle = p->brittle[i];
    c->sent = 0;
    bytes_clear(&c->in);
    bytes_clear(&c->got);
}

void world_enter(struct world *w, const struct program *p) {
    if (p->log || w->disk) {
        world_end(w);
        world_begin(w, p->log);
    }
    clock_set_virtual(BEGINNING_MS);
    clock_refresh();
    rng_seed(1);
    w->e.next_client_id = 0;
    w->e.dirty = 0;
    w->clock_steps = 0;
    w->expired_ms = BEGINNING_MS;
    w->recording = true;
    bytes_clear(&w->propagated);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (p->n[i]) connect_client(w, i, p);
}

static void disconnect(struct client *c) {
    session_release(&c->s);
    c->exists = false;
}

void world_leave(struct world *w) {
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (w->client[i].exists) disconnect(&w->client[i]);
    w->recording = false;
    for (int i = 0; i < w->e.ks.ndbs; i++) db_clear(&w->e.ks.dbs[i], false);
    pause_end(&w->e.pause, PAUSE_BY_CLIENT);
    w->e.resume = false;
}

/* As server/net does it: what cannot be executed now is kept. */
static void feed(struct client *c) {
    size_t need, used;

    if (!c->exists || c->in.n == 0 || c->s.state != SESSION_ACTIVE) return;
    c->feeding = true;
    do { /* slices are tiny; what is cut off goes on at once, as the order says what comes when */
        used = engine_feed(c->s.e, &c->s, c->in.p, c->in.n, &need);
        bytes_consume(&c->in, used);
    } while (need == 0 && c->in.n && c->s.state == SESSION_ACTIVE);
    c->feeding = false;
}

static void deliver(struct world *w, const struct program *p, const struct block *b) {
    struct client *c = &w->client[b->actor];

    if (!c->exists || c->s.state == SESSION_CLOSING) return;
    for (int i = 0; i < b->count; i++) program_encode(p->command[b->actor][c->sent++], &c->in);
    feed(c);
}

/* ---------------------------------------------------------------- turns */

static void take_output(struct client *c) {
    struct iovec iov;
    size_t may;

    while ((may = session_sendable(&c->s)) > 0 && out_peek(&c->s.out, &iov, 1, may) > 0) {
        bytes_append(&c->got, iov.iov_base, iov.iov_len);
        out_consume(&c->s.out, iov.iov_len);
    }
}

static bool may_disconnect(const struct session *s) {
    return s->state == SESSION_CLOSING && (s->flags & SESSION_GONE || out_pending(&s->out) == 0);
}

static void before_wait(struct world *w) {
    if (clock_cached_ms() != w->expired_ms) {
        w->expired_ms = clock_cached_ms();
        expire_some(&w->e, 500);
    }
    engine_before_wait(&w->e);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &w->client[i];

        if (!c->exists) continue;
        if (!(c->s.flags & SESSION_GONE)) take_output(c);
        if (may_disconnect(&c->s)) disconnect(c);
    }
}

static void pass_time(struct world *w, int64_t ms) {
    clock_advance_ms(ms);
    clock_refresh();
    blocked_check_time(&w->e, clock_mono_us());
}

static void step_clock(struct world *w, const char *step) {
    if (strcmp(step, "disk") == 0)
        world_settle(w);
    else
        pass_time(w, atoi(step));
}

static bool turn_goes_on(const struct world *w) {
    return w->order && w->at < w->order->n && !w->order->block[w->at].begins_turn;
}

static void serve_next(struct world *w) {
    const struct block *b = &w->order->block[w->at++];

    if (b->actor == THE_CLOCK)
        step_clock(w, w->program->command[THE_CLOCK][w->clock_steps++]);
    else
        deliver(w, w->program, b);
}

/* From inside a command that takes long: one of those that would come after it in this turn. */
static void serve_within(void *arg, struct engine *e) {
    struct world *w = arg;

    (void)e;
    if (!w->e.busy && turn_goes_on(w) && w->order->block[w->at].actor != THE_CLOCK) serve_next(w);
}

int world_turn(struct world *w, const struct program *p, const struct order *o, int first) {
    w->program = p;
    w->order = o;
    w->at = first;
    do serve_next(w);
    while (turn_goes_on(w));
    w->order = NULL;
    before_wait(w);
    return w->at;
}

const char *world_settle(struct world *w) {
    return w->disk ? disk_settle(w) : NULL;
}

void world_wait(struct world *w, int64_t ms) {
    pass_time(w, ms);
    before_wait(w);
    before_wait(w);
}
