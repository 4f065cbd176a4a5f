/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_forms - what set.c, set_table.c, set_walk.c and set_find.c share. No other file includes it.
 */
#ifndef STET_STORAGE_SET_FORMS_H
#define STET_STORAGE_SET_FORMS_H

#include "storage/base/hash.h"
#include "storage/base/varint.h"
#include "storage/ds/intset.h"
#include "storage/ds/pack.h"
#include "storage/ds/table.h"
#include "storage/expiry.h"
#include "storage/set.h"

/* A table is that of both forms which have one, so it comes first. */
struct set_timed {
    struct table t;
    struct expiry due; /* members with a time */
};

static inline bool set_is_table(const struct entry *e) {
    return entry_form(e) >= SET_TABLE;
}

/* What stands before a member with a time. Allocations are aligned, so its own address is odd. */
enum { SET_TIME_BYTES = sizeof(int64_t) + 1 };

static inline bool set_item_is_timed(const void *item) {
    return (uintptr_t)item & 1;
}

/* 0: none. */
static inline int64_t set_item_time(const void *item) {
    int64_t when = 0;

    if (set_item_is_timed(item)) memcpy(&when, (const char *)item - SET_TIME_BYTES, sizeof when);
    return when;
}

static inline bool set_item_is_due(const void *item, int64_t now_ms) {
    return set_item_is_timed(item) && part_is_due(set_item_time(item), now_ms);
}

static inline uint64_t set_hash(struct slice s) {
    return hash_bytes(s.p, s.n);
}

static inline struct lp_value set_int(int64_t v) {
    return (struct lp_value){.v = v};
}

/* A member of a table: its length as a varint, its bytes; see set_table.c. */
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

/* ---------------------------------------------------------------- set_table.c */

struct table *stable_new(size_t expected);
void stable_release(struct entry *e);
void stable_add(struct table *t, struct slice member, uint64_t hash);
/* A member that is not there yet or, if it is due, again: without a time. False: it is there. */
bool stable_put(struct entry *e, struct slice member, int64_t now_ms);
bool stable_remove(struct entry *e, struct slice member, int64_t now_ms);
void *stable_copy(const struct entry *e, const struct pace *pace);
size_t stable_mem(const struct entry *e, size_t samples, const struct pace *pace);

/* A table takes the form with times. */
void stable_allow_times(struct entry *e);
void stable_set_expire(struct entry *e, struct slice member, int64_t when_ms);

#endif
