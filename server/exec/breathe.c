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
    return e->dirty == x->dirty_before && !x->rewritten && !x->waits;
}

/* What the look-ups so far have removed or told is complete in itself. */
static void let_out(struct call *x) {
    propagate_flush(&x->e->propagation);
    push_hold(x->e, x->s, x->need);
}

static void serve_others(struct call *x) {
    struct engine *e = x->e;
    struct request_args args = e->args;
    struct pause pause = e->pause;

    let_out(x);
    e->args = (struct request_args){0};
    e->pause.mode = PAUSE_BREATH;
    e->hooks.serve_within(e->hooks.arg);
    blocked_resume(e);
    DCHECK(e->propagation.ncommands == 0 && e->dirty == x->dirty_before);
    e->pause = pause;
    mem_free(e->args.v);
    e->args = args;
    if (e->nparked > 0) e->resume = true;
    push_run(e->pushes, x->s);
}

void breathe_now(struct call *x) {
    uint64_t slice_ns = x->e->slice_ns, began_ns, served_ns;

    x->steps = 0;
    if (slice_ns == 0 || !may_breathe(x)) return;
    began_ns = clock_real_ns();
    if (x->breathe_at_ns == 0) x->breathe_at_ns = began_ns + slice_ns;
    if (began_ns < x->breathe_at_ns) return;
    serve_others(x);
    served_ns = clock_real_ns() - began_ns;
    x->away_ns += served_ns;
    x->breathe_at_ns = began_ns + served_ns + (served_ns > slice_ns ? served_ns : slice_ns);
}

void breathe_step(void *call, size_t n) {
    call_breathe_by(call, n);
}

void breathe_end(struct call *x) {
    push_release_held(x->e, x->s);
}
