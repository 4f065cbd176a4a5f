/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/clock.h"

#include <math.h>
#include <stdatomic.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

int64_t clock_cached_ms_;

/* Virtual time: at the real moment `at_us` it was wall_us and mono_us. Written by the main thread;
 * a reader tries again while `version` is odd or has changed. */
static atomic_bool is_virtual;
static struct {
    atomic_uint version;
    _Atomic int64_t wall_us;
    _Atomic uint64_t mono_us, at_us;
    _Atomic double pace;
} virtual;

struct moment {
    int64_t wall_us;
    uint64_t mono_us;
};

static int64_t read_us(clockid_t id) {
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static struct moment virtual_now(void) {
    struct moment m;
    unsigned version;

    do {
        uint64_t at, past = 0;
        double pace;

        version = atomic_load(&virtual.version);
        m.wall_us = atomic_load(&virtual.wall_us);
        m.mono_us = atomic_load(&virtual.mono_us);
        at = atomic_load(&virtual.at_us);
        pace = atomic_load(&virtual.pace);
        if (pace > 0) past = (uint64_t)((double)(read_us(CLOCK_MONOTONIC) - (int64_t)at) * pace);
        m.wall_us += (int64_t)past;
        m.mono_us += past;
    } while (version & 1 || version != atomic_load(&virtual.version));
    return m;
}

static struct moment now(void) {
    if (atomic_load_explicit(&is_virtual, memory_order_relaxed)) return virtual_now();
    return (struct moment){read_us(CLOCK_REALTIME), (uint64_t)read_us(CLOCK_MONOTONIC)};
}

int64_t clock_wall_us(void) {
    if (atomic_load_explicit(&is_virtual, memory_order_relaxed)) return virtual_now().wall_us;
    return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void) {
    return clock_wall_us() / 1000;
}

uint64_t clock_mono_us(void) {
    if (atomic_load_explicit(&is_virtual, memory_order_relaxed)) return virtual_now().mono_us;
    return (uint64_t)read_us(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void) {
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---------------------------------------------------------------- the processor's counter */

enum {
    MEASURE_NS = 10000000,  /* before its rate is known, so much time has to pass */
    READ_TICKS_MAX = 20000, /* the reading of both clocks was interrupted: it says nothing */
    REFRESH_NS = 250000,
    RATE_BITS = 32,
};

/* Main thread only. At the counter's `ticks` it was `ns`; `rate`: nanoseconds of a tick, 0: not
 * known. The rate is measured from `first_*` on, ever more exactly. */
static struct {
    bool is_looked_at, ticks_evenly;
    uint64_t first_ticks, first_ns, ticks, ns, rate, last_ns, refreshed_ns;
} counter;

#if defined(__x86_64__)
static uint64_t read_counter(void) {
    return __rdtsc();
}

/* Its rate is the same whatever the processor does, and on all of its cores. */
static bool counter_is_even(void) {
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && d >> 8 & 1;
}
#else
static uint64_t read_counter(void) {
    return 0;
}

static bool counter_is_even(void) {
    return false;
}
#endif

static uint64_t ticks_to_ns(uint64_t ticks) {
    return (uint64_t)((unsigned __int128)ticks * counter.rate >> RATE_BITS);
}

static uint64_t count_ns(uint64_t ticks) {
    return counter.ns + (ticks > counter.ticks ? ticks_to_ns(ticks - counter.ticks) : 0);
}

static void measure_anew(uint64_t ticks, uint64_t ns) {
    counter.first_ticks = ticks;
    counter.first_ns = ns;
    counter.rate = 0;
}

/* A machine that was moved to another host has another rate: then the counter is off by more than
 * a thousandth, and the measurement begins anew. */
static bool is_off(uint64_t ticks, uint64_t ns) {
    uint64_t by = count_ns(ticks) - ns, passed = ns - counter.ns;

    if ((int64_t)by < 0) by = -by;
    return by > 5000 + passed / 1000;
}

static void follow_counter(void) {
    uint64_t before, ticks, ns;

    if (!counter.is_looked_at) counter.ticks_evenly = counter_is_even();
    counter.is_looked_at = true;
    if (!counter.ticks_evenly) return;
    before = read_counter();
    ns = clock_real_ns();
    ticks = read_counter();
    if (ticks - before > READ_TICKS_MAX) return;
    ticks = before + (ticks - before) / 2;
    if (!counter.first_ns || (counter.rate && is_off(ticks, ns))) measure_anew(ticks, ns);
    if (ns - counter.first_ns > MEASURE_NS && ticks > counter.first_ticks)
        counter.rate = (uint64_t)(((unsigned __int128)(ns - counter.first_ns) << RATE_BITS) /
                                  (ticks - counter.first_ticks));
    counter.ticks = ticks;
    counter.ns = ns;
}

uint64_t clock_work_ns(void) {
    uint64_t ns = counter.rate ? count_ns(read_counter()) : clock_real_ns();

    if (ns > counter.last_ns) counter.last_ns = ns;
    return counter.last_ns;
}

void clock_refresh(void) {
    follow_counter();
    counter.refreshed_ns = clock_work_ns();
    clock_cached_ms_ = clock_wall_ms();
}

uint64_t clock_refresh_old(void) {
    uint64_t now = clock_work_ns();

    if (now - counter.refreshed_ns < REFRESH_NS && !clock_is_virtual()) return now;
    clock_refresh();
    return counter.refreshed_ns;
}

/* Virtual time goes on from `m` at this pace. */
static void go_on(struct moment m, double pace) {
    atomic_fetch_add(&virtual.version, 1);
    atomic_store(&virtual.wall_us, m.wall_us);
    atomic_store(&virtual.mono_us, m.mono_us);
    atomic_store(&virtual.at_us, (uint64_t)read_us(CLOCK_MONOTONIC));
    atomic_store(&virtual.pace, pace);
    atomic_fetch_add(&virtual.version, 1);
    atomic_store(&is_virtual, true);
    clock_refresh();
}

double clock_pace(void) {
    return clock_is_virtual() ? atomic_load(&virtual.pace) : 1;
}

void clock_set_virtual(int64_t wall_ms) {
    go_on((struct moment){wall_ms * 1000, now().mono_us}, 0);
}

void clock_advance_ms(int64_t ms) {
    struct moment m = now();

    m.wall_us += ms * 1000;
    m.mono_us += (uint64_t)ms * 1000;
    go_on(m, clock_pace());
}

void clock_set_pace(double pace) {
    go_on(now(), pace);
}

void clock_set_wall_ms(int64_t ms) {
    go_on((struct moment){ms * 1000, now().mono_us}, clock_pace());
}

void clock_follow_system(void) {
    go_on((struct moment){read_us(CLOCK_REALTIME), now().mono_us}, 1);
}

void clock_set_real(void) {
    atomic_store(&is_virtual, false);
    clock_refresh();
}

bool clock_is_virtual(void) {
    return atomic_load(&is_virtual);
}

uint64_t clock_real_us_until(uint64_t mono_us) {
    uint64_t at = clock_mono_us();
    double pace = clock_pace(), us;

    if (mono_us <= at) return 0;
    if (pace <= 0) return UINT64_MAX;
    us = ceil((double)(mono_us - at) / pace);
    return us < (double)INT64_MAX ? (uint64_t)us : INT64_MAX;
}
