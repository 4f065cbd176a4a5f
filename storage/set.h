/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set - different members, in no order that counts.
 *
 * Three forms: an intset while all members are integers and few, a pack ("listpack") while they are
 * few and short, in the order they came; else a struct table of members, one allocation each
 * (length as a varint, bytes). What adding a member makes of a form, and when, is as in Redis 7.2;
 * nothing goes back by itself.
 *
 * Not here: unions and differences (server/commands); deleting a set that became empty.
 */
#ifndef STET_STORAGE_SET_H
#define STET_STORAGE_SET_H

#include "storage/base/pace.h"
#include "storage/ds/intset.h"
#include "storage/ds/listpack.h"
#include "storage/ds/table.h"
#include "storage/entry.h"

/* What decides on a set's form. */
struct set_rules {
    uint64_t max_intset;              /* members of an intset */
    uint64_t max_listpack, max_value; /* of a listpack: members; bytes of one */
};

/* A set for `first`, which is not in it yet, and as many members as are expected. */
struct entry *set_new(struct slice key, struct slice first, size_t expected,
                      const struct set_rules *rules);

/* An empty intset, which becomes whatever its members demand. */
struct entry *set_new_empty(struct slice key);

/* A set of n different members in the smallest form that holds them. */
struct entry *set_build(struct slice key, const struct lp_value *v, size_t n,
                        const struct set_rules *rules, const struct pace *pace);

/* What the set is if all its members are integers and few, NULL otherwise: for callers that write
 * it out as it is. The reverse makes a set of the n bytes of such an intset, which come from
 * outside: NULL if they are not an intset, or an empty one. */
const struct intset *set_intset(const struct entry *e);
struct entry *set_from_intset(struct slice key, const void *p, size_t n,
                              const struct set_rules *rules);

/* The members in a listpack that comes from outside (lp_check has passed over it): NULL if there
 * are none, or one comes twice. As with Redis it stays packed unless there are too many. */
struct entry *set_from_listpack(struct slice key, const struct listpack *lp,
                                const struct set_rules *rules);

/* `more` members are going to be added, most of them new. */
void set_expect(struct entry *e, size_t more, const struct set_rules *rules);

size_t set_len(const struct entry *e);
bool set_all_ints(const struct entry *e); /* it is an intset: a walk is in ascending order */

/* `member` may point into another set, not into this one. */
bool set_add(struct entry *e, struct slice member, const struct set_rules *rules);
bool set_remove(struct entry *e, struct slice member);
bool set_has(const struct entry *e, struct slice member);

typedef void (*set_visit_fn)(struct lp_value member, void *arg);

/* `visit` must not change the set; what it gets is valid until the set changes. */
void set_each(const struct entry *e, set_visit_fn visit, void *arg);

/* The members in batches, faster than by set_each; the set must not change meanwhile. */
enum { SET_BATCH = 32 };
struct set_iter { /* begin with {.e = set} */
    const struct entry *e;
    struct table_iter table;
    size_t at;
};
struct set_batch {
    struct lp_value v[SET_BATCH];
    uint64_t hash[SET_BATCH]; /* as table_next() gives them, with `depth`; none if that is -1 */
    int depth;
    size_t n;
};
size_t set_next(struct set_iter *it, struct set_batch *b); /* 0: there are no more */

/* As table_scan(); intsets and listpacks are visited whole, whatever the cursor. */
uint64_t set_scan(const struct entry *e, uint64_t cursor, set_visit_fn visit, void *arg);

/* Any member of a set that is not empty. */
struct lp_value set_random(const struct entry *e);

/* Visits a random member `n` times, with repetition. */
void set_pick(const struct entry *e, size_t n, set_visit_fn visit, void *arg);

/* n different members, or all if there are no more. */
void set_sample(const struct entry *e, size_t n, set_visit_fn visit, void *arg);

/* ---------------------------------------------------------------- looking for members */

/* A member to look for, perhaps in several sets: its hash and its form are computed once. */
struct set_probe {
    struct slice s; /* p is NULL: not written out yet */
    int64_t v;
    uint64_t hash;
    int known_bits; /* how many of the hash's highest are right; -1: none of all */
    enum { PROBE_UNKNOWN, PROBE_INT, PROBE_TEXT } kind;
    char text[NUM_I64_MAX];
};

void set_probe_init(struct set_probe *p, struct lp_value v);
void set_probe_next(struct set_probe *p, const struct set_batch *b, size_t i);
bool set_find(const struct entry *e, struct set_probe *p);

/* A set that many members will be looked up in: a pack gets an index, and integers asked for in
 * ascending order are found fast. The set must not change. */
struct set_finder {
    const struct entry *e;
    int64_t asked; /* of an intset: the last integer, and how many are smaller */
    size_t rank;
    uint32_t *places;
    unsigned bits;
};

void set_finder_init(struct set_finder *f, const struct entry *e, size_t questions);
void set_finder_release(struct set_finder *f);
bool set_finder_has(struct set_finder *f, struct set_probe *p);

extern const struct type_ops set_type_ops;

#endif
