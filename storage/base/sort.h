/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sort - the first of many in order, without ordering the rest.
 *
 * Quicksort by J. L. Bentley and M. D. McIlroy ("Engineering a Sort Function", 1993), which goes on
 * only in parts that are wanted. It is not stable, but which of several equal elements come first
 * is a client's to see, and Redis takes the same algorithm: so its constants are kept.
 */
#ifndef STET_BASE_SORT_H
#define STET_BASE_SORT_H

#include <stddef.h>

typedef int (*sort_cmp_fn)(const void *a, const void *b);

/* Puts those elements into v[first..last] that stand there when all n are in order. `cmp` gets the
 * elements, not their places. */
void sort_part(void **v, size_t n, sort_cmp_fn cmp, size_t first, size_t last);

#endif
