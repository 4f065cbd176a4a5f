/* SPDX-License-Identifier: BSD-3-Clause
 *
 * psync - what a replica asks its master: REPLCONF, PSYNC, SYNC.
 */
#include "server/exec/blocking.h"
#include "server/replication/history.h"
#include "server/replication/log_reader.h"
#include "server/replication/rows.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <ctype.h>

/* ---------------------------------------------------------------- REPLCONF */

static int set_port(struct call *x, struct replica *p, int i) {
    int64_t port;

    if (!arg_int_range(x, i, 0, 65535, &port, NULL)) return -1;
    p->port = (int)port;
    return 0;
}

/* What INFO and ROLE are to show as an address or a name of a host. */
static bool is_address(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr(".:-_%[]", s.p[i])) return false;
    return true;
}

static int set_ip(struct call *x, struct replica *p, int i) {
    if (x->argv[i].n >= sizeof p->ip)
        return reply_errf(x,
                          "ERR REPLCONF ip-address provided by replica instance is too long: "
                          "%zd bytes",
                          (ssize_t)x->argv[i].n);
    if (!is_address(x->argv[i])) return reply_err(x, "ERR Invalid ip-address");
    memcpy(p->ip, x->argv[i].p, x->argv[i].n);
    p->ip[x->argv[i].n] = '\0';
    return 0;
}

static int set_capa(struct call *x, struct replica *p, int i) {
    if (arg_is(x, i, "eof")) p->capa |= REPLICA_CAPA_EOF;
    if (arg_is(x, i, "psync2")) p->capa |= REPLICA_CAPA_PSYNC2;
    if (arg_is(x, i, "history")) p->capa |= REPLICA_CAPA_HISTORY;
    return 0;
}

static int set_rdb_only(struct call *x, struct replica *p, int i) {
    int64_t on;

    if (!arg_int_range(x, i, 0, 1, &on, "ERR value is out of range, value must between 0 and 1"))
        return -1;
    p->rdb_only = on == 1;
    return 0;
}

static int set_filter(struct call *x, struct replica *p, int i) {
    struct request_args words = {0};
    struct bytes text = {0};
    int rc = 0;

    bytes_append(&text, x->argv[i].p, x->argv[i].n);
    bytes_append_char(&text, '\0');
    if (!request_split_line(text.p, x->argv[i].n, &words))
        rc = reply_err(x, "ERR Missing rdb-filter-only values");
    p->functions_only = p->no_data = false;
    for (size_t k = 0; rc == 0 && k < words.n; k++) {
        if (slice_is(words.v[k], "functions"))
            p->functions_only = true;
        else
            rc = reply_errf(x, "ERR Unsupported rdb-filter-only option: %.*s", (int)words.v[k].n,
                            words.v[k].p);
    }
    p->no_data = rc == 0 && words.n == 0;
    bytes_release(&text);
    mem_free(words.v);
    return rc;
}

/* Only Valkey says its version, and stet, which says that it reads what Valkey 9 writes. */
static int set_version(struct call *x, struct replica *p, int i) {
    enum { OTHER_FORM_SINCE = 9 };
    struct slice said = x->argv[i];
    int major = 0;

    for (size_t k = 0; k < said.n && k < 4 && said.p[k] >= '0' && said.p[k] <= '9'; k++)
        major = major * 10 + (said.p[k] - '0');
    p->is_valkey = major >= OTHER_FORM_SINCE;
    return 0;
}

/* Both say of which connection a second one is part: they announce what this server does not do, so
 * nothing has to be kept. */
static int set_nothing(struct call *x, struct replica *p, int i) {
    (void)x, (void)p, (void)i;
    return 0;
}

/* Only a replica of stet says this. */
static int set_history(struct call *x, struct replica *p, int i) {
    struct slice said = x->argv[i];

    if (said.n >= HISTORY_MAX || memchr(said.p, '\0', said.n))
        return reply_err(x, "ERR Invalid history");
    mem_free(p->history);
    p->history = mem_alloc(said.n + 1);
    memcpy(p->history, said.p, said.n);
    p->history[said.n] = '\0';
    return 0;
}

/* A number that only rises, and not beyond what was sent. */
static void raise_to(uint64_t *at, struct slice text, uint64_t most) {
    int64_t v;

    if (!num_parse_i64(text.p, text.n, &v) || v < 0) return;
    if ((uint64_t)v > most) v = (int64_t)most;
    if ((uint64_t)v > *at) *at = (uint64_t)v;
}

static void take_ack(struct call *x, struct replica *p, int i) {
    struct replication *r = x->e->replication;

    if (!(x->s->flags & SESSION_REPLICA)) return;
    p->heard_us = clock_mono_us();
    raise_to(&p->acked, x->argv[i + 1], r->stream.offset);
    if (i + 3 < x->argc && arg_is(x, i + 2, "fack")) {
        p->says_synced = true;
        raise_to(&p->synced, x->argv[i + 3], r->stream.offset);
    }
    if (p->state == REPLICA_SENDING) p->has_all = p->open_end;
    if (p->base) sync_base_acked(r, p);
    if (p->state == REPLICA_TAIL) replica_enter(p, REPLICA_ONLINE);
    if (r->e->role.few_replicas) replicas_count_good(r);
    ack_count(r);
    if (x->e->nblocked) blocked_check_progress(x->e);
}

struct option {
    const char *name;
    int (*set)(struct call *x, struct replica *p, int i);
};

static const struct option options[] = {
    {"listening-port", set_port},
    {"ip-address", set_ip},
    {"capa", set_capa},
    {"rdb-only", set_rdb_only},
    {"rdb-filter-only", set_filter},
    {"data-at", set_history},
    {"version", set_version},
    {"rdb-channel", set_nothing},
    {"main-ch-client-id", set_nothing},
};

static const struct option *find_option(struct slice name) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (slice_is(name, options[i].name)) return &options[i];
    return NULL;
}

static void answer(struct call *x, const struct replica *p) {
    char text[HISTORY_MAX + 4] = "OK ";

    if (!(p->capa & REPLICA_CAPA_HISTORY) || !arg_is(x, 1, "capa")) {
        reply_ok(&x->r);
        return;
    }
    history_tell(&x->e->replication->stream, text + 3);
    reply_simple(&x->r, text);
}

static int cmd_replconf(struct call *x) {
    struct replica *p;

    if (x->argc % 2 == 0) return reply_err(x, ERR_SYNTAX);
    p = replica_of(x->s);
    for (int i = 1; i < x->argc; i += 2) {
        const struct option *o = find_option(x->argv[i]);

        if (arg_is(x, i, "ack")) {
            take_ack(x, p, i);
            return 0;
        }
        if (arg_is(x, i, "getack")) return 0; /* a master's word; from a client it means nothing */
        if (!o)
            return reply_errf(x, "ERR Unrecognized REPLCONF option: %.*s",
                              (int)(x->argv[i].n > 128 ? 128 : x->argv[i].n), x->argv[i].p);
        if (o->set(x, p, i + 1) < 0) return -1;
    }
    answer(x, p);
    return 0;
}

/* ---------------------------------------------------------------- PSYNC, SYNC */

static void describe(struct replica *p, char *out, size_t size) {
    char ip[64];
    int port;

    replica_address(p, ip, sizeof ip, &port);
    snprintf(out, size, "%s:%d", ip, port);
}

/* Whether the stream from `from` on is still there. */
static bool is_held(const struct replication *r, uint64_t from) {
    return from >= r->stream.first || log_covers(r, from);
}

static bool can_go_on(const struct replication *r, const char *id, uint64_t from) {
    return r->stream.active && repl_stream_is_of(&r->stream, id, from) && is_held(r, from);
}

/* Where a replica can go on that has said more than PSYNC does: at an earlier offset, or in the
 * history of another id. */
static bool finds_common(const struct replication *r, const struct replica *p, uint64_t *from) {
    struct history_match m;

    if (!p->history || !(p->capa & REPLICA_CAPA_PSYNC2)) return false;
    if (!history_find(&r->stream, p->history, &m) || m.at > m.end || !is_held(r, m.at + 1))
        return false;
    log_notice("The data set of the replica is that of offset %llu of this server's history",
               (unsigned long long)m.at);
    *from = m.at + 1;
    return true;
}

/* Why a replica cannot go on from there. */
static void log_refusal(const struct replication *r, const struct replica *p, const char *id,
                        uint64_t from, const char *name) {
    struct history_match m = {.at = from - 1, .theirs = from - 1};

    snprintf(m.id, sizeof m.id, "%s", id);
    if (!r->stream.active || ((!p->history || !history_find(&r->stream, p->history, &m)) &&
                              !repl_stream_knows(&r->stream, id, &m.ours)))
        log_notice("Partial resynchronization not accepted: Replication ID mismatch (Replica asked "
                   "for '%s', my replication IDs are '%s' and '%s')",
                   id, r->stream.id, r->stream.npasts ? r->stream.past[0].id : "none");
    else if ((m.at > m.ours || m.at > m.theirs) && (p->history || strcmp(id, r->stream.id) != 0))
        log_notice("Partial resynchronization not accepted: the data set of the replica is that of "
                   "offset %llu; of the history '%s' the replica has the bytes up to %llu, this "
                   "server up to %llu",
                   (unsigned long long)m.at, m.id, (unsigned long long)m.theirs,
                   (unsigned long long)m.ours);
    else
        log_notice("Unable to partial resync with replica %s for lack of backlog (Replica request "
                   "was: %llu).",
                   name, (unsigned long long)m.at + 1);
}

/* `from`: of the first byte that follows; `told`: which the replica has to be told. */
static void go_on(struct replication *r, struct replica *p, uint64_t from, bool told,
                  const char *name) {
    char line[STREAM_ID_CHARS + 40];
    int n;

    if (told)
        n = snprintf(line, sizeof line, "+CONTINUE %s %llu\r\n", r->stream.id,
                     (unsigned long long)from);
    else if (p->capa & REPLICA_CAPA_PSYNC2)
        n = snprintf(line, sizeof line, "+CONTINUE %s\r\n", r->stream.id);
    else
        n = snprintf(line, sizeof line, "+CONTINUE\r\n");
    out_append(&p->s->out, line, (size_t)n);
    p->next = from;
    p->acked = from - 1;
    replica_enter(p, REPLICA_ONLINE);
    r->e->stats.partial_syncs++;
    log_notice("Partial resynchronization request from %s accepted. Sending %llu bytes of backlog "
               "starting from offset %llu.",
               name, (unsigned long long)(r->stream.offset + 1 - from), (unsigned long long)from);
    replicas_count_good(r);
}

static bool begin_partial(struct replication *r, struct replica *p, struct slice id, int64_t asked,
                          const char *name) {
    uint64_t from = (uint64_t)asked;
    char text[STREAM_ID_CHARS + 1] = "";
    bool told;

    if (slice_is(id, "?") || asked <= 0) return false;
    if (id.n == STREAM_ID_CHARS) memcpy(text, id.p, id.n);
    told = !can_go_on(r, text, from);
    if (told && !finds_common(r, p, &from)) {
        log_refusal(r, p, text, from, name);
        return false;
    }
    go_on(r, p, from, told, name);
    return true;
}

static int begin_full(struct call *x, struct replica *p) {
    struct replication *r = x->e->replication;

    if (p->functions_only || p->no_data) {
        if (!(p->capa & REPLICA_CAPA_EOF))
            return reply_err(x, "ERR Filtered replica requires EOF capability");
    }
    replication_begin_stream(r);
    r->e->stats.full_syncs++;
    sync_wanted(r, p);
    return 0;
}

/* The one that asks is this server's own master, or this server itself. */
static bool is_loop(const struct replication *r, const struct replica *p) {
    char ip[64];
    int port;

    if (!r->e->role.is_replica) return false;
    replica_address(p, ip, sizeof ip, &port);
    return port == r->link.port && link_knows_address(r, ip);
}

static const char *refusal(const struct call *x) {
    const struct engine *e = x->e;

    if (failover_waits(e->replication)) return "NOMASTERLINK Can't SYNC while failing over";
    if (e->role.is_replica && !e->role.link_up)
        return "NOMASTERLINK Can't SYNC while not connected with my master";
    if (out_pending(&x->s->out) > 0) return "ERR SYNC and PSYNC are invalid with pending output";
    return NULL;
}

static int begin(struct call *x, struct slice id, int64_t from, bool plain) {
    struct replication *r = x->e->replication;
    const char *why;
    struct replica *p;
    char name[80];

    if (x->s->flags & SESSION_REPLICA) return 0;
    p = replica_of(x->s);
    describe(p, name, sizeof name);
    if (is_loop(r, p))
        log_warning("Replica %s is this server's own master, or this server itself: no server of "
                    "such a circle is a master",
                    name);
    why = refusal(x);
    if (why) return reply_err(x, why);
    p->plain_sync = plain;
    log_notice("Replica %s asks for synchronization", name);
    if (!plain && begin_partial(r, p, id, from, name)) return 0;
    if (!plain && slice_is(id, "?")) log_notice("Full resync requested by replica %s", name);
    if (!plain && !slice_is(id, "?")) r->e->stats.refused_syncs++;
    return begin_full(x, p);
}

static int cmd_psync(struct call *x) {
    int64_t from;

    if (!arg_int(x, 2, &from)) return -1;
    if (failover_asked(x) && failover_take_over(x, x->argv[1]) < 0) return -1;
    return begin(x, x->argv[1], from, false);
}

static int cmd_sync(struct call *x) {
    return begin(x, SLICE("?"), -1, true);
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command psync_commands[] = {
    {"replconf", -1, CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_ALLOW_BUSY, "server",
     {0, 0, 0}, cmd_replconf, "3.0.0", "Tells a master about the replica that sends it.",
     .grammar = "!syscmd;"},
    {"psync", -3, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI, "server",
     {0, 0, 0}, cmd_psync, "2.8.0", "Asks for the replication stream from an offset on.",
     .grammar = "replicationid offset:int"},
    {"sync", 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI, "server",
     {0, 0, 0}, cmd_sync, "1.0.0", "Asks for a whole data set and the replication stream."},
    {0},
};
/* clang-format on */
