/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/replicas.h"

#include "conf/conf.h"
#include "server/exec/blocking.h"
#include "server/replication/log_reader.h"
#include "server/replication/replication.h"
#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/base/mem.h"

enum {
    FEED_BYTES = 256 * 1024, /* in a replica's output at a time */
    FEED_IOV = 16,
    LAG_IN_MEMORY = 16 * 1024 * 1024, /* with the AOF on: what lies further back is read from it */
};

static const char *const names[REPLICA_STATES] = {[REPLICA_NEW] = "new",
                                                  [REPLICA_WAIT] = "wait_bgsave",
                                                  [REPLICA_SENDING] = "send_bulk",
                                                  [REPLICA_TAIL] = "online",
                                                  [REPLICA_ONLINE] = "online"};

static const unsigned next_states[REPLICA_STATES] = {
    [REPLICA_NEW] = 1u << REPLICA_WAIT | 1u << REPLICA_ONLINE,
    [REPLICA_WAIT] = 1u << REPLICA_SENDING,
    [REPLICA_SENDING] = 1u << REPLICA_TAIL | 1u << REPLICA_ONLINE,
    [REPLICA_TAIL] = 1u << REPLICA_ONLINE,
};

/* ---------------------------------------------------------------- one of them */

static struct replication *replication_of(const struct replica *p) {
    return p->s->e->replication;
}

/* The address without its port and brackets. */
static void note_peer(struct replica *p) {
    struct session_wire wire;
    char *from = wire.addr, *colon;

    p->s->ops->describe(p->s, &wire);
    colon = strrchr(wire.addr, ':');
    if (colon) *colon = '\0';
    if (from[0] == '[') {
        from[strcspn(from, "]")] = '\0';
        from++;
    }
    snprintf(p->peer, sizeof p->peer, "%.63s", from);
}

struct replica *replica_of(struct session *s) {
    struct replica *p = s->replica;

    if (p) return p;
    p = mem_calloc(sizeof *p);
    p->s = s;
    list_init(&p->link);
    p->heard_us = clock_mono_us();
    note_peer(p);
    s->replica = p;
    return p;
}

void replica_enter(struct replica *p, enum replica_state to) {
    struct replicas *all = &replication_of(p)->replicas;

    CHECK(next_states[p->state] & (1u << to));
    if (p->state == REPLICA_NEW) {
        list_append(&all->all, &p->link);
        all->n++;
        all->emptied_us = 0;
        p->s->flags |= SESSION_REPLICA;
        if (p->s->e->v->repl_disable_tcp_nodelay && p->s->ops->join_packets)
            p->s->ops->join_packets(p->s);
    }
    p->heard_us = clock_mono_us();
    p->state = to;
}

void replica_end(struct session *s) {
    struct replica *p = s->replica;
    struct replication *r;

    if (!p) return;
    r = replication_of(p);
    sync_forget(r, p);
    log_stop(&p->log);
    if (p->state != REPLICA_NEW) {
        char ip[64];
        int port;

        replica_address(p, ip, sizeof ip, &port);
        log_notice("Connection with replica %s:%d lost.", ip, port);
        list_remove(&p->link);
        r->replicas.n--;
        if (r->replicas.n == 0) r->replicas.emptied_us = clock_mono_us();
    }
    s->replica = NULL;
    mem_free(p->history);
    mem_free(p);
}

/* While the snapshot is written, whatever of it is sent already, a master waits for its end. */
const char *replica_state_name(const struct replica *p) {
    bool waits = p->state == REPLICA_SENDING && (p->open_end || !atomic_load(&p->snapshot->whole));

    return names[waits ? REPLICA_WAIT : p->state];
}

void replica_address(const struct replica *p, char *ip, size_t size, int *port) {
    *port = p->port;
    snprintf(ip, size, "%s", p->ip[0] ? p->ip : p->peer);
}

static void close_replica(struct replica *p, const char *why) {
    char ip[64];
    int port;

    replica_address(p, ip, sizeof ip, &port);
    log_warning("Disconnecting replica %s:%d: %s", ip, port, why);
    p->s->ops->close(p->s, false);
}

/* ---------------------------------------------------------------- feeding */

/* The last byte of the stream that a replica may see. */
static uint64_t feed_limit(struct replication *r) {
    enum aof_level level = aof_current_level(r->e->aof);

    if (level == AOF_LEVEL_NONE) return r->stream.offset;
    return notes_offset_at(&r->safe, aof_safe(r->e->aof, level));
}

static size_t room_of(const struct replica *p) {
    size_t pending = out_pending(&p->s->out);

    return pending < FEED_BYTES ? FEED_BYTES - pending : 0;
}

static void feed_from_memory(struct replication *r, struct replica *p, uint64_t limit) {
    struct iovec iov[FEED_IOV];
    size_t room = room_of(p), left = (size_t)(limit + 1 - p->next);
    int n = repl_stream_peek(&r->stream, p->next, iov, FEED_IOV, left < room ? left : room);

    for (int i = 0; i < n; i++) {
        out_append(&p->s->out, iov[i].iov_base, iov[i].iov_len);
        p->next += iov[i].iov_len;
    }
    if (n) p->s->ops->wake(p->s);
}

static void feed_online(struct replication *r, struct replica *p, uint64_t limit) {
    if (p->next > limit || room_of(p) == 0) return;
    if (p->next < r->stream.first || log_is_read(&p->log)) {
        if (!log_feed(r, p, limit))
            close_replica(p, "what it needs is not in the backlog any more");
        return;
    }
    feed_from_memory(r, p, limit);
}

static bool wants_stream(const struct replica *p) {
    return p->state == REPLICA_ONLINE && p->s->state != SESSION_CLOSING;
}

/* The oldest byte that some replica still has to get. */
static uint64_t oldest_needed(const struct replication *r) {
    uint64_t oldest = r->stream.offset + 1;

    if (r->syncs.at_work) oldest = r->syncs.at_work->offset + 1;
    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        if (p->state >= REPLICA_SENDING && p->next < oldest) oldest = p->next;
    }
    return oldest;
}

static void trim(struct replication *r) {
    uint64_t needed = oldest_needed(r), end = r->stream.offset + 1;

    if (log_can_serve(r) && end - needed > LAG_IN_MEMORY) needed = end - LAG_IN_MEMORY;
    r->stream.keep = (uint64_t)r->e->v->repl_backlog_size;
    repl_stream_trim(&r->stream, needed);
}

void replicas_feed(struct replication *r) {
    uint64_t limit;

    if (!r->stream.active) return;
    notes_add(&r->safe, r->stream.offset, aof_appended(r->e->aof), 0);
    limit = feed_limit(r);
    list_each_safe (it, next, &r->replicas.all) {
        struct replica *p = list_entry(it, struct replica, link);

        if (p->state == REPLICA_SENDING) sync_feed(r, p);
        if (wants_stream(p)) feed_online(r, p, limit);
    }
    trim(r);
}

bool replicas_are_behind(struct replication *r) {
    uint64_t limit;

    if (r->replicas.n == 0) return false;
    limit = feed_limit(r);
    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        if (p->s->state == SESSION_CLOSING || out_pending(&p->s->out) > 0) continue;
        if (p->file && read_ahead_is_ready(p->file)) return true;
        if (!wants_stream(p) || p->next > limit) continue;
        if (!log_is_read(&p->log) || log_is_ready(&p->log)) return true;
    }
    return false;
}

/* ---------------------------------------------------------------- once a second */

static void ping(struct replication *r) {
    uint64_t now = clock_mono_us(), period = (uint64_t)r->e->v->repl_ping_replica_period * 1000000;

    if (r->e->role.is_replica || now - r->replicas.pinged_us < period) return;
    r->replicas.pinged_us = now;
    if (r->replicas.n == 0 || failover_waits(r)) return;
    propagate_stream(&r->e->propagation, UNIT_STREAM, SLICE("*1\r\n$4\r\nPING\r\n"), -1, -1);
}

/* The stream has not begun, so these bytes do not count. */
static void keep_waiting_alive(struct replica *p) {
    bool waits = p->state == REPLICA_WAIT || (p->state == REPLICA_SENDING && !p->file);

    if (!waits || p->s->state == SESSION_CLOSING) return;
    out_append(&p->s->out, "\n", 1);
    p->s->ops->wake(p->s);
}

static bool is_over_limit(const struct replication *r, struct replica *p) {
    const struct conf_output_limit *l = &r->e->v->client_output_buffer_limit.of[CONF_CLASS_REPLICA];
    uint64_t held = out_pending(&p->s->out), now = clock_mono_us();
    uint64_t hard = l->hard_bytes, keep = (uint64_t)r->e->v->repl_backlog_size;

    if (p->state < REPLICA_SENDING || log_is_read(&p->log)) return false;
    if (p->next <= r->stream.offset && p->next >= r->stream.first)
        held += r->stream.offset + 1 - p->next;
    if (log_can_serve(r)) held = out_pending(&p->s->out);
    if (hard && hard < keep) hard = keep;
    if (hard && held > hard) return true;
    if (!l->soft_bytes || held <= (l->soft_bytes < keep ? keep : l->soft_bytes)) {
        p->over_since_us = 0;
        return false;
    }
    if (!p->over_since_us) p->over_since_us = now;
    return now - p->over_since_us > (uint64_t)l->soft_seconds * 1000000;
}

static void look_after(struct replication *r, struct replica *p) {
    uint64_t silent_us = clock_mono_us() - p->heard_us;

    if (p->s->state == SESSION_CLOSING) return;
    keep_waiting_alive(p);
    if (is_over_limit(r, p)) {
        r->e->stats.output_limit_closes++;
        close_replica(p, "client-output-buffer-limit, scheduled to be closed ASAP for overcoming "
                         "of output buffer limits.");
    } else if (p->state >= REPLICA_SENDING && !p->plain_sync &&
               silent_us > (uint64_t)r->e->v->repl_timeout * 1000000) {
        close_replica(p, p->state == REPLICA_ONLINE ? "timedout replica (streaming sync)"
                                                    : "timedout replica (full sync)");
    }
}

/* A master without replicas gives its backlog up. */
static void give_up_backlog(struct replication *r) {
    uint64_t ttl = (uint64_t)r->e->v->repl_backlog_ttl * 1000000;

    if (!r->stream.active || r->e->role.is_replica || r->replicas.n || !r->replicas.emptied_us ||
        r->acks.state != ACK_OFF)
        return;
    if (!ttl || clock_mono_us() - r->replicas.emptied_us < ttl) return;
    log_notice("Replication backlog freed after %lld seconds without connected replicas.",
               (long long)r->e->v->repl_backlog_ttl);
    replication_end_stream(r);
}

void replicas_cron(struct replication *r) {
    ping(r);
    list_each_safe (it, next, &r->replicas.all) look_after(r, list_entry(it, struct replica, link));
    replicas_count_good(r);
    give_up_backlog(r);
}

void replicas_drop_all(struct replication *r) {
    list_each_safe (it, next, &r->replicas.all) {
        struct replica *p = list_entry(it, struct replica, link);

        if (p->s->state != SESSION_CLOSING) p->s->ops->close(p->s, false);
    }
}

/* ---------------------------------------------------------------- counting */

static bool is_online(const struct replica *p) {
    return p->state == REPLICA_ONLINE && p->s->state != SESSION_CLOSING;
}

size_t replicas_at(const struct replication *r, uint64_t offset) {
    size_t n = 0;

    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        n += is_online(p) && p->acked >= offset;
    }
    return n;
}

size_t replicas_synced(const struct replication *r, uint64_t offset) {
    size_t n = 0;

    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        n += is_online(p) && p->says_synced && p->synced >= offset;
    }
    return n;
}

bool replicas_have_all(const struct replication *r) {
    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        if (is_online(p) && p->acked < ack_of_all(r)) return false;
    }
    return true;
}

void replicas_log_behind(const struct replication *r) {
    size_t n = 0, have = 0;

    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);
        char ip[64];
        int port;

        n++;
        have += p->acked >= ack_of_all(r);
        if (p->acked >= ack_of_all(r)) continue;
        replica_address(p, ip, sizeof ip, &port);
        log_notice("Lagging replica %s:%d reported offset %llu behind master, lag=%llu, state=%s.",
                   ip, port, (unsigned long long)(r->stream.offset - p->acked),
                   (unsigned long long)((clock_mono_us() - p->heard_us) / 1000000),
                   replica_state_name(p));
    }
    if (n) log_notice("%zu of %zu replicas are in sync when shutting down.", have, n);
}

size_t replicas_count_good(struct replication *r) {
    uint64_t now = clock_mono_us(), most = (uint64_t)r->e->v->min_replicas_max_lag * 1000000;
    size_t good = 0;

    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);

        good += is_online(p) && now - p->heard_us < most + 1000000;
    }
    r->e->role.few_replicas = r->e->v->min_replicas_to_write > 0 && most > 0 &&
                              good < (size_t)r->e->v->min_replicas_to_write;
    return good;
}
