/* SPDX-License-Identifier: BSD-3-Clause
 *
 * link_handshake - what a replica says to its master before the data set or the stream.
 *
 * PING is said and answered first; AUTH and what REPLCONF tells are said together, and their
 * answers come in that order; then PSYNC. A master that does not know PSYNC is asked by SYNC.
 */
#include "conf/conf.h"
#include "server/replication/history.h"
#include "server/replication/link_private.h"
#include "storage/base/log.h"
#include "storage/base/num.h"

#include <ctype.h>
#include <stdio.h>

enum { SHOWN = 200 };

static int shown(struct slice line) {
    return line.n < SHOWN ? (int)line.n : SHOWN;
}

static bool begins(struct slice line, const char *word) {
    size_t n = strlen(word);

    return line.n >= n && memcmp(line.p, word, n) == 0;
}

/* ---------------------------------------------------------------- the steps before PSYNC */

static bool always(const struct replication *r) {
    (void)r;
    return true;
}

static void say_ping(struct replication *r) {
    LINK_SAY(r, SLICE("PING"));
}

static bool take_pong(struct replication *r, struct slice line) {
    (void)r;
    if (begins(line, "+") || begins(line, "-NOAUTH") || begins(line, "-NOPERM") ||
        begins(line, "-ERR operation not permitted")) {
        log_notice("Master replied to PING, replication can continue...");
        return true;
    }
    log_warning("Error reply to PING from master: '%.*s'", shown(line), line.p);
    return false;
}

static bool has_auth(const struct replication *r) {
    return r->e->v->masterauth.p != NULL;
}

static void say_auth(struct replication *r) {
    const struct conf_values *v = r->e->v;
    struct slice password = slice_of(v->masterauth.p, v->masterauth.n);

    if (v->masteruser)
        LINK_SAY(r, SLICE("AUTH"), slice_str(v->masteruser), password);
    else
        LINK_SAY(r, SLICE("AUTH"), password);
}

static bool take_auth(struct replication *r, struct slice line) {
    (void)r;
    if (!begins(line, "-")) return true;
    log_warning("Unable to AUTH to MASTER: %.*s", shown(line), line.p);
    return false;
}

static void say_port(struct replication *r) {
    const struct conf_values *v = r->e->v;
    char text[NUM_I64_MAX];
    int tcp = 0, tls = 0;
    int64_t port = v->replica_announce_port;

    r->app.ports(r->app.arg, &tcp, &tls);
    if (!port) port = v->tls_replication ? tls : tcp;
    if (!port) port = tcp ? tcp : tls;
    LINK_SAY(r, SLICE("REPLCONF"), SLICE("listening-port"),
             slice_of(text, (size_t)num_format_i64(text, port)));
}

static bool has_ip(const struct replication *r) {
    return r->e->v->replica_announce_ip != NULL;
}

static void say_ip(struct replication *r) {
    LINK_SAY(r, SLICE("REPLCONF"), SLICE("ip-address"), slice_str(r->e->v->replica_announce_ip));
}

static void say_capa(struct replication *r) {
    LINK_SAY(r, SLICE("REPLCONF"), SLICE("capa"), SLICE("eof"), SLICE("capa"), SLICE("psync2"),
             SLICE("capa"), SLICE("history"));
}

/* The Valkey whose files this server reads: Valkey sends no times of fields to an older replica,
 * and breaks the sync off if there are some. */
static void say_version(struct replication *r) {
    LINK_SAY(r, SLICE("REPLCONF"), SLICE("version"), SLICE("9.0.0"));
}

/* What came does not hold, twice in a row: then nothing of this history is used. */
static bool may_go_on(const struct replication *r) {
    return r->stream.active && r->link.damaged < 2;
}

/* A master that answered to "capa history" is one of stet. */
static bool has_history(const struct replication *r) {
    return may_go_on(r) && r->link.told.id[0] && history_is_useful(&r->stream);
}

static void say_history(struct replication *r) {
    char text[HISTORY_MAX];

    history_put(&r->stream, text);
    LINK_SAY(r, SLICE("REPLCONF"), SLICE("data-at"), slice_str(text));
}

/* An old master does not know every option, which is no harm. */
static bool understood(const char *option, struct slice line) {
    if (begins(line, "-"))
        log_notice("(Non critical) Master does not understand REPLCONF %s: %.*s", option,
                   shown(line), line.p);
    return true;
}

static bool take_port(struct replication *r, struct slice line) {
    (void)r;
    return understood("listening-port", line);
}

static bool take_ip(struct replication *r, struct slice line) {
    (void)r;
    return understood("ip-address", line);
}

static bool take_capa(struct replication *r, struct slice line) {
    if (begins(line, "+OK ")) history_hear(&r->link.told, slice_of(line.p + 4, line.n - 4));
    return understood("capa", line);
}

/* Redis knows no such option. */
static bool take_version(struct replication *r, struct slice line) {
    (void)r, (void)line;
    return true;
}

static bool take_history(struct replication *r, struct slice line) {
    (void)r;
    return understood("data-at", line);
}

static const struct step {
    bool (*wanted)(const struct replication *r);
    void (*say)(struct replication *r);
    bool (*take)(struct replication *r, struct slice line); /* false: the link ends */
    bool waits; /* for the answers to those before it; the others are said together */
} steps[] = {
    {always, say_ping, take_pong},
    {has_auth, say_auth, take_auth},
    {always, say_port, take_port},
    {has_ip, say_ip, take_ip},
    {always, say_version, take_version},
    {always, say_capa, take_capa},
    {has_history, say_history, take_history, .waits = true},
};

enum { STEPS = sizeof steps / sizeof *steps }; /* the step after them: PSYNC */

/* ---------------------------------------------------------------- PSYNC */

/* A server that was a master says its id, as others do, also where it has kept nothing of that
 * history: its master counts a partial sync that it refused. */
static bool has_id(const struct replication *r) {
    return may_go_on(r) || (r->link.was_master && !r->stream.active && r->link.damaged < 2);
}

static void say_psync(struct replication *r) {
    struct master_link *l = &r->link;
    char from[NUM_I64_MAX];
    struct slice offset;

    l->asked_partial = may_go_on(r);
    l->plain = false;
    if (!has_id(r)) {
        log_notice("Partial resynchronization not possible (no cached master)");
        LINK_SAY(r, SLICE("PSYNC"), SLICE("?"), SLICE("-1"));
        return;
    }
    log_notice("Trying a partial resynchronization (request %s:%llu).", r->stream.id,
               (unsigned long long)r->stream.offset + 1);
    offset = slice_of(from, (size_t)num_format_i64(from, (int64_t)r->stream.offset + 1));
    if (r->failover.state == FAILOVER_IN_PROGRESS)
        LINK_SAY(r, SLICE("PSYNC"), slice_str(r->stream.id), offset, SLICE("FAILOVER"));
    else
        LINK_SAY(r, SLICE("PSYNC"), slice_str(r->stream.id), offset);
}

static bool is_id(struct slice s) {
    if (s.n != LINK_ID_CHARS) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isxdigit((unsigned char)s.p[i])) return false;
    return true;
}

/* "+FULLRESYNC <id> <offset>" */
static void take_full(struct replication *r, struct slice line) {
    static const size_t word = sizeof "+FULLRESYNC " - 1;
    struct master_link *l = &r->link;
    struct slice id = {line.p + word, LINK_ID_CHARS}, rest;
    int64_t offset;

    if (line.n > word + LINK_ID_CHARS + 1 && is_id(id) && id.p[LINK_ID_CHARS] == ' ') {
        rest = slice_of(id.p + LINK_ID_CHARS + 1, line.n - word - LINK_ID_CHARS - 1);
        if (num_parse_i64(rest.p, rest.n, &offset) && offset >= 0) {
            memcpy(l->id, id.p, LINK_ID_CHARS);
            l->id[LINK_ID_CHARS] = '\0';
            l->offset = (uint64_t)offset;
            failover_accepted(r);
            log_notice("Full resync from master: %s:%lld", l->id, (long long)offset);
            link_enter(r, LINK_RECEIVE);
            return;
        }
    }
    log_warning("Master replied with wrong +FULLRESYNC syntax.");
    link_broken(r);
}

/* The master goes on from an earlier offset: where the data set is. What the stream of this server
 * has said since is given up, by its replicas too. */
static bool go_back(struct replication *r, struct slice from) {
    struct master_link *l = &r->link;
    int64_t at;

    if (!num_parse_i64(from.p, from.n, &at) || !has_history(r) ||
        (uint64_t)at != r->stream.data_end + 1)
        return false;
    log_notice("The replication stream goes back from offset %llu to %llu: what it said since did "
               "not change the data set",
               (unsigned long long)r->stream.offset, (unsigned long long)r->stream.data_end);
    replicas_drop_all(r);
    repl_stream_rewind(&r->stream);
    notes_clear(&r->safe);
    notes_clear(&l->positions);
    if (l->synced > r->stream.offset) l->synced = r->stream.offset;
    return true;
}

/* Takes the offset that may stand after the master's id. */
static bool take_offset(struct replication *r, struct slice *id) {
    struct slice rest;

    if (id->n <= LINK_ID_CHARS + 1 || id->p[LINK_ID_CHARS] != ' ') return true;
    rest = slice_of(id->p + LINK_ID_CHARS + 1, id->n - LINK_ID_CHARS - 1);
    id->n = LINK_ID_CHARS;
    return is_id(*id) && go_back(r, rest);
}

/* "+CONTINUE", or with the master's id, which may be another one since, or with an offset too
 * (history.h). */
static void take_continue(struct replication *r, struct slice line) {
    static const size_t word = sizeof "+CONTINUE" - 1;
    struct slice id = {line.p + word, line.n - word};
    char text[LINK_ID_CHARS + 1];

    while (id.n && id.p[0] == ' ') id = slice_of(id.p + 1, id.n - 1);
    if (!r->link.asked_partial || !take_offset(r, &id) || (id.n && !is_id(id))) {
        log_warning("Unexpected reply to PSYNC from master: %.*s", shown(line), line.p);
        link_broken(r);
        return;
    }
    log_notice("Successful partial resynchronization with master.");
    failover_accepted(r);
    if (id.n && !slice_eq(id, slice_str(r->stream.id))) {
        memcpy(text, id.p, LINK_ID_CHARS);
        text[LINK_ID_CHARS] = '\0';
        log_notice("Master replication ID changed to %s", text);
        repl_stream_continue_as(&r->stream, text);
        replicas_drop_all(r);
    }
    history_use(&r->link.told, &r->stream, UINT64_MAX);
    replication_tell_log(r);
    log_notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.");
    link_stream(r);
}

static void take_refusal(struct replication *r, struct slice line) {
    struct master_link *l = &r->link;

    if (begins(line, "-NOMASTERLINK") || begins(line, "-LOADING")) {
        log_notice("Master is currently unable to PSYNC but should be in the future: %.*s",
                   shown(line), line.p);
        link_lost(r);
        return;
    }
    if (begins(line, "-"))
        log_notice("Master does not support PSYNC or is in error state (reply: %.*s)", shown(line),
                   line.p);
    else
        log_warning("Unexpected reply to PSYNC from master: %.*s", shown(line), line.p);
    log_notice("Retrying with SYNC...");
    l->plain = true;
    link_enter(r, LINK_RECEIVE);
    LINK_SAY(r, SLICE("SYNC"));
}

static void take_psync(struct replication *r, struct slice line) {
    if (line.n == 0) return; /* the master is busy, and says that it is alive */
    if (r->failover.state == FAILOVER_IN_PROGRESS && begins(line, "-")) {
        failover_refused(r);
        return;
    }
    if (begins(line, "+FULLRESYNC "))
        take_full(r, line);
    else if (begins(line, "+CONTINUE"))
        take_continue(r, line);
    else
        take_refusal(r, line);
}

/* ---------------------------------------------------------------- the whole */

void link_greet(struct replication *r) {
    r->link.step = 0;
    r->link.told = (struct history_told){0};
    steps[0].say(r);
}

/* On to the next step that is wanted; PSYNC follows the last answer. */
static void next_step(struct replication *r) {
    struct master_link *l = &r->link;

    do {
        l->step++;
    } while (l->step < STEPS && !steps[l->step].wanted(r));
    if (l->step == STEPS)
        say_psync(r);
    else if (steps[l->step].waits)
        steps[l->step].say(r);
}

static void take(struct replication *r, struct slice line) {
    struct master_link *l = &r->link;

    if (l->step == STEPS) {
        take_psync(r, line);
        return;
    }
    if (!steps[l->step].take(r, line)) {
        link_lost(r);
        return;
    }
    for (unsigned i = 1; l->step == 0 && i < STEPS; i++)
        if (!steps[i].waits && steps[i].wanted(r)) steps[i].say(r);
    next_step(r);
}

size_t link_handshake_input(struct replication *r, char *in, size_t n, size_t *need) {
    const struct session *s = r->link.s;
    size_t used = 0;

    while (used < n && r->link.s == s && r->link.state == LINK_HANDSHAKE) {
        struct slice line;
        size_t part = link_take_line(r, in + used, n - used, &line, need);

        if (part == 0 || r->link.s != s) break;
        used += part;
        take(r, line);
    }
    return used;
}
