/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pack - a listpack that is only read forwards: the same elements, written in the same way
 * (lp_code.h), without the length after each and the byte at the end.
 *
 *   | total bytes 4 | elements 2 (65535: count them) | element ... |              little endian
 *
 * Small hashes and sets are looked through from the front. Ten fields with values of 8 bytes take
 * 126 bytes instead of 147, which is one size class of the allocator less (128 for 160), and since
 * equal elements have equal bytes a search compares bytes. RDB and DUMP need listpacks: both
 * conversions are one pass.
 *
 * A pack is one allocation of mem_good_size(bytes); positions are as those of a listpack: offsets,
 * 0 is none, good until something in front of them changes. Bytes from outside come as listpacks.
 */
#ifndef STET_DS_PACK_H
#define STET_DS_PACK_H

#include "storage/ds/lp_code.h"

struct pack;

struct pack *pack_new(void);
struct pack *pack_copy(const struct pack *p);
void pack_free(struct pack *p);
struct pack *pack_from_listpack(const struct listpack *lp);

/* Appends the bytes of a listpack with the same elements. */
void pack_append_listpack(const struct pack *p, struct bytes *out);

/* Whether all elements are different, looking at every step-th: for what comes from outside. */
bool pack_unique(const struct pack *p, unsigned step);

size_t pack_bytes(const struct pack *p);
size_t pack_count(const struct pack *p); /* walks over it if there are 65535 and more */
size_t pack_mem(const struct pack *p);   /* bytes of the allocation */

uint32_t pack_first(const struct pack *p);
uint32_t pack_next(const struct pack *p, uint32_t at);
uint32_t pack_at(const struct pack *p, size_t index);
struct lp_value pack_get(const struct pack *p, uint32_t at);

/* The first element that equals `key` (lp_code_of), looking at every (skip + 1)th; 0: none. */
uint32_t pack_find(const struct pack *p, const struct lp_code *key, unsigned skip);

/* In front of the element at `at`, or at the end if `at` is 0; the new one's position. Texts must
 * not point into the pack. */
uint32_t pack_insert(struct pack **p, uint32_t at, const struct lp_code *what);

static inline uint32_t pack_append(struct pack **p, struct slice s) {
    struct lp_code code = lp_code_of(s);

    return pack_insert(p, 0, &code);
}

static inline uint32_t pack_append_int(struct pack **p, int64_t v) {
    struct lp_code code = lp_code_int(v);

    return pack_insert(p, 0, &code);
}

void pack_replace(struct pack **p, uint32_t at, const struct lp_code *what);

/* Removes n elements from `at` on; they must be there. */
void pack_delete(struct pack **p, uint32_t at, size_t n);

#endif
