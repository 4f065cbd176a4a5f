/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lazyfree - one thread that gives large things back to the allocator, off the event loop.
 *
 * A caller that hands an object over must hold no further reference to it. The thread starts with
 * the first job. Any thread may hand over.
 */
#ifndef STET_STORAGE_LAZYFREE_H
#define STET_STORAGE_LAZYFREE_H

#include <stddef.h>
#include <stdint.h>

/* Runs fn(arg) on the thread; `objects` is what the job counts for in the figures below. */
void lazyfree_submit(void (*fn)(void *arg), void *arg, size_t objects);

size_t lazyfree_pending(void);
uint64_t lazyfree_freed(void);
void lazyfree_reset_stats(void);

/* Waits until everything handed over is freed. */
void lazyfree_drain(void);

#endif
