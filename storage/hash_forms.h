/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_forms - what hash.c, hash_packed.c and hash_table.c share. No other file includes it.
 */
#ifndef STET_STORAGE_HASH_FORMS_H
#define STET_STORAGE_HASH_FORMS_H

#include "storage/ds/pack.h"
#include "storage/ds/table.h"
#include "storage/expiry.h"
#include "storage/hash.h"

enum hash_form { HASH_PACKED, HASH_PACKED_TIMED, HASH_TABLE };

/* ---------------------------------------------------------------- hash_packed.c */

static inline struct pack **hash_pack_of(struct entry *e) {
    return (struct pack **)entry_word(e);
}

static inline bool hash_is_timed(const struct entry *e) {
    return entry_form(e) == HASH_PACKED_TIMED;
}

/* Where the field stands, 0: nowhere. */
uint32_t packed_find(const struct entry *e, struct slice field);
struct hash_item packed_read(const struct entry *e, uint32_t at);
uint32_t packed_next(const struct entry *e, uint32_t at);
bool packed_set(struct entry *e, struct slice field, struct slice value, bool keep_time,
                int64_t now_ms);
void packed_delete(struct entry *e, uint32_t at);
void packed_set_expire(struct entry *e, uint32_t at, int64_t when_ms);
void packed_add_times(struct entry *e);
size_t packed_len(const struct entry *e);

/* ---------------------------------------------------------------- hash_table.c */

struct hash_table {
    struct table t;
    struct expiry *due; /* items with a time; NULL: there never was one */
};

struct hash_table *htable_new(size_t expected);
void htable_free(struct hash_table *h);
struct hash_table *htable_copy(const struct hash_table *h, const struct pace *pace);
size_t htable_mem(const struct hash_table *h, size_t samples, const struct pace *pace);

/* The field's item, NULL: none. */
void *htable_find(const struct hash_table *h, struct slice field, uint64_t hash);
struct hash_item htable_read(const void *item);
int64_t htable_expire_of(const void *item); /* 0: none */

/* A field that is not there yet. */
void htable_add(struct hash_table *h, struct slice field, uint64_t hash, struct slice value,
                int64_t expire_ms);
/* Another value, or time, for an item. */
void htable_change(struct hash_table *h, void *item, uint64_t hash, struct slice value,
                   int64_t expire_ms);
void htable_set_expire(struct hash_table *h, void *item, uint64_t hash, int64_t expire_ms);
void htable_delete(struct hash_table *h, void *item, uint64_t hash);
/* The same for one that expiry_take_due() has taken out of `due`. */
void htable_delete_due(struct hash_table *h, void *item, uint64_t hash);

#endif
