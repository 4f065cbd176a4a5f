/* SPDX-License-Identifier: BSD-3-Clause */
#include "exec_help.h"
#include "conf/conf.h"
#include "server/exec/blocking.h"
#include "server/exec/dispatch.h"
#include "server/exec/keys.h"
#include "server/exec/notify.h"
#include "server/exec/pubsub.h"
#include "server/exec/push.h"
#include "server/exec/replay.h"
#include "server/exec/turn.h"

#include "storage/base/io.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct engine engine;
struct session one, two;
unsigned woken, resumed, closed;
bool hold_is_over;
struct session *close_on_wake;

static struct conf *conf;
static struct bytes got;
static char tmp_dir[64];

/* ---------------------------------------------------------------- commands */

static int cmd_set(struct call *x) {
    struct ref r = lookup_write(x, 1);

    r.e = db_set_string(r.db, r.key, r.hash, r.e, x->argv[2], ENTRY_NO_EXPIRE, 0);
    key_changed(x, &r, EVENT_STRING, "set");
    reply_ok(&x->r);
    return 0;
}

static int cmd_get(struct call *x) {
    struct ref r = lookup_read(x, 1);

    if (r.e) {
        struct slice s = entry_string(r.e);

        reply_bulk(&x->r, s.p, s.n);
    } else {
        reply_null(&x->r);
    }
    return 0;
}

static int cmd_incr(struct call *x) {
    struct ref r = lookup_write(x, 1);
    char text[NUM_I64_MAX];
    int64_t v = 0;
    struct slice s;

    if (r.e && !num_parse_i64(entry_string(r.e).p, entry_string(r.e).n, &v))
        return reply_err(x, ERR_NOT_INT);
    s = slice_of(text, (size_t)num_format_i64(text, v + 1));
    r.e = db_set_string(r.db, r.key, r.hash, r.e, s, ENTRY_NO_EXPIRE, 0);
    key_changed(x, &r, EVENT_STRING, "incr");
    EFFECT(x, SLICE("SET"), r.key, s);
    reply_int(&x->r, v + 1);
    return 0;
}

static int cmd_ping(struct call *x) {
    reply_simple(&x->r, "PONG");
    return 0;
}

static int cmd_clear(struct call *x) {
    db_clear(x->db, false);
    x->e->dirty++;
    x->all_changed = true;
    reply_ok(&x->r);
    return 0;
}

static int cmd_fail(struct call *x) {
    return reply_err(x, "CUSTOM it fails");
}

static bool hold_ready(const struct blocked *b) {
    (void)b;
    return hold_is_over;
}

static void hold_answer(struct blocked *b, struct reply *r) {
    (void)b;
    reply_simple(r, "RELEASED");
}

static int cmd_hold(struct call *x) {
    struct blocked b = {.ready = hold_ready, .answer = hold_answer};
    int64_t ms;

    if (!arg_int(x, 1, &ms)) return -1;
    block_on_progress(x, &b, ms ? clock_mono_us() + (uint64_t)ms * 1000 : 0);
    return 0;
}

static int cmd_take(struct call *x) {
    uint64_t deadline_us;

    if (!arg_timeout(x, x->argc - 1, &deadline_us)) return -1;
    for (int i = 1; i < x->argc - 1; i++) {
        struct ref r = lookup_write(x, i);
        struct slice s;

        if (!r.e) continue;
        s = entry_string(r.e);
        reply_bulk(&x->r, s.p, s.n);
        EFFECT(x, SLICE("CLEAR"));
        key_delete(x, &r, false);
        key_changed(x, &r, EVENT_GENERIC, "del");
        return 0;
    }
    return block_on_keys(x, &(struct key_block){.first = 1,
                                                .last = x->argc - 2,
                                                .type = TYPE_STRING,
                                                .deadline_us = deadline_us,
                                                .time_up = reply_null_array});
}

static const struct command box[] = {
    {"open", 2, CMD_FAST, "test", {0}, cmd_ping, "1.0.0", "Opens the box."},
    {"shut",
     3,
     CMD_WRITE,
     "test",
     {2, 2, 1},
     cmd_ping,
     "1.0.0",
     "Shuts the box.",
     .key_specs = "RO"},
    {0},
};

static const struct command rows[] = {
    {"set",
     3,
     CMD_WRITE | CMD_DENYOOM,
     "test",
     {1, 1, 1},
     cmd_set,
     "1.0.0",
     "Sets.",
     .key_specs = "OW update"},
    {"get", 2, CMD_READONLY, "test", {1, 1, 1}, cmd_get, "1.0.0", "Gets."},
    {"incr",
     2,
     CMD_WRITE,
     "test",
     {1, 1, 1},
     cmd_incr,
     "1.0.0",
     "Counts.",
     .key_specs = "RW access update"},
    {"ping", -1, CMD_FAST | CMD_NO_AUTH | CMD_LOADING, "test", {0}, cmd_ping, "1.0.0", "Answers."},
    {"all", 1, CMD_READONLY | CMD_WHOLE_KEYSPACE, "test", {0}, cmd_ping, "1.0.0", "Looks."},
    {"clear", 1, CMD_WRITE, "test", {0}, cmd_clear, "1.0.0", "Empties."},
    {"hold", 2, CMD_BLOCKING, "test", {0}, cmd_hold, "1.0.0", "Waits."},
    {"take",
     -3,
     CMD_BLOCKING | CMD_WRITE,
     "test",
     {1, -2, 1},
     cmd_take,
     "1.0.0",
     "Takes.",
     .key_specs = "RW access delete"},
    {"fail", 1, CMD_WRITE, "test", {0}, cmd_fail, "1.0.0", "Fails."},
    {"box", -2, 0, "test", {0}, NULL, "1.0.0", "A box.", .subcommands = box},
    {0},
};

/* ---------------------------------------------------------------- sessions */

static void wake(struct session *s) {
    woken++;
    if (s == close_on_wake && s->state != SESSION_CLOSING) session_enter(s, SESSION_CLOSING);
}

static void resume(struct session *s) {
    (void)s;
    resumed++;
}

static void close_session(struct session *s, bool after_reply) {
    (void)after_reply;
    closed++;
    if (s->state != SESSION_CLOSING) session_enter(s, SESSION_CLOSING);
}

void exec_events(const char *classes) {
    struct slice pair[] = {SLICE("notify-keyspace-events"), slice_str(classes)};
    struct err e;

    cr_assert_eq(conf_set(conf, pair, 1, true, &e), 0, "%s", e.text);
    notify_take_flags(&engine, engine.v->notify_keyspace_events.flags);
}

void exec_tell(struct session *s) {
    exec_events("EA");
    s->resp = 3;
    pubsub_subscribe(s, PUBSUB_PATTERN, SLICE("__keyevent@*"));
}

static void describe(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.addr = "test", .fd = -1, .events = ""};
}

static const struct session_ops session_ops = {wake, resume, close_session, describe};

static void no_wake(void *arg) {
    (void)arg;
}

static bool may_fork(void *arg) {
    (void)arg;
    return true;
}

static void (*more_commands)(struct command_registry *r);

static void add_commands(struct command_registry *r) {
    command_registry_add(r, rows);
    command_registry_add(r, multi_commands);
    command_registry_add(r, watch_commands);
    if (more_commands) more_commands(r);
}

static void begin(bool logged) {
    struct aof_options o = {.names = {".", "adir", "log", "dump.rdb"},
                            .policy = AOF_FSYNC_ALWAYS,
                            .checksum = true,
                            .load_truncated = true};
    struct aof_hooks hooks = {.wake = no_wake, .may_fork = may_fork};

    mem_thread_init();
    log_set_level(LOG_AT_NOTHING);
    clock_refresh();
    conf = conf_new();
    engine = (struct engine){0};
    keyspace_init(&engine.ks, 16);
    add_commands(&engine.commands);
    engine_init(&engine, conf, aof_new(&engine.ks, &o, &hooks));
    if (logged) {
        struct aof_load_options l = {.names = o.names, .command = engine_replay, .arg = &engine};

        strcpy(tmp_dir, "/tmp/stet-exec-XXXXXX");
        cr_assert(mkdtemp(tmp_dir));
        cr_assert_eq(chdir(tmp_dir), 0);
        engine_replay_begin(&engine);
        cr_assert_eq(aof_start(engine.aof, &l, NULL), 0);
        engine_replay_end(&engine);
        gate_refresh(&engine.gate);
    }
    session_init(&one, &engine, &session_ops);
    session_init(&two, &engine, &session_ops);
}

void exec_begin(void) {
    begin(false);
}

void exec_begin_with(void (*more)(struct command_registry *r)) {
    more_commands = more;
    begin(false);
}

void exec_begin_logged(void) {
    begin(true);
}

void exec_begin_logged_with(void (*more)(struct command_registry *r)) {
    more_commands = more;
    begin(true);
}

struct engine *exec_guest(void) {
    struct aof_options o = {.names = {".", "adir", "log", "dump.rdb"}};
    struct aof_hooks hooks = {.wake = no_wake, .may_fork = may_fork};
    struct engine *e = mem_calloc(sizeof *e);

    keyspace_init(&e->ks, 16);
    add_commands(&e->commands);
    engine_init_guest(e, &engine, aof_new(&e->ks, &o, &hooks));
    return e;
}

void exec_guest_end(struct engine *e) {
    struct aof *aof = e->aof;

    engine_release(e);
    aof_stop(aof, 5000);
    mem_free(e);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

void exec_end(void) {
    struct aof *aof = engine.aof;

    io_fault_reset();
    session_release(&one);
    session_release(&two);
    engine_release(&engine);
    aof_stop(aof, 5000);
    conf_free(conf);
    bytes_release(&got);
    if (tmp_dir[0]) nftw(tmp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void exec_stop_writes(void) {
    io_fault_set(IO_WRITE, (struct io_fault){.code = ENOSPC, .count = -1});
}

void exec_stop_syncs(void) {
    io_fault_set(IO_SYNC, (struct io_fault){.delay_ms = 400});
}

void exec_go_on(void) {
    struct timespec pause = {0, 200 * 1000};
    uint64_t until = clock_real_ns() + UINT64_C(60000000000);

    io_fault_reset();
    engine_before_wait(&engine);
    while (aof_safe(engine.aof, AOF_LEVEL_SYNCED) < aof_appended(engine.aof)) {
        cr_assert_lt(clock_real_ns(), until, "the log makes progress");
        nanosleep(&pause, NULL);
        engine_before_wait(&engine);
    }
    engine_on_log_progress(&engine);
}

size_t feed(struct session *s, const char *text) {
    size_t n = strlen(text), need, used;
    char *copy = mem_dup(text, n);

    used = engine_feed(s->e, s, copy, n, &need);
    mem_free(copy);
    return used;
}

static const char *take(struct session *s, size_t limit, bool consume) {
    struct iovec iov[256];
    int n = out_peek(&s->out, iov, 256, limit);

    bytes_clear(&got);
    for (int i = 0; i < n; i++) bytes_append(&got, iov[i].iov_base, iov[i].iov_len);
    if (consume) out_consume(&s->out, got.n);
    return bytes_cstr(&got);
}

const char *output(struct session *s) {
    return take(s, SIZE_MAX, true);
}

const char *sendable(struct session *s) {
    return take(s, session_sendable(s), false);
}

const char *say(const char *line) {
    struct bytes b = {0};

    bytes_printf(&b, "%s\r\n", line);
    cr_assert_eq(feed(&one, bytes_cstr(&b)), b.n);
    bytes_release(&b);
    return output(&one);
}
