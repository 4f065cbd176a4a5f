/* SPDX-License-Identifier: BSD-3-Clause
 *
 * category - the ACL categories of a command. They follow from its flags and its group; the few
 * that do not stand in a table.
 */
#ifndef STET_EXEC_CATEGORY_H
#define STET_EXEC_CATEGORY_H

#include "server/exec/command.h"

enum category {
    CAT_KEYSPACE,
    CAT_READ,
    CAT_WRITE,
    CAT_SET,
    CAT_SORTEDSET,
    CAT_LIST,
    CAT_HASH,
    CAT_STRING,
    CAT_BITMAP,
    CAT_HYPERLOGLOG,
    CAT_GEO,
    CAT_STREAM,
    CAT_PUBSUB,
    CAT_ADMIN,
    CAT_FAST,
    CAT_SLOW,
    CAT_BLOCKING,
    CAT_DANGEROUS,
    CAT_CONNECTION,
    CAT_TRANSACTION,
    CAT_SCRIPTING,
    CAT_BLOOM,
    CAT_CUCKOO,
    CAT_CMS,
    CAT_TOPK,
    CAT_TDIGEST,
    CAT_JSON,
    CATEGORIES
};

extern const char *const category_names[CATEGORIES];

/* One bit (1 << CAT_X) a category. */
uint32_t command_categories(const struct command_slot *s);

/* CATEGORIES if there is none of that name. */
enum category category_by_name(struct slice name);

#endif
