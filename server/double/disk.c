/* SPDX-License-Identifier: BSD-3-Clause
 *
 * disk - TEST DISK and TEST CRASH: what the files answer, and what of them is left.
 */
#include "server/double/impl.h"
#include "storage/base/io.h"
#include "storage/base/log.h"

#include <errno.h>

enum { FOR_EVER = -1, TORN_BYTES = 11 };

static void set_disk(struct io_fault write, struct io_fault sync) {
    io_fault_reset();
    io_fault_set(IO_WRITE, write);
    io_fault_set(IO_SYNC, sync);
}

static int slow(struct call *x) {
    struct io_fault f = {0};
    int64_t ms;

    if (!arg_int_range(x, 3, 0, 600000, &ms, ERR_NOT_INT)) return -1;
    f.delay_ms = (int)ms;
    set_disk((struct io_fault){0}, f);
    reply_ok(&x->r);
    return 0;
}

int test_disk(struct call *x) {
    const struct io_fault none = {0}, full = {.code = ENOSPC, .count = FOR_EVER},
                          broken = {.code = EIO, .count = FOR_EVER},
                          torn = {.code = EIO, .count = FOR_EVER, .short_bytes = TORN_BYTES};

    if (arg_is(x, 2, "slow") && x->argc == 4) return slow(x);
    if (x->argc != 3) return reply_err(x, ERR_SYNTAX);
    if (arg_is(x, 2, "full"))
        set_disk(full, none);
    else if (arg_is(x, 2, "eio"))
        set_disk(broken, broken);
    else if (arg_is(x, 2, "torn"))
        set_disk(torn, none);
    else if (arg_is(x, 2, "normal"))
        set_disk(none, none);
    else
        return reply_err(x, ERR_SYNTAX);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- the crash */

/* A kill leaves what was written, at any time. */
static bool may_crash(const struct blocked *b) {
    const struct test_double *d = b->s->e->test_double;

    return b->args[0] == CRASH_WRITTEN || !d->app.is_settled || d->app.is_settled(d->app.arg);
}

static void arm(struct test_double *d, struct blocked *b) {
    d->crash = (enum double_crash)b->args[0];
    d->crash_bytes = (uint64_t)b->args[1];
    d->crashes = true; /* in the next turn: the answer is sent at the end of this one */
    if (d->app.crash_is_near) d->app.crash_is_near(d->app.arg);
    if (d->app.hurry) d->app.hurry(d->app.arg);
}

int test_crash(struct call *x) {
    struct test_double *d = x->e->test_double;
    enum double_crash how = CRASH_WRITTEN;
    int64_t bytes = 0;

    if (!d->app.crash) return reply_err(x, "ERR this server cannot begin anew");
    if (x->argc == 3 && arg_is(x, 2, "synced"))
        how = CRASH_SYNCED;
    else if (x->argc == 4 && arg_is(x, 2, "bytes"))
        how = CRASH_BYTES;
    else if (x->argc > 3 || (x->argc == 3 && !arg_is(x, 2, "written")))
        return reply_err(x, ERR_SYNTAX);
    if (x->argc == 4 && !arg_int_range(x, 3, 0, INT64_C(1) << 40, &bytes, ERR_NOT_INT)) return -1;
    errand(x, &(struct errand){.is_so = may_crash, .run = arm}, answer_ok, how, bytes);
    return 0;
}

void crash_if_asked(struct test_double *d) {
    struct err e;

    if (!d->crashes) return;
    d->crashes = false;
    if (d->app.crash(d->app.arg, d->crash, d->crash_bytes, &e) < 0)
        log_warning("TEST CRASH: the process cannot begin anew: %s", e.text);
}
