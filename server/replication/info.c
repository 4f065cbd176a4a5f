/* SPDX-License-Identifier: BSD-3-Clause
 *
 * info - the lines of INFO replication.
 */
#include "conf/conf.h"
#include "server/replication/replication.h"
#include "storage/base/clock.h"

typedef unsigned long long ull;

static void append_replica(const struct replica *p, int i, struct bytes *out) {
    char ip[64];
    int port;
    uint64_t lag_us = clock_mono_us() - p->heard_us;

    replica_address(p, ip, sizeof ip, &port);
    bytes_printf(out, "slave%d:ip=%s,port=%d,state=%s,offset=%llu,lag=%llu\r\n", i, ip, port,
                 replica_state_name(p), (ull)p->acked,
                 p->state == REPLICA_ONLINE ? (ull)(lag_us / 1000000) : 0ULL);
}

static void append_replicas(struct replication *r, struct bytes *out) {
    size_t good = replicas_count_good(r);
    int i = 0;

    bytes_printf(out, "connected_slaves:%zu\r\n", r->replicas.n);
    if (r->e->v->min_replicas_to_write > 0 && r->e->v->min_replicas_max_lag > 0)
        bytes_printf(out, "min_slaves_good_slaves:%zu\r\n", good);
    list_each (it, &r->replicas.all) append_replica(list_entry(it, struct replica, link), i++, out);
}

static const char *failover_name(const struct replication *r) {
    static const char *const names[] = {"no-failover", "waiting-for-sync", "failover-in-progress"};

    return names[r->failover.state];
}

void replication_info(struct replication *r, struct bytes *out) {
    const struct repl_stream *s = &r->stream;

    bytes_append_str(out, r->e->role.is_replica ? "role:slave\r\n" : "role:master\r\n");
    if (r->e->role.is_replica) link_info(r, out);
    append_replicas(r, out);
    bytes_printf(out, "master_failover_state:%s\r\nmaster_replid:%s\r\n", failover_name(r), s->id);
    if (s->npasts)
        bytes_printf(out, "master_replid2:%s\r\n", s->past[0].id);
    else
        bytes_printf(out, "master_replid2:%040d\r\n", 0);
    bytes_printf(out, "master_repl_offset:%llu\r\nsecond_repl_offset:%lld\r\n", (ull)s->offset,
                 s->npasts ? (long long)s->past[0].end + 1 : -1LL);
    bytes_printf(out,
                 "repl_backlog_active:%d\r\nrepl_backlog_size:%llu\r\n"
                 "repl_backlog_first_byte_offset:%llu\r\nrepl_backlog_histlen:%llu\r\n",
                 s->active, (ull)r->e->v->repl_backlog_size, s->active ? (ull)s->first : 0ULL,
                 s->active ? (ull)repl_stream_held(s) : 0ULL);
    if (s->active) bytes_printf(out, "repl_backlog_on_disk:%d\r\n", log_can_serve(r));
    ack_info(r, out);
}
