/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/dispatch.h"

#include "conf/conf.h"
#include "server/exec/acl.h"
#include "server/exec/admit.h"
#include "server/exec/multi.h"
#include "server/exec/push.h"
#include "server/exec/run.h"
#include "server/exec/tracking.h"
#include "storage/base/hash.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

enum {
    GROUP = 32,
    VALUES_AHEAD_MIN = 4, /* commands, for which fetching values ahead pays */
};

struct pending {
    struct request req;
    size_t offset; /* of its first byte */
    struct command_slot *cmd;
    uint64_t hash;
    const struct entry *likely; /* what its key will probably find; only for fetching ahead */
    bool unknown_sub, has_hash;
};

struct group {
    struct request_args *args;
    struct pending v[GROUP];
    size_t n, bytes; /* commands; what they take of the input */
    bool bad;        /* the bytes after them are no command */
    const char *error;
    size_t need;
};

/* ---------------------------------------------------------------- parsing ahead */

static void prepare(struct engine *e, const struct slice *args, struct pending *p) {
    const struct slice *argv = args + p->req.first;
    int first;

    p->cmd = command_resolve(&e->commands, (int)p->req.argc, argv, &p->unknown_sub);
    p->has_hash = false;
    if (!p->cmd) return;
    first = p->cmd->row->keys.first;
    if (first <= 0 || (size_t)first >= p->req.argc) return;
    p->hash = hash_bytes(argv[first].p, argv[first].n);
    p->has_hash = true;
}

/* Step by step for all of them, so that what each step waits for is on its way together. */
static void prefetch(const struct db *db, struct group *g) {
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i].has_hash) table_prefetch_bucket(&db->keys, g->v[i].hash);
    for (size_t i = 0; i < g->n; i++)
        g->v[i].likely = g->v[i].has_hash ? table_prefetch_entry(&db->keys, g->v[i].hash) : NULL;
    if (g->n < VALUES_AHEAD_MIN) return;
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i].likely) entry_prefetch_value(g->v[i].likely);
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
            prepare(e, g->args->v, p);
        }
        g->n++;
    }
    prefetch(&e->ks.dbs[s->db], g);
}

/* ---------------------------------------------------------------- running one */

/* A browser sends POST and Host: a web page may be using it to attack the server. */
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

/* True if the command has to wait for room in the AOF, or for the end of a pause: it is not
 * executed. */
static bool park(struct engine *e, struct session *s, const struct pending *p) {
    if (!admit_must_park(e, s, p->cmd, (int)p->req.argc)) return false;
    session_enter(s, SESSION_PARKED);
    return true;
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
        s->flags &= (uint32_t)~SESSION_REPLY_SKIP_NEXT;
        s->flags |= SESSION_REPLY_SKIP;
    }
}

static void count_run(struct call *x) {
    x->e->stats.commands++;
    x->s->commands++;
}

/* While another command is being executed: what is allowed then changes nothing that is logged,
 * and what the other one has not logged yet is left alone. */
static void run_within(struct call *x, bool unknown_sub) {
    uint64_t from = x->s->out.end;

    if (admit(x, unknown_sub) < 0)
        multi_fail(x->s);
    else if (multi_queues(x))
        multi_queue(x);
    else
        x->cmd->row->fn(x);
    count_run(x);
    apply_reply_mode(x, from);
}

/* A reply would stand in the middle of the stream, so it is dropped and the replica closed. */
static void refuse_to_reply(struct call *x) {
    struct session_wire wire;

    x->s->ops->describe(x->s, &wire);
    log_warning("Replica generated a reply to command '%s', disconnecting it: id=%llu addr=%s",
                x->cmd ? x->cmd->name : "?", (unsigned long long)x->s->id, wire.addr);
    x->s->ops->close(x->s, false);
}

static void run_plainly(struct call *x, bool unknown_sub, uint64_t *clock_ns) {
    if (admit(x, unknown_sub) < 0) {
        multi_fail(x->s);
    } else if (__builtin_expect(multi_queues(x), 0)) {
        multi_queue(x);
    } else {
        run_call(x, clock_ns);
        x->s->last_cmd = x->cmd;
    }
}

/* `way`: what a detour wants, if there is one. The reply begins at stream offset `from`. */
static inline __attribute__((always_inline)) void run_whole(struct call *x, bool unknown_sub,
                                                            uint64_t *clock_ns,
                                                            const struct detour *detour,
                                                            enum detour_way way, uint64_t from) {
    struct engine *e = x->e;
    bool to_replica = x->s->flags & SESSION_REPLICA;

    push_run(e->pushes, x->s);
    if (way == DETOUR_NONE) run_plainly(x, unknown_sub, clock_ns);
    if (detour) detour->after(detour->arg, x, from);
    if (x->from != FROM_RETRY) count_run(x);
    apply_reply_mode(x, from);
    if (__builtin_expect(to_replica, 0) && x->s->out.end != from) refuse_to_reply(x);
    session_hold(x->s, from, x->need);
    push_ran(e, e->pushes, x->need);
    if (x->s->tracker && !multi_is_open(x->s)) tracking_after(x);
}

/* A command of a client while the server is busy, or takes detours. False: it comes again. */
static __attribute__((noinline)) bool run_oddly(struct call *x, bool unknown_sub,
                                                uint64_t *clock_ns) {
    const struct detour *d = &x->e->detours.detour;
    enum detour_way way;
    uint64_t from = x->s->out.end;

    if (x->e->busy) {
        run_within(x, unknown_sub);
        return true;
    }
    way = d->before(d->arg, x, &from);
    if (way == DETOUR_LATER) return false;
    run_whole(x, unknown_sub, clock_ns, d, way, from);
    return true;
}

bool call_again(struct blocked *b) {
    uint64_t clock_ns = clock_work_ns();
    struct call x;

    call_init(&x, b->s, FROM_RETRY, b->cmd, b->argc, b->argv);
    x.db = &x.e->ks.dbs[b->db];
    b->s->flags |= SESSION_TRIES_AGAIN;
    run_whole(&x, false, &clock_ns, NULL, DETOUR_NONE, b->s->out.end);
    b->s->flags &= (uint32_t)~SESSION_TRIES_AGAIN;
    b->need = x.need;
    return !x.waits;
}

static void protocol_error(struct session *s, const char *error) {
    struct call x;

    call_init(&x, s, FROM_CLIENT, NULL, 0, NULL);
    log_verbose("Protocol error (%s) from client id %llu", error, (unsigned long long)s->id);
    reply_errf(&x, "ERR Protocol error: %s", error);
    request_partial_free(&s->partial);
    s->ops->close(s, true);
}

/* When one client has held the loop for long enough: after a slice, or after a tenth of one if the
 * turn has already lasted for more, so that many clients together do not hold it either. */
static inline uint64_t end_of_slice(struct engine *e, uint64_t now_ns) {
    if (!e->slice_ns) return UINT64_MAX;
    if (!e->turn_began_ns) e->turn_began_ns = now_ns;
    return now_ns + (now_ns - e->turn_began_ns > e->slice_ns ? e->slice_ns / 10 + 1 : e->slice_ns);
}

/* Executes a parsed group, or the part for which there is time; returns the input used up. */
static size_t run_group(struct engine *e, struct session *s, char *in, struct group *g,
                        uint64_t until_ns, uint64_t *clock_ns) {
    for (size_t i = 0; i < g->n; i++) {
        struct pending *p = &g->v[i];
        struct call x;

        if (s->state != SESSION_ACTIVE) return p->offset;
        if (__builtin_expect(*clock_ns >= until_ns, 0)) return p->offset;
        if (p->req.argc == 0) continue;
        if (park(e, s, p)) return p->offset;
        call_init(&x, s, FROM_CLIENT, p->cmd, (int)p->req.argc, g->args->v + p->req.first);
        x.first_hash = p->hash;
        x.has_first_hash = p->has_hash;
        if (!p->req.is_inline) x.raw = slice_of(in + p->offset, p->req.bytes);
        if (!x.cmd && is_cross_protocol(&x)) {
            cut_off_cross_protocol(&x);
            return p->offset + p->req.bytes;
        }
        if (__builtin_expect(e->odd & (ODD_BUSY | ODD_DETOUR), 0)) {
            if (!run_oddly(&x, p->unknown_sub, clock_ns)) return p->offset;
        } else {
            run_whole(&x, p->unknown_sub, clock_ns, NULL, DETOUR_NONE, s->out.end);
        }
        session_look_at_output(s);
        if (e->busy) continue;
        blocking_serve(e);
        if (__builtin_expect(!list_empty(&e->closing), 0)) session_end_closing(e);
    }
    return g->bytes;
}

size_t engine_feed(struct engine *e, struct session *s, char *in, size_t n, size_t *need) {
    struct group g;
    /* Clients before this one may have taken their time. While a command is under way, its "now"
     * stays what it is. */
    uint64_t clock_ns = e->busy ? clock_work_ns() : clock_refresh_old();
    uint64_t until_ns = end_of_slice(e, clock_ns);
    size_t used = 0;

    *need = 1;
    if (!e->busy) {
        if (__builtin_expect(!list_empty(&e->closing), 0)) session_end_closing(e);
    }
    s->active_ms = clock_cached_ms();
    while (used < n && s->state == SESSION_ACTIVE) {
        size_t took;

        parse_group(e, s, in + used, n - used, &g);
        took = run_group(e, s, in + used, &g, until_ns, &clock_ns);
        used += took;
        /* Commands that were parsed but not run are parsed again, and so is the beginning of one
         * that followed them. */
        if (took < g.bytes) request_partial_free(&s->partial);
        if (s->state != SESSION_ACTIVE) break;
        if (took < g.bytes || (g.bytes && used < n && clock_ns >= until_ns)) {
            *need = 0;
            break;
        }
        if (g.bad) {
            protocol_error(s, g.error);
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
