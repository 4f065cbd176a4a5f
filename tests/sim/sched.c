/* SPDX-License-Identifier: BSD-3-Clause */
#include "sched.h"

#include "dice.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum {
    TASKS = 48,
    STACK_BYTES = 512 * 1024,
    STEP_NS = 200,
    STEPS_MAX = 50 * 1000 * 1000, /* of one run of the scheduler */
};

enum state { FREE, READY, WAITING, DONE };

struct task {
    enum state state;
    int process, saved_errno;
    bool entered, timed_out;
    const void *waits_for; /* NULL: time only */
    uint64_t wake_ns;
    void *(*run)(void *arg);
    void *arg, *result;
    jmp_buf at;
    ucontext_t context;
    char *stack;
    char name[16];
};

static struct {
    struct task task[TASKS + 1]; /* [0] is none */
    struct task *current;
    jmp_buf base;
    struct dice dice;
    enum sched_end end;
    uint64_t now_ns, steps;
    unsigned stride; /* one yield point in so many gives way */
} s;

void sched_reset_time(void) {
    s.now_ns = 1000000000;
}

const char *const sched_end_name[] = {"none",    "killed", "power cut", "stopped",
                                      "refused", "failed", "deadlock",  "endless"};

void sched_reset(uint64_t seed) {
    static const unsigned strides[] = {1, 2, 3, 8, 32};

    s.dice = dice_new(seed, 1);
    s.stride = strides[dice_below(&s.dice, sizeof strides / sizeof *strides)];
    s.current = NULL;
    for (int i = 1; i <= TASKS; i++) s.task[i].state = FREE;
}

static int id_of(const struct task *t) {
    return t ? (int)(t - s.task) : 0;
}

int sched_self(void) {
    return id_of(s.current);
}

int sched_process(void) {
    return s.current ? s.current->process : 0;
}

const char *sched_name(void) {
    return s.current ? s.current->name : "-";
}

uint64_t sched_now_ns(void) {
    return s.now_ns;
}

int64_t sched_wall_us(void) {
    return INT64_C(1700000000000000) + (int64_t)(s.now_ns / 1000);
}

/* ---------------------------------------------------------------- tasks */

/* Back to the scheduler; returns when the task is picked again. */
static void give_way(struct task *t) {
    t->saved_errno = errno;
    if (_setjmp(t->at) == 0) _longjmp(s.base, 1);
    errno = s.current->saved_errno;
}

static void task_begins(void) {
    struct task *t = s.current;

    t->result = t->run(t->arg);
    t->state = DONE;
    sched_wake(t, true);
    _longjmp(s.base, 1);
}

int sched_spawn(void *(*run)(void *arg), void *arg, int process, const char *name) {
    struct task *t = s.task + 1;
    char *stack;

    while (t <= s.task + TASKS && t->state != FREE) t++;
    if (t > s.task + TASKS) {
        fprintf(stderr, "sim: too many tasks\n");
        abort();
    }
    stack = t->stack;
    if (!stack)
        stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) abort();
    *t = (struct task){.state = READY, .process = process, .run = run, .arg = arg, .stack = stack};
    snprintf(t->name, sizeof t->name, "%s", name);
    return id_of(t);
}

static void enter(struct task *t) {
    s.current = t;
    if (_setjmp(s.base) == 0) {
        if (t->entered) _longjmp(t->at, 1);
        t->entered = true;
        getcontext(&t->context);
        t->context.uc_stack.ss_sp = t->stack;
        t->context.uc_stack.ss_size = STACK_BYTES;
        t->context.uc_link = NULL;
        makecontext(&t->context, task_begins, 0);
        setcontext(&t->context);
    }
    s.current = NULL;
}

/* Time goes to the next deadline; false if there is none. */
static bool let_time_pass(void) {
    uint64_t next = SCHED_FOREVER;

    for (int i = 1; i <= TASKS; i++)
        if (s.task[i].state == WAITING && s.task[i].wake_ns < next) next = s.task[i].wake_ns;
    if (next == SCHED_FOREVER) return false;
    if (s.now_ns < next) s.now_ns = next;
    return true;
}

static struct task *pick(void) {
    struct task *ready[TASKS];
    size_t n = 0;

    for (int i = 1; i <= TASKS; i++) {
        struct task *t = &s.task[i];

        if (t->state == WAITING && t->wake_ns <= s.now_ns) {
            t->state = READY;
            t->timed_out = true;
        }
        if (t->state == READY) ready[n++] = t;
    }
    return n ? ready[dice_below(&s.dice, n)] : NULL;
}

enum sched_end sched_run(void) {
    s.end = END_NONE;
    s.steps = 0;
    while (!s.end) {
        struct task *t = pick();

        if (t)
            enter(t);
        else if (!let_time_pass())
            s.end = END_DEADLOCK;
        if (++s.steps > STEPS_MAX) s.end = END_ENDLESS;
    }
    return s.end;
}

_Noreturn void sched_stop(enum sched_end why) {
    s.end = why;
    _longjmp(s.base, 1);
}

void sched_kill(int process) {
    bool own = s.current && s.current->process == process;

    for (int i = 1; i <= TASKS; i++)
        if (s.task[i].process == process) s.task[i].state = FREE;
    if (own) _longjmp(s.base, 1);
}

int sched_count(int process) {
    int n = 0;

    for (int i = 1; i <= TASKS; i++)
        n += s.task[i].process == process &&
             (s.task[i].state == READY || s.task[i].state == WAITING);
    return n;
}

bool sched_is_done(int id, void **result) {
    if (s.task[id].state != DONE) return false;
    if (result) *result = s.task[id].result;
    s.task[id].state = FREE;
    return true;
}

const void *sched_end_of(int id) {
    return &s.task[id];
}

/* ---------------------------------------------------------------- waiting */

void sched_yield_point(void) {
    if (!s.current) return;
    s.now_ns += STEP_NS;
    if (s.stride > 1 && !dice_one_in(&s.dice, s.stride)) return;
    give_way(s.current);
}

bool sched_wait(const void *object, uint64_t until_ns) {
    struct task *t = s.current;

    if (!t) {
        fprintf(stderr, "sim: wait outside of a task\n");
        abort();
    }
    t->state = WAITING;
    t->waits_for = object;
    t->wake_ns = until_ns;
    t->timed_out = false;
    give_way(t);
    t->waits_for = NULL;
    return !t->timed_out;
}

void sched_sleep(uint64_t ns) {
    if (s.current && ns) sched_wait(NULL, s.now_ns + ns);
}

void sched_wake(const void *object, bool all) {
    struct task *waiting[TASKS];
    size_t n = 0, first, count;

    for (int i = 1; i <= TASKS; i++)
        if (s.task[i].state == WAITING && s.task[i].waits_for == object && object)
            waiting[n++] = &s.task[i];
    if (n == 0) return;
    first = all ? 0 : dice_below(&s.dice, n);
    count = all ? n : 1;
    for (size_t i = first; i < first + count; i++) waiting[i]->state = READY;
}
