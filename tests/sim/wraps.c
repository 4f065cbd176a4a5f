/* SPDX-License-Identifier: BSD-3-Clause
 *
 * wraps - what the program under test calls instead of the C library (ld --wrap): threads, time,
 * randomness, process ids. See SIM_WRAPS in tests/tests.mk.
 */
#include "wraps.h"

#include "dice.h"
#include "disk.h"
#include "sched.h"
#include "storage/base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

static struct dice bytes_dice;

void wraps_reset(uint64_t seed) {
    bytes_dice = dice_new(seed, 2);
}

/* ---------------------------------------------------------------- threads */

/* Lies over a pthread_mutex_t: zeros are an unlocked one, as in the C library. */
struct sim_mutex {
    int owner;
};

#define WRAP(ret, name, ...)                                                                       \
    ret __wrap_##name(__VA_ARGS__);                                                                \
    ret __wrap_##name(__VA_ARGS__)

WRAP(int, pthread_create, pthread_t *id, const pthread_attr_t *attr, void *(*run)(void *),
     void *arg) {
    (void)attr;
    *id = (pthread_t)sched_spawn(run, arg, sched_process(), "thread");
    sched_yield_point();
    return 0;
}

WRAP(int, pthread_join, pthread_t id, void **result) {
    while (!sched_is_done((int)id, result)) sched_wait(sched_end_of((int)id), SCHED_FOREVER);
    return 0;
}

WRAP(int, pthread_detach, pthread_t id) {
    (void)id;
    return 0;
}

WRAP(int, pthread_sigmask, int how, const sigset_t *set, sigset_t *old) {
    (void)how, (void)set, (void)old;
    return 0;
}

WRAP(int, pthread_mutex_init, pthread_mutex_t *m, const pthread_mutexattr_t *attr) {
    (void)attr;
    memset(m, 0, sizeof *m);
    return 0;
}

WRAP(int, pthread_mutex_destroy, pthread_mutex_t *m) {
    (void)m;
    return 0;
}

static void take(pthread_mutex_t *mu) {
    struct sim_mutex *m = (struct sim_mutex *)mu;

    while (m->owner && sched_self()) sched_wait(m, SCHED_FOREVER);
    m->owner = sched_self();
}

static void release(pthread_mutex_t *mu) {
    ((struct sim_mutex *)mu)->owner = 0;
    sched_wake(mu, true);
}

WRAP(int, pthread_mutex_lock, pthread_mutex_t *m) {
    sched_yield_point();
    take(m);
    return 0;
}

WRAP(int, pthread_mutex_trylock, pthread_mutex_t *m) {
    sched_yield_point();
    if (((struct sim_mutex *)m)->owner) return EBUSY;
    take(m);
    return 0;
}

WRAP(int, pthread_mutex_unlock, pthread_mutex_t *m) {
    release(m);
    sched_yield_point();
    return 0;
}

WRAP(int, pthread_cond_init, pthread_cond_t *c, const pthread_condattr_t *attr) {
    (void)c, (void)attr;
    return 0;
}

WRAP(int, pthread_cond_destroy, pthread_cond_t *c) {
    (void)c;
    return 0;
}

WRAP(int, pthread_cond_wait, pthread_cond_t *c, pthread_mutex_t *m) {
    release(m);
    sched_wait(c, SCHED_FOREVER);
    take(m);
    return 0;
}

WRAP(int, pthread_cond_clockwait, pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock,
     const struct timespec *at) {
    bool told;

    (void)clock;
    release(m);
    told = sched_wait(c, (uint64_t)at->tv_sec * 1000000000 + (uint64_t)at->tv_nsec);
    take(m);
    return told ? 0 : ETIMEDOUT;
}

WRAP(int, pthread_cond_signal, pthread_cond_t *c) {
    sched_wake(c, false);
    sched_yield_point();
    return 0;
}

WRAP(int, pthread_cond_broadcast, pthread_cond_t *c) {
    sched_wake(c, true);
    sched_yield_point();
    return 0;
}

WRAP(int, sched_yield, void) {
    sched_sleep(1000);
    return 0;
}

/* ---------------------------------------------------------------- time, chance, the process */

WRAP(int, usleep, useconds_t us) {
    sched_sleep((uint64_t)us * 1000);
    return 0;
}

WRAP(int, nanosleep, const struct timespec *ts, struct timespec *left) {
    (void)left;
    sched_sleep((uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec);
    return 0;
}

WRAP(uint64_t, clock_real_ns, void) {
    return sched_now_ns();
}

WRAP(uint64_t, clock_mono_us, void) {
    return sched_now_ns() / 1000;
}

WRAP(int64_t, clock_wall_us, void) {
    return sched_wall_us();
}

WRAP(int64_t, clock_wall_ms, void) {
    return sched_wall_us() / 1000;
}

WRAP(void, clock_refresh, void) {
    clock_cached_ms_ = sched_wall_us() / 1000;
}

WRAP(void, rng_system, void *p, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)p)[i] = (char)dice_u64(&bytes_dice);
}

WRAP(pid_t, getpid, void) {
    return sched_process();
}

WRAP(int, dup, int fd) {
    return disk_dup(fd);
}

/* Only for scheduling parameters of threads. */
WRAP(long, syscall, long number, ...) {
    (void)number;
    return 0;
}

WRAP(int, getpriority, int which, unsigned who) {
    (void)which, (void)who;
    return 0;
}
