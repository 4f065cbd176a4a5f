/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/run.h"

#include "server/exec/keys.h"
#include "server/exec/monitor.h"
#include "server/exec/observe.h"
#include "server/exec/tracking.h"

static void report_all_changed(struct engine *e) {
    gate_all_changed(&e->gate);
    all_touched(e);
}

int run_call(struct call *x, uint64_t *clock_ns) {
    struct engine *e = x->e;
    uint64_t now, from = x->r.out->end;
    int rc;

    if (__builtin_expect(e->nmonitors > 0, 0)) monitor_show_before(x);
    rc = x->cmd->row->fn(x);
    now = clock_work_ns();
    if (e->dirty != x->dirty_before || e->propagation.ncommands) {
        if (propagate_wanted(&e->propagation))
            propagate_call(x);
        else if (e->propagation.ncommands)
            propagate_flush(&e->propagation); /* the AOF was turned off meanwhile: drops the unit */
    }
    if (x->all_changed && e->dirty != x->dirty_before) report_all_changed(e);
    if (x->all_changed) tracking_all_changed(e);
    observe(x, now - *clock_ns - e->breath.away_ns, x->r.out->end - from, rc);
    *clock_ns = now;
    if (x->cmd->row->flags & CMD_WHOLE_KEYSPACE && gate_is_on(&e->gate))
        x->need = gate_end(&e->gate);
    return rc;
}

static int run_inner(struct call *outer, struct call *x) {
    uint64_t clock_ns = clock_work_ns();
    int rc = run_call(x, &clock_ns);

    if (x->need > outer->need) outer->need = x->need;
    x->e->stats.commands++;
    return rc;
}

int call_inner(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv) {
    struct call x;

    call_init_inner(&x, outer, FROM_EXEC, cmd, argc, argv);
    return run_inner(outer, &x);
}

int call_scripted(struct call *outer, struct command_slot *cmd, int argc, const struct slice *argv,
                  struct reply to) {
    struct call x;

    call_init_inner(&x, outer, FROM_SCRIPT, cmd, argc, argv);
    x.r = to;
    return run_inner(outer, &x);
}
