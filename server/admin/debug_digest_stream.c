/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Of a stream counts what a rewritten log brings back: not when consumers were seen or active.
 */
#include "server/admin/debug_digest.h"
#include "storage/base/clock.h"
#include "storage/stream_group.h"
#include "storage/stream_idmp.h"

static struct digest digest_name(struct slice name) {
    return digest_of(name.p, name.n);
}

static struct digest digest_pending(struct idtree_place p) {
    const struct stream_pending *e = idtree_at(p)->value;
    struct {
        struct idtree_key id;
        int64_t delivered_ms;
        uint64_t deliveries;
        struct digest owner;
    } rec;

    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.id = idtree_at(p)->key;
    rec.delivered_ms = e->delivered_ms;
    rec.deliveries = e->deliveries;
    rec.owner = digest_name(stream_consumer_name(e->owner));
    return digest_of(&rec, sizeof rec);
}

static void add_consumer(void *consumer, void *sum) {
    digest_xor(sum, digest_name(stream_consumer_name(consumer)));
}

static void add_group(void *group, void *sum) {
    const struct stream_group *g = group;
    struct {
        struct digest name, consumers, pending;
        struct stream_id last_id;
        int64_t entries_read;
    } rec;

    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.name = digest_name(stream_group_name(g));
    rec.last_id = g->last_id;
    rec.entries_read = g->entries_read;
    table_each(&g->consumers, add_consumer, &rec.consumers);
    for (struct idtree_place p = idtree_first(&g->pending); p.leaf; p = idtree_next(p))
        digest_xor(&rec.pending, digest_pending(p));
    digest_xor(sum, digest_of(&rec, sizeof rec));
}

static void add_iid(void *sum, struct slice producer, struct slice iid, struct stream_id id,
                    int64_t added_ms) {
    struct {
        struct digest producer, iid;
        struct stream_id id;
        int64_t added_ms;
    } rec;

    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.producer = digest_name(producer);
    rec.iid = digest_name(iid);
    rec.id = id;
    rec.added_ms = added_ms;
    digest_xor(sum, digest_of(&rec, sizeof rec));
}

/* Nothing at all without producers, so that a digest is the same as before there were any. */
static struct digest digest_producers(const struct stream *s) {
    struct digest sum = {{0}};
    int64_t limits[2];

    if (!s->idmp) return sum;
    limits[0] = s->idmp->duration_s;
    limits[1] = s->idmp->maxsize;
    sum = digest_of(limits, sizeof limits);
    stream_idmp_each(s->idmp, clock_cached_ms(), add_iid, &sum);
    return sum;
}

static struct digest digest_entries(const struct stream *s) {
    struct digest sum = {{0}};
    struct stream_iter it;

    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_iter_next(&it)) {
        digest_chain(&sum, digest_of(&it.e.id, sizeof it.e.id));
        for (uint32_t i = 0; i < it.e.nfields; i++) {
            struct lp_value name, value;

            stream_iter_field(&it, &name, &value);
            digest_chain(&sum, digest_of_value(name));
            digest_chain(&sum, digest_of_value(value));
        }
    }
    return sum;
}

struct digest digest_stream(const struct entry *e) {
    const struct stream *s = stream_of(e);
    struct {
        struct digest entries, groups;
        struct stream_id last_id, max_deleted_id;
        uint64_t entries_added;
    } rec;

    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.entries = digest_entries(s);
    rec.last_id = s->last_id;
    rec.max_deleted_id = s->max_deleted_id;
    rec.entries_added = s->entries_added;
    table_each(&s->groups, add_group, &rec.groups);
    digest_xor(&rec.groups, digest_producers(s));
    return digest_of(&rec, sizeof rec);
}
