/* SPDX-License-Identifier: BSD-3-Clause
 *
 * listpack - a short sequence of strings and integers in one run of bytes: Redis' own layout, so
 * that RDB files and DUMP carry it as it is.
 *
 *   | total bytes 4 | elements 2 (65535: count them) | element ... | 0xff |        little endian
 *   element: | encoding and data | length of that, backwards, 7 bits a byte |
 *
 * A text that is the canonical form of a 64-bit integer is kept as one. The format is described at
 * https://github.com/antirez/listpack/blob/master/listpack.md
 *
 * A listpack is one allocation of mem_good_size(lp_bytes) bytes; functions that change it take the
 * address of its pointer, which may move. A position is the offset of an element from the
 * beginning; 0 means "none". After a change, positions before it are still good, later ones are
 * not.
 *
 * Not here: trust. lp_check() must have passed over bytes that come from outside before anything
 * else looks at them.
 */
#ifndef STET_DS_LISTPACK_H
#define STET_DS_LISTPACK_H

#include "storage/base/bytes.h"
#include "storage/base/num.h"

struct listpack; /* opaque bytes */

enum {
    LP_EMPTY_BYTES = 7,
    LP_ENTRY_OVERHEAD_MAX = 10, /* bytes of one element beyond its text, at the most */
};
#define LP_BYTES_MAX ((size_t)1 << 30) /* callers stop adding before this */

/* An element: text, or an integer if p is NULL. Valid until the listpack changes. */
struct lp_value {
    const char *p;
    size_t n;
    int64_t v;
};

struct listpack *lp_new(void);
struct listpack *lp_copy(const struct listpack *lp);
struct listpack *lp_from_bytes(const void *p, size_t n); /* checked bytes */
void lp_free(struct listpack *lp);

size_t lp_bytes(const struct listpack *lp); /* the whole run, ready to be written out */
size_t lp_count(const struct listpack *lp); /* walks over it if there are 65535 and more */
size_t lp_mem(const struct listpack *lp);   /* bytes of the allocation */

/* ---------------------------------------------------------------- looking */

uint32_t lp_first(const struct listpack *lp);
uint32_t lp_last(const struct listpack *lp);
uint32_t lp_next(const struct listpack *lp, uint32_t at);
uint32_t lp_prev(const struct listpack *lp, uint32_t at);
uint32_t lp_at(const struct listpack *lp, int64_t index); /* negative: from the end */

struct lp_value lp_get(const struct listpack *lp, uint32_t at);

/* The element as text; integers are written into `buf`. */
static inline struct slice lp_value_text(struct lp_value v, char buf[NUM_I64_MAX]) {
    if (v.p) return (struct slice){v.p, v.n};
    return (struct slice){buf, (size_t)num_format_i64(buf, v.v)};
}
static inline struct slice lp_text(const struct listpack *lp, uint32_t at, char buf[NUM_I64_MAX]) {
    return lp_value_text(lp_get(lp, at), buf);
}

/* What is compared with many elements: its text, and once and for all the integer that it is. */
struct lp_key {
    struct slice s;
    bool is_int;
    int64_t v;
};
struct lp_key lp_key_of(struct slice s);
bool lp_equal(const struct listpack *lp, uint32_t at, const struct lp_key *key);

/* The first element from `at` on that equals `key`, looking at every (skip + 1)th; 0: none. */
uint32_t lp_find(const struct listpack *lp, uint32_t at, const struct lp_key *key, unsigned skip);

/* ---------------------------------------------------------------- changing */

/* In front of the element at `at`, or at the end if `at` is 0. Returns the new one's position.
 * `s` must not point into the listpack. */
uint32_t lp_insert(struct listpack **lp, uint32_t at, struct slice s);
uint32_t lp_insert_int(struct listpack **lp, uint32_t at, int64_t v);
static inline uint32_t lp_append(struct listpack **lp, struct slice s) {
    return lp_insert(lp, 0, s);
}
uint32_t lp_replace(struct listpack **lp, uint32_t at, struct slice s);
uint32_t lp_replace_int(struct listpack **lp, uint32_t at, int64_t v);

/* Removes n elements from `at` on (fewer if there are no more); returns the position of what
 * stands there now, 0 at the end. */
uint32_t lp_delete(struct listpack **lp, uint32_t at, size_t n);

/* Appends all elements of `from` to *to. */
void lp_concat(struct listpack **to, const struct listpack *from);

/* Bytes that `s` takes as an element. */
size_t lp_element_bytes(struct slice s);

/* ---------------------------------------------------------------- bytes from outside */

/* Whether the n bytes at p are a listpack in every detail. */
bool lp_check(const void *p, size_t n);

/* Whether all its elements are written as lp_append() writes them, so that what is looked for is
 * found. */
bool lp_is_shortest_form(const struct listpack *lp);

#endif
