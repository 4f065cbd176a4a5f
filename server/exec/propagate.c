/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/propagate.h"

#include "protocol/encode.h"
#include "server/exec/call.h"
#include "storage/base/check.h"
#include "storage/base/num.h"

/* ---------------------------------------------------------------- sinks and units */

void propagate_to(struct propagation *p, const struct sink *s) {
    CHECK(p->nsinks < SINKS_MAX);
    p->sinks[p->nsinks++] = *s;
}

void propagate_release(struct propagation *p) {
    bytes_release(&p->resp);
    *p = (struct propagation){0};
}

struct bytes *propagate_begin(struct propagation *p, int db) {
    if (p->ncommands && p->withhold != p->withheld) propagate_flush(p);
    if (p->ncommands == 0) {
        p->db = db;
        p->withheld = p->withhold;
    } else if (db != p->last_db) {
        char text[NUM_I64_MAX];
        struct slice argv[] = {SLICE("SELECT"), slice_of(text, (size_t)num_format_i64(text, db))};

        encode_command(&p->resp, 2, argv);
        p->ncommands++;
    }
    p->last_db = db;
    p->ncommands++;
    return &p->resp;
}

static inline void give(const struct propagation *p, const struct unit *u) {
    for (unsigned i = 0; i < p->nsinks; i++)
        if (*p->sinks[i].wants) p->sinks[i].unit(p->sinks[i].arg, u);
}

static inline void give_data(const struct propagation *p, enum unit_kind kind, struct slice resp,
                             size_t ncommands, int db, int last_db) {
    struct unit u = {kind, resp, ncommands, db, last_db, false};

    if (__builtin_expect(p->stream_db != NULL, 0)) u.select = *p->stream_db != db;
    give(p, &u);
}

void propagate_flush(struct propagation *p) {
    if (p->ncommands == 0) return;
    give_data(p, p->local || p->withheld ? UNIT_LOCAL : UNIT_DATA, bytes_slice(&p->resp),
              p->ncommands, p->db, p->last_db);
    bytes_clear(&p->resp);
    p->ncommands = 0;
}

void propagate_stream(struct propagation *p, enum unit_kind kind, struct slice resp, int db,
                      int last_db) {
    struct unit u = {kind, resp, 1, db, last_db, false};

    DCHECK(p->ncommands == 0);
    give(p, &u);
}

/* ---------------------------------------------------------------- of one call */

void effect(struct call *x, int argc, const struct slice *argv) {
    x->rewritten = true;
    if (!call_propagates(x)) return;
    encode_command(propagate_begin(&x->e->propagation, x->db->id), (size_t)argc, argv);
}

static struct slice edited(const struct call *x, int i, const struct word_edit *edits, int n) {
    for (int k = 0; k < n; k++)
        if (edits[k].at == i) return edits[k].word;
    return x->argv[i];
}

void effect_edited(struct call *x, const struct word_edit *edits, int n, struct slice more) {
    struct bytes *b;

    x->rewritten = true;
    if (!call_propagates(x)) return;
    b = propagate_begin(&x->e->propagation, x->db->id);
    encode_head(b, (size_t)x->argc + (more.n > 0));
    for (int i = 0; i < x->argc; i++) encode_arg(b, edited(x, i, edits, n));
    if (more.n) encode_arg(b, more);
}

/* The stream selects the database of a message too, as Redis does. */
static void select_in_stream(struct propagation *p, int db) {
    char text[NUM_I64_MAX];
    struct slice argv[] = {SLICE("SELECT"), slice_of(text, (size_t)num_format_i64(text, db))};
    struct bytes b = {0};

    if (*p->stream_db == db) return;
    encode_command(&b, 2, argv);
    propagate_stream(p, UNIT_MASTER, bytes_slice(&b), *p->stream_db, db);
    bytes_release(&b);
}

void propagate_message(struct call *x) {
    struct propagation *p = &x->e->propagation;
    struct bytes b = {0};

    if (__builtin_expect(!p->stream_db, 1) || p->local || call_obeys(x)) return;
    if (call_is_inner(x)) {
        encode_command(propagate_begin(p, x->db->id), (size_t)x->argc, x->argv);
        return;
    }
    select_in_stream(p, x->db->id);
    encode_command(&b, (size_t)x->argc, x->argv);
    propagate_stream(p, UNIT_STREAM, bytes_slice(&b), -1, -1);
    bytes_release(&b);
}

void effect_none(struct call *x) {
    x->rewritten = true;
}

/* The AOF is read back by a strict reader. */
static inline bool is_canonical(const struct call *x) {
    struct bytes b = {0};
    bool same;

    encode_command(&b, (size_t)x->argc, x->argv);
    same = slice_eq(bytes_slice(&b), x->raw);
    bytes_release(&b);
    return same;
}

static void give_as_received(const struct propagation *p, const struct call *x) {
    DCHECK(is_canonical(x));
    give_data(p, p->local ? UNIT_LOCAL : UNIT_DATA, x->raw, 1, x->db->id, x->db->id);
}

void propagate_call(struct call *x) {
    struct propagation *p = &x->e->propagation;
    bool changed = x->e->dirty != x->dirty_before;

    if (call_obeys(x)) return; /* what a master sent is propagated as it came, by the caller */
    if (changed && !x->rewritten && p->ncommands == 0 && x->raw.n && !call_is_inner(x)) {
        give_as_received(p, x);
    } else {
        if (changed && !x->rewritten) effect(x, x->argc, x->argv);
        if (call_is_inner(x)) return; /* the outer call propagates it all */
        propagate_flush(p);
    }
    if (!changed) return;
    x->need = gate_end(&x->e->gate);
    if (__builtin_expect(p->stream_db != NULL, 0)) x->s->wrote = *p->stream_offset;
}
