/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mem - the only door to the heap.
 *
 * Pieces of up to 8 KiB are cells (cells.h), larger ones are jemalloc's; builds without jemalloc
 * (sanitizers, the check tools of packages) use the C library for all.
 *
 * Running out of memory aborts with the size asked for: sizes that a client controls are bounded
 * before they come here. What is in use is read from counters that each thread keeps for
 * itself; builds without jemalloc count by hand.
 *
 * Each thread that allocates calls mem_thread_init() before its first allocation; what it counted
 * stays counted when it ends.
 */
#ifndef STET_BASE_MEM_H
#define STET_BASE_MEM_H

#include "storage/base/cells.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void mem_thread_init(void);

/* A thread that allocates objects for another thread uses that thread's arena: otherwise the holes
 * left by later frees could not be used again. */
unsigned mem_arena(void);
void mem_same_arena_as(unsigned arena);

void *mem_alloc(size_t n);  /* n > 0; not cleared */
void *mem_calloc(size_t n); /* cleared */
void *mem_realloc(void *p, size_t n);
void mem_free(void *p); /* NULL is fine */
char *mem_strdup(const char *s);
void *mem_dup(const void *p, size_t n);

/* Bytes that the allocation really has (>= what was asked for). */
size_t mem_usable(const void *p);

/* The size class that an allocation of n bytes falls into: asking for exactly this wastes nothing,
 * and two sizes of one class can share an allocation. A multiple of 8, n > 0. */
static inline size_t mem_good_size(size_t n) {
    size_t step;

    if (n <= CELL_MAX) return cell_size(n);
    step = (size_t)1 << (61 - __builtin_clzl(n - 1)); /* four classes per doubling */
    return (n + step - 1) & ~(step - 1);
}

/* Bytes in use by all registered threads, as INFO's used_memory. Cheap: a few loads. */
size_t mem_used(void);

struct mem_stats {
    size_t allocated, active, resident, muzzy;
};

/* Asks the allocator for its own view; costs microseconds. All zero where it has none. */
void mem_stats_read(struct mem_stats *out);

/* Resident set size of this process in bytes, 0 if unknown. */
size_t mem_rss(void);

/* Large data sets take huge pages, where the system has them (cells.h). */
void mem_use_huge_pages(void);

/* Gives unused pages back to the system. */
void mem_purge(void);

/* "jemalloc-5.3.0", or "libc". */
const char *mem_allocator_name(void);

#endif
