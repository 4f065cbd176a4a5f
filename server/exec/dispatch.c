/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dispatch - from input bytes to executed commands.
 *
 * A pipeline is taken in groups: parse up to GROUP commands, fetch the buckets of their first keys,
 * then the entries, then execute one after the other. What a gate (auth, arity, loading, write
 * permission) refuses is answered without the handler running.
 */
#include "protocol/encode.h"
#include "server/exec/blocking.h"
#include "server/exec/monitor.h"
#include "server/exec/multi.h"
#include "server/exec/observe.h"

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <ctype.h>
#include <errno.h>

enum {
    GROUP = 32,
};

struct pending {
    struct request req;
    size_t offset; /* of its first byte */
    struct command_slot *cmd;
    uint64_t hash;
    bool unknown_sub, has_hash;
};

struct group {
    struct request_args *args;
    struct pending v[GROUP];
    size_t n, bytes; /* commands; what they take of the input */
    bool bad;        /* behind them stands something that is no command */
    const char *error;
    size_t need;
};

/* ---------------------------------------------------------------- parsing ahead */

static void prepare(struct engine *e, struct session *s, const struct slice *args,
                    struct pending *p) {
    const struct slice *argv = args + p->req.first;
    int first;

    p->cmd = command_resolve(&e->commands, (int)p->req.argc, argv, &p->unknown_sub);
    p->has_hash = false;
    if (!p->cmd) return;
    first = p->cmd->row->keys.first;
    if (first <= 0 || (size_t)first >= p->req.argc) return;
    p->hash = hash_bytes(argv[first].p, argv[first].n);
    p->has_hash = true;
    table_prefetch_bucket(&e->ks.dbs[s->db].keys, p->hash);
}

static void parse_group(struct engine *e, struct session *s, char *in, size_t n, struct group *g) {
    struct request_limits limits = {e->v->proto_max_bulk_len, REQUEST_ARGS_MAX, acl_is_served(s)};
    /* Before AUTH each command may change what the next one is allowed to be. */
    size_t most = limits.authenticated ? GROUP : 1;

    g->n = g->bytes = g->need = 0;
    g->bad = false;
    g->args = e->busy ? &e->args_within : &e->args;
    g->args->n = 0;
    while (g->n < most && g->bytes < n) {
        struct pending *p = &g->v[g->n];
        enum request_result rc = request_parse(in + g->bytes, n - g->bytes, &limits, &s->partial,
                                               g->args, &p->req, &g->need, &g->error);

        if (rc == REQUEST_BAD) g->bad = true;
        if (rc != REQUEST_READY) break;
        p->offset = g->bytes;
        g->bytes += p->req.bytes;
        if (p->req.argc == 0) {
            p->cmd = NULL;
            p->has_hash = false;
        } else {
            prepare(e, s, g->args->v, p);
        }
        g->n++;
    }
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i].has_hash) table_prefetch_entry(&e->ks.dbs[s->db].keys, g->v[i].hash);
}

/* ---------------------------------------------------------------- what stands before a handler */

enum {
    QUOTED_MAX = 128
}; /* bytes of a name, and of all arguments together, that an error repeats */

static int refuse_unknown(struct call *x) {
    struct bytes b = {0}, args = {0};
    int rc;

    for (int i = 1; i < x->argc && args.n < QUOTED_MAX; i++) {
        size_t left = QUOTED_MAX - args.n, n = x->argv[i].n;

        bytes_append_char(&args, '\'');
        bytes_append(&args, x->argv[i].p, n < left ? n : left);
        bytes_append_str(&args, "' ");
    }
    bytes_append_str(&b, "ERR unknown command '");
    bytes_append(&b, x->argv[0].p, x->argv[0].n < QUOTED_MAX ? x->argv[0].n : QUOTED_MAX);
    bytes_append_str(&b, "', with args beginning with: ");
    bytes_append(&b, args.p, args.n);
    rc = reply_err(x, bytes_cstr(&b));
    bytes_release(&args);
    bytes_release(&b);
    return rc;
}

static int refuse_subcommand(struct call *x) {
    size_t n = x->argv[1].n < QUOTED_MAX ? x->argv[1].n : QUOTED_MAX;
    char name[48];
    int i = 0;

    for (; x->cmd->name[i]; i++) name[i] = (char)toupper((unsigned char)x->cmd->name[i]);
    name[i] = '\0';
    return reply_errf(x, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)n, x->argv[1].p, name);
}

/* Who relies on snapshots is told when there are none any more. */
static const char *save_refusal(const struct engine *e) {
    if (e->saver.last_ok || !e->v->stop_writes_on_bgsave_error || e->v->save.n == 0) return NULL;
    return "Redis is configured to save RDB snapshots, but it's currently unable to persist to "
           "disk. Commands that may modify the data set are disabled, because this instance is "
           "configured to report errors during writes if RDB snapshotting fails "
           "(stop-writes-on-bgsave-error option). Please check the Redis logs for details about "
           "the RDB error.";
}

bool call_refusal(const struct engine *e, uint32_t flags, char text[CALL_REFUSAL_MAX]) {
    const char *why = flags & CMD_WRITE ? aof_refusal(e->aof) : NULL;

    if (flags & CMD_DENYOOM && evict_is_stuck(e)) {
        snprintf(text, CALL_REFUSAL_MAX, "OOM command not allowed when used memory > 'maxmemory'.");
        return true;
    }
    if (!why && flags & CMD_WRITE) why = save_refusal(e);
    if (why) snprintf(text, CALL_REFUSAL_MAX, "MISCONF %s", why);
    return why != NULL;
}

static int refuse(struct call *x, const char *text) {
    x->cmd->rejected++;
    return multi_is_exec(x->cmd) ? multi_abort(x, text) : reply_err(x, text);
}

/* In RESP2 a subscriber could not tell replies from messages. */
static int refuse_subscriber(struct call *x) {
    char text[CALL_REFUSAL_MAX];

    snprintf(text, sizeof text,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context",
             x->cmd->name);
    return refuse(x, text);
}

static int refuse_arity(struct call *x) {
    char text[CALL_REFUSAL_MAX];

    snprintf(text, sizeof text, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    return refuse(x, text);
}

/* What goes to make room counts as a change that this command made. */
static void make_room(struct call *x) {
    uint32_t flags = x->cmd->row->flags;

    if (!(flags & (CMD_DENYOOM | CMD_WRITE | CMD_RUNS_SCRIPT | CMD_IN_MULTI))) return;
    if (evict_some(x->e) && x->e->gate.level != AOF_LEVEL_NONE) x->need = aof_appended(x->e->aof);
}

static bool may_run(struct call *x) {
    struct bytes why = {0}, text = {0};
    enum acl_scene scene = multi_is_open(x->s) ? ACL_IN_MULTI : ACL_AT_TOP;

    if (__builtin_expect(x->s->user->total, 1)) return true;
    if (acl_judge(x, x->cmd, x->argc, x->argv, scene, &why) == ACL_OK) return true;
    bytes_printf(&text, "NOPERM %s", bytes_cstr(&why));
    refuse(x, text.p);
    bytes_release(&why);
    bytes_release(&text);
    return false;
}

/* 0: go on; -1: answered. */
static int pass_gates(struct call *x, bool unknown_sub) {
    char why[CALL_REFUSAL_MAX];
    uint32_t flags;

    if (!x->cmd) return refuse_unknown(x);
    if (unknown_sub) return refuse_subcommand(x);
    if (!command_arity_ok(x->cmd->row, x->argc)) return refuse_arity(x);
    flags = x->cmd->row->flags;
    if (!(x->s->flags & SESSION_AUTHENTICATED) && !(flags & CMD_NO_AUTH) && !acl_is_served(x->s))
        return refuse(x, "NOAUTH Authentication required.");
    if (flags & CMD_NO_MULTI && multi_is_open(x->s))
        return refuse(x, "ERR Command not allowed inside a transaction");
    if (!may_run(x)) return -1;
    if (x->e->loading && !(flags & CMD_LOADING)) return refuse(x, ERR_LOADING);
    if (__builtin_expect(x->e->v->maxmemory != 0, 0)) make_room(x);
    if (flags & (CMD_DENYOOM | CMD_WRITE) && call_refusal(x->e, flags, why)) return refuse(x, why);
    if (x->s->subscriber && x->s->resp == 2 && !(flags & CMD_IN_SUBSCRIBED))
        return refuse_subscriber(x);
    if (__builtin_expect(x->e->busy, 0) && !(flags & CMD_ALLOW_BUSY))
        return refuse(x, engine_busy_error(x->e));
    return 0;
}

/* POST and Host: are what a browser sends: somebody is being tricked into talking to us. */
static bool is_cross_protocol(const struct call *x) {
    return slice_is(x->argv[0], "post") || slice_is(x->argv[0], "host:");
}

static void cut_off_cross_protocol(struct call *x) {
    struct session_wire wire;

    x->s->ops->describe(x->s, &wire);
    log_warning(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: "
        "commands to Redis. This is likely due to an attacker attempting to use Cross "
        "Protocol Scripting to compromise your Redis instance. Connection from %s aborted.",
        wire.addr);
    x->s->ops->close(x->s, false);
}

static bool must_park(const struct engine *e, const struct session *s, const struct pending *p) {
    uint32_t flags = p->cmd ? p->cmd->row->flags : 0;

    if (flags & CMD_IN_MULTI) flags |= multi_flags(s);
    if (__builtin_expect(pause_holds(&e->pause, flags), 0))
        return p->cmd && command_arity_ok(p->cmd->row, (int)p->req.argc);
    return flags & (CMD_WRITE | CMD_RUNS_SCRIPT) &&
           __builtin_expect(aof_backlog(e->aof) > e->v->aof_buffer_limit, 0);
}

/* True if the command has to wait for room in the log, or for the end of a pause: it is not
 * executed. */
static bool park(struct engine *e, struct session *s, const struct pending *p) {
    if (!must_park(e, s, p)) return false;
    session_enter(s, SESSION_PARKED);
    return true;
}

/* ---------------------------------------------------------------- running one */

/* The log is read back by a strict reader. */
static inline bool is_canonical(const struct call *x) {
    struct bytes b = {0};
    bool same;

    encode_command(&b, (size_t)x->argc, x->argv);
    same = slice_eq(bytes_slice(&b), x->raw);
    bytes_release(&b);
    return same;
}

/* Logs what the call did, and says what its reply has to wait for. */
static void propagate(struct call *x) {
    struct engine *e = x->e;
    bool changed = e->dirty != x->dirty_before;

    if (!changed && e->effects.n == 0) return;
    if (e->replaying || !aof_logs(aof_phase(e->aof))) return;
    if (changed && !x->rewritten && e->effects.n == 0 && x->raw.n && !x->inner) {
        DCHECK(is_canonical(x));
        aof_append(e->aof, x->db->id, x->raw);
    } else {
        if (changed && !x->rewritten) effect(x, x->argc, x->argv);
        if (x->inner) return; /* the outer command logs it all */
        effects_flush(e);
    }
    if (changed) x->need = aof_appended(e->aof);
}

/* A client that waits has not been answered: what it asked to be silent about is still to come. */
static void apply_reply_mode(struct call *x, uint64_t from) {
    struct session *s = x->s;

    if (__builtin_expect(
            !(s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT)), 1))
        return;
    if (x->waits) return;
    session_silence(s, from);
    if (s->flags & SESSION_REPLY_SKIP_NEXT) {
        s->flags &= (uint16_t)~SESSION_REPLY_SKIP_NEXT;
        s->flags |= SESSION_REPLY_SKIP;
    }
}

static void tell_all_changed(struct engine *e) {
    if (aof_logs(aof_phase(e->aof))) gate_all_changed(&e->gate);
    all_touched(e);
}

static int execute(struct call *x, uint64_t *clock_ns) {
    struct engine *e = x->e;
    uint64_t now, from = x->r.out->end;
    int rc;

    if (__builtin_expect(e->nmonitors > 0, 0)) monitor_show_before(x);
    rc = x->cmd->row->fn(x);
    now = clock_real_ns();
    propagate(x);
    if (x->all_changed && e->dirty != x->dirty_before) tell_all_changed(e);
    if (x->all_changed) tracking_all_changed(e);
    observe(x, now - *clock_ns, x->r.out->end - from, rc);
    *clock_ns = now;
    if (x->cmd->row->flags & CMD_WHOLE_KEYSPACE && e->gate.level != AOF_LEVEL_NONE)
        x->need = aof_appended(e->aof);
    return rc;
}

static int run_inner(struct call *outer, struct command_slot *cmd, int argc,
                     const struct slice *argv, const struct reply *to) {
    struct engine *e = outer->e;
    struct session *s = outer->s;
    uint64_t clock_ns = clock_real_ns();
    struct call x = {.e = e,
                     .s = s,
                     .cmd = cmd,
                     .argv = argv,
                     .argc = argc,
                     .db = &e->ks.dbs[s->db],
                     .r = to ? *to : (struct reply){&s->out, s->resp},
                     .now_ms = outer->now_ms,
                     .dirty_before = e->dirty,
                     .may_not_wait = true,
                     .inner = true,
                     .scripted = to != NULL};
    int rc = execute(&x, &clock_ns);

    if (x.need > outer->need) outer->need = x.need;
    e->stats.commands++;
    return rc;
}

int call_inner(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv) {
    return run_inner(outer, cmd, argc, argv, NULL);
}

int call_scripted(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv,
                  struct reply to) {
    return run_inner(outer, cmd, argc, argv, &to);
}

static void count_run(struct call *x) {
    x->e->stats.commands++;
    x->s->commands++;
}

/* While another command is being executed: what is allowed then changes nothing that is logged,
 * and what the other one has not logged yet is left alone. */
static void run_within(struct call *x, bool unknown_sub) {
    uint64_t from = x->s->out.end;

    if (pass_gates(x, unknown_sub) < 0)
        multi_fail(x->s);
    else if (multi_queues(x))
        multi_queue(x);
    else
        x->cmd->row->fn(x);
    count_run(x);
    apply_reply_mode(x, from);
}

static void run(struct call *x, bool unknown_sub, uint64_t *clock_ns) {
    struct engine *e = x->e;
    uint64_t from = x->s->out.end;

    if (__builtin_expect(e->busy, 0)) {
        run_within(x, unknown_sub);
        return;
    }
    x->dirty_before = e->dirty;
    push_run(&e->pushes, x->s);
    if (pass_gates(x, unknown_sub) < 0) {
        multi_fail(x->s);
    } else if (__builtin_expect(multi_queues(x), 0)) {
        multi_queue(x);
    } else {
        execute(x, clock_ns);
        x->s->last_cmd = x->cmd;
    }
    if (!x->again) count_run(x);
    apply_reply_mode(x, from);
    if (x->need && x->need > aof_safe(e->aof, e->gate.level))
        session_add_gate(x->s, from, x->need, e->gate.level);
    push_ran(e, &e->pushes, x->need);
    if (x->s->tracker) tracking_after(x);
}

bool call_again(struct blocked *b) {
    struct engine *e = b->s->e;
    uint64_t clock_ns = clock_real_ns();
    struct call x = {.e = e,
                     .s = b->s,
                     .cmd = b->cmd,
                     .argv = b->argv,
                     .argc = b->argc,
                     .db = &e->ks.dbs[b->db],
                     .r = {&b->s->out, b->s->resp},
                     .now_ms = clock_cached_ms(),
                     .again = true};

    run(&x, false, &clock_ns);
    b->need = x.need;
    return !x.waits;
}

static void protocol_error(struct engine *e, struct session *s, const char *error) {
    struct call x = {.e = e, .s = s, .r = {&s->out, s->resp}};

    log_verbose("Protocol error (%s) from client id %llu", error, (unsigned long long)s->id);
    reply_errf(&x, "ERR Protocol error: %s", error);
    request_partial_free(&s->partial);
    s->ops->close(s, true);
}

/* Executes a parsed group; returns the input used up. */
static size_t run_group(struct engine *e, struct session *s, char *in, struct group *g,
                        uint64_t *clock_ns) {
    for (size_t i = 0; i < g->n; i++) {
        struct pending *p = &g->v[i];
        struct call x;

        if (s->state != SESSION_ACTIVE) return p->offset;
        if (p->req.argc == 0) continue;
        if (park(e, s, p)) return p->offset;
        x = (struct call){.e = e,
                          .s = s,
                          .cmd = p->cmd,
                          .argv = g->args->v + p->req.first,
                          .argc = (int)p->req.argc,
                          .db = &e->ks.dbs[s->db],
                          .r = {&s->out, s->resp},
                          .first_hash = p->hash,
                          .has_first_hash = p->has_hash,
                          .now_ms = clock_cached_ms()};
        if (!p->req.is_inline) x.raw = slice_of(in + p->offset, p->req.bytes);
        if (!x.cmd && is_cross_protocol(&x)) {
            cut_off_cross_protocol(&x);
            return p->offset + p->req.bytes;
        }
        run(&x, p->unknown_sub, clock_ns);
        session_look_at_output(s);
        if (e->busy) continue;
        blocking_serve(e);
        if (__builtin_expect(!list_empty(&e->closing), 0)) session_end_closing(e);
    }
    return g->bytes;
}

size_t engine_feed(struct engine *e, struct session *s, char *in, size_t n, size_t *need) {
    struct group g;
    uint64_t clock_ns = clock_real_ns();
    size_t used = 0;

    *need = 1;
    if (!e->busy) {
        clock_refresh(); /* the loop's own reading is from before it waited */
        if (__builtin_expect(!list_empty(&e->closing), 0)) session_end_closing(e);
    }
    s->active_ms = clock_cached_ms();
    while (used < n && s->state == SESSION_ACTIVE) {
        size_t took;

        parse_group(e, s, in + used, n - used, &g);
        took = run_group(e, s, in + used, &g, &clock_ns);
        used += took;
        if (s->state != SESSION_ACTIVE) {
            /* Commands that were parsed but not run are parsed again, and so is the beginning of
             * one that stood behind them. */
            if (took < g.bytes) request_partial_free(&s->partial);
            break;
        }
        if (g.bad) {
            protocol_error(e, s, g.error);
            return n;
        }
        if (g.bytes == 0) {
            *need = g.need;
            break;
        }
        if (g.n < GROUP && used < n && s->partial) {
            *need = g.need;
            break;
        }
    }
    return used;
}

/* ---------------------------------------------------------------- the log, read back */

static void ignore_wake(struct session *s) {
    (void)s;
}

static void ignore_close(struct session *s, bool after_reply) {
    (void)s;
    (void)after_reply;
}

static void describe_log(const struct session *s, struct session_wire *out) {
    (void)s;
    *out = (struct session_wire){.addr = "log", .laddr = "log", .fd = -1, .events = ""};
}

static const struct session_ops log_ops = {ignore_wake, ignore_wake, ignore_close, describe_log};
static struct session log_session; /* of the one replay there can be */

void engine_replay_begin(struct engine *e) {
    e->replaying = true;
    session_init(&log_session, e, &log_ops);
    log_session.flags |= SESSION_AUTHENTICATED;
    log_session.user = e->acl.everybody;
}

void engine_replay_end(struct engine *e) {
    session_release(&log_session);
    e->replaying = false;
}

int engine_replay(void *engine, size_t argc, const struct slice *argv, struct err *err) {
    struct engine *e = engine;
    bool unknown_sub;
    struct command_slot *cmd = command_resolve(&e->commands, (int)argc, argv, &unknown_sub);
    struct call x = {.e = e,
                     .s = &log_session,
                     .cmd = cmd,
                     .argv = argv,
                     .argc = (int)argc,
                     .db = &e->ks.dbs[log_session.db],
                     .r = {&log_session.out, 2},
                     .now_ms = clock_cached_ms(),
                     .may_not_wait = true};

    if (!cmd || unknown_sub)
        return err_set(err, EINVAL, "Unknown command '%.*s' reading the append only file",
                       (int)(argv[0].n > 128 ? 128 : argv[0].n), argv[0].p);
    if (!command_arity_ok(cmd->row, x.argc))
        return err_set(err, EINVAL,
                       "wrong number of arguments for '%s' reading the append only file",
                       cmd->name);
    if (cmd->row->fn(&x) < 0) {
        struct iovec iov;

        if (out_peek(&log_session.out, &iov, 1, 200) > 0)
            log_verbose("A command of the append only file failed as it must have failed before: "
                        "%s: %.*s",
                        cmd->name, (int)iov.iov_len, (char *)iov.iov_base);
    }
    out_release(&log_session.out);
    return 0;
}
