/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/session.h"

#include "server/exec/engine.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/blob.h"

static const unsigned next_states[SESSION_STATES] = {
    [SESSION_ACTIVE] = 1u << SESSION_PARKED | 1u << SESSION_BLOCKED | 1u << SESSION_CLOSING,
    [SESSION_PARKED] = 1u << SESSION_ACTIVE | 1u << SESSION_CLOSING,
    [SESSION_BLOCKED] = 1u << SESSION_ACTIVE | 1u << SESSION_CLOSING,
    [SESSION_CLOSING] = 0,
};

static void leave_parked(struct session *s) {
    list_remove(&s->parked);
    s->e->nparked--;
}

void session_enter(struct session *s, enum session_state to) {
    CHECK(next_states[s->state] & (1u << to));
    if (s->state == SESSION_PARKED) leave_parked(s);
    if (to == SESSION_PARKED) {
        list_append(&s->e->parked, &s->parked);
        s->e->nparked++;
    }
    if (to == SESSION_CLOSING) list_append(&s->e->closing, &s->closing);
    s->state = (uint8_t)to;
}

/* ---------------------------------------------------------------- the parts of exec */

static void begin_parts(struct session *s) {
    for (int i = 0; i < SESSION_PARTS; i++)
        if (session_parts[i].begin) session_parts[i].begin(s);
}

static void end_parts(struct session *s) {
    for (int i = 0; i < SESSION_PARTS; i++)
        if (session_parts[i].end) session_parts[i].end(s);
}

static void reset_parts(struct session *s) {
    for (int i = 0; i < SESSION_PARTS; i++)
        if (session_parts[i].reset) session_parts[i].reset(s);
}

/* ---------------------------------------------------------------- beginning and end */

void session_end_closing(struct engine *e) {
    if (e->pause.mode == PAUSE_BREATH) return;
    while (!list_empty(&e->closing)) {
        struct session *s = list_entry(e->closing.next, struct session, closing);

        list_remove(&s->closing);
        end_parts(s);
    }
}

void session_init(struct session *s, struct engine *e, const struct session_ops *ops) {
    *s = (struct session){.e = e, .ops = ops, .resp = 2, .id = ++e->next_client_id};
    out_init(&s->out, &e->out_pool);
    list_init(&s->resuming);
    list_init(&s->parked);
    list_init(&s->closing);
    list_init(&s->told);
    s->created_ms = s->active_ms = clock_cached_ms();
    begin_parts(s);
    list_append(&e->sessions, &s->link);
    e->nsessions++;
}

void session_move(struct session *s, struct engine *to) {
    CHECK(s->ngates == 0 && s->state != SESSION_CLOSING && s->state != SESSION_PARKED);
    end_parts(s);
    if (s->state == SESSION_BLOCKED) session_enter(s, SESSION_ACTIVE);
    list_remove(&s->link);
    s->e->nsessions--;
    s->e = to;
    list_append(&to->sessions, &s->link);
    to->nsessions++;
    s->db = 0;
    s->last_cmd = NULL;
    s->wrote = 0;
}

enum { UNCOUNTED = SESSION_GONE | SESSION_HIDDEN };

static void set_flags(struct session *s, uint32_t to) {
    s->e->nuncounted -= (s->flags & UNCOUNTED) != 0;
    s->flags = to;
    s->e->nuncounted += (s->flags & UNCOUNTED) != 0;
}

void session_is_gone(struct session *s) {
    set_flags(s, s->flags | SESSION_GONE);
}

void session_hide(struct session *s) {
    set_flags(s, s->flags | SESSION_HIDDEN);
}

void session_show(struct session *s) {
    set_flags(s, s->flags & ~(uint32_t)SESSION_HIDDEN);
}

void session_release(struct session *s) {
    end_parts(s);
    list_remove(&s->closing);
    if (s->state == SESSION_PARKED) leave_parked(s);
    list_remove(&s->link);
    s->e->nsessions--;
    s->e->nuncounted -= (s->flags & UNCOUNTED) != 0;
    request_partial_free(&s->partial);
    out_release(&s->out);
    mem_free(s->gates);
    mem_free(s->name);
    mem_free(s->lib_name);
    mem_free(s->lib_ver);
}

void session_reset(struct session *s) {
    reset_parts(s);
    s->db = 0;
    s->resp = 2;
    mem_free(s->name);
    s->name = NULL;
    s->flags &= SESSION_UNIX | SESSION_LOCAL | SESSION_TLS |
                SESSION_REPLY_SKIP; /* the last one for this very command */
    begin_parts(s);
}

void session_silence(struct session *s, uint64_t from) {
    if (s->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) out_truncate(&s->out, from);
    s->flags &= (uint32_t)~SESSION_REPLY_SKIP;
}

/* No position of the AOF: such a gate never opens by itself. */
#define HELD_BACK UINT64_MAX

static void push_gate(struct session *s, struct session_gate g) {
    if (s->ngates == s->gates_cap) {
        s->gates_cap = s->gates_cap ? s->gates_cap * 2 : 2;
        s->gates = mem_realloc(s->gates, s->gates_cap * sizeof *s->gates);
    }
    s->gates[s->ngates++] = g;
}

void session_add_gate(struct session *s, uint64_t from, uint64_t position, enum aof_level level) {
    struct session_gate *last = s->ngates ? &s->gates[s->ngates - 1] : NULL;

    if (from == s->out.end) return;
    if (last && last->level == level && last->from >= from) {
        last->from = from;
        if (last->position < position) last->position = position;
        return;
    }
    /* Output after a closed gate waits for it in any case. */
    if (last && last->level == level && last->position >= position) return;
    push_gate(s, (struct session_gate){from, position, level});
}

void session_hold_unsafe(struct session *s, uint64_t from, uint64_t position) {
    const struct gate *g = &s->e->gate;

    if (position > gate_end(g)) position = gate_end(g); /* it was counted in other units */
    if (!gate_is_safe(g, position)) session_add_gate(s, from, position, g->level);
}

void session_hold_back(struct session *s, uint64_t from) {
    push_gate(s, (struct session_gate){from, HELD_BACK, AOF_LEVEL_WRITTEN});
}

/* Gates that came later may have been left out because of it: what it held waits for everything
 * that was appended until now. */
void session_hold_until(struct session *s, uint64_t from) {
    const struct gate *g = &s->e->gate;
    uint32_t at = 0;

    while (at < s->ngates && s->gates[at].position != HELD_BACK) at++;
    if (at == s->ngates) return;
    if (from != UINT64_MAX) {
        s->gates[at].from = from;
    } else {
        s->gates[at].position = gate_is_on(g) ? gate_end(g) : 0;
        s->gates[at].level = g->level;
    }
    s->ops->wake(s);
}

void session_gates_anew(struct session *s, uint64_t position) {
    for (uint32_t i = 0; i < s->ngates; i++)
        if (s->gates[i].position != HELD_BACK) s->gates[i].position = position;
}

struct blob *session_take(struct session *s, struct slice value) {
    struct session_large *l = s->large;
    struct blob *b;

    if (!l || l->taken || value.p < l->base || value.p >= l->base + l->size) return NULL;
    if (value.n < l->size - l->size / 4) return NULL;
    l->taken = true;
    b = blob_wrap(l->base, (char *)value.p, value.n);
    blob_ref(b);
    return b;
}

size_t session_sendable(struct session *s) {
    uint32_t open = 0;
    uint64_t end = s->out.end;

    while (open < s->ngates &&
           gate_safe(&s->e->gate, s->gates[open].level) >= s->gates[open].position)
        open++;
    if (open < s->ngates) end = s->gates[open].from;
    if (open == s->ngates) {
        s->ngates = 0;
    } else if (open) {
        s->ngates -= open;
        memmove(s->gates, s->gates + open, s->ngates * sizeof *s->gates);
    }
    return end > s->out.head ? (size_t)(end - s->out.head) : 0;
}

size_t session_mem(const struct session *s) {
    size_t n = sizeof *s + s->out.mem_bytes + s->gates_cap * sizeof *s->gates;

    for (int i = 0; i < SESSION_PARTS; i++)
        if (session_parts[i].memory) n += session_parts[i].memory(s);
    if (s->partial) n += sizeof *s->partial + s->partial->args.cap * sizeof(struct slice);
    return n;
}
