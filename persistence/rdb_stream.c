/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Streams: nodes as they are, then what the stream knows of itself, then groups.
 *
 * Written is the form of version 10, which does not tell when consumers were last active. Those of
 * 5.0 (no first id, no counters) and of 7.2 (with activity) are read too.
 */
#include "persistence/rdb_types.h"
#include "storage/base/mem.h"
#include "storage/stream_group.h"
#include "storage/stream_idmp.h"

enum { ID_BYTES = 16 };

static void put_big_endian(uint8_t *p, uint64_t v) {
    for (int i = 8; i-- > 0; v >>= 8) p[i] = (uint8_t)v;
}

static uint64_t read_big_endian(const uint8_t *p) {
    uint64_t v = 0;

    for (int i = 0; i < 8; i++) v = v << 8 | p[i];
    return v;
}

static struct stream_id read_id(const void *p) {
    const uint8_t *b = p;

    return (struct stream_id){read_big_endian(b), read_big_endian(b + 8)};
}

/* ---------------------------------------------------------------- out */

enum rdb_type rdb_stream_type(const struct entry *e) {
    (void)e;
    return RDB_STREAM_2;
}

static void put_raw_id(struct rdb_out *o, struct idtree_key key) {
    uint8_t b[ID_BYTES];

    put_big_endian(b, key.hi);
    put_big_endian(b + 8, key.lo);
    rdb_out_raw(o, b, sizeof b);
}

static void put_id(struct rdb_out *o, struct stream_id id) {
    rdb_out_len(o, id.ms);
    rdb_out_len(o, id.seq);
}

static void put_consumer(void *consumer, void *arg) {
    const struct stream_consumer *c = consumer;
    struct rdb_out *o = arg;

    rdb_out_string(o, stream_consumer_name(c));
    rdb_out_u64(o, (uint64_t)c->seen_ms);
    rdb_out_len(o, c->pending.count);
    for (struct idtree_place p = idtree_first(&c->pending); p.leaf; p = idtree_next(p))
        put_raw_id(o, idtree_at(p)->key);
}

static void put_group(void *group, void *arg) {
    const struct stream_group *g = group;
    struct rdb_out *o = arg;

    rdb_out_string(o, stream_group_name(g));
    put_id(o, g->last_id);
    rdb_out_len(o, (uint64_t)g->entries_read);
    rdb_out_len(o, g->pending.count);
    for (struct idtree_place p = idtree_first(&g->pending); p.leaf; p = idtree_next(p)) {
        const struct stream_pending *pending = idtree_at(p)->value;

        put_raw_id(o, idtree_at(p)->key);
        rdb_out_u64(o, (uint64_t)pending->delivered_ms);
        rdb_out_len(o, pending->deliveries);
    }
    rdb_out_len(o, g->consumers.count);
    table_each(&g->consumers, put_consumer, o);
}

void rdb_put_stream(struct rdb_out *o, const struct entry *e) {
    const struct stream *s = stream_of(e);

    rdb_out_len(o, s->nodes.count);
    for (struct idtree_place p = idtree_first(&s->nodes); p.leaf; p = idtree_next(p)) {
        const struct listpack *lp = idtree_at(p)->value;

        rdb_out_len(o, ID_BYTES);
        put_raw_id(o, idtree_at(p)->key);
        rdb_out_string(o, slice_of(lp, lp_bytes(lp)));
    }
    rdb_out_len(o, s->length);
    put_id(o, s->last_id);
    put_id(o, s->first_id);
    put_id(o, s->max_deleted_id);
    rdb_out_len(o, s->entries_added);
    rdb_out_len(o, s->groups.count);
    table_each(&s->groups, put_group, o);
}

/* ---------------------------------------------------------------- in: entries */

static bool take_id(struct rdb_in *in, struct stream_id *id) {
    return rdb_in_len(in, &id->ms) && rdb_in_len(in, &id->seq);
}

/* Milliseconds, which are not below 0. */
static bool take_ms(struct rdb_in *in, int64_t *ms) {
    uint64_t v;

    if (!rdb_in_u64(in, &v)) return false;
    *ms = (int64_t)v < 0 ? 0 : (int64_t)v;
    return true;
}

static bool take_node(struct rdb_in *in, struct stream *s) {
    struct stream_id master;
    struct listpack *lp;
    struct slice key;

    if (!rdb_in_string(in, &key)) return false;
    if (key.n != ID_BYTES) return rdb_in_fail(in, "a node of a stream without its id");
    master = read_id(key.p);
    lp = rdb_take_listpack(in);
    if (!lp) return false;
    return stream_add_node(s, master, lp) ||
           rdb_in_fail(in, "a node of a stream whose entries are damaged");
}

/* What the stream says of itself; the nodes are there. */
static bool take_head(struct rdb_in *in, struct stream *s, bool first_form) {
    struct stream_id ignored;
    uint64_t length;

    if (!rdb_in_len(in, &length) || !take_id(in, &s->last_id)) return false;
    if (length != s->length)
        return rdb_in_fail(in, "a stream that says it has %llu entries, but %llu are there",
                           (unsigned long long)length, (unsigned long long)s->length);
    s->entries_added = length;
    if (!first_form && (!take_id(in, &ignored) || !take_id(in, &s->max_deleted_id) ||
                        !rdb_in_len(in, &s->entries_added)))
        return false;
    if (s->entries_added > INT64_MAX) s->entries_added = INT64_MAX; /* a counter that ran over */
    if (s->entries_added < length || !stream_settle(s))
        return rdb_in_fail(in, "a stream whose last id or counters cannot be true");
    return true;
}

/* ---------------------------------------------------------------- in: groups */

/* The pending entries of a group, until their consumers have been read. */
struct waiting {
    struct idtree ids; /* struct stream_pending, without owner */
};

static bool take_pending(struct rdb_in *in, struct waiting *w) {
    uint64_t n;

    if (!rdb_in_count(in, ID_BYTES + 9, &n)) return false;
    for (; n > 0; n--) {
        const uint8_t *p = rdb_in_take(in, ID_BYTES);
        struct stream_pending *pending;
        bool is_new;
        void **place;

        if (!p) return false;
        place = idtree_put(&w->ids, stream_key(read_id(p)), &is_new);
        if (!is_new) return rdb_in_fail(in, "an entry that is pending twice");
        *place = pending = mem_calloc(sizeof *pending);
        if (!take_ms(in, &pending->delivered_ms) || !rdb_in_len(in, &pending->deliveries))
            return false;
        if (pending->deliveries > INT64_MAX) pending->deliveries = INT64_MAX;
    }
    return true;
}

/* Gives the consumer one entry of those that wait. */
static bool assign(struct rdb_in *in, struct waiting *w, struct stream_group *g,
                   struct stream_consumer *c) {
    const uint8_t *p = rdb_in_take(in, ID_BYTES);
    struct stream_pending *from, *to;
    struct stream_id id;

    if (!p) return false;
    id = read_id(p);
    from = idtree_remove(&w->ids, stream_key(id));
    if (!from)
        return rdb_in_fail(in, "an entry that is pending for a consumer, but not in its group");
    to = stream_pending_give(g, id, c);
    to->delivered_ms = from->delivered_ms;
    to->deliveries = from->deliveries;
    mem_free(from);
    return true;
}

static bool take_consumer(struct rdb_in *in, struct waiting *w, struct stream_group *g,
                          unsigned type) {
    struct stream_consumer *c;
    struct slice name;
    uint64_t n;

    if (!rdb_in_string(in, &name)) return false;
    if (name.n > UINT32_MAX || stream_consumer_find(g, name))
        return rdb_in_fail(in, "a consumer that is there twice");
    c = stream_consumer_add(g, name, 0);
    if (!take_ms(in, &c->seen_ms)) return false;
    c->active_ms = c->seen_ms; /* the best that can be said */
    if (type == RDB_STREAM_3) {
        uint64_t v;

        if (!rdb_in_u64(in, &v)) return false;
        c->active_ms = (int64_t)v < 0 ? -1 : (int64_t)v;
    }
    if (!rdb_in_count(in, ID_BYTES, &n)) return false;
    while (n > 0 && assign(in, w, g, c)) n--;
    return !in->failed;
}

static bool take_consumers(struct rdb_in *in, struct waiting *w, struct stream_group *g,
                           unsigned type) {
    uint64_t n;

    if (!take_pending(in, w) || !rdb_in_count(in, 10, &n)) return false;
    while (n > 0 && take_consumer(in, w, g, type)) n--;
    if (!in->failed && w->ids.count)
        return rdb_in_fail(in, "an entry that is pending for no consumer");
    return !in->failed;
}

static bool take_group(struct rdb_in *in, struct stream *s, unsigned type) {
    struct waiting w = {{0}};
    struct stream_group *g;
    struct slice name;
    uint64_t read;
    bool ok;

    if (!rdb_in_string(in, &name)) return false;
    if (name.n > UINT32_MAX || stream_group_find(s, name))
        return rdb_in_fail(in, "a consumer group that is there twice");
    g = stream_group_add(s, name, STREAM_ID_MIN, STREAM_READ_UNKNOWN);
    if (!take_id(in, &g->last_id)) return false;
    g->entries_read = stream_count_up_to(s, g->last_id);
    if (type != RDB_STREAM) {
        if (!rdb_in_len(in, &read)) return false;
        g->entries_read = (int64_t)read;
        if (g->entries_read < 0) g->entries_read = STREAM_READ_UNKNOWN; /* as above */
    }
    ok = take_consumers(in, &w, g, type);
    idtree_release(&w.ids, mem_free);
    return ok;
}

struct entry *rdb_take_stream(struct rdb_in *in, const struct rdb_want *w) {
    struct stream *s = stream_new();
    uint64_t n;
    bool ok = rdb_in_count(in, ID_BYTES + LP_EMPTY_BYTES / 2, &n);

    while (ok && n > 0) {
        ok = take_node(in, s);
        n--;
    }
    ok = ok && take_head(in, s, w->type == RDB_STREAM) && rdb_in_count(in, 5, &n);
    for (; ok && n > 0; n--) ok = take_group(in, s, w->type);
    if (ok) return entry_new_object(w->key, TYPE_STREAM, s, ENTRY_NO_EXPIRE, 0);
    stream_free(s);
    return NULL;
}

/* ---------------------------------------------------------------- producers */

bool rdb_note_stream(const struct entry *e, struct bytes *note) {
    const struct stream *s = stream_of(e);

    if (s->idmp) stream_idmp_encode(s->idmp, note);
    return s->idmp;
}

bool rdb_take_stream_note(struct entry *e, struct slice note) {
    struct stream *s = stream_of(e);

    stream_idmp_free(s->idmp);
    s->idmp = stream_idmp_decode(note);
    return s->idmp;
}
