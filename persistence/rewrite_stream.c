/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A stream as commands: XADD for every entry, then groups with their consumers and what is pending,
 * then XSETID for what the entries do not tell.
 *
 * XCLAIM only makes pending what the stream has. So where something is pending that was deleted
 * since, an entry stands in for it and is deleted once more: with XTRIM if it was trimmed away,
 * which leaves no trace in the stream, with XDEL if it was deleted from the middle.
 */
#include "persistence/aof_rewrite_types.h"
#include "protocol/encode.h"
#include "storage/base/num.h"
#include "storage/stream_group.h"

struct rewrite {
    struct bytes *out;
    const struct stream *s;
    struct slice key;
    const struct stream_group *g;
    struct idtree lost; /* ids that are pending but not in the stream; the values mean nothing */
};

static void put_id(struct bytes *b, struct stream_id id) {
    char text[STREAM_ID_TEXT];

    encode_arg(b, slice_of(text, stream_id_format(text, id)));
}

static void put_int(struct bytes *b, int64_t v) {
    char text[NUM_I64_MAX];

    encode_arg(b, slice_of(text, (size_t)num_format_i64(text, v)));
}

static void put_value(struct bytes *b, struct lp_value v) {
    char text[NUM_I64_MAX];

    encode_arg(b, lp_value_text(v, text));
}

/* ---------------------------------------------------------------- what stands in */

/* Whether an id that is not in the stream can be deleted again without a trace. */
static bool can_stand_in(const struct stream *s, struct stream_id id) {
    if (stream_id_cmp(id, s->last_id) > 0) return false;
    if (s->length == 0 || stream_id_cmp(id, s->first_id) < 0) return true;
    return stream_id_cmp(id, s->max_deleted_id) <= 0;
}

static void find_lost(void *group, void *arg) {
    const struct stream_group *g = group;
    struct rewrite *w = arg;
    struct idtree_place p = idtree_first(&g->pending);
    struct stream_iter it;
    bool more;

    if (!p.leaf) return;
    stream_iter_init(&it, w->s, stream_id_of(idtree_at(p)->key), STREAM_ID_MAX, false);
    more = stream_iter_next(&it);
    for (; p.leaf; p = idtree_next(p)) {
        struct stream_id id = stream_id_of(idtree_at(p)->key);
        bool is_new;

        while (more && stream_id_cmp(it.e.id, id) < 0) more = stream_iter_next(&it);
        if (more && stream_id_cmp(it.e.id, id) == 0) continue;
        if (can_stand_in(w->s, id)) idtree_put(&w->lost, stream_key(id), &is_new);
    }
}

static void put_stand_in(struct rewrite *w, struct stream_id id) {
    encode_head(w->out, 5);
    encode_arg(w->out, SLICE("XADD"));
    encode_arg(w->out, w->key);
    put_id(w->out, id);
    encode_arg(w->out, SLICE("x"));
    encode_arg(w->out, SLICE("y"));
}

/* Those that came before the first entry go by trimming, the others one by one. */
static void delete_stand_ins(struct rewrite *w) {
    struct idtree_place p = idtree_first(&w->lost);
    struct stream_id first = w->s->length ? w->s->first_id : STREAM_ID_MAX;
    struct rewrite_batch del = {.out = w->out, .head = {SLICE("XDEL"), w->key}, .nhead = 2};

    if (p.leaf && stream_id_cmp(stream_id_of(idtree_at(p)->key), first) < 0) {
        encode_head(w->out, 5);
        encode_arg(w->out, SLICE("XTRIM"));
        encode_arg(w->out, w->key);
        encode_arg(w->out, SLICE("MINID"));
        encode_arg(w->out, SLICE("="));
        put_id(w->out, first);
    }
    for (p = idtree_seek(&w->lost, stream_key(first)); p.leaf; p = idtree_next(p)) {
        char text[STREAM_ID_TEXT];

        rewrite_arg(&del, slice_of(text, stream_id_format(text, stream_id_of(idtree_at(p)->key))));
        rewrite_item_end(&del);
    }
    rewrite_batch_end(&del);
}

/* ---------------------------------------------------------------- entries */

static void put_entry(struct rewrite *w, struct stream_iter *it) {
    encode_head(w->out, 3 + 2 * (size_t)it->e.nfields);
    encode_arg(w->out, SLICE("XADD"));
    encode_arg(w->out, w->key);
    put_id(w->out, it->e.id);
    for (uint32_t i = 0; i < it->e.nfields; i++) {
        struct lp_value name, value;

        stream_iter_field(it, &name, &value);
        put_value(w->out, name);
        put_value(w->out, value);
    }
}

/* XADD key MAXLEN 0 id x y: makes the stream and leaves nothing in it. */
static void put_empty(struct rewrite *w) {
    struct stream_id id = w->s->last_id;

    if (stream_id_is_zero(id)) id.seq = 1;
    encode_head(w->out, 7);
    encode_arg(w->out, SLICE("XADD"));
    encode_arg(w->out, w->key);
    encode_arg(w->out, SLICE("MAXLEN"));
    encode_arg(w->out, SLICE("0"));
    put_id(w->out, id);
    encode_arg(w->out, SLICE("x"));
    encode_arg(w->out, SLICE("y"));
}

/* Entries and stand-ins in the order of their ids. */
static void put_entries(struct rewrite *w) {
    struct idtree_place lost = idtree_first(&w->lost);
    struct stream_iter it;

    if (w->s->length + w->lost.count == 0) put_empty(w);
    stream_iter_init(&it, w->s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_iter_next(&it)) {
        for (; lost.leaf; lost = idtree_next(lost)) {
            struct stream_id id = stream_id_of(idtree_at(lost)->key);

            if (stream_id_cmp(id, it.e.id) > 0) break;
            put_stand_in(w, id);
        }
        put_entry(w, &it);
    }
    for (; lost.leaf; lost = idtree_next(lost)) put_stand_in(w, stream_id_of(idtree_at(lost)->key));
}

static void put_setid(struct rewrite *w) {
    encode_head(w->out, 7);
    encode_arg(w->out, SLICE("XSETID"));
    encode_arg(w->out, w->key);
    put_id(w->out, w->s->last_id);
    encode_arg(w->out, SLICE("ENTRIESADDED"));
    put_int(w->out, (int64_t)w->s->entries_added);
    encode_arg(w->out, SLICE("MAXDELETEDID"));
    put_id(w->out, w->s->max_deleted_id);
}

/* ---------------------------------------------------------------- groups */

/* XCLAIM key group consumer 0 id... TIME ms RETRYCOUNT n FORCE JUSTID, for n ids from `p` on. */
static void put_claim(struct rewrite *w, struct slice consumer, struct idtree_place p, size_t n) {
    const struct stream_pending *e = idtree_at(p)->value;

    encode_head(w->out, 5 + n + 6);
    encode_arg(w->out, SLICE("XCLAIM"));
    encode_arg(w->out, w->key);
    encode_arg(w->out, stream_group_name(w->g));
    encode_arg(w->out, consumer);
    encode_arg(w->out, SLICE("0"));
    for (; n > 0; n--, p = idtree_next(p)) put_id(w->out, stream_id_of(idtree_at(p)->key));
    encode_arg(w->out, SLICE("TIME"));
    put_int(w->out, e->delivered_ms);
    encode_arg(w->out, SLICE("RETRYCOUNT"));
    put_int(w->out, (int64_t)e->deliveries);
    encode_arg(w->out, SLICE("FORCE"));
    encode_arg(w->out, SLICE("JUSTID"));
}

/* How many from `p` on were delivered at the same time and equally often. */
static size_t alike_from(struct idtree_place p) {
    const struct stream_pending *first = idtree_at(p)->value;
    size_t n = 0;

    for (; p.leaf && n < REWRITE_ITEMS; p = idtree_next(p), n++) {
        const struct stream_pending *e = idtree_at(p)->value;

        if (e->delivered_ms != first->delivered_ms || e->deliveries != first->deliveries) break;
    }
    return n;
}

static void put_consumer(void *consumer, void *arg) {
    const struct stream_consumer *c = consumer;
    struct rewrite *w = arg;
    struct idtree_place p = idtree_first(&c->pending);

    encode_head(w->out, 5);
    encode_arg(w->out, SLICE("XGROUP"));
    encode_arg(w->out, SLICE("CREATECONSUMER"));
    encode_arg(w->out, w->key);
    encode_arg(w->out, stream_group_name(w->g));
    encode_arg(w->out, stream_consumer_name(c));
    while (p.leaf) {
        size_t n = alike_from(p);

        put_claim(w, stream_consumer_name(c), p, n);
        for (; n > 0; n--) p = idtree_next(p);
    }
}

static void put_group(void *group, void *arg) {
    const struct stream_group *g = group;
    struct rewrite *w = arg;

    w->g = g;
    encode_head(w->out, 7);
    encode_arg(w->out, SLICE("XGROUP"));
    encode_arg(w->out, SLICE("CREATE"));
    encode_arg(w->out, w->key);
    encode_arg(w->out, stream_group_name(g));
    put_id(w->out, g->last_id);
    encode_arg(w->out, SLICE("ENTRIESREAD"));
    put_int(w->out, g->entries_read);
    table_each(&g->consumers, put_consumer, w);
}

void rewrite_stream(struct bytes *b, const struct entry *e) {
    struct rewrite w = {.out = b, .s = stream_of(e), .key = entry_key(e)};

    table_each(&w.s->groups, find_lost, &w);
    put_entries(&w);
    table_each(&w.s->groups, put_group, &w);
    delete_stand_ins(&w);
    put_setid(&w);
    idtree_release(&w.lost, NULL);
    rewrite_expire(b, e);
}
