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
    if (p->ncommands == 0) {
        p->db = db;
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

void propagate_flush(struct propagation *p) {
    struct unit u = {&p->resp, p->ncommands, p->db, p->last_db};

    if (p->ncommands == 0) return;
    for (unsigned i = 0; i < p->nsinks; i++)
        if (*p->sinks[i].wants) p->sinks[i].unit(p->sinks[i].arg, &u);
    bytes_clear(&p->resp);
    p->ncommands = 0;
}

/* ---------------------------------------------------------------- of one call */

void effect(struct call *x, int argc, const struct slice *argv) {
    x->rewritten = true;
    if (!call_propagates(x)) return;
    encode_command(propagate_begin(&x->e->propagation, x->db->id), (size_t)argc, argv);
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
    for (unsigned i = 0; i < p->nsinks; i++)
        if (*p->sinks[i].wants) p->sinks[i].command(p->sinks[i].arg, x->db->id, x->raw);
}

void propagate_call(struct call *x) {
    struct propagation *p = &x->e->propagation;
    bool changed = x->e->dirty != x->dirty_before;

    if (x->root == FROM_LOG) return;
    if (changed && !x->rewritten && p->ncommands == 0 && x->raw.n && !call_is_inner(x)) {
        give_as_received(p, x);
    } else {
        if (changed && !x->rewritten) effect(x, x->argc, x->argv);
        if (call_is_inner(x)) return; /* the outer call propagates it all */
        propagate_flush(p);
    }
    if (changed) x->need = gate_end(&x->e->gate);
}
