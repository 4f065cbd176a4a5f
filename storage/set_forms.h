/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_forms - what set.c, set_walk.c and set_find.c share. No other file includes it.
 */
#ifndef STET_STORAGE_SET_FORMS_H
#define STET_STORAGE_SET_FORMS_H

#include "storage/base/hash.h"
#include "storage/base/varint.h"
#include "storage/ds/intset.h"
#include "storage/ds/pack.h"
#include "storage/ds/table.h"
#include "storage/set.h"

enum set_form { SET_INTSET, SET_PACK, SET_TABLE };

static inline uint64_t set_hash(struct slice s) {
    return hash_bytes(s.p, s.n);
}

static inline struct lp_value set_int(int64_t v) {
    return (struct lp_value){.v = v};
}

/* A member of a table: its length as a varint, its bytes. */
static inline struct slice set_member_of(const void *item) {
    struct slice s;
    uint64_t n;

    s.p = varint_get(item, &n);
    s.n = n;
    return s;
}

static inline struct lp_value set_value_of(const void *item) {
    struct slice s = set_member_of(item);

    return (struct lp_value){.p = s.p, .n = s.n};
}

#endif
