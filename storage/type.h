/* SPDX-License-Identifier: BSD-3-Clause
 *
 * type - what the rest of the server has to know of a data type, one row for each.
 *
 * A new type is one struct type_ops here, one row in persistence's table of rewriters, and (with
 * snapshots) one in the table of RDB codecs. No other code tests the type, but for commands that
 * refuse the wrong one.
 */
#ifndef STET_STORAGE_TYPE_H
#define STET_STORAGE_TYPE_H

#include "storage/base/bytes.h"
#include "storage/base/pace.h"

#include <stdint.h>

/* The numbers are Redis' own for its types. */
enum type_id {
    TYPE_STRING,
    TYPE_LIST,
    TYPE_SET,
    TYPE_ZSET,
    TYPE_HASH,
    TYPE_MODULE,
    TYPE_STREAM,
    TYPE_VSET, /* this and all below are a module's in Redis */
    TYPE_BLOOM,
    TYPE_CUCKOO,
    TYPE_COUNTMIN,
    TYPE_TOPK,
    TYPE_TDIGEST,
    TYPE_JSON,
    TYPE_COUNT
};

struct entry;

struct type_ops {
    const char *name;
    /* Frees what the value word points to. May run on the lazy-free thread. */
    void (*release)(struct entry *e);
    /* A copy of what the value word points to (never called for embedded strings). */
    void *(*copy)(const struct entry *e, const struct pace *pace);
    /* What OBJECT ENCODING answers. */
    const char *(*encoding)(const struct entry *e);
    /* Allocations that a release would free: whether that is worth another thread. */
    size_t (*effort)(const struct entry *e);
    /* Bytes beyond the entry's own allocation. `samples` elements are looked at, 0: all. */
    size_t (*mem)(const struct entry *e, size_t samples, const struct pace *pace);
    /* The earliest expiry of a part of the value (ms); ENTRY_NO_EXPIRE: no part has one. NULL:
     * parts of this type have no times to live. */
    int64_t (*next_due)(const struct entry *e);
};

/* NULL for a type that this server does not have. */
const struct type_ops *type_ops_of(enum type_id id);

/* Written after a table with a row for every type (a pointer, or a struct that begins with one):
 * when the program starts, a type without a row aborts it and is named. */
#define TYPE_TABLE_IS_COMPLETE(table)                                                              \
    static __attribute__((constructor)) void check_##table(void) {                                 \
        type_table_check(#table, table, sizeof *(table));                                          \
    }
void type_table_check(const char *name, const void *table, size_t row_bytes);

/* The type called `name` (any case), TYPE_COUNT if there is none. */
enum type_id type_by_name(struct slice name);

#endif
