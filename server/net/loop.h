/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loop - the event loop: libevent for descriptors, a heap of deadlines for time.
 *
 * One turn is: before_wait (an ordered list of functions), one event_base_loop(EVLOOP_ONCE),
 * after_wait (another list). What libevent calls only notes what there is to do; it is done after
 * the wait, so that work which takes long can have a look at what has come meanwhile: loop_look.
 * Deadlines stand on storage/base/clock, so a virtual clock moves them; libevent's one timer is
 * armed to the nearest. Main thread only, but for loop_wake().
 */
#ifndef STET_NET_LOOP_H
#define STET_NET_LOOP_H

#include "storage/base/heap.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop_timer {
    struct heap_node node; /* due: clock_mono_us */
    void (*fn)(void *arg);
    void *arg;
};

enum { LOOP_STEPS_MAX = 8 };

struct loop {
    struct event_base *base;
    struct event *tick, *wake_event;
    int wake_fd;
    void (*on_wake)(void *arg);
    void *on_wake_arg;
    struct loop_steps {
        struct {
            void (*fn)(void *arg);
            void *arg;
        } v[LOOP_STEPS_MAX];
        unsigned n;
    } before_wait, after_wait;
    struct heap timers;
    uint64_t armed_us; /* what `tick` is set to, 0: not */
    bool stop, hurry, woken;
    uint64_t cycles, busy_us; /* turns; time spent outside waiting */
};

int loop_init(struct loop *l);
void loop_release(struct loop *l);
void loop_before_wait(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_after_wait(struct loop *l, void (*fn)(void *arg), void *arg);

/* `fn` runs on the main thread soon after loop_wake(), which any thread may call. */
void loop_on_wake(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_wake(struct loop *l);

/* Arms or moves the timer. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_us);
void loop_timer_clear(struct loop *l, struct loop_timer *t);

/* The clock was set, or has another pace. */
void loop_clock_changed(struct loop *l);

/* The next wait does not wait: there is work left. */
void loop_hurry(struct loop *l);

void loop_run(struct loop *l); /* until loop_stop */
void loop_stop(struct loop *l);

/* One turn that does not wait (while loading). */
void loop_poll(struct loop *l);

/* Lets libevent note what has come, and does nothing about it. Also within a turn, but not from
 * what libevent calls. */
void loop_look(struct loop *l);

#endif
