/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/loop.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

enum { TIMERS = 500 };

static struct loop loop;
static struct loop_timer timers[TIMERS];
static int fired[2 * TIMERS];
static unsigned nfired, turns;

static void begin(void) {
    mem_thread_init();
    rng_seed(3);
    clock_set_virtual(1000000);
    cr_assert_eq(loop_init(&loop), 0);
}

static void end(void) {
    loop_release(&loop);
    clock_set_real();
}

TestSuite(loop, .init = begin, .fini = end);

static void note(void *arg) {
    fired[nfired++] = (int)((struct loop_timer *)arg - timers);
}

static void set(int i, uint64_t in_ms) {
    timers[i].fn = note;
    timers[i].arg = &timers[i];
    loop_timer_set(&loop, &timers[i], clock_mono_us() + in_ms * 1000);
}

static void pass(int64_t ms) {
    clock_advance_ms(ms);
    loop_poll(&loop);
}

Test(loop, timers_fire_at_their_virtual_time_and_once) {
    set(0, 100);
    pass(99);
    cr_assert_eq(nfired, 0);
    pass(1);
    cr_assert_eq(nfired, 1);
    cr_assert_eq(timers[0].node.at, 0, "it is not armed any more");
    pass(1000);
    cr_assert_eq(nfired, 1);
}

Test(loop, timers_fire_in_the_order_of_their_deadlines) {
    uint64_t last = 0;

    for (int i = 0; i < TIMERS; i++) set(i, rng_below(10000));
    for (int i = 0; i < TIMERS; i += 3) set(i, rng_below(10000)); /* moved */
    for (int i = 1; i < TIMERS; i += 5) loop_timer_clear(&loop, &timers[i]);
    loop_timer_clear(&loop, &timers[1]); /* twice is harmless */
    pass(10000);
    cr_assert_eq(nfired, TIMERS - TIMERS / 5);
    for (unsigned i = 0; i < nfired; i++) {
        cr_assert_neq(fired[i] % 5, 1, "this one was cleared");
        cr_assert_geq(timers[fired[i]].node.due, last);
        last = timers[fired[i]].node.due;
    }
    cr_assert_eq(loop.timers.n, 0);
}

Test(loop, the_heap_survives_any_mixture) {
    for (int round = 0; round < 20000; round++) {
        int i = (int)rng_below(TIMERS);

        if (rng_below(3))
            set(i, rng_below(1000));
        else
            loop_timer_clear(&loop, &timers[i]);
        if (round % 100 == 0) {
            uint64_t now;

            nfired = 0;
            pass((int64_t)rng_below(200));
            now = clock_mono_us();
            for (int k = 0; k < TIMERS; k++)
                cr_assert(!timers[k].node.at || timers[k].node.due > now, "nothing due is left");
        }
        if (nfired > TIMERS) nfired = 0;
    }
}

static void again(void *arg) {
    note(arg);
    if (nfired < 5) loop_timer_set(&loop, arg, clock_mono_us() + 10000);
}

Test(loop, a_timer_may_arm_itself_again) {
    timers[0] = (struct loop_timer){.fn = again, .arg = &timers[0]};
    loop_timer_set(&loop, &timers[0], clock_mono_us() + 10000);
    for (int i = 0; i < 10; i++) pass(10);
    cr_assert_eq(nfired, 5);
}

static void clear_other(void *arg) {
    note(arg);
    loop_timer_clear(&loop, &timers[1]);
}

Test(loop, a_timer_may_clear_another_that_is_due) {
    set(0, 10);
    timers[0].fn = clear_other;
    set(1, 20);
    pass(100);
    cr_assert_eq(nfired, 1);
}

/* ---------------------------------------------------------------- turns */

static void stop_at_3(void *arg) {
    (void)arg;
    if (++turns == 3)
        loop_stop(&loop);
    else
        loop_hurry(&loop);
}

Test(loop, steps_run_before_every_wait_until_it_is_stopped) {
    loop_before_wait(&loop, stop_at_3, NULL);
    loop_run(&loop);
    cr_assert_eq(turns, 3);
    cr_assert_eq(loop.cycles, 2, "the last turn does not wait");
}

static void hurry_first(void *arg) {
    (void)arg;
    if (turns == 0) loop_hurry(&loop);
}

Test(loop, work_left_after_a_wait_keeps_the_next_one_from_waiting, .timeout = 60) {
    loop_before_wait(&loop, hurry_first, NULL);
    loop_after_wait(&loop, stop_at_3, NULL);
    loop_run(&loop);
    cr_assert_eq(loop.cycles, 3);
}

static char order[8];

static void step(void *arg) {
    order[turns++] = *(char *)arg;
}

Test(loop, steps_run_in_the_order_they_were_added) {
    static char names[] = "abc";

    for (int i = 0; i < 3; i++) loop_before_wait(&loop, step, &names[i]);
    loop_poll(&loop);
    cr_assert_str_eq(order, "abc");
}

static atomic_uint wakes;

static void on_wake(void *arg) {
    (void)arg;
    atomic_fetch_add(&wakes, 1);
    loop_stop(&loop);
}

static void *wake_from_elsewhere(void *arg) {
    loop_wake(arg);
    return NULL;
}

Test(loop, another_thread_wakes_it) {
    pthread_t id;

    loop_on_wake(&loop, on_wake, NULL);
    cr_assert_eq(pthread_create(&id, NULL, wake_from_elsewhere, &loop), 0);
    loop_run(&loop);
    pthread_join(id, NULL);
    cr_assert_eq(atomic_load(&wakes), 1u);
}

Test(loop, every_wake_up_counts_anew) {
    loop_on_wake(&loop, on_wake, NULL);
    for (unsigned i = 1; i <= 5; i++) {
        loop_wake(&loop);
        loop_wake(&loop);
        loop.stop = false;
        loop_run(&loop);
        cr_assert_eq(atomic_load(&wakes), i);
    }
}

static void stop_loop(void *arg) {
    (void)arg;
    loop_stop(&loop);
}

Test(loop, with_the_real_clock_it_waits_no_longer_than_the_nearest_deadline) {
    uint64_t began;

    clock_set_real();
    began = clock_mono_us();
    timers[0] = (struct loop_timer){.fn = note, .arg = &timers[0]};
    timers[1] = (struct loop_timer){.fn = stop_loop};
    loop_timer_set(&loop, &timers[1], began + 60000);
    loop_timer_set(&loop, &timers[0], began + 20000);
    loop_run(&loop);
    cr_assert_eq(nfired, 1);
    cr_assert_geq(clock_mono_us(), began + 60000);
    cr_assert_lt(clock_mono_us(), began + 60000000);
}
