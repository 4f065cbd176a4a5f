/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash - fields and their values, each field with a time to live of its own if it wants one.
 *
 * Three forms, each of which turns into a later one and never back:
 *   packed         a pack of field, value: the elements of Redis' listpack
 *   packed, timed  a pack of field, value, time: those with a time first, in its order; time 0 is
 *                  none (the elements of Redis 7.4's listpack)
 *   table          a struct table of items, and an expiry index of those with a time
 *
 * What becomes of a field whose time has come: parts.h.
 *
 * After a change of a hash in the keyspace, the caller reports its next due time:
 * db_parts_changed(). Not here: removing due fields, and notifying clients of it (server/exec).
 */
#ifndef STET_STORAGE_HASH_H
#define STET_STORAGE_HASH_H

#include "storage/ds/pack.h"
#include "storage/entry.h"
#include "storage/parts.h"

/* What decides on a hash's form, and what is due. */
struct hash_rules {
    uint64_t max_entries, max_value; /* what packed forms hold: fields; bytes of one text */
    int64_t now_ms;                  /* or PARTS_ALL */
};

/* Valid until the hash changes. */
struct hash_item {
    struct lp_value field, value;
    int64_t expire_ms; /* 0: none */
};

/* An empty hash. */
struct entry *hash_new(struct slice key);

/* The same for about so many fields. */
struct entry *hash_new_for(struct slice key, size_t expected, const struct hash_rules *rules);

/* The fields and values of a small hash without times, NULL for others; and a hash of those in a
 * listpack that comes from outside (lp_check has passed over it): NULL if these are no pairs, or a
 * field comes twice. As with Redis it stays packed unless there are too many, however long they
 * are. */
const struct pack *hash_pack(const struct entry *e);
struct entry *hash_from_listpack(struct slice key, const struct listpack *lp,
                                 const struct hash_rules *rules);

/* How many fields there are, due or not; how many are not due. */
size_t hash_len(const struct entry *e);
size_t hash_len_at(const struct entry *e, int64_t now_ms);

bool hash_get(const struct entry *e, struct slice field, int64_t now_ms, struct hash_item *out);

/* Stores a value; true if the field is new (a due one counts as new). Its time to live goes, or
 * stays with `keep_time`. `field` and `value` must not point into the hash. */
bool hash_set(struct entry *e, struct slice field, struct slice value, bool keep_time,
              const struct hash_rules *rules);

/* Removes a field; false if it is not there, or due. */
bool hash_delete(struct entry *e, struct slice field, int64_t now_ms);

/* Gives an existing field a time to live, 0: none. */
void hash_set_expire(struct entry *e, struct slice field, int64_t when_ms);

/* A packed hash takes the form with times. */
void hash_allow_times(struct entry *e);

/* The earliest time of a field; ENTRY_NO_EXPIRE: no field has one. It only changes when the hash
 * does. */
int64_t hash_next_due(const struct entry *e);

typedef void (*hash_visit_fn)(const struct hash_item *item, void *arg);

/* `visit` must not change the hash. */
void hash_each(const struct entry *e, int64_t now_ms, hash_visit_fn visit, void *arg);

/* As table_scan(); packed forms are visited whole, whatever the cursor. */
uint64_t hash_scan(const struct entry *e, uint64_t cursor, int64_t now_ms, hash_visit_fn visit,
                   void *arg);

/* Any field; false if none is left. */
bool hash_random(const struct entry *e, int64_t now_ms, struct hash_item *out);

/* Visits a random field `n` times, with repetition; does nothing if no field is left. */
void hash_pick(const struct entry *e, int64_t now_ms, size_t n, hash_visit_fn visit, void *arg);

/* n different fields, or all if there are no more. */
void hash_sample(const struct entry *e, int64_t now_ms, size_t n, hash_visit_fn visit, void *arg);

/* Removes up to `max` due fields, each of them visited first; returns how many. */
size_t hash_take_due(struct entry *e, int64_t now_ms, size_t max, hash_visit_fn visit, void *arg);

extern const struct type_ops hash_type_ops;

#endif
