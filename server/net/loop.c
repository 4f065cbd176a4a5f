/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/loop.h"

#include "storage/base/check.h"
#include "storage/base/clock.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* ---------------------------------------------------------------- deadlines */

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t deadline_us) {
    heap_set(&l->timers, &t->node, deadline_us);
}

void loop_timer_clear(struct loop *l, struct loop_timer *t) {
    heap_remove(&l->timers, &t->node);
}

static void run_due_timers(struct loop *l) {
    uint64_t now = clock_mono_us();

    for (;;) {
        struct heap_node *first = heap_first(&l->timers);
        struct loop_timer *t;

        if (!first || first->due > now) return;
        t = heap_entry(first, struct loop_timer, node);
        loop_timer_clear(l, t);
        t->fn(t->arg);
    }
}

/* Sets libevent's timer to the nearest deadline, if time goes on. */
static void arm(struct loop *l) {
    uint64_t left, nearest = l->timers.n ? heap_first(&l->timers)->due : 0;
    struct timeval tv;

    if (!nearest || nearest == l->armed_us) return;
    left = clock_real_us_until(nearest);
    if (left == UINT64_MAX) return;
    tv.tv_sec = (time_t)(left / 1000000);
    tv.tv_usec = (suseconds_t)(left % 1000000);
    l->armed_us = nearest;
    evtimer_add(l->tick, &tv);
}

void loop_clock_changed(struct loop *l) {
    l->armed_us = 0;
}

static void on_tick(evutil_socket_t fd, short what, void *arg) {
    struct loop *l = arg;

    (void)fd;
    (void)what;
    l->armed_us = 0;
}

/* ---------------------------------------------------------------- wake-ups */

/* Edge-triggered: every write counts, so the counter need not be read back (it would take centuries
 * to overflow). */
static void on_wake_event(evutil_socket_t fd, short what, void *arg) {
    struct loop *l = arg;

    (void)fd;
    (void)what;
    l->woken = true;
}

void loop_on_wake(struct loop *l, void (*fn)(void *arg), void *arg) {
    l->on_wake = fn;
    l->on_wake_arg = arg;
}

void loop_wake(struct loop *l) {
    uint64_t one = 1;
    ssize_t rc = write(l->wake_fd, &one, sizeof one);

    (void)rc;
}

/* ---------------------------------------------------------------- turns */

int loop_init(struct loop *l) {
    struct event_config *cfg = event_config_new();

    *l = (struct loop){.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
    l->base = event_base_new_with_config(cfg);
    event_config_free(cfg);
    if (!l->base || l->wake_fd < 0) return -1;
    l->tick = evtimer_new(l->base, on_tick, l);
    l->wake_event = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_wake_event, l);
    return event_add(l->wake_event, NULL);
}

void loop_release(struct loop *l) {
    event_free(l->tick);
    event_free(l->wake_event);
    event_base_free(l->base);
    close(l->wake_fd);
    heap_release(&l->timers);
}

static void add_step(struct loop_steps *s, void (*fn)(void *arg), void *arg) {
    CHECK(s->n < LOOP_STEPS_MAX);
    s->v[s->n].fn = fn;
    s->v[s->n++].arg = arg;
}

static void run_steps(const struct loop_steps *s) {
    for (unsigned i = 0; i < s->n; i++) s->v[i].fn(s->v[i].arg);
}

void loop_before_wait(struct loop *l, void (*fn)(void *arg), void *arg) {
    add_step(&l->before_wait, fn, arg);
}

void loop_after_wait(struct loop *l, void (*fn)(void *arg), void *arg) {
    add_step(&l->after_wait, fn, arg);
}

void loop_hurry(struct loop *l) {
    l->hurry = true;
}

void loop_stop(struct loop *l) {
    l->stop = true;
}

static void turn(struct loop *l, bool wait) {
    run_due_timers(l);
    run_steps(&l->before_wait);
    if (l->stop) return;
    arm(l);
    event_base_loop(l->base, wait && !l->hurry ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
    l->hurry = false; /* not earlier: what runs after a wait hurries the next one */
    l->cycles++;
    clock_refresh();
    if (l->woken) {
        l->woken = false;
        if (l->on_wake) l->on_wake(l->on_wake_arg);
    }
    run_steps(&l->after_wait);
}

void loop_run(struct loop *l) {
    clock_refresh();
    while (!l->stop) turn(l, true);
}

void loop_poll(struct loop *l) {
    clock_refresh();
    turn(l, false);
}

void loop_look(struct loop *l) {
    event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}
