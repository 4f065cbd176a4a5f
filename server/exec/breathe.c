/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/breathe.h"

#include "server/exec/blocking.h"
#include "server/exec/push.h"
#include "storage/base/check.h"
#include "storage/base/mem.h"

/* A client's own command only: in a transaction or a script nothing may come in between, and a
 * blocked client's command is tried while lists of waiting clients are walked over. */
static bool may_breathe(const struct call *x) {
    const struct engine *e = x->e;

    if (x->from != FROM_CLIENT || x->s->source || !e->hooks.serve_within) return false;
    if (e->busy || e->loading || e->serving) return false;
    if (e->pause.mode != PAUSE_NONE && e->pause.mode != PAUSE_WRITES) return false;
    if (x->rewritten && e->propagation.ncommands > 0) return false;
    return e->dirty == x->dirty_before && !x->waits;
}

/* What the look-ups so far have removed or told is complete in itself. */
static void let_out(struct call *x) {
    propagate_flush(&x->e->propagation);
    push_hold(x->e, x->s, x->need);
}

static void serve_others(struct call *x) {
    struct engine *e = x->e;
    struct request_args args = e->args;
    struct engine_breath breath = e->breath;

    let_out(x);
    e->args = (struct request_args){0};
    e->breath = (struct engine_breath){.limit = breath.limit};
    pause_breathe(&e->pause, true);
    e->hooks.serve_within(e->hooks.arg, e);
    blocked_resume(e);
    DCHECK(e->propagation.ncommands == 0 && e->dirty == x->dirty_before);
    pause_breathe(&e->pause, false);
    breath.limit = e->breath.limit;
    e->breath = breath;
    mem_free(e->args.v);
    e->args = args;
    if (e->nparked > 0) e->resume = true;
    push_keep(e, x->s);
}

/* Whether this is not the call that looked at the clock last; remembers it. */
static bool is_another(const struct call *x) {
    struct engine_breath *b = &x->e->breath;

    if (b->session == x->s->id && b->command == x->s->commands) return false;
    b->session = x->s->id;
    b->command = x->s->commands;
    return true;
}

void breathe_now(struct call *x) {
    struct engine_breath *b = &x->e->breath;
    uint64_t slice_ns = x->e->slice_ns, began_ns, served_ns;

    b->steps = 0;
    if (slice_ns == 0 || !may_breathe(x)) return;
    began_ns = clock_work_ns();
    if (is_another(x)) b->at_ns = began_ns + slice_ns;
    if (began_ns < b->at_ns) return;
    serve_others(x);
    served_ns = clock_work_ns() - began_ns;
    b->away_ns += served_ns;
    b->at_ns = began_ns + served_ns + (served_ns > slice_ns ? served_ns : slice_ns);
}

void breathe_step(void *call, size_t n) {
    call_breathe_by(call, n);
}
