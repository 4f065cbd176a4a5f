/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/clock.h"

#include <stdatomic.h>
#include <time.h>

int64_t clock_cached_ms_;

static atomic_bool is_virtual;
static _Atomic int64_t virtual_wall_us;
static _Atomic uint64_t virtual_mono_us;

static int64_t read_us(clockid_t id) {
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_us(void) {
    if (atomic_load_explicit(&is_virtual, memory_order_relaxed))
        return atomic_load_explicit(&virtual_wall_us, memory_order_relaxed);
    return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void) {
    return clock_wall_us() / 1000;
}

uint64_t clock_mono_us(void) {
    if (atomic_load_explicit(&is_virtual, memory_order_relaxed))
        return atomic_load_explicit(&virtual_mono_us, memory_order_relaxed);
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

void clock_set_virtual(int64_t wall_ms) {
    atomic_store(&virtual_mono_us, clock_mono_us());
    atomic_store(&virtual_wall_us, wall_ms * 1000);
    atomic_store(&is_virtual, true);
    clock_refresh();
}

void clock_advance_ms(int64_t ms) {
    atomic_fetch_add(&virtual_wall_us, ms * 1000);
    atomic_fetch_add(&virtual_mono_us, (uint64_t)ms * 1000);
    clock_refresh();
}

void clock_set_real(void) {
    atomic_store(&is_virtual, false);
    clock_refresh();
}

bool clock_is_virtual(void) {
    return atomic_load(&is_virtual);
}
