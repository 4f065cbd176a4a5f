/* SPDX-License-Identifier: BSD-3-Clause
 *
 * intset - a sorted array of integers, all as wide as the widest needs: Redis' own layout, so that
 * RDB files and DUMP carry it as it is.
 *
 *   | bytes of one, 2, 4 or 8: 4 | count 4 | integer ... |                       little endian
 *
 * The width only grows. An intset is one allocation of mem_good_size(intset_bytes) bytes; functions
 * that change it take the address of its pointer, which may move.
 *
 * Not here: trust. intset_check() must have passed over bytes that come from outside.
 */
#ifndef STET_DS_INTSET_H
#define STET_DS_INTSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTSET_MAX ((size_t)1 << 30) /* callers stop adding before this */

struct intset;

struct intset *intset_new(void);
struct intset *intset_copy(const struct intset *s);
struct intset *intset_from_bytes(const void *p, size_t n); /* checked bytes */
void intset_free(struct intset *s);

size_t intset_len(const struct intset *s);
size_t intset_bytes(const struct intset *s); /* the whole run, ready to be written out */
size_t intset_mem(const struct intset *s);   /* bytes of the allocation */

int64_t intset_get(const struct intset *s, size_t i); /* the i-th smallest */
bool intset_has(const struct intset *s, int64_t v);

/* How many are smaller than v, if it is known that the first `from` are. */
size_t intset_rank(const struct intset *s, int64_t v, size_t from);

bool intset_add(struct intset **s, int64_t v);    /* false: it is there already */
bool intset_remove(struct intset **s, int64_t v); /* false: it is not there */

/* Whether the n bytes at p are an intset in every detail, and not empty. */
bool intset_check(const void *p, size_t n);

#endif
