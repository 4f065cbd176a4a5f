/* SPDX-License-Identifier: BSD-3-Clause
 *
 * breathe - a command that takes long lets other clients be served from within.
 *
 * Its handler calls call_breathe() in its loops, wherever the data set is whole, nothing was
 * changed yet, and all that it holds stays good as long as nothing changes. After engine.slice_ns
 * the other clients are served, and then again each time the command has had as much time as they
 * had, a slice at the least: so the command takes twice its own time at the most.
 *
 * Meanwhile (pause.mode is PAUSE_BREATH) only what changes no data is executed. Every other command
 * is parked, as in CLIENT PAUSE, and goes on in order of arrival once the long one is over. A key
 * whose time is over is not there, but stays.
 */
#ifndef STET_EXEC_BREATHE_H
#define STET_EXEC_BREATHE_H

#include "server/exec/call.h"
#include "storage/base/pace.h"

enum { BREATHE_STEPS = 512 }; /* calls of call_breathe() between looks at the clock */

/* Serves other clients if it is time to. */
void breathe_now(struct call *x);

static inline void call_breathe(struct call *x) {
    if (__builtin_expect(++x->steps >= x->e->breathe_steps, 0)) breathe_now(x);
}

/* For a loop whose step does the work of `n`. */
static inline void call_breathe_by(struct call *x, size_t n) {
    x->steps += n < BREATHE_STEPS ? (uint32_t)n : BREATHE_STEPS - 1;
    call_breathe(x);
}

/* The same for what `storage` computes. */
void breathe_step(void *call, size_t n);
static inline struct pace call_pace(struct call *x) {
    return (struct pace){breathe_step, x};
}

/* The call is over, and its reply is written: what its client was told meanwhile follows. */
void breathe_end(struct call *x);

#endif
