/* SPDX-License-Identifier: BSD-3-Clause
 *
 * thread - starts threads that take no signals: those are for the main thread; how the calling one
 * is scheduled.
 */
#ifndef STET_BASE_THREAD_H
#define STET_BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* 0, or the errno of pthread_create(3). `name` (may be NULL) is cut to 15 bytes. */
int thread_start(pthread_t *id, const char *name, void *(*run)(void *arg), void *arg);

/* The calling thread is scheduled by this policy (SCHED_OTHER, SCHED_BATCH), `nicer` steps nicer
 * than it is, in slices of slice_ns (0: the system's; Linux 6.12 and later). Where the system
 * refuses, nothing changes. */
void thread_schedule(int policy, int nicer, uint64_t slice_ns);

#endif
