/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_forms - the forms of a sorted set, for zset.c and zset_build.c only.
 */
#ifndef STET_STORAGE_ZSET_FORMS_H
#define STET_STORAGE_ZSET_FORMS_H

#include "storage/zset.h"

#include "storage/ds/table.h"

enum zset_form { ZSET_PACKED, ZSET_TREE };

struct zset {
    struct table members; /* of struct scored */
    struct scoretree order;
};

extern const struct table_ops scored_table_ops;

/* An empty one. */
struct zset *zset_tree_new(void);

/* Puts member and score in front of the member at `at`, or at the end if that is 0. */
void zset_packed_put(struct listpack **lp, uint32_t at, struct slice member, double score);

/* Whether a packed set of `bytes` may get this member too. */
bool zset_packed_room(size_t bytes, struct slice member);

#endif
