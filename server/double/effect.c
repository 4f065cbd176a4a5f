/* SPDX-License-Identifier: BSD-3-Clause
 *
 * effect - what a fault does to a command, and to its client.
 *
 * A command that is delayed is not executed: its session is PARKED, and it comes again. The effects
 * on a reply hold the output back (session_hold_back): until a command that blocks has its answer,
 * and while a reply is sent in parts. Parts are sent only once the position is safe that the reply
 * waits for. Times are the server's, so a clock that stands holds them.
 */
#include "server/double/impl.h"
#include "server/exec/multi.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

enum { RATE_STEP_MS = 10, UNSAFE_STEP_MS = 1 };

/* ---------------------------------------------------------------- what is under way */

static struct detoured *trouble_of(struct test_double *d, struct session *s) {
    struct detoured *t = s->detoured;

    if (t) return t;
    t = mem_calloc(sizeof *t);
    t->s = s;
    s->detoured = t;
    list_append(&d->troubled, &t->link);
    return t;
}

void effect_end(struct test_double *d, struct session *s) {
    struct detoured *t = s->detoured;
    bool is_held;

    if (!t) return;
    s->detoured = NULL;
    is_held = t->held;
    heap_remove(&d->dues, &t->due);
    list_remove(&t->link);
    mem_free(t);
    if (is_held) session_hold_until(s, UINT64_MAX);
}

static void set_due(struct test_double *d, struct detoured *t, int64_t ms) {
    heap_set(&d->dues, &t->due, clock_mono_us() + (uint64_t)ms * 1000);
}

uint64_t effects_next(const struct test_double *d) {
    const struct heap_node *first = heap_first(&d->dues);

    return first ? first->due : 0;
}

/* ---------------------------------------------------------------- before the command */

static enum detour_way delay(struct test_double *d, struct session *s, const struct effect *how) {
    effect_delay(d, s, how);
    session_enter(s, SESSION_PARKED);
    return DETOUR_LATER;
}

void effect_delay(struct test_double *d, struct session *s, const struct effect *how) {
    struct detoured *t = trouble_of(d, s);

    t->state = TROUBLE_DELAYED;
    set_due(d, t, how->ms + (how->n ? (int64_t)rng_below((uint64_t)how->n + 1) : 0));
}

static bool never(const struct blocked *b) {
    (void)b;
    return false;
}

static enum detour_way hang(struct call *x) {
    block_on_progress(x, &(struct blocked){.ready = never}, 0);
    return DETOUR_DONE;
}

static enum detour_way fail(struct call *x, const char *text) {
    reply_err(x, text);
    multi_fail(x->s);
    return DETOUR_DONE;
}

static enum detour_way close_before(struct call *x) {
    x->s->ops->close(x->s, true);
    return DETOUR_DONE;
}

static enum detour_way reset(struct call *x) {
    const struct session_ops *ops = x->s->ops;

    if (ops->reset)
        ops->reset(x->s);
    else
        ops->close(x->s, false);
    return DETOUR_DONE;
}

/* The command that was blocked has its answer, and the client's next one has come. */
static void finish_awaited(struct test_double *d, struct session *s);

static enum detour_way act(struct test_double *d, struct call *x, const struct fault *f) {
    struct detoured *t;

    switch (f->effect.kind) {
    case EFFECT_ERROR: return fail(x, f->text);
    case EFFECT_DELAY: return delay(d, x->s, &f->effect);
    case EFFECT_HANG: return hang(x);
    case EFFECT_CLOSE_BEFORE: return close_before(x);
    case EFFECT_RESET: return reset(x);
    default: break;
    }
    t = trouble_of(d, x->s);
    t->state = TROUBLE_ARMED;
    t->effect = f->effect;
    return DETOUR_NONE;
}

enum detour_way effect_before(struct test_double *d, struct call *x, uint64_t *from) {
    struct detoured *t = x->s->detoured;
    const struct fault *f;

    if (t && t->state == TROUBLE_DELAYED) { /* others may resume it too early */
        session_enter(x->s, SESSION_PARKED);
        return DETOUR_LATER;
    }
    if (t && t->state == TROUBLE_PACED) { /* one reply after the other */
        session_enter(x->s, SESSION_PARKED);
        return DETOUR_LATER;
    }
    if (t && t->state == TROUBLE_AWAITS) finish_awaited(d, x->s);
    *from = x->s->out.end;
    if (x->s->state != SESSION_ACTIVE) return DETOUR_DONE;
    if (x->s->detoured && x->s->detoured->state == TROUBLE_PASSED) {
        effect_end(d, x->s);
        return DETOUR_NONE;
    }
    f = fault_for(d, x);
    return f ? act(d, x, f) : DETOUR_NONE;
}

/* ---------------------------------------------------------------- the reply */

/* Parts of the reply from `from` on, which is held back already. */
static void begin_parts(struct test_double *d, struct session *s, uint64_t from, uint64_t need) {
    struct detoured *t = s->detoured;

    t->state = TROUBLE_PACED;
    t->from = from;
    t->end = s->out.end;
    t->need = need;
    set_due(d, t, 0);
}

static void hold(struct detoured *t, uint64_t from) {
    if (!t->held) session_hold_back(t->s, from);
    t->held = true;
}

/* The reply is in the output, from `from` on. */
static void act_on_reply(struct test_double *d, struct session *s, uint64_t from, uint64_t need) {
    struct effect how = s->detoured->effect;

    if (how.kind == EFFECT_SLICE || how.kind == EFFECT_RATE) {
        hold(s->detoured, from);
        begin_parts(d, s, from, need);
        return;
    }
    if (how.kind != EFFECT_HALF)
        out_truncate(&s->out, from);
    else if (s->out.end > from + (uint64_t)how.n)
        out_truncate(&s->out, from + (uint64_t)how.n);
    effect_end(d, s);
    if (how.kind != EFFECT_DROP && s->state != SESSION_CLOSING) s->ops->close(s, true);
}

void effect_after(struct test_double *d, struct call *x, uint64_t from) {
    struct detoured *t = x->s->detoured;

    if (!t || t->state != TROUBLE_ARMED) return;
    if (!x->waits) {
        act_on_reply(d, x->s, from, x->need);
        return;
    }
    t->state = TROUBLE_AWAITS;
    t->from = x->s->out.end;
    hold(t, t->from);
}

static void finish_awaited(struct test_double *d, struct session *s) {
    struct detoured *t = s->detoured;

    if (s->state == SESSION_BLOCKED) return;
    act_on_reply(d, s, t->from, gate_is_on(&s->e->gate) ? gate_end(&s->e->gate) : 0);
}

static void send_part(struct test_double *d, struct detoured *t) {
    const struct effect *how = &t->effect;
    int64_t n = how->kind == EFFECT_SLICE ? how->n : how->n * RATE_STEP_MS / 1000;

    if (t->need && !gate_is_safe(&t->s->e->gate, t->need)) {
        set_due(d, t, UNSAFE_STEP_MS);
        return;
    }
    t->from += n > 0 ? (uint64_t)n : 1;
    if (t->from >= t->end) {
        struct session *s = t->s;
        bool parked = s->state == SESSION_PARKED;

        effect_end(d, s);
        if (!parked) return;
        session_enter(s, SESSION_ACTIVE);
        s->ops->resume(s);
        return;
    }
    if (how->kind == EFFECT_SLICE)
        set_due(d, t, how->ms);
    else
        set_due(d, t, n > 0 ? RATE_STEP_MS : 1000 / how->n + 1);
    session_hold_until(t->s, t->from); /* its client may be closed by this */
}

static void end_delay(struct detoured *t) {
    struct session *s = t->s;

    t->state = TROUBLE_PASSED;
    if (s->state != SESSION_PARKED) return; /* a connection that has sent nothing yet */
    session_enter(s, SESSION_ACTIVE);
    s->ops->resume(s);
}

/* Blocked commands that have been answered: their clients may send nothing more. */
static void look_at_awaited(struct test_double *d) {
    list_each_safe (it, next, &d->troubled) {
        struct detoured *t = list_entry(it, struct detoured, link);

        if (t->state == TROUBLE_AWAITS) finish_awaited(d, t->s);
    }
}

void effects_on_time(struct test_double *d, uint64_t now_us) {
    struct heap_node *first;

    look_at_awaited(d);
    while ((first = heap_first(&d->dues)) && first->due <= now_us) {
        struct detoured *t = heap_entry(first, struct detoured, due);

        heap_remove(&d->dues, &t->due);
        if (t->state == TROUBLE_DELAYED)
            end_delay(t);
        else
            send_part(d, t);
    }
}
