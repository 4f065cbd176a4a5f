/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_forms - the forms of a sorted set, for zset*.c only.
 */
#ifndef STET_STORAGE_ZSET_FORMS_H
#define STET_STORAGE_ZSET_FORMS_H

#include "storage/zset.h"

#include "storage/ds/table.h"

enum zset_form { ZSET_PACKED, ZSET_TREE };

static inline bool zset_is_packed(const struct entry *e) {
    return entry_form(e) == ZSET_PACKED;
}

/* ---------------------------------------------------------------- packed: zset_packed.c */

/* Positions are those of members; 0: none, or the end. */
uint32_t zset_packed_find(const struct pack *p, struct slice member);
uint32_t zset_packed_next(const struct pack *p, uint32_t at);
uint32_t zset_packed_at(const struct pack *p, size_t rank);
size_t zset_packed_count(const struct pack *p);
struct slice zset_packed_member(const struct pack *p, uint32_t at, char text[NUM_I64_MAX]);
double zset_packed_score(const struct pack *p, uint32_t at);

/* Adds a member that is not there, or appends one that comes last. */
void zset_packed_add(struct pack **p, struct slice member, double score);
void zset_packed_append(struct pack **p, struct slice member, double score);

/* Changes the score of the member that is there, at `at`. */
void zset_packed_rescore(struct pack **p, uint32_t at, struct slice member, double score);

/* Whether a packed set of `bytes` may get this member too. */
bool zset_packed_room(size_t bytes, struct slice member);

struct zset_span zset_packed_scores(const struct pack *p, const struct zset_scores *r);
struct zset_span zset_packed_members(const struct entry *e, const struct zset_members *r,
                                     bool from_end);

/* ---------------------------------------------------------------- tree */

struct zset {
    struct table members; /* of struct scored */
    struct scoretree order;
};

extern const struct table_ops scored_table_ops;

/* An empty one. */
struct zset *zset_tree_new(void);

#endif
