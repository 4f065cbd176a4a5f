/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set - different members, in no order that counts.
 *
 * Four forms: an intset while all members are integers and few, a pack ("listpack") while they are
 * few and short, in the order they came; else a struct table of members, one allocation each
 * (length as a varint, bytes). What adding a member makes of a form, and when, is as in Redis 7.2.
 * A set of which a member gets a time to live becomes a table with an expiry index of such members.
 * Nothing goes back by itself. What becomes of a member whose time has come: parts.h.
 *
 * After a change of a set in the keyspace that set_is_timed(), the caller reports its next due
 * time: db_parts_changed().
 *
 * Not here: unions and differences (server/commands); deleting a set that became empty; removing
 * due members, and notifying clients of it (server/exec).
 */
#ifndef STET_STORAGE_SET_H
#define STET_STORAGE_SET_H

#include "storage/base/pace.h"
#include "storage/ds/intset.h"
#include "storage/ds/listpack.h"
#include "storage/ds/table.h"
#include "storage/entry.h"
#include "storage/parts.h"

enum set_form { SET_INTSET, SET_PACK, SET_TABLE, SET_TIMED };

/* What decides on a set's form, and what is due. */
struct set_rules {
    uint64_t max_intset;              /* members of an intset */
    uint64_t max_listpack, max_value; /* of a listpack: members; bytes of one */
    int64_t now_ms;                   /* or PARTS_ALL */
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

/* How many members there are, due or not; how many are not due. */
size_t set_len(const struct entry *e);
size_t set_len_at(const struct entry *e, int64_t now_ms);

bool set_all_ints(const struct entry *e); /* it is an intset: a walk is in ascending order */

/* True if the member is new; a due one counts as new, and has no time then. `member` may point into
 * another set, not into this one. */
bool set_add(struct entry *e, struct slice member, const struct set_rules *rules);
/* False if it is not there, or due. */
bool set_remove(struct entry *e, struct slice member, int64_t now_ms);
bool set_has(const struct entry *e, struct slice member, int64_t now_ms);

typedef void (*set_visit_fn)(struct lp_value member, void *arg);

/* `visit` must not change the set; what it gets is valid until the set changes. */
void set_each(const struct entry *e, int64_t now_ms, set_visit_fn visit, void *arg);

/* The members in batches, faster than by set_each; the set must not change meanwhile. */
enum { SET_BATCH = 32 };
struct set_iter { /* begin with {.e = set, .now_ms = now} */
    const struct entry *e;
    int64_t now_ms;
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
uint64_t set_scan(const struct entry *e, uint64_t cursor, int64_t now_ms, set_visit_fn visit,
                  void *arg);

/* Any member of a set that is not empty; false if all are due. */
bool set_random(const struct entry *e, int64_t now_ms, struct lp_value *out);

/* Visits a random member `n` times, with repetition; does nothing if all are due. The set
 * is not empty. */
void set_pick(const struct entry *e, int64_t now_ms, size_t n, set_visit_fn visit, void *arg);

/* n different members, or all if there are no more. */
void set_sample(const struct entry *e, int64_t now_ms, size_t n, set_visit_fn visit, void *arg);

/* ---------------------------------------------------------------- times to live */

/* Whether members may have times: the set's form has an index of them. */
static inline bool set_is_timed(const struct entry *e) {
    return entry_form(e) == SET_TIMED;
}

/* Gives an existing member a time to live, 0: none. */
void set_set_expire(struct entry *e, struct slice member, int64_t when_ms);

/* The member's time, 0: none. False: it is not there, or due. */
bool set_get_expire(const struct entry *e, struct slice member, int64_t now_ms, int64_t *expire_ms);

/* The earliest time of a member, or less; ENTRY_NO_EXPIRE: no member has one. It only changes when
 * the set does. */
int64_t set_next_due(const struct entry *e);

/* False: no member is due. */
static inline bool set_any_due(const struct entry *e, int64_t now_ms) {
    int64_t next = set_is_timed(e) ? set_next_due(e) : ENTRY_NO_EXPIRE;

    return next != ENTRY_NO_EXPIRE && next <= now_ms;
}

/* How many are due; takes as long as there are. */
size_t set_count_due(const struct entry *e, int64_t now_ms);

/* Visits every member of a set that set_is_timed(), due or not, with its time (0: none). */
typedef void (*set_time_visit_fn)(struct lp_value member, int64_t expire_ms, void *arg);
void set_each_time(const struct entry *e, set_time_visit_fn visit, void *arg);

/* Removes up to `max` due members, each of them visited first; returns how many. */
size_t set_take_due(struct entry *e, int64_t now_ms, size_t max, set_visit_fn visit, void *arg);

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
bool set_find(const struct entry *e, struct set_probe *p, int64_t now_ms);

/* A set that many members will be looked up in: a pack gets an index, and integers asked for in
 * ascending order are found fast. The set must not change. */
struct set_finder {
    const struct entry *e;
    int64_t now_ms;
    int64_t asked; /* of an intset: the last integer, and how many are smaller */
    size_t rank;
    uint32_t *places;
    unsigned bits;
};

void set_finder_init(struct set_finder *f, const struct entry *e, size_t questions, int64_t now_ms);
void set_finder_release(struct set_finder *f);
bool set_finder_has(struct set_finder *f, struct set_probe *p);

extern const struct type_ops set_type_ops;

#endif
