/* SPDX-License-Identifier: BSD-3-Clause
 *
 * observe - what is noted of a command once it has run: figures, MONITOR, the logs of
 * commands, latency.
 */
#ifndef STET_EXEC_OBSERVE_H
#define STET_EXEC_OBSERVE_H

#include "server/exec/call.h"

/* A command's histogram of times: octave 0 is what took less than 1024 ns, each further one goes up
 * to twice as much; an octave has eight buckets of equal width. What took longer than 137 s is in
 * the last one. */
enum { OBSERVE_PARTS = 8, OBSERVE_OCTAVES = 28, OBSERVE_BUCKETS = OBSERVE_OCTAVES * OBSERVE_PARTS };

static inline unsigned observe_bucket(uint64_t ns) {
    uint64_t units = ns >> 7;
    unsigned i, octave;

    if (units < OBSERVE_PARTS) return (unsigned)units;
    octave = 61 - (unsigned)__builtin_clzl(units);
    i = octave * OBSERVE_PARTS + (units >> (octave - 1)) % OBSERVE_PARTS;
    return i < OBSERVE_BUCKETS ? i : OBSERVE_BUCKETS - 1;
}

/* Where bucket i ends and the next one begins. */
static inline double observe_bucket_us(int i) {
    uint64_t part = (uint64_t)(i + 1) % OBSERVE_PARTS, octave = (uint64_t)(i + 1) / OBSERVE_PARTS;

    if (octave == 0) return (double)(part << 7) / 1000;
    return (double)((OBSERVE_PARTS + part) << (octave - 1) << 7) / 1000;
}

/* The upper end of an octave in microseconds, with the precision of two digits, as with Redis. */
static inline int64_t observe_octave_us(int i) {
    return (int64_t)((UINT64_C(1024) << i) + (UINT64_C(8) << i) - 1) / 1000;
}

/* The time in microseconds that `percent` of the `total` calls did not exceed: the end of the
 * bucket, as with Redis. */
double observe_time_at(const uint64_t *buckets, uint64_t total, double percent);

/* It took `ns` and answered with so many bytes; `rc` is what its handler returned. */
void observe(struct call *x, uint64_t ns, size_t reply_bytes, int rc);

#endif
