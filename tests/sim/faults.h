/* SPDX-License-Identifier: BSD-3-Clause
 *
 * faults - what goes wrong in one life, decided by seed before it begins: at the n-th call of a
 * kind an error (once, for some calls, or for some time), a slow call, the death of the process, or
 * the end of the power.
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "dice.h"
#include "disk.h"

enum { FAULTS_MAX = 4, ANY_OP = IO_OPS };

struct fault {
    int op;      /* enum io_op, or ANY_OP */
    uint64_t at; /* the n-th call of that kind in this life */
    enum disk_fate fate;
    int code;
    unsigned part;     /* percent of a write that gets through before */
    uint64_t calls;    /* FATE_ERROR: so many calls of the kind fail ... */
    uint64_t for_ns;   /* ... and all within this time of the first */
    uint64_t delay_ns; /* FATE_NONE: a slow call */
    uint64_t until_ns; /* set when it begins */
};

/* How the disk is over a long time: it changes when its time is over. */
enum weather {
    WEATHER_WELL,
    WEATHER_FULL,
    WEATHER_FAILS,
    WEATHER_SYNC_FAILS,
    WEATHER_SLOW,
    WEATHERS
};

struct plan {
    struct fault fault[FAULTS_MAX];
    int n, fired;
    uint64_t calls, by_op[IO_OPS];
    bool outages; /* instead of single faults */
    enum weather weather;
    uint64_t changes_ns;
    struct dice dice;
};

/* One to three events. */
void plan_roll(struct plan *p, struct dice *d);

/* A disk that fills, fails, hangs and heals, until plan_heal(). */
void plan_outages(struct plan *p, struct dice *d);
void plan_heal(struct plan *p);
void plan_show(const struct plan *p);

/* What happens at the next call, which is of kind `op`; `n` bytes are to be written. */
struct disk_verdict plan_judge(struct plan *p, enum io_op op, size_t n);

#endif
