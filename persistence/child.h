/* SPDX-License-Identifier: BSD-3-Clause
 *
 * child - a forked copy of the process that writes a snapshot and reports through a pipe.
 *
 * The child dies with its parent. It has no event loop, takes no logging lock and never logs; what
 * it has to say goes through child_report / child_fail. Main thread only.
 */
#ifndef STET_PERSISTENCE_CHILD_H
#define STET_PERSISTENCE_CHILD_H

#include "storage/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child_progress {
    uint64_t keys_done;
    uint64_t cow_bytes; /* private dirty memory */
};

struct child {
    pid_t pid; /* 0: none */
    int pipe;
    uint64_t started_us, heard_us; /* real monotonic time: when it began, when it last reported */
    uint64_t fork_us;              /* how long fork(2) took */
    struct child_progress progress;
    struct err error; /* what it failed with, if it said so */
};

/* Runs run(arg, report_fd) in a child, whose exit status is its result (0: success). */
int child_start(struct child *c, int (*run)(void *arg, int report_fd), void *arg, struct err *e);

/* Reads what the child has reported so far; does not block. */
void child_poll(struct child *c);

/* The result once it has ended: 1 ended (*status as waitpid gives), 0 still running. */
int child_reap(struct child *c, int *status);

void child_kill(struct child *c, int sig);

/* It has reported nothing for CHILD_SILENCE_S of real time, whatever a test makes of the clock. */
enum { CHILD_SILENCE_S = 120 };
bool child_is_silent(const struct child *c);

/* In the child. */
void child_report(int fd, const struct child_progress *p);
void child_fail(int fd, const struct err *e);
uint64_t child_private_dirty(void);

#endif
