/* SPDX-License-Identifier: BSD-3-Clause
 *
 * thread - starts threads that take no signals: those are for the main thread.
 */
#ifndef STET_BASE_THREAD_H
#define STET_BASE_THREAD_H

#include <pthread.h>

/* 0, or the errno of pthread_create(3). `name` (may be NULL) is cut to 15 bytes. */
int thread_start(pthread_t *id, const char *name, void *(*run)(void *arg), void *arg);

#endif
