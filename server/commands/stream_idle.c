/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/stream_idle.h"

#include "server/exec/breathe.h"
#include "storage/base/mem.h"

enum { LOOK_AGAIN_MS = 10 };

/* ---------------------------------------------------------------- how much is given */

/* "$5\r\nhello\r\n" */
static uint64_t value_bytes(struct lp_value v) {
    char text[NUM_I64_MAX];

    return lp_value_text(v, text).n + 7;
}

void budget_spend(struct read_budget *b, const struct stream_iter *found) {
    struct stream_iter it = *found;
    uint64_t bytes = STREAM_ID_TEXT;

    if (b->entries != UINT64_MAX) b->entries--;
    if (b->bytes == UINT64_MAX) return;
    for (uint32_t i = 0; i < it.e.nfields; i++) {
        struct lp_value name, value;

        stream_iter_field(&it, &name, &value);
        bytes += value_bytes(name) + value_bytes(value);
    }
    b->bytes = bytes < b->bytes ? b->bytes - bytes : 0;
}

/* ---------------------------------------------------------------- taking over */

static void add(struct idle_list *l, struct idle_entry e) {
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->v = mem_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = e;
}

/* Finds them. Where all of what is pending was seen, the group knows the oldest of the rest. */
static void find_idle(struct call *x, const struct stream *s, struct stream_group *g,
                      int64_t min_idle_ms, uint64_t most, struct read_budget *b,
                      struct idle_list *out) {
    struct idtree_place p = idtree_first(&g->pending);
    struct stream_cursor c = {0};
    int64_t oldest = INT64_MAX;

    for (; p.leaf && out->n < most && !budget_is_over(b); p = idtree_next(p)) {
        const struct stream_pending *e = idtree_at(p)->value;
        struct stream_id id = stream_id_of(idtree_at(p)->key);
        int64_t idle_ms = x->now_ms - e->delivered_ms;
        struct stream_iter it;

        call_breathe(x);
        if (idle_ms < min_idle_ms) {
            if (e->delivered_ms < oldest) oldest = e->delivered_ms;
            continue;
        }
        if (!stream_cursor_find(&c, s, id)) continue;
        stream_cursor_iter(&c, &it);
        budget_spend(b, &it);
        add(out, (struct idle_entry){id, idle_ms > 0 ? idle_ms : 0, e->deliveries});
    }
    if (!p.leaf) g->oldest_ms = oldest;
}

void stream_take_idle(struct call *x, const struct ref *r, struct stream_group *g,
                      struct stream_consumer *c, int64_t min_idle_ms, uint64_t most,
                      struct read_budget *b, struct idle_list *out) {
    if (g->pending.count == 0 || most == 0 || budget_is_over(b)) return;
    if (g->oldest_ms > 0 && x->now_ms - g->oldest_ms < min_idle_ms) return;
    find_idle(x, stream_of(r->e), g, min_idle_ms, most, b, out);
    for (size_t i = 0; i < out->n; i++) {
        struct stream_pending *p = stream_pending_give(g, out->v[i].id, c);

        stream_pending_delivered(g, p, x->now_ms);
        stream_pending_count(p);
        c->active_ms = x->now_ms;
        log_pending(x, r, g, out->v[i].id, p);
    }
    if (out->n) key_changed_quietly(x, r);
}

int64_t stream_idle_in_ms(const struct stream_group *g, int64_t now_ms, int64_t min_idle_ms) {
    int64_t wait_ms = min_idle_ms;

    if (g->pending.count > 0 && g->oldest_ms > 0 && g->oldest_ms <= now_ms)
        wait_ms = min_idle_ms - (now_ms - g->oldest_ms);
    return wait_ms > LOOK_AGAIN_MS ? wait_ms : LOOK_AGAIN_MS;
}
