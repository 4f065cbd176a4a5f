/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cells - small pieces of memory: 8 to 8,192 bytes, in 72 sizes that are closer to one another than
 * those of a general allocator. A key, a field, a listpack or a table's buckets waste 4 % on
 * average instead of 11 %.
 *
 * Design. One range of addresses is reserved at the first use and divided into spans of 64 KiB. A
 * span holds cells of one size; a bit per cell says whether it is free. Nothing is written to a
 * free cell, so freeing dirties no page that a forked child shares.
 *
 *   thread:  an array of free cells for each size; an allocation takes one, a free puts one there
 *   shared:  the spans, under one lock; cells go to and fro by the half of such an array
 *
 * A span without a used cell can serve any other size. A few of these keep their pages, the pages
 * of the others go back to the system.
 *
 * Where the addresses cannot be reserved (RLIMIT_AS), or the system has no memory for more spans,
 * cells_alloc() returns NULL and the caller uses another allocator. Any thread may free a cell. A
 * process that is forked may go on using cells, as the lock is held over fork().
 */
#ifndef STET_BASE_CELLS_H
#define STET_BASE_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CELL_MAX = 8192, CELL_CLASSES = 72 };

/* What a cell of n bytes really has, 0 < n <= CELL_MAX: steps of 8 up to 256, then eight steps for
 * each doubling. */
static inline size_t cell_size(size_t n) {
    size_t step = n <= 256 ? 8 : (size_t)1 << (60 - __builtin_clzl(n - 1));

    return (n + step - 1) & ~(step - 1);
}

/* Bytes that a thread took and gave back. Only that thread writes them. */
struct cell_counts {
    uint64_t taken, given;
};

/* A thread that has begun keeps free cells of its own. NULL: there are no cells. The counts stay
 * readable until cells_thread_end(). */
const struct cell_counts *cells_thread_begin(void);
void cells_thread_end(void); /* gives the thread's free cells back */

/* 0 < n <= CELL_MAX. NULL: there is none. A multiple of 8; of 16, 32 and 64 if the size is. */
void *cells_alloc(size_t n);
void cells_free(void *p);

/* Whether an address is one of a cell. */
bool cells_own(const void *p);

/* The size of the cell at p. */
size_t cells_size_of(const void *p);

/* What threads have taken and given that had not begun, or have ended. */
struct cell_counts cells_of_no_thread(void);

struct cell_stats {
    size_t spans; /* that hold cells, in bytes */
    size_t empty; /* bytes of spans that keep their pages without holding a cell */
};

void cells_stats(struct cell_stats *out);

/* From now on huge pages are asked for, beyond the first 64 MiB: a fork copies fewer entries of the
 * page table, and the processor finds addresses sooner. Before large data is there. */
void cells_use_huge_pages(void);

/* Gives the pages of empty spans back to the system. */
void cells_purge(void);

#endif
