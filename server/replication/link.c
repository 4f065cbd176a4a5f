/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/link.h"

#include "conf/conf.h"
#include "protocol/encode.h"
#include "server/exec/acl.h"
#include "server/replication/link_private.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#define SECOND_US UINT64_C(1000000)

enum { RETRY_MAX_S = 30, SOUND_S = 60 /* a stream that has held for so long is sound */ };

static const unsigned next_states[LINK_STATES] = {
    [LINK_OFF] = 1u << LINK_WAIT,
    [LINK_WAIT] = 1u << LINK_OFF | 1u << LINK_WAIT | 1u << LINK_RESOLVE | 1u << LINK_CONNECT,
    [LINK_RESOLVE] = 1u << LINK_OFF | 1u << LINK_WAIT | 1u << LINK_CONNECT,
    [LINK_CONNECT] = 1u << LINK_OFF | 1u << LINK_WAIT | 1u << LINK_HANDSHAKE,
    [LINK_HANDSHAKE] = 1u << LINK_OFF | 1u << LINK_WAIT | 1u << LINK_RECEIVE | 1u << LINK_STREAM,
    [LINK_RECEIVE] = 1u << LINK_OFF | 1u << LINK_WAIT | 1u << LINK_LOAD,
    [LINK_LOAD] = 1u << LINK_OFF | 1u << LINK_WAIT | 1u << LINK_STREAM,
    [LINK_STREAM] = 1u << LINK_OFF | 1u << LINK_WAIT,
};

void link_enter(struct replication *r, enum link_state to) {
    struct master_link *l = &r->link;

    CHECK(next_states[l->state] & (1u << to));
    if (l->state == LINK_STREAM) l->down_since_us = clock_mono_us();
    l->state = to;
    l->heard_us = l->entered_us = clock_mono_us();
    r->e->role.link_up = to == LINK_STREAM;
    CHECK(to >= LINK_CONNECT || !l->s);
}

/* ---------------------------------------------------------------- its end */

/* The session goes, and what belongs to it. What is told of its end after this concerns no link. */
static void let_go(struct replication *r) {
    struct master_link *l = &r->link;
    struct session *s = l->s;

    l->s = NULL;
    apply_forget(&l->apply);
    link_receive_forget(r);
    resolve_drop(l->resolve);
    l->resolve = NULL;
    if (s) s->ops->close(s, false);
}

static void wait(struct replication *r, uint64_t delay_us) {
    struct master_link *l = &r->link;
    bool was_up = l->state == LINK_STREAM;

    if (was_up) log_notice("Connection with master lost.");
    let_go(r);
    l->retry_at_us = clock_mono_us() + delay_us;
    link_enter(r, LINK_WAIT);
    if (was_up) log_notice("Caching the disconnected master state.");
}

void link_lost(struct replication *r) {
    uint64_t age_us = clock_mono_us() - r->link.entered_us;

    /* An established link is tried again at once. */
    wait(r, r->link.state == LINK_STREAM && age_us >= SECOND_US ? 0 : SECOND_US);
}

void link_broken(struct replication *r) {
    unsigned delay_s = 1u << (r->link.damaged < 5 ? r->link.damaged : 5);

    r->link.damaged++;
    wait(r, (delay_s < RETRY_MAX_S ? delay_s : RETRY_MAX_S) * SECOND_US);
}

/* ---------------------------------------------------------------- the session */

static void opened(struct session *s) {
    struct replication *r = s->source_arg;

    if (r->link.s != s) return;
    log_notice("Non blocking connect for SYNC fired the event.");
    link_enter(r, LINK_HANDSHAKE);
    link_greet(r);
}

static void connect_next(struct replication *r);

static void closed(struct session *s, const char *why) {
    struct replication *r = s->source_arg;
    struct master_link *l = &r->link;

    if (l->s != s) return;
    l->s = NULL;
    switch (l->state) {
    case LINK_CONNECT:
        log_warning("Error condition on socket for SYNC: %s", why ? why : "closed");
        l->address++;
        connect_next(r);
        return;
    case LINK_HANDSHAKE:
        log_warning("Master closed the connection in the handshake: %s",
                    why ? why : "connection lost");
        break;
    case LINK_RECEIVE:
        log_warning("I/O error trying to sync with MASTER: %s", why ? why : "connection lost");
        break;
    case LINK_LOAD: return; /* what has come is loaded all the same */
    default: break;
    }
    link_lost(r);
}

/* The stream has to wait: for a script, for the end of a pause, for room in the AOF buffer (of
 * which more than `most` is in use), or for a disk that takes no writes. */
static bool is_held(const struct replication *r, uint64_t most) {
    const struct engine *e = r->e;

    if (e->busy || e->pause.mode != PAUSE_NONE || aof_backlog(e->aof) > most) return true;
    return !e->v->replica_ignore_disk_write_errors && aof_refusal(e->aof);
}

static size_t stream_input(struct replication *r, struct session *s, char *in, size_t n,
                           size_t *need) {
    struct err e;
    ssize_t used;

    if (is_held(r, r->e->v->aof_buffer_limit)) {
        session_enter(s, SESSION_BLOCKED); /* until link_step() */
        return 0;
    }
    used = apply_input(r, s, in, n, need, &e);
    if (used >= 0) return (size_t)used;
    log_warning("The replication stream does not hold after offset %llu: %s. Closing the link to "
                "the master.",
                (unsigned long long)r->stream.offset, e.text);
    if (r->link.s == s) link_broken(r);
    return n;
}

static size_t input(struct session *s, char *in, size_t n, size_t *need) {
    struct replication *r = s->source_arg;
    struct master_link *l = &r->link;
    size_t used = 0;

    *need = 1;
    l->heard_us = clock_mono_us();
    s->active_ms = clock_cached_ms();
    while (used < n && l->s == s && s->state == SESSION_ACTIVE) {
        enum link_state before = l->state;

        if (before == LINK_HANDSHAKE)
            used += link_handshake_input(r, in + used, n - used, need);
        else if (before == LINK_RECEIVE)
            used += link_receive_input(r, in + used, n - used, need);
        else
            used += stream_input(r, s, in + used, n - used, need);
        if (l->state == before) break;
    }
    return l->s == s ? used : n;
}

static const struct session_source source = {input, opened, closed};

/* ---------------------------------------------------------------- connecting */

static void connect_next(struct replication *r) {
    struct master_link *l = &r->link;
    struct err e = {0};

    for (; l->address < l->to.n; l->address++) {
        l->s = r->app.connect(r->app.arg, l->to.ip[l->address], l->port, &source, r, &e);
        if (l->s) break;
    }
    if (!l->s) {
        if (e.code) log_warning("Unable to connect to MASTER: %s", e.text);
        wait(r, SECOND_US);
        return;
    }
    l->s->user = r->e->acl->everybody;
    if (l->state != LINK_CONNECT) {
        link_enter(r, LINK_CONNECT);
        log_notice("MASTER <-> REPLICA sync started");
    }
}

static void begin(struct replication *r) {
    struct master_link *l = &r->link;

    log_notice("Connecting to MASTER %s:%d", l->host, l->port);
    l->address = l->to.n = 0;
    if (resolve_at_once(l->host, &l->to)) {
        connect_next(r);
        return;
    }
    l->resolve = resolve_start(l->host, r->app.wake, r->app.arg);
    if (l->resolve)
        link_enter(r, LINK_RESOLVE);
    else
        l->retry_at_us = clock_mono_us() + SECOND_US;
}

static void take_addresses(struct replication *r) {
    struct master_link *l = &r->link;
    struct err e;

    if (!resolve_take(l->resolve, &l->to, &e)) return;
    resolve_drop(l->resolve);
    l->resolve = NULL;
    if (l->to.n > 0) {
        connect_next(r);
        return;
    }
    log_warning("Unable to connect to MASTER: %s", e.text);
    wait(r, SECOND_US);
}

void link_follow(struct replication *r, const char *host, int port) {
    struct master_link *l = &r->link;
    char *name = host ? mem_strdup(host) : NULL;

    CHECK(l->state != LINK_LOAD); /* the load is under way, and uses the file */
    if (l->state != LINK_OFF) {
        let_go(r);
        link_enter(r, LINK_OFF);
    }
    mem_free(l->host);
    l->host = name;
    l->port = port;
    l->has_synced = l->refused_empty = false;
    l->damaged = 0;
    l->down_since_us = 0;
    if (!host) return;
    l->retry_at_us = 0;
    link_enter(r, LINK_WAIT);
    begin(r);
}

void link_release(struct replication *r) {
    link_follow(r, NULL, 0);
    apply_release(&r->link.apply);
    notes_release(&r->link.positions);
}

bool link_knows_address(const struct replication *r, const char *ip) {
    for (size_t i = 0; i < r->link.to.n; i++)
        if (strcmp(r->link.to.ip[i], ip) == 0) return true;
    return false;
}

/* ---------------------------------------------------------------- what is said */

void link_say(struct replication *r, size_t argc, const struct slice *argv) {
    struct session *s = r->link.s;
    struct bytes b = {0};

    encode_command(&b, argc, argv);
    out_append(&s->out, b.p, b.n);
    bytes_release(&b);
    s->ops->wake(s);
}

size_t link_take_line(struct replication *r, char *in, size_t n, struct slice *line, size_t *need) {
    size_t look = n < LINK_LINE_MAX ? n : LINK_LINE_MAX;
    const char *end = memchr(in, '\n', look);

    if (!end && look == LINK_LINE_MAX) {
        log_warning("The master sent a line of more than %d bytes. Closing the link.",
                    LINK_LINE_MAX);
        link_broken(r);
        return n;
    }
    if (!end) {
        *need = n + 1;
        return 0;
    }
    *line = slice_of(in, (size_t)(end - in));
    if (line->n && line->p[line->n - 1] == '\r') line->n--;
    return (size_t)(end - in) + 1;
}

/* Notes where the AOF is now, and which noted offsets are synced. */
static void note_synced(struct replication *r) {
    struct master_link *l = &r->link;
    uint64_t synced;

    notes_add(&l->positions, r->stream.offset, aof_appended(r->e->aof), 0);
    synced = notes_offset_at(&l->positions, aof_safe(r->e->aof, AOF_LEVEL_SYNCED));
    if (synced > l->synced) l->synced = synced;
}

void link_send_ack(struct replication *r) {
    struct master_link *l = &r->link;
    char offset[NUM_I64_MAX], synced[NUM_I64_MAX];
    struct slice argv[5] = {SLICE("REPLCONF"), SLICE("ACK")};

    if (!l->s || l->plain) return;
    l->acked_us = clock_mono_us();
    argv[2] = slice_of(offset, (size_t)num_format_i64(offset, (int64_t)r->stream.offset));
    if (aof_phase(r->e->aof) != AOF_ON) {
        notes_clear(&l->positions);
        l->owed = 0;
        link_say(r, 3, argv);
        return;
    }
    note_synced(r);
    argv[3] = SLICE("FACK");
    argv[4] = slice_of(synced, (size_t)num_format_i64(synced, (int64_t)l->synced));
    link_say(r, 5, argv);
}

void link_answer_ack(struct replication *r) {
    struct master_link *l = &r->link;
    uint64_t end = aof_appended(r->e->aof);

    link_send_ack(r);
    if (aof_phase(r->e->aof) != AOF_ON || aof_safe(r->e->aof, AOF_LEVEL_SYNCED) >= end) return;
    aof_want_sync(r->e->aof);
    if (!l->owed) l->owed = end;
    l->asked = end;
}

/* The acknowledgement that was owed, once its position is synced; later questions owe the next. */
static void send_owed(struct replication *r) {
    struct master_link *l = &r->link;

    if (!l->owed || aof_safe(r->e->aof, AOF_LEVEL_SYNCED) < l->owed) return;
    l->owed = l->asked > l->owed ? l->asked : 0;
    link_send_ack(r);
}

/* ---------------------------------------------------------------- now and then */

static void resume_stream(struct replication *r) {
    struct session *s = r->link.s;

    if (s->state != SESSION_BLOCKED || is_held(r, r->e->v->aof_buffer_limit / 2)) return;
    session_enter(s, SESSION_ACTIVE);
    s->ops->resume(s);
}

void link_step(struct replication *r) {
    if (r->e->loading || r->e->busy) return;
    switch (r->link.state) {
    case LINK_RESOLVE: take_addresses(r); return;
    case LINK_RECEIVE: link_receive_step(r); return;
    case LINK_STREAM:
        resume_stream(r);
        send_owed(r);
        return;
    default: return;
    }
}

/* The master hears that this replica is alive while it loads. */
static void keep_alive(struct replication *r) {
    struct master_link *l = &r->link;

    if (!l->s || clock_mono_us() - l->alive_us < SECOND_US) return;
    l->alive_us = clock_mono_us();
    out_append(&l->s->out, "\n", 1);
    l->s->ops->wake(l->s);
}

static void give_up(struct replication *r, const char *why) {
    log_warning("%s", why);
    link_lost(r);
}

static void check_time(struct replication *r) {
    struct master_link *l = &r->link;
    uint64_t silent_us = clock_mono_us() - l->heard_us;

    if (silent_us < (uint64_t)r->e->v->repl_timeout * SECOND_US) return;
    if (l->s && l->s->state == SESSION_BLOCKED) return; /* this side does not read */
    switch (l->state) {
    case LINK_RESOLVE:
    case LINK_CONNECT:
    case LINK_HANDSHAKE: give_up(r, "Timeout connecting to the MASTER..."); return;
    case LINK_RECEIVE:
        give_up(r, "Timeout receiving bulk data from MASTER... If the problem persists try to set "
                   "the 'repl-timeout' parameter in redis.conf to a larger value.");
        return;
    case LINK_STREAM: give_up(r, "MASTER timeout: no data nor PING received..."); return;
    default: return;
    }
}

void link_cron(struct replication *r) {
    struct master_link *l = &r->link;

    if (l->state == LINK_LOAD) keep_alive(r);
    if (r->e->loading || r->e->busy) return;
    check_time(r);
    if (l->state == LINK_STREAM && clock_mono_us() - l->acked_us >= SECOND_US) link_send_ack(r);
    if (l->state == LINK_STREAM && clock_mono_us() - l->entered_us >= SOUND_S * SECOND_US)
        l->damaged = 0;
    if (l->state == LINK_WAIT && clock_mono_us() >= l->retry_at_us) begin(r);
    link_step(r);
}

/* ---------------------------------------------------------------- what is shown */

const char *link_state_name(const struct replication *r) {
    static const char *const names[LINK_STATES] = {
        "none", "connect", "connecting", "connecting", "handshake", "sync", "sync", "connected"};

    return names[r->link.state];
}

typedef unsigned long long ull;

static void sync_info(const struct master_link *l, struct bytes *out) {
    int64_t total = !l->data ? -1 : l->head.open ? 0 : (int64_t)l->head.size;
    int64_t got = l->data ? (int64_t)l->received : 0;

    bytes_printf(out,
                 "master_sync_total_bytes:%lld\r\nmaster_sync_read_bytes:%lld\r\n"
                 "master_sync_left_bytes:%lld\r\nmaster_sync_perc:%.2f\r\n"
                 "master_sync_last_io_seconds_ago:%llu\r\n",
                 (long long)total, (long long)got, (long long)(total - got),
                 total ? (double)got * 100 / (double)total : 0.0,
                 (ull)((clock_mono_us() - l->heard_us) / SECOND_US));
}

void link_info(const struct replication *r, struct bytes *out) {
    const struct master_link *l = &r->link;
    bool up = l->state == LINK_STREAM, syncs = l->state == LINK_RECEIVE || l->state == LINK_LOAD;
    ull applied = r->stream.active || l->was_master ? (ull)r->stream.offset : 1;
    uint64_t now = clock_mono_us();

    bytes_printf(out,
                 "master_host:%s\r\nmaster_port:%d\r\nmaster_link_status:%s\r\n"
                 "master_last_io_seconds_ago:%lld\r\nmaster_sync_in_progress:%d\r\n"
                 "slave_read_repl_offset:%llu\r\nslave_repl_offset:%llu\r\n",
                 l->host ? l->host : "", l->port, up ? "up" : "down",
                 up ? (long long)((now - l->heard_us) / SECOND_US) : -1LL, syncs,
                 up ? (ull)l->apply.read_offset : applied, applied);
    if (syncs) sync_info(l, out);
    if (!up)
        bytes_printf(out, "master_link_down_since_seconds:%lld\r\n",
                     l->down_since_us ? (long long)((now - l->down_since_us) / SECOND_US) : -1LL);
    bytes_printf(out, "slave_priority:%lld\r\nslave_read_only:%d\r\nreplica_announced:%d\r\n",
                 (long long)r->e->v->replica_priority, r->e->v->replica_read_only,
                 r->e->v->replica_announced);
    if (l->refused_empty) bytes_append_str(out, "replica_refused_empty:1\r\n");
}
