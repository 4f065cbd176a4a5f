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

enum { TURNS_TO_ANSWER = 2 }; /* that of the command, in which the answer is sent, is the first */

int test_crash(struct call *x) {
    struct test_double *d = x->e->test_double;
    int64_t bytes = 0;

    if (!d->app.crash) return reply_err(x, "ERR this server cannot begin anew");
    if (x->argc == 2 || (x->argc == 3 && arg_is(x, 2, "written")))
        d->crash = CRASH_WRITTEN;
    else if (x->argc == 3 && arg_is(x, 2, "synced"))
        d->crash = CRASH_SYNCED;
    else if (x->argc == 4 && arg_is(x, 2, "bytes"))
        d->crash = CRASH_BYTES;
    else
        return reply_err(x, ERR_SYNTAX);
    if (x->argc == 4 && !arg_int_range(x, 3, 0, INT64_C(1) << 40, &bytes, ERR_NOT_INT)) return -1;
    d->crash_bytes = (uint64_t)bytes;
    d->crashes = true;
    d->crash_turns = 0;
    if (d->app.hurry) d->app.hurry(d->app.arg);
    reply_ok(&x->r);
    return 0;
}

void crash_if_asked(struct test_double *d) {
    struct err e;

    if (!d->crashes || ++d->crash_turns < TURNS_TO_ANSWER) return;
    d->crashes = false;
    if (d->app.crash(d->app.arg, d->crash, d->crash_bytes, &e) < 0)
        log_warning("TEST CRASH: the process cannot begin anew: %s", e.text);
}
