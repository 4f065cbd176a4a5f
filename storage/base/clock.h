/* SPDX-License-Identifier: BSD-3-Clause
 *
 * clock - the only caller of clock_gettime.
 *
 * Two clocks: wall time (what TTLs, TIME and stream ids mean) and monotonic time (what durations
 * and timers mean). Both can be replaced by a virtual clock: it stands until it is told to move, or
 * goes at a pace of its own. TTLs, idle times, blocking timeouts and cron then follow it. Reading
 * is safe from any thread; switching the clock is for the main thread. Monotonic time never goes
 * back, but for clock_set_real().
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

/* Main thread: the same, by the processor's counter where that ticks evenly (x86-64), which is read
 * in a third of the time. It follows clock_real_ns() to within a millionth of the time since the
 * last clock_refresh(), and never goes back. */
uint64_t clock_work_ns(void);

/* Main thread: the wall clock at the last refresh. */
extern int64_t clock_cached_ms_;
static inline int64_t clock_cached_ms(void) {
    return clock_cached_ms_;
}
void clock_refresh(void);

/* Refreshes what is older than a quarter of a millisecond; returns clock_work_ns(). */
uint64_t clock_refresh_old(void);

/* Virtual time: starts at `wall_ms` and stands still until advanced. */
void clock_set_virtual(int64_t wall_ms);

/* Both clocks of a virtual time jump. */
void clock_advance_ms(int64_t ms);

/* From the time that it is now, virtual time goes on `pace` times as fast as real time; 0: it
 * stands. */
void clock_set_pace(double pace);

/* Virtual time at the same pace, with this wall time; the monotonic time does not notice. */
void clock_set_wall_ms(int64_t ms);

/* Virtual time that is the system's, at pace 1. */
void clock_follow_system(void);

void clock_set_real(void);
bool clock_is_virtual(void);
double clock_pace(void); /* 1 for real time */

/* Real microseconds until monotonic time has reached `mono_us`; UINT64_MAX: it stands. */
uint64_t clock_real_us_until(uint64_t mono_us);

#endif
