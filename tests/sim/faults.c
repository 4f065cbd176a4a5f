/* SPDX-License-Identifier: BSD-3-Clause */
#include "faults.h"

#include "sched.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { AT_MAX = 400 };

/* Syncs and writes more often than their share, as they matter most. */
static int roll_op(struct dice *d) {
    static const int ops[] = {ANY_OP,      ANY_OP,    ANY_OP,   IO_SYNC,    IO_SYNC, IO_SYNC,
                              IO_WRITE,    IO_WRITE,  IO_OPEN,  IO_RENAME,  IO_LINK, IO_TRUNCATE,
                              IO_SYNC_DIR, IO_UNLINK, IO_MKDIR, IO_SYNC_DIR};

    return ops[dice_below(d, sizeof ops / sizeof *ops)];
}

static void roll_error(struct fault *f, struct dice *d) {
    static const uint64_t times[] = {0, 0, 20, 500, 3000, 30000};

    f->fate = FATE_ERROR;
    f->code = dice_one_in(d, 2) ? EIO : ENOSPC;
    f->calls = dice_one_in(d, 2) ? 1 : dice_small(d, 12);
    f->for_ns = times[dice_below(d, sizeof times / sizeof *times)] * MS;
}

static void roll_delay(struct fault *f, struct dice *d) {
    static const uint64_t times[] = {20, 300, 1500, 4000, 30000, 200000};

    f->delay_ns = times[dice_below(d, sizeof times / sizeof *times)] * MS;
}

static void roll_fault(struct fault *f, struct dice *d) {
    unsigned kind = (unsigned)dice_below(d, 10);

    *f = (struct fault){.op = roll_op(d), .at = dice_small(d, AT_MAX)};
    if (f->op != ANY_OP && f->op != IO_WRITE) f->at = 1 + f->at / 8;
    f->part = dice_one_in(d, 3) ? (unsigned)dice_below(d, 100) : 0;
    if (kind < 5)
        roll_error(f, d);
    else if (kind < 6)
        roll_delay(f, d);
    else
        f->fate = kind < 8 ? FATE_KILL : FATE_CUT;
}

void plan_roll(struct plan *p, struct dice *d) {
    *p = (struct plan){.n = 1 + (int)dice_below(d, 3)};
    for (int i = 0; i < p->n; i++) roll_fault(&p->fault[i], d);
}

void plan_show(const struct plan *p) {
    static const char *const fates[] = {"is slow", "fails", "kills", "cuts the power"};

    for (int i = 0; i < p->n; i++) {
        const struct fault *f = &p->fault[i];

        printf("  plan: %s call %llu %s", f->op == ANY_OP ? "any" : disk_op_name[f->op],
               (unsigned long long)f->at, fates[f->fate]);
        if (f->fate == FATE_ERROR)
            printf(" (%s, %llu calls, %.2f s)", strerror(f->code), (unsigned long long)f->calls,
                   (double)f->for_ns / 1e9);
        if (f->delay_ns) printf(" (%.2f s)", (double)f->delay_ns / 1e9);
        printf("\n");
    }
}

static bool is_on(struct plan *p, struct fault *f, enum io_op op) {
    uint64_t count = f->op == ANY_OP ? p->calls : p->by_op[op];

    if (f->op != ANY_OP && f->op != (int)op) return false;
    if (count == f->at) f->until_ns = sched_now_ns() + f->for_ns;
    if (count < f->at) return false;
    if (f->fate != FATE_ERROR) return count == f->at;
    return count < f->at + f->calls || sched_now_ns() < f->until_ns;
}

/* ---------------------------------------------------------------- outages */

void plan_outages(struct plan *p, struct dice *d) {
    *p = (struct plan){.outages = true, .dice = {dice_u64(d)}};
    p->changes_ns = sched_now_ns() + 2000 * MS; /* it starts on a disk that is well */
}

void plan_heal(struct plan *p) {
    p->outages = false;
}

static void change_weather(struct plan *p) {
    static const uint64_t times[] = {50, 500, 3000, 20000, 90000};
    uint64_t most = times[dice_below(&p->dice, sizeof times / sizeof *times)];
    bool was_well = p->weather == WEATHER_WELL;

    p->weather = was_well ? 1 + (enum weather)dice_below(&p->dice, WEATHERS - 1) : WEATHER_WELL;
    p->changes_ns = sched_now_ns() + (1 + dice_below(&p->dice, most)) * MS;
}

static bool needs_space(enum io_op op) {
    return op == IO_WRITE || op == IO_OPEN || op == IO_MKDIR || op == IO_LINK || op == IO_RENAME;
}

static struct disk_verdict judge_weather(struct plan *p, enum io_op op, size_t n) {
    static const uint64_t delays[] = {5, 100, 2000, 40000};
    struct disk_verdict v = {0};

    if (sched_now_ns() >= p->changes_ns) change_weather(p);
    switch (p->weather) {
    case WEATHER_FULL:
        if (!needs_space(op)) break;
        v.fate = FATE_ERROR;
        v.code = ENOSPC;
        if (n > 1 && dice_one_in(&p->dice, 3)) v.part = dice_below(&p->dice, n);
        break;
    case WEATHER_FAILS:
    case WEATHER_SYNC_FAILS:
        if (p->weather == WEATHER_SYNC_FAILS && op != IO_SYNC && op != IO_SYNC_DIR) break;
        if (dice_one_in(&p->dice, 4)) break;
        v.fate = FATE_ERROR;
        v.code = EIO;
        break;
    case WEATHER_SLOW:
        if (dice_one_in(&p->dice, 3))
            v.delay_ns = delays[dice_below(&p->dice, sizeof delays / sizeof *delays)] * MS;
        break;
    default: break;
    }
    p->fired += v.fate != FATE_NONE;
    return v;
}

struct disk_verdict plan_judge(struct plan *p, enum io_op op, size_t n) {
    struct disk_verdict v = {0};

    p->calls++;
    p->by_op[op]++;
    if (p->outages) return judge_weather(p, op, n);
    for (int i = 0; i < p->n; i++) {
        struct fault *f = &p->fault[i];

        if (!is_on(p, f, op)) continue;
        p->fired++;
        v.delay_ns += f->delay_ns;
        if (f->fate == FATE_NONE || v.fate > f->fate) continue;
        v.fate = f->fate;
        v.code = f->code;
        if (n > 1) v.part = n * f->part / 100;
    }
    return v;
}
