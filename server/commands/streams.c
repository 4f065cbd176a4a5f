/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/streams.h"

#include "persistence/aof.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- arguments */

bool arg_stream_id(struct call *x, int i, uint64_t missing_seq, struct stream_id *id) {
    if (stream_id_parse(x->argv[i], missing_seq, id)) return true;
    reply_err(x, ERR_STREAM_ID);
    return false;
}

struct stream_id *arg_stream_ids(struct call *x, int i, int n) {
    struct stream_id *ids = mem_alloc((size_t)n * sizeof *ids);

    for (int k = 0; k < n; k++) {
        if (arg_stream_id(x, i + k, 0, &ids[k])) continue;
        mem_free(ids);
        return NULL;
    }
    return ids;
}

static int cmp_ordered(const void *a, const void *b) {
    const struct ordered_id *x = a, *y = b;
    int c = stream_id_cmp(x->id, y->id);

    return c ? c : x->i - y->i;
}

struct ordered_id *ids_in_order(const struct stream_id *ids, int n) {
    struct ordered_id *v = mem_alloc((size_t)n * sizeof *v);
    bool ordered = true;

    for (int i = 0; i < n; i++) {
        v[i] = (struct ordered_id){.id = ids[i], .i = i};
        if (i > 0 && stream_id_cmp(ids[i - 1], ids[i]) > 0) ordered = false;
    }
    if (!ordered) qsort(v, (size_t)n, sizeof *v, cmp_ordered);
    return v;
}

static bool arg_range_id(struct call *x, int i, uint64_t missing_seq, struct stream_id *id,
                         bool *exclusive) {
    struct slice s = x->argv[i];

    *exclusive = s.n > 1 && s.p[0] == '(';
    if (*exclusive) {
        s = slice_of(s.p + 1, s.n - 1);
    } else if (s.n == 1 && (s.p[0] == '-' || s.p[0] == '+')) {
        *id = s.p[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
        return true;
    }
    if (stream_id_parse(s, missing_seq, id)) return true;
    reply_err(x, ERR_STREAM_ID);
    return false;
}

bool arg_range_start(struct call *x, int i, struct stream_id *id) {
    bool exclusive;

    if (!arg_range_id(x, i, 0, id, &exclusive)) return false;
    if (!exclusive || stream_id_inc(id)) return true;
    reply_err(x, "ERR invalid start ID for the interval");
    return false;
}

bool arg_range_end(struct call *x, int i, struct stream_id *id) {
    bool exclusive;

    if (!arg_range_id(x, i, UINT64_MAX, id, &exclusive)) return false;
    if (!exclusive || stream_id_dec(id)) return true;
    reply_err(x, "ERR invalid end ID for the interval");
    return false;
}

/* ---------------------------------------------------------------- keys */

bool find_stream(struct call *x, int i, bool for_write, struct ref *r, struct stream **s) {
    *r = for_write ? lookup_write(x, i) : lookup_read(x, i);
    *s = NULL;
    if (!check_type(x, r, TYPE_STREAM)) return false;
    if (r->e) *s = stream_of(r->e);
    return true;
}

bool find_group(struct call *x, int i, struct ref *r, struct stream **s, struct stream_group **g) {
    if (!find_stream(x, i, false, r, s)) return false;
    *g = *s ? stream_group_find(*s, x->argv[i + 1]) : NULL;
    if (*g) return true;
    reply_no_group(x, "NOGROUP No such key '", x->argv[i], "' or consumer group '", x->argv[i + 1],
                   "'");
    return false;
}

int reply_no_group(struct call *x, const char *head, struct slice first, const char *middle,
                   struct slice second, const char *tail) {
    struct bytes b = {0};

    bytes_append_str(&b, head);
    bytes_append(&b, first.p, strnlen(first.p, first.n));
    bytes_append_str(&b, middle);
    bytes_append(&b, second.p, strnlen(second.p, second.n));
    bytes_append_str(&b, tail);
    reply_err(x, bytes_cstr(&b));
    bytes_release(&b);
    return -1;
}

struct stream *make_stream(struct call *x, struct ref *r) {
    struct stream *s = stream_new();

    r->e = entry_new_object(r->key, TYPE_STREAM, s, ENTRY_NO_EXPIRE, 0);
    db_add(r->db, r->e, r->hash);
    key_added(x, r);
    return s;
}

struct stream_consumer *need_consumer(struct call *x, const struct ref *r, struct stream_group *g,
                                      struct slice name, bool *is_new) {
    struct stream_consumer *c = stream_consumer_find(g, name);

    x->rewritten = true;
    *is_new = !c;
    if (c) {
        c->seen_ms = x->now_ms;
        return c;
    }
    c = stream_consumer_add(g, name, x->now_ms);
    key_changed_inside(x, r, EVENT_STREAM, "xgroup-createconsumer");
    return c;
}

/* ---------------------------------------------------------------- replies */

void reply_stream_id(struct reply *r, struct stream_id id) {
    char text[STREAM_ID_TEXT];

    reply_bulk(r, text, stream_id_format(text, id));
}

static void reply_value(struct reply *r, struct lp_value v) {
    if (v.p)
        reply_bulk(r, v.p, v.n);
    else
        reply_bulk_int(r, v.v);
}

void reply_entry(struct reply *r, struct stream_iter *it) {
    reply_array(r, 2);
    reply_entry_parts(r, it);
}

void reply_entry_parts(struct reply *r, struct stream_iter *it) {
    reply_stream_id(r, it->e.id);
    reply_array(r, 2 * (size_t)it->e.nfields);
    for (uint32_t i = 0; i < it->e.nfields; i++) {
        struct lp_value name, value;

        stream_iter_field(it, &name, &value);
        reply_value(r, name);
        reply_value(r, value);
    }
}

void reply_entries(struct call *x, struct stream_iter *it, uint64_t most) {
    uint64_t n = 0;

    if (most && stream_iter_next(it)) n = 1 + stream_iter_left(*it, most - 1);
    reply_array(&x->r, n);
    for (; n > 0; n--) {
        reply_entry(&x->r, it);
        call_breathe(x);
        if (n > 1) stream_iter_next(it);
    }
}

/* ---------------------------------------------------------------- the AOF */

bool logs_effects(const struct call *x) {
    return call_propagates(x);
}

void log_pending(struct call *x, const struct ref *r, const struct stream_group *g,
                 struct stream_id id, const struct stream_pending *p) {
    char at[STREAM_ID_TEXT], last[STREAM_ID_TEXT], time[NUM_I64_MAX], deliveries[NUM_I64_MAX];

    x->rewritten = true;
    if (!logs_effects(x)) return;
    EFFECT(x, SLICE("XCLAIM"), r->key, stream_group_name(g), stream_consumer_name(p->owner),
           SLICE("0"), id_text(at, id), SLICE("TIME"), int_text(time, p->delivered_ms),
           SLICE("RETRYCOUNT"), int_text(deliveries, (int64_t)p->deliveries), SLICE("FORCE"),
           SLICE("JUSTID"), SLICE("LASTID"), id_text(last, g->last_id));
}

void log_consumer(struct call *x, const struct ref *r, const struct stream_group *g,
                  const struct stream_consumer *c) {
    EFFECT(x, SLICE("XGROUP"), SLICE("CREATECONSUMER"), r->key, stream_group_name(g),
           stream_consumer_name(c));
}

void log_group_position(struct call *x, const struct ref *r, const struct stream_group *g) {
    char id[STREAM_ID_TEXT], read[NUM_I64_MAX];

    EFFECT(x, SLICE("XGROUP"), SLICE("SETID"), r->key, stream_group_name(g),
           id_text(id, g->last_id), SLICE("ENTRIESREAD"), int_text(read, g->entries_read));
}
