/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sched - the threads of a simulated process, one at a time, in an order that the seed decides.
 *
 * A task is a coroutine on its own stack. It runs until it waits (a mutex, a condition, time) or
 * reaches a yield point at which the dice say so. Time is virtual: it stands still while a task
 * runs, but for a little at each yield point, and jumps to the next deadline when no task can run.
 * wraps.c puts pthread_*, usleep and the clocks of the program under test on top of this.
 *
 * Not here: preemption between two yield points. Races inside one step are the thread sanitizer's.
 */
#ifndef SIM_SCHED_H
#define SIM_SCHED_H

#include <stdbool.h>
#include <stdint.h>

/* Why sched_run() returned. */
enum sched_end {
    END_NONE,
    END_KILLED,   /* kill -9 */
    END_CUT,      /* the power went */
    END_STOPPED,  /* a clean stop, or the program gave up its start */
    END_REFUSED,  /* the start was refused */
    END_FAILED,   /* a rule was broken: the world has noted which */
    END_DEADLOCK, /* no task can ever run again */
    END_ENDLESS,  /* too many steps */
};

extern const char *const sched_end_name[];

/* Forgets every task. Time goes on, or begins anew. */
void sched_reset(uint64_t seed);
void sched_reset_time(void);

/* Returns the id, which is never 0. */
int sched_spawn(void *(*run)(void *arg), void *arg, int process, const char *name);

/* Runs the tasks until one of them calls sched_stop. */
enum sched_end sched_run(void);

/* Ends sched_run() at once; the caller's task does not go on. */
_Noreturn void sched_stop(enum sched_end why);

/* Every task of the process vanishes. It may be the caller's: then this does not return. */
void sched_kill(int process);

int sched_count(int process); /* tasks that have not ended */
int sched_self(void);         /* 0 outside of a task */
int sched_process(void);      /* of the current task; 0 outside */
const char *sched_name(void);

/* ---------------------------------------------------------------- waiting */

void sched_yield_point(void);
void sched_sleep(uint64_t ns);

/* Waits until sched_wake() of the same object, or the time; false: the time came. */
bool sched_wait(const void *object, uint64_t until_ns);

/* `all`, or one of the waiting tasks that the dice pick. */
void sched_wake(const void *object, bool all);

bool sched_is_done(int id, void **result);

/* What sched_wake is called with when the task ends. */
const void *sched_end_of(int id);

#define SCHED_FOREVER UINT64_MAX

uint64_t sched_now_ns(void);
int64_t sched_wall_us(void);

#endif
