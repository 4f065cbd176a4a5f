/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/ack.h"

#include "conf/conf.h"
#include "server/replication/replication.h"
#include "storage/base/clock.h"
#include "storage/base/log.h"

static struct gate *gate_of(const struct replication *r) {
    return &r->e->gate;
}

static void switch_off(struct replication *r) {
    r->acks.state = ACK_OFF;
    notes_clear(&r->acks.notes);
    gate_take_acked(gate_of(r), NULL, UINT64_MAX);
}

static bool is_unacknowledged(const struct session *s) {
    for (uint32_t i = 0; i < s->ngates; i++)
        if (s->gates[i].position > s->e->gate.acked) return true;
    return false;
}

/* This server follows another one, which may not have what the replicas did not acknowledge. No
 * reply may say that it is there. */
static void drop_unacknowledged(struct replication *r) {
    size_t n = 0;

    list_each_safe (it, next, &r->e->sessions) {
        struct session *s = list_entry(it, struct session, link);

        if (!is_unacknowledged(s)) continue;
        s->ops->close(s, false);
        n++;
    }
    if (n)
        log_notice("%zu clients disconnected without a reply: this server is a replica now, and "
                   "what they waited for was not acknowledged by %lld replicas",
                   n, (long long)r->e->v->replica_ack_min);
}

void ack_configure(struct replication *r) {
    struct acks *a = &r->acks;
    bool wanted = r->e->v->replica_ack_min > 0;

    if (wanted && r->e->role.is_replica && (a->state == ACK_WAITING || a->state == ACK_ENDING)) {
        a->state = ACK_ENDING;
        return;
    }
    if (!wanted || r->e->role.is_replica) {
        switch_off(r);
        return;
    }
    if (a->state == ACK_ENDING) {
        a->state = ACK_WAITING;
        a->asked = 0;
    } else if (a->state == ACK_OFF) {
        replication_begin_stream(r);
        a->state = ACK_WAITING;
        a->asked = 0;
        gate_take_acked(gate_of(r), &r->stream.offset, 0);
    }
    ack_count(r);
}

bool ack_asks(struct replication *r) {
    if (r->acks.state == ACK_OFF || r->acks.state == ACK_ENDING || r->replicas.n == 0) return false;
    return r->stream.offset != r->acks.asked;
}

/* An answer to GETACK does not count the bytes of GETACK. */
uint64_t ack_of_all(const struct replication *r) {
    return r->stream.offset == r->acks.asked ? r->acks.before_asked : r->stream.offset;
}

void ack_note(struct replication *r) {
    if (r->acks.state == ACK_OFF) return;
    if (r->acks.state == ACK_ENDING) {
        drop_unacknowledged(r);
        switch_off(r);
        return;
    }
    notes_add(&r->acks.notes, ack_of_all(r), gate_end(gate_of(r)), clock_mono_us());
    ack_count(r);
}

/* The highest offset that at least `min` replicas have; 0: there is none. */
static uint64_t held_by(const struct replication *r, size_t min) {
    bool synced = r->e->v->replica_ack_level == CONF_ACK_SYNCED;
    uint64_t best = 0;

    list_each (it, &r->replicas.all) {
        const struct replica *p = list_entry(it, struct replica, link);
        uint64_t at = synced ? p->synced : p->acked;
        size_t n = synced ? replicas_synced(r, at) : replicas_at(r, at);

        if (p->state == REPLICA_ONLINE && at > best && n >= min) best = at;
    }
    return best;
}

static void restore(struct replication *r) {
    r->acks.state = ACK_WAITING;
    log_notice("Replies wait for %lld replicas again: enough of them have caught up",
               (long long)r->e->v->replica_ack_min);
}

void ack_count(struct replication *r) {
    struct gate *g = gate_of(r);
    uint64_t held, position;

    if (r->acks.state == ACK_OFF || r->acks.state == ACK_ENDING) return;
    held = held_by(r, (size_t)r->e->v->replica_ack_min);
    position = notes_position_at(&r->acks.notes, held);
    if (r->acks.state == ACK_DEGRADED && position >= gate_end(g)) restore(r);
    if (r->acks.state == ACK_DEGRADED || position <= g->acked) return;
    g->acked = position;
    r->app.wake(r->app.arg);
}

/* Too few replicas have answered for too long. */
static bool is_overdue(const struct replication *r) {
    uint64_t oldest = notes_oldest_us(&r->acks.notes);
    uint64_t most = (uint64_t)r->e->v->replica_ack_timeout * 1000;

    return r->acks.state == ACK_WAITING && most && oldest && clock_mono_us() - oldest > most;
}

void ack_cron(struct replication *r) {
    ack_count(r);
    if (!is_overdue(r)) return;
    r->acks.state = ACK_DEGRADED;
    r->acks.degradations++;
    log_warning("DEGRADED: fewer than %lld replicas have acknowledged the writes of the last %lld "
                "ms. Replies do not wait for replicas until they have caught up "
                "(replica-ack-timeout)",
                (long long)r->e->v->replica_ack_min, (long long)r->e->v->replica_ack_timeout);
    gate_of(r)->acked = UINT64_MAX;
    r->app.wake(r->app.arg);
}

void ack_info(const struct replication *r, struct bytes *out) {
    static const char *const names[] = {"off", "waiting", "degraded", "off"};

    if (r->e->v->replica_ack_min <= 0) return;
    bytes_printf(out, "replica_ack_state:%s\r\nreplica_ack_degradations:%llu\r\n",
                 names[r->acks.state], (unsigned long long)r->acks.degradations);
}
