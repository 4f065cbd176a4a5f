/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/clock.h"

#include <math.h>
#include <stdatomic.h>
#include <time.h>

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

void clock_refresh(void) {
    clock_cached_ms_ = clock_wall_ms();
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
