/* SPDX-License-Identifier: BSD-3-Clause
 *
 * clock - TEST CLOCK: sets the clock, and lets everything happen that is due in between.
 */
#include "storage/base/clock.h"
#include "server/double/impl.h"
#include "server/exec/expire.h"
#include "server/exec/turn.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

/* Times that a client may set: far from where sums overflow. */
#define WALL_MAX (INT64_C(1) << 53)

static void clock_changed(const struct call *x) {
    const struct double_app *app = &x->e->test_double->app;

    if (app->clock_changed) app->clock_changed(app->arg);
}

/* ---------------------------------------------------------------- what is due next */

struct due {
    int64_t wall_ms;  /* of a key or a field, INT64_MAX: none */
    uint64_t mono_us; /* of a client that waits, of a fault; UINT64_MAX: none */
};

static void note_mono(struct due *due, uint64_t at_us) {
    if (at_us && at_us < due->mono_us) due->mono_us = at_us;
}

static void note_due(struct due *due, struct engine *e) {
    if (e->active_expire && expire_removes(e))
        for (int i = 0; i < e->ks.ndbs; i++) {
            int64_t keys = expiry_next(&e->ks.dbs[i].expires);
            int64_t parts = expiry_next(&e->ks.dbs[i].parts);

            if (keys < due->wall_ms) due->wall_ms = keys;
            if (parts < due->wall_ms) due->wall_ms = parts;
        }
    note_mono(due, engine_next_deadline(e));
    if (e->test_double) note_mono(due, effects_next(e->test_double));
}

/* Milliseconds from now until the next thing is due, `most` if nothing is before. */
static int64_t until_next(struct test_double *d, int64_t most) {
    struct due due = {INT64_MAX, UINT64_MAX};
    int64_t now = clock_wall_ms(), ms = most;
    uint64_t mono = clock_mono_us();

    engine_each (e, d->e) note_due(&due, e);
    if (due.wall_ms != INT64_MAX && due.wall_ms - now < ms) ms = due.wall_ms - now;
    if (due.mono_us != UINT64_MAX) {
        uint64_t wait = due.mono_us > mono ? (due.mono_us - mono + 999) / 1000 : 0;

        if (wait < (uint64_t)ms) ms = (int64_t)wait;
    }
    return ms > 0 ? ms : 0;
}

/* ---------------------------------------------------------------- letting it happen */

static void happen_in(struct engine *e, struct advanced *a) {
    uint64_t expired = e->stats.expired, fields = e->stats.expired_fields;

    while (expire_some(e, 100000)) continue;
    a->expired += e->stats.expired - expired;
    a->fields += e->stats.expired_fields - fields;
    a->timed_out += blocked_check_time(e, clock_mono_us());
    if (e->test_double) effects_on_time(e->test_double, clock_mono_us());
    engine_before_wait(e);
}

static void happen(struct test_double *d, struct advanced *a) {
    engine_each (e, d->e) happen_in(e, a);
}

/* One step after the other to where something is due. Where that changes nothing, the rest is one
 * step. */
static void advance(struct test_double *d, int64_t ms, struct advanced *a) {
    while (ms > 0) {
        int64_t step = until_next(d, ms);

        if (step == 0) {
            happen(d, a);
            step = until_next(d, ms);
            if (step == 0) step = ms;
        }
        clock_advance_ms(step);
        ms -= step;
        if (ms > 0 && until_next(d, 1) > 0) continue;
        happen(d, a);
    }
}

static void run_advance(struct test_double *d, struct blocked *b) {
    struct advanced *a = errand_job(b);

    advance(d, b->args[0], a);
    if (d->app.clock_changed) d->app.clock_changed(d->app.arg);
}

static void answer_advance(struct blocked *b, struct reply *r) {
    const struct advanced *a = errand_job(b);

    reply_map(r, 4);
    reply_bulk_str(r, "expired");
    reply_int(r, (int64_t)a->expired);
    reply_bulk_str(r, "fields");
    reply_int(r, (int64_t)a->fields);
    reply_bulk_str(r, "timed-out");
    reply_int(r, (int64_t)a->timed_out);
    reply_bulk_str(r, "unix-ms");
    reply_int(r, clock_wall_ms());
}

/* ---------------------------------------------------------------- the words */

static bool arg_time(struct call *x, int i, int64_t *ms) {
    return arg_int_range(x, i, 0, WALL_MAX, ms, "ERR the time must be between 0 and 2^53 ms");
}

static int get(struct call *x) {
    reply_map(&x->r, 2);
    reply_bulk_str(&x->r, "unix-ms");
    reply_int(&x->r, clock_wall_ms());
    reply_bulk_str(&x->r, "pace");
    reply_double(&x->r, clock_pace());
    return 0;
}

static int changed(struct call *x) {
    clock_changed(x);
    reply_ok(&x->r);
    return 0;
}

static int freeze(struct call *x) {
    int64_t ms = 0;

    if (x->argc == 4 && !arg_time(x, 3, &ms)) return -1;
    clock_set_pace(0);
    if (x->argc == 4) clock_set_wall_ms(ms);
    return changed(x);
}

static int set(struct call *x) {
    int64_t ms;

    if (!arg_time(x, 3, &ms)) return -1;
    clock_set_wall_ms(ms);
    return changed(x);
}

static int go(struct call *x) {
    int64_t ms;

    if (!arg_time(x, 3, &ms)) return -1;
    if (ms > WALL_MAX - clock_wall_ms())
        return reply_err(x, "ERR the time must be between 0 and 2^53 ms");
    errand(x, &(struct errand){.run = run_advance, .job = mem_calloc(sizeof(struct advanced))},
           answer_advance, ms, 0);
    return 0;
}

static int scale(struct call *x) {
    double pace;

    if (!num_parse_double(x->argv[3].p, x->argv[3].n, &pace) || !(pace >= 0.001 && pace <= 1e6))
        return reply_err(x, "ERR the factor must be between 0.001 and 1000000");
    clock_set_pace(pace);
    return changed(x);
}

static int run(struct call *x) {
    clock_set_pace(1);
    return changed(x);
}

static int real(struct call *x) {
    clock_follow_system();
    return changed(x);
}

int test_clock(struct call *x) {
    static const struct {
        const char *word;
        int min, max; /* arguments */
        int (*fn)(struct call *x);
    } words[] = {
        {"get", 3, 3, get},    {"freeze", 3, 4, freeze}, {"set", 4, 4, set},
        {"advance", 4, 4, go}, {"scale", 4, 4, scale},   {"run", 3, 3, run},
        {"real", 3, 3, real},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (arg_is(x, 2, words[i].word) && x->argc >= words[i].min && x->argc <= words[i].max)
            return words[i].fn(x);
    return reply_err(x, ERR_SYNTAX);
}
