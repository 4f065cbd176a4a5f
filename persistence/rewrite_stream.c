/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A stream as commands: XADD for every entry, then groups with their consumers and what is pending,
 * then XSETID for what the entries do not tell.
 *
 * XCLAIM only makes pending what the stream has. So where something is pending that was deleted
 * since, entries that stand in for it come first, are claimed, and are trimmed away; the stream
 * then begins anew.
 */
#include "persistence/aof_rewrite_types.h"
#include "protocol/encode.h"
#include "storage/base/num.h"
#include "storage/note.h"
#include "storage/stream_group.h"
#include "storage/stream_idmp.h"

struct rewrite {
    struct bytes *out;
    const struct stream *s;
    struct slice key;
    const struct stream_group *g;
    struct idtree lost; /* ids that are pending but not in the stream; the values mean nothing */
    bool claims_lost;   /* these are claimed now, or the others */
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

static void put_command(struct rewrite *w, const char *name, size_t argc) {
    encode_head(w->out, argc);
    encode_arg(w->out, slice_str(name));
    encode_arg(w->out, w->key);
}

/* ---------------------------------------------------------------- what stands in */

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
        struct idtree_key key = idtree_at(p)->key;
        bool is_new;

        while (more && idtree_cmp(stream_key(it.e.id), key) < 0) more = stream_iter_next(&it);
        if (!more || idtree_cmp(stream_key(it.e.id), key) != 0) idtree_put(&w->lost, key, &is_new);
    }
}

/* An entry that will not stay. */
static void put_dummy(struct rewrite *w, struct stream_id id) {
    put_id(w->out, id);
    encode_arg(w->out, SLICE("x"));
    encode_arg(w->out, SLICE("y"));
}

static void put_stand_ins(struct rewrite *w) {
    for (struct idtree_place p = idtree_first(&w->lost); p.leaf; p = idtree_next(p)) {
        put_command(w, "XADD", 5);
        put_dummy(w, stream_id_of(idtree_at(p)->key));
    }
}

/* Trimming, unlike deleting, leaves no trace in max_deleted_id. */
static void drop_stand_ins(struct rewrite *w) {
    put_command(w, "XTRIM", 5);
    encode_arg(w->out, SLICE("MAXLEN"));
    encode_arg(w->out, SLICE("="));
    encode_arg(w->out, SLICE("0"));
    put_command(w, "XSETID", 3);
    encode_arg(w->out, SLICE("0-0"));
}

/* ---------------------------------------------------------------- entries */

static void put_entry(struct rewrite *w, struct stream_iter *it) {
    put_command(w, "XADD", 3 + 2 * (size_t)it->e.nfields);
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
    put_command(w, "XADD", 7);
    encode_arg(w->out, SLICE("MAXLEN"));
    encode_arg(w->out, SLICE("0"));
    put_dummy(w, id);
}

static void put_entries(struct rewrite *w) {
    struct stream_iter it;

    stream_iter_init(&it, w->s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_iter_next(&it)) put_entry(w, &it);
}

static void put_setid(struct rewrite *w) {
    put_command(w, "XSETID", 7);
    put_id(w->out, w->s->last_id);
    encode_arg(w->out, SLICE("ENTRIESADDED"));
    put_int(w->out, (int64_t)w->s->entries_added);
    encode_arg(w->out, SLICE("MAXDELETEDID"));
    put_id(w->out, w->s->max_deleted_id);
}

/* What the stream remembers of its producers, as a note. */
static void put_producers(struct rewrite *w) {
    struct bytes state = {0}, note = {0};

    if (!w->s->idmp) return;
    stream_idmp_encode(w->s->idmp, &state);
    note_build(&note, (struct slice[]){w->key, SLICE("state"), bytes_slice(&state)}, 3);
    encode_head(w->out, 2);
    encode_arg(w->out, SLICE("ECHO"));
    encode_arg(w->out, bytes_slice(&note));
    bytes_release(&note);
    bytes_release(&state);
}

/* ---------------------------------------------------------------- groups */

static void put_consumer(void *consumer, void *arg) {
    struct rewrite *w = arg;

    encode_head(w->out, 5);
    encode_arg(w->out, SLICE("XGROUP"));
    encode_arg(w->out, SLICE("CREATECONSUMER"));
    encode_arg(w->out, w->key);
    encode_arg(w->out, stream_group_name(w->g));
    encode_arg(w->out, stream_consumer_name(consumer));
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

/* ---------------------------------------------------------------- what is pending */

/* Ids that were delivered to one consumer at the same time and equally often. */
struct run {
    const struct stream_consumer *c;
    const struct stream_pending *first;
    size_t n;
    struct stream_id id[REWRITE_ITEMS];
};

/* XCLAIM key group consumer 0 id... TIME ms RETRYCOUNT n FORCE JUSTID */
static void put_run(struct rewrite *w, struct run *run) {
    if (run->n == 0) return;
    put_command(w, "XCLAIM", 5 + run->n + 6);
    encode_arg(w->out, stream_group_name(w->g));
    encode_arg(w->out, stream_consumer_name(run->c));
    encode_arg(w->out, SLICE("0"));
    for (size_t i = 0; i < run->n; i++) put_id(w->out, run->id[i]);
    encode_arg(w->out, SLICE("TIME"));
    put_int(w->out, run->first->delivered_ms);
    encode_arg(w->out, SLICE("RETRYCOUNT"));
    put_int(w->out, (int64_t)run->first->deliveries);
    encode_arg(w->out, SLICE("FORCE"));
    encode_arg(w->out, SLICE("JUSTID"));
    run->n = 0;
}

static void claim_for_consumer(void *consumer, void *arg) {
    struct rewrite *w = arg;
    struct run run = {.c = consumer};

    for (struct idtree_place p = idtree_first(&run.c->pending); p.leaf; p = idtree_next(p)) {
        const struct stream_pending *e = idtree_at(p)->value;

        if (w->lost.root && (idtree_find(&w->lost, idtree_at(p)->key) != NULL) != w->claims_lost)
            continue;
        if (run.n == REWRITE_ITEMS || (run.n && (e->delivered_ms != run.first->delivered_ms ||
                                                 e->deliveries != run.first->deliveries)))
            put_run(w, &run);
        if (run.n == 0) run.first = e;
        run.id[run.n++] = stream_id_of(idtree_at(p)->key);
    }
    put_run(w, &run);
}

static void claim_for_group(void *group, void *arg) {
    const struct stream_group *g = group;
    struct rewrite *w = arg;

    w->g = g;
    table_each(&g->consumers, claim_for_consumer, w);
}

static void put_claims(struct rewrite *w, bool lost) {
    w->claims_lost = lost;
    table_each(&w->s->groups, claim_for_group, w);
}

/* ---------------------------------------------------------------- all of it */

void rewrite_stream(struct bytes *b, const struct entry *e) {
    struct rewrite w = {.out = b, .s = stream_of(e), .key = entry_key(e)};

    table_each(&w.s->groups, find_lost, &w);
    if (w.lost.count) {
        put_stand_ins(&w);
        table_each(&w.s->groups, put_group, &w);
        put_claims(&w, true);
        drop_stand_ins(&w);
        put_entries(&w);
    } else {
        if (w.s->length == 0) put_empty(&w);
        put_entries(&w);
        table_each(&w.s->groups, put_group, &w);
    }
    put_claims(&w, false);
    put_setid(&w);
    put_producers(&w);
    idtree_release(&w.lost, NULL);
    rewrite_expire(b, e);
}
