/* SPDX-License-Identifier: BSD-3-Clause */
#include "fork.h"

#include "dice.h"
#include "persistence/child.h"
#include "sched.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

enum { CHILDREN = 16, FIRST_PID = 1000 };

struct sim_child {
    int (*run)(void *arg, int report_fd);
    void *arg;
    bool ended;
    int status, rc;
    struct child_progress progress;
    struct err error;
    uint64_t heard_us;
    enum disk_fate fate; /* at call `at` */
    uint64_t calls, at;
};

static struct {
    struct sim_child child[CHILDREN]; /* the last ones */
    int n;
    struct dice dice;
    bool faults;
    void (*take_snapshot)(int process);
} all;

void fork_reset(uint64_t seed, bool faults, void (*take_snapshot)(int process)) {
    all.dice = dice_new(seed, 4);
    all.faults = faults;
    all.take_snapshot = take_snapshot;
    all.n = 0;
}

void fork_heal(void) {
    all.faults = false;
}

static struct sim_child *child_of(int pid) {
    int i = pid - FIRST_PID;

    return i >= 0 && i < all.n && i + CHILDREN > all.n ? &all.child[i % CHILDREN] : NULL;
}

static void note_end(struct sim_child *s, int status) {
    s->ended = true;
    s->status = status;
}

static void end(int pid, int status) {
    note_end(child_of(pid), status);
    disk_process_ends(pid);
    sched_kill(pid);
}

void fork_end_all(void) {
    for (int pid = FIRST_PID; pid < FIRST_PID + all.n; pid++)
        if (child_of(pid) && !child_of(pid)->ended) end(pid, SIGKILL);
}

struct disk_verdict fork_judge(void) {
    struct sim_child *s = child_of(sched_process());
    struct disk_verdict v = {0};

    if (!s || ++s->calls != s->at) return v;
    v.fate = s->fate;
    if (v.fate == FATE_CHILD_DIES) note_end(s, SIGSEGV);
    return v;
}

static void *child_main(void *arg) {
    struct sim_child *s = arg;

    s->rc = s->run(s->arg, 0);
    end(sched_process(), s->rc << 8);
    return NULL;
}

static void roll_fate(struct sim_child *s) {
    unsigned kind = (unsigned)dice_below(&all.dice, 20);

    s->at = dice_small(&all.dice, 12);
    if (!all.faults || kind > 3) return;
    s->fate = kind < 3 ? FATE_CHILD_DIES : FATE_HANG;
}

int __wrap_child_start(struct child *c, int (*run)(void *arg, int report_fd), void *arg,
                       struct err *e);
int __wrap_child_start(struct child *c, int (*run)(void *arg, int report_fd), void *arg,
                       struct err *e) {
    struct sim_child *s = &all.child[all.n % CHILDREN];
    int pid = FIRST_PID + all.n;

    if (all.faults && dice_one_in(&all.dice, 20)) return err_set(e, EAGAIN, "fork: simulated");
    all.n++;
    *s = (struct sim_child){.run = run, .arg = arg, .heard_us = sched_now_ns() / 1000};
    roll_fate(s);
    all.take_snapshot(sched_process());
    sched_spawn(child_main, s, pid, "child");
    *c = (struct child){.pid = pid, .pipe = -1, .started_us = s->heard_us};
    c->heard_us = s->heard_us;
    return 0;
}

void __wrap_child_poll(struct child *c);
void __wrap_child_poll(struct child *c) {
    const struct sim_child *s = child_of(c->pid);

    if (!s) return;
    c->heard_us = s->heard_us;
    c->progress = s->progress;
    c->error = s->error;
}

int __wrap_child_reap(struct child *c, int *status);
int __wrap_child_reap(struct child *c, int *status) {
    const struct sim_child *s = child_of(c->pid);

    if (!s || !s->ended) return 0;
    __wrap_child_poll(c);
    *status = s->status;
    c->pid = 0;
    return 1;
}

void __wrap_child_kill(struct child *c, int sig);
void __wrap_child_kill(struct child *c, int sig) {
    struct sim_child *s = child_of(c->pid);

    if (s && !s->ended) end(c->pid, sig);
}

void __wrap_child_report(int fd, const struct child_progress *p);
void __wrap_child_report(int fd, const struct child_progress *p) {
    struct sim_child *s = child_of(sched_process());

    (void)fd;
    if (!s) return;
    s->progress = *p;
    s->heard_us = sched_now_ns() / 1000;
}

void __wrap_child_fail(int fd, const struct err *e);
void __wrap_child_fail(int fd, const struct err *e) {
    struct sim_child *s = child_of(sched_process());

    (void)fd;
    if (s) s->error = *e;
}

uint64_t __wrap_child_private_dirty(void);
uint64_t __wrap_child_private_dirty(void) {
    return 0;
}
