/* SPDX-License-Identifier: BSD-3-Clause
 *
 * clock - the only caller of clock_gettime.
 *
 * Two clocks: wall time (what TTLs, TIME and stream ids mean) and monotonic time (what durations
 * and timers mean). Both can be replaced by a virtual clock that only moves when told to; TTLs,
 * idle times, blocking timeouts and cron then follow it. Reading is safe from any thread;
 * switching the clock is for the main thread.
 *
 * The cached wall time is what one command sees as "now": the main thread refreshes it once a loop
 * iteration and before a batch of commands.
 */
#ifndef STET_BASE_CLOCK_H
#define STET_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

int64_t clock_wall_us(void);
int64_t clock_wall_ms(void);
uint64_t clock_mono_us(void);

/* Real monotonic nanoseconds, virtual clock or not: for measuring work, never for semantics. */
uint64_t clock_real_ns(void);

/* Main thread: the wall clock at the last refresh. */
extern int64_t clock_cached_ms_;
static inline int64_t clock_cached_ms(void) {
    return clock_cached_ms_;
}
void clock_refresh(void);

/* Virtual time: starts at `wall_ms` and stands still until advanced. */
void clock_set_virtual(int64_t wall_ms);
void clock_advance_ms(int64_t ms);
void clock_set_real(void);
bool clock_is_virtual(void);

#endif
