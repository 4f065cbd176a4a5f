/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sync_base - a full sync without a fork. The AOF's base is on the disk already, and where it
 * stands in the replication stream is known (aof_stream_base). A replica is sent the base as its
 * data set, then the stream from there on, which the increments hold. A thread opens base and
 * increments when that begins, and a rewrite that removes them waits for it.
 *
 * What follows the base is no longer than the base, or FOLLOWS_MAX: a replica takes longer to run
 * commands than to load keys (README.md, "A full sync without a fork").
 *
 * A replica that breaks off before it has come to what is in memory may have met a base or an
 * increment that is damaged. The base is not used again then, until a rewrite has made another one.
 */
#include "persistence/aof.h"
#include "server/replication/replication.h"
#include "storage/base/io.h"
#include "storage/base/log.h"

#include <inttypes.h>
#include <stdatomic.h>

#define FOLLOWS_MAX (UINT64_C(64) << 20)

/* A program that takes the data set only (redis-cli --rdb) wants that of now. One that has asked by
 * SYNC never says what it has. */
static bool may_be_sent(const struct replication *r, const struct replica *p,
                        struct aof_stream_base *b) {
    uint64_t follows;

    if (p->rdb_only || p->plain_sync || !log_can_serve(r)) return false;
    if (!aof_stream_base(r->e->aof, b) || !log_covers(r, b->offset + 1)) return false;
    if (r->syncs.failed_base == b->number) return false;
    follows = r->stream.offset - b->offset;
    return follows <= b->bytes || follows <= FOLLOWS_MAX;
}

static struct snapshot *open_base(struct replication *r, const struct aof_stream_base *b) {
    struct snapshot *s = snapshot_new(-1, SNAPSHOT_ALL, b->offset);

    s->is_base = true;
    s->bytes = b->bytes;
    atomic_store(&s->whole, true);
    atomic_fetch_add(&s->refs, 1);
    aof_stream_open_base(r->e->aof, snapshot_opened, s);
    return s;
}

static void tell(const struct replication *r, const struct replica *p,
                 const struct aof_stream_base *b) {
    char ip[64];
    int port;

    replica_address(p, ip, sizeof ip, &port);
    log_notice("Full resync of replica %s:%d from the AOF, without a fork: its base of %" PRIu64
               " bytes, then %" PRIu64 " bytes of the stream from offset %" PRIu64 " on",
               ip, port, b->bytes, r->stream.offset - b->offset, b->offset + 1);
}

bool sync_by_base(struct replication *r, struct replica *p) {
    struct aof_stream_base b;
    struct snapshot *s;
    struct err e;

    if (!may_be_sent(r, p, &b)) return false;
    s = open_base(r, &b);
    p->next = b.offset + 1;
    if (!log_begin(r, p, &e)) {
        log_warning("A full sync cannot use the AOF's base, and begins a child: %s", e.text);
        snapshot_drop(r, s);
        log_stop(&p->log);
        r->syncs.failed_base = b.number;
        return false;
    }
    tell(r, p, &b);
    r->e->stats.full_syncs_without_fork++;
    p->base = b.number;
    sync_begin_sending(r, p, s);
    snapshot_drop(r, s);
    return true;
}

void sync_base_acked(struct replication *r, struct replica *p) {
    if (p->state == REPLICA_ONLINE && p->next >= r->stream.first) p->base = 0;
}

void sync_base_forget(struct replication *r, const struct replica *p) {
    if (!p->base) return;
    r->syncs.failed_base = p->base;
    log_notice("A replica that was sent the AOF's base has gone before it had caught up: the next "
               "full sync takes a snapshot");
}
