/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/apply.h"

#include "conf/conf.h"
#include "protocol/encode.h"
#include "server/exec/obey.h"
#include "server/replication/replication.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

#include <errno.h>

#define UNIT_MIN_LIMIT (UINT64_C(1) << 30)

enum {
    SHOWN = 256,         /* bytes of an error in the server log */
    TOLD_PER_SECOND = 20 /* errors; the others are counted only */
};

/* One command of the stream. */
struct item {
    struct request req;
    struct order order;
};

/* Commands that are parsed before the first of them runs, so that their keys are fetched meanwhile.
 */
enum { AHEAD = 32 };
struct ahead {
    struct item v[AHEAD];
    size_t n, bytes; /* commands; what they take of the input */
};

/* What became of a unit. */
struct outcome {
    bool changes;  /* something of it may have changed the data set */
    bool loadable; /* the AOF can run all of it again */
};

/* ---------------------------------------------------------------- errors */

static bool may_tell(struct apply *a) {
    int64_t now_s = clock_cached_ms() / 1000;

    if (a->told_s != now_s) a->told = 0;
    a->told_s = now_s;
    return a->told++ < TOLD_PER_SECOND;
}

static void tell_error(struct replication *r, const struct item *it) {
    struct engine *e = r->e;
    const struct bytes *text = &r->link.apply.error;
    int n = text->n < SHOWN ? (int)text->n : SHOWN;
    int64_t how = e->v->propagation_error_behavior;

    e->stats.unexpected_errors++;
    if (may_tell(&r->link.apply))
        log_warning("== CRITICAL == This replica is sending an error to its master: '%.*s' after "
                    "processing the command '%.*s' (offset %llu)",
                    n, text->p, slice_shown(it->order.argv[0]), it->order.argv[0].p,
                    (unsigned long long)r->stream.offset);
    if (how == CONF_PROPAGATION_IGNORE || !e->v->replica_read_only) return;
    log_warning("This replica panicked sending an error to its master after processing the command "
                "'%.*s'",
                slice_shown(it->order.argv[0]), it->order.argv[0].p);
    CHECK(!"propagation-error-behavior");
}

/* A SELECT that fails would send what follows into another database. */
static int fail_select(const struct replication *r, const struct item *it, struct err *e) {
    return err_set(e, EPROTO,
                   "database '%.*s' of the master does not exist here ('databases' %lld)",
                   it->req.argc > 1 ? slice_shown(it->order.argv[1]) : 0,
                   it->req.argc > 1 ? it->order.argv[1].p : "", (long long)r->e->v->databases);
}

/* ---------------------------------------------------------------- one unit */

static bool is_word(const struct item *it, const char *word) {
    return slice_is(it->order.argv[0], word);
}

static int obey(struct replication *r, struct session *s, const struct item *it,
                struct outcome *out, struct err *e) {
    bool changes;
    enum obeyed rc =
        engine_obey(s, &it->order, &changes, &r->link.apply.error, &r->link.apply.clock_ns);

    out->changes |= changes;
    if (rc == OBEYED) return 0;
    if (is_word(it, "select")) return fail_select(r, it, e);
    if (rc == OBEYED_NOT) out->loadable = false;
    tell_error(r, it);
    return 0;
}

/* Bytes that say nothing to the data set: the master's PING, and its question for an ACK, which is
 * answered as of before the question. */
static bool is_said(struct replication *r, const struct item *it) {
    if (is_word(it, "replconf")) {
        if (it->req.argc > 1 && slice_is(it->order.argv[1], "getack")) link_answer_ack(r);
        return true;
    }
    return is_word(it, "ping");
}

static void propagate(struct replication *r, const struct outcome *o, struct slice raw, int db,
                      int last_db) {
    bool is_data = (o->changes && o->loadable) || db != last_db;

    propagate_stream(&r->e->propagation, is_data ? UNIT_MASTER : UNIT_STREAM, raw,
                     is_data ? db : -1, is_data ? last_db : -1);
    if (o->changes) repl_stream_note_data(&r->stream);
}

static int apply_one(struct replication *r, struct session *s, const struct item *it,
                     struct err *e) {
    struct outcome out = {.loadable = true};
    int db = s->db;

    if (is_word(it, "exec") || is_word(it, "discard"))
        return err_set(e, EPROTO, "EXEC or DISCARD without MULTI");
    if (is_said(r, it)) {
        propagate(r, &out, it->order.raw, db, db);
        return 0;
    }
    engine_obey_begin(r->e, s);
    if (obey(r, s, it, &out, e) < 0) return -1;
    propagate(r, &out, it->order.raw, db, s->db);
    engine_obey_end(r->e);
    return 0;
}

/* ---------------------------------------------------------------- parsing */

static struct request_limits limits_of(const struct engine *e) {
    int64_t bulk = e->v->proto_max_bulk_len;

    if (bulk < (int64_t)UNIT_MIN_LIMIT) bulk = (int64_t)UNIT_MIN_LIMIT;
    return (struct request_limits){bulk, REQUEST_LOG_ARGS_MAX, true};
}

static int fail_form(struct err *e) {
    return err_set(e, EPROTO, "no array of bulk strings begins here");
}

/* 1: a command, whose arguments are added to `args`; 0: it is not whole; -1. */
static int parse(const struct replication *r, struct request_partial **partial,
                 struct request_args *args, char *in, size_t n, struct item *it, size_t *need,
                 struct err *e) {
    struct request_limits limits = limits_of(r->e);
    const char *error = "";

    switch (request_parse(in, n, &limits, partial, args, &it->req, need, &error)) {
    case REQUEST_MORE: return in[0] == '*' ? 0 : fail_form(e);
    case REQUEST_BAD: return err_set(e, EPROTO, "%s", error);
    case REQUEST_READY: break;
    }
    if (it->req.is_inline || it->req.argc == 0) return fail_form(e);
    it->order = (struct order){.argc = (int)it->req.argc, .raw = slice_of(in, it->req.bytes)};
    return 1;
}

/* The arguments do not move any more. */
static void prepare(struct session *s, struct item *it, const struct request_args *args) {
    it->order.argv = args->v + it->req.first;
    engine_obey_prepare(s, &it->order);
}

/* The next command of a unit that was parsed before. */
static void parse_again(struct replication *r, struct session *s, struct bytes *unit, size_t at,
                        struct item *it) {
    struct request_args *args = &r->link.apply.args;
    struct request_partial *partial = NULL;
    struct err e;
    size_t need;

    args->n = 0;
    CHECK(parse(r, &partial, args, unit->p + at, unit->n - at, it, &need, &e) == 1);
    prepare(s, it, args);
}

/* What does not hold after a command that does is found the next time. */
static int parse_ahead(struct replication *r, struct session *s, char *in, size_t n,
                       struct ahead *g, size_t *need, struct err *e) {
    struct request_args *args = &r->link.apply.ahead;

    g->n = g->bytes = 0;
    args->n = 0;
    while (g->n < AHEAD && g->bytes < n) {
        int rc = parse(r, &s->partial, args, in + g->bytes, n - g->bytes, &g->v[g->n], need, e);

        if (rc < 0 && g->n == 0) return -1;
        if (rc < 0) request_partial_free(&s->partial);
        if (rc <= 0) break;
        g->bytes += g->v[g->n++].req.bytes;
    }
    for (size_t i = 0; i < g->n; i++) prepare(s, &g->v[i], args);
    for (size_t i = 0; i < g->n; i++) engine_obey_prefetch(s, &g->v[i].order);
    return 0;
}

/* ---------------------------------------------------------------- transactions */

/* What the AOF can load of a transaction that holds something else, too: the bytes go on as they
 * came, and the AOF gets what was carried out as commands of its own. */
struct salvage {
    struct propagation *p;
    bool wanted;
};

static void salvage(struct salvage *v, const struct session *s, const struct item *it) {
    if (!v->wanted || is_word(it, "select")) return;
    encode_command(propagate_begin(v->p, s->db), it->req.argc, it->order.argv);
}

static int run_unit(struct replication *r, struct session *s, struct bytes *unit,
                    struct outcome *out, struct salvage *kept, struct err *e) {
    size_t at = 0;
    struct item it;

    while (at < unit->n) {
        bool changes = out->changes, loadable = out->loadable;

        parse_again(r, s, unit, at, &it);
        at += it.req.bytes;
        if (is_word(&it, "multi") || is_word(&it, "exec") || is_said(r, &it)) continue;
        out->changes = false;
        out->loadable = true;
        if (obey(r, s, &it, out, e) < 0) return -1;
        if (out->changes && out->loadable) salvage(kept, s, &it);
        out->changes |= changes;
        out->loadable &= loadable;
    }
    return 0;
}

/* Whether all of it is known: otherwise the AOF gets only a part of it. */
static bool unit_is_loadable(struct replication *r, struct session *s, struct bytes *unit) {
    size_t at = 0;
    struct item it;

    while (at < unit->n) {
        parse_again(r, s, unit, at, &it);
        at += it.req.bytes;
        if (!it.order.cmd || it.order.unknown_sub) return false;
        if (!command_arity_ok(it.order.cmd->row, it.order.argc)) return false;
    }
    return true;
}

static int apply_whole(struct replication *r, struct session *s, struct bytes *unit,
                       struct err *e) {
    struct propagation *p = &r->e->propagation;
    struct outcome out = {.loadable = true};
    bool loadable = unit_is_loadable(r, s, unit);
    struct salvage kept = {p, !loadable && propagate_wanted(p)};
    int db = s->db, rc;

    engine_obey_begin(r->e, s);
    rc = run_unit(r, s, unit, &out, &kept, e);
    propagate_flush(p);
    if (rc < 0) return -1;
    out.loadable = loadable;
    if (loadable)
        propagate(r, &out, bytes_slice(unit), db, s->db);
    else
        propagate_stream(p, UNIT_STREAM, bytes_slice(unit), -1, -1);
    r->stream.db = s->db;
    if (out.changes) repl_stream_note_data(&r->stream);
    engine_obey_end(r->e);
    return 0;
}

/* The unit is taken out first, as the link may end meanwhile. */
static int apply_unit(struct replication *r, struct session *s, struct err *e) {
    struct apply *a = &r->link.apply;
    struct bytes unit = a->unit;
    int rc;

    a->unit = (struct bytes){0};
    a->in_multi = false;
    rc = apply_whole(r, s, &unit, e);
    bytes_release(&unit);
    return rc;
}

/* What a unit may take at most while it is not whole. */
static uint64_t unit_limit(const struct engine *e) {
    uint64_t most = (uint64_t)e->v->client_query_buffer_limit;

    return most < UNIT_MIN_LIMIT ? UNIT_MIN_LIMIT : most;
}

static int fail_size(const struct engine *e, struct err *err) {
    return err_set(err, E2BIG, "a unit of more than %llu bytes ('client-query-buffer-limit')",
                   (unsigned long long)unit_limit(e));
}

/* Adds a command to the transaction under way, or applies it. */
static int take(struct replication *r, struct session *s, const struct item *it, struct err *e) {
    struct apply *a = &r->link.apply;

    if (!a->in_multi && !is_word(it, "multi")) return apply_one(r, s, it, e);
    if (a->in_multi && (is_word(it, "multi") || is_word(it, "discard")))
        return err_set(e, EPROTO, "MULTI or DISCARD within MULTI");
    if (a->unit.n + it->order.raw.n > unit_limit(r->e)) return fail_size(r->e, e);
    a->in_multi = true;
    bytes_append(&a->unit, it->order.raw.p, it->order.raw.n);
    return is_word(it, "exec") ? apply_unit(r, s, e) : 0;
}

/* ---------------------------------------------------------------- the stream */

void apply_begin(struct replication *r, struct session *s) {
    apply_forget(&r->link.apply);
    request_partial_free(&s->partial);
    s->db = r->stream.db < 0 ? 0 : r->stream.db;
    r->link.apply.read_offset = r->stream.offset;
}

/* Applies what was parsed, or the part for which there is time; the bytes used up. */
static ssize_t take_ahead(struct replication *r, struct session *s, const struct ahead *g,
                          uint64_t until_ns, struct err *e) {
    size_t used = 0;

    for (size_t i = 0; i < g->n; i++) {
        if (take(r, s, &g->v[i], e) < 0) return -1;
        used += g->v[i].req.bytes;
        if (r->link.s != s || s->state != SESSION_ACTIVE || r->link.apply.clock_ns >= until_ns)
            break;
    }
    return (ssize_t)used;
}

ssize_t apply_input(struct replication *r, struct session *s, char *in, size_t n, size_t *need,
                    struct err *e) {
    struct apply *a = &r->link.apply;
    uint64_t until_ns;
    struct ahead g;
    size_t used = 0;

    *need = 1;
    a->clock_ns = clock_refresh_old();
    until_ns = r->e->slice_ns ? a->clock_ns + r->e->slice_ns : UINT64_MAX;
    while (used < n) {
        ssize_t took;

        if (parse_ahead(r, s, in + used, n - used, &g, need, e) < 0) return -1;
        if (g.n == 0) {
            if (n - used > unit_limit(r->e)) return fail_size(r->e, e);
            break;
        }
        took = take_ahead(r, s, &g, until_ns, e);
        if (took < 0) return -1;
        used += (size_t)took;
        if (r->link.s != s || s->state != SESSION_ACTIVE) return (ssize_t)used;
        if ((size_t)took < g.bytes) request_partial_free(&s->partial);
        if (used < n && a->clock_ns >= until_ns) {
            *need = 0;
            break;
        }
        if ((size_t)took == g.bytes && g.n < AHEAD && s->partial) break; /* *need is known */
    }
    a->read_offset = r->stream.offset + a->unit.n + (n - used);
    return (ssize_t)used;
}

void apply_forget(struct apply *a) {
    a->in_multi = false;
    bytes_release(&a->unit);
}

void apply_release(struct apply *a) {
    apply_forget(a);
    bytes_release(&a->error);
    mem_free(a->args.v);
    mem_free(a->ahead.v);
    a->args = a->ahead = (struct request_args){0};
}
