/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_build - sorted sets that are made as a whole: results of ZUNIONSTORE and the like. Members
 * come in any order, are sorted once, and the tree is laid out in one go.
 *
 * Either every member is new (zset_build_add) or one may come again (zset_build_slot), not both
 * in one set.
 */
#ifndef STET_STORAGE_ZSET_BUILD_H
#define STET_STORAGE_ZSET_BUILD_H

#include "storage/base/pace.h"
#include "storage/ds/table.h"
#include "storage/zset.h"

struct zset_build {
    struct table members; /* of those that may come again */
    struct zset_built {
        uint64_t key; /* while sorting */
        struct scored *item;
    } * v;
    size_t n, cap;
    size_t longest, total; /* bytes of members */
    struct pace pace;      /* of sorting and making the entry; set after zset_build_init */
};

/* `expect` members, more or less. */
void zset_build_init(struct zset_build *b, size_t expect);
void zset_build_release(struct zset_build *b);

void zset_build_add(struct zset_build *b, struct slice member, double score);

/* The score of a member, which is added with *score if it is not there. NULL: it was not. */
double *zset_build_slot(struct zset_build *b, struct slice member, double score);

/* Puts v into order. */
void zset_build_sort(struct zset_build *b);

/* What was built (sorted here), as an entry; there must be something. `b` is empty afterwards. */
struct entry *zset_build_entry(struct zset_build *b, struct slice key,
                               const struct zset_rules *rules);

#endif
