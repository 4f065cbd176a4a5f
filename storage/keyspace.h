/* SPDX-License-Identifier: BSD-3-Clause
 *
 * keyspace - the numbered databases: keys, their entries, and which of them expire when.
 *
 * This layer stores; it does not judge. server/exec decides whether an entry has expired, which
 * clients are notified of a change and what goes to the AOF. All functions are for the main thread.
 * They take the key's hash (hash_bytes) from the caller, which has computed it for prefetching
 * anyway.
 *
 * An entry's address is good until the next call that names that entry.
 */
#ifndef STET_STORAGE_KEYSPACE_H
#define STET_STORAGE_KEYSPACE_H

#include "storage/ds/table.h"
#include "storage/entry.h"
#include "storage/expiry.h"

struct db {
    struct table keys;
    struct expiry expires; /* keys with a time to live */
    struct expiry parts;   /* keys with parts that have one (fields of a hash, members of a set) */
    int id;
};

/* A library of functions, as a snapshot lists it. The module that compiled it owns it. */
struct library {
    struct library *next;
    struct slice code;
};

struct keyspace {
    struct db *dbs;
    int ndbs;
    struct library *libraries; /* in order of name; they belong to no database */
};

#define DB_KEEP_EXPIRE INT64_C(-2)

void keyspace_init(struct keyspace *ks, int ndbs);
void keyspace_release(struct keyspace *ks);
size_t keyspace_count(const struct keyspace *ks);

/* Exchanges the contents of two databases. */
void keyspace_swap(struct keyspace *ks, int a, int b);

/* Exchanges the contents of all databases with those of another keyspace, which has as many. What
 * points to a database goes on pointing to that number. */
void keyspace_exchange(struct keyspace *a, struct keyspace *b);

/* Empties a database; returns how many keys went. The lazy-free thread frees what was in it, as
 * with entry_discard(). */
size_t db_clear(struct db *db, bool lazy);

static inline struct entry *db_find(const struct db *db, struct slice key, uint64_t hash) {
    return table_find(&db->keys, key, hash);
}

/* Stores a string over `old` (what db_find gave: NULL for a new key). `expire_ms` is a time,
 * ENTRY_NO_EXPIRE, or DB_KEEP_EXPIRE. `flags`: ENTRY_NOT_INT, ENTRY_RAW. `key` and `value` may
 * point into `old`'s key, but not into its value unless it stays a different entry. */
struct entry *db_set_string(struct db *db, struct slice key, uint64_t hash, struct entry *old,
                            struct slice value, int64_t expire_ms, unsigned flags);

/* The same for a value that is in a blob already, which it takes over; longer than ENTRY_EMBED_MAX.
 */
struct entry *db_set_blob(struct db *db, struct slice key, uint64_t hash, struct entry *old,
                          struct blob *value, int64_t expire_ms, unsigned flags);

/* Adds an entry whose key is not there. */
void db_add(struct db *db, struct entry *e, uint64_t hash);

/* Makes an existing string `n` bytes long, new bytes zero, writable at *data; encoding "raw". */
struct entry *db_resize_string(struct db *db, struct entry *e, uint64_t hash, size_t n,
                               char **data);

/* `when_ms` a time or ENTRY_NO_EXPIRE. */
struct entry *db_set_expire(struct db *db, struct entry *e, uint64_t hash, int64_t when_ms);

/* To be called after every change of a value whose parts may have times of their own; `before_ms`
 * is what its type's next_due() returned before the change. */
void db_parts_changed(struct db *db, struct entry *e, int64_t before_ms);

/* Takes the entry out and gives it to the caller. */
void db_detach(struct db *db, struct entry *e, uint64_t hash);

/* Takes the entry out and frees it with entry_discard(). */
void db_delete(struct db *db, struct entry *e, uint64_t hash, bool lazy);

/* The same for an entry that expiry_take_due() has taken out of the index. */
void db_delete_due(struct db *db, struct entry *e, uint64_t hash, bool lazy);

/* Bytes of tables and indexes, without the entries. */
size_t db_overhead(const struct db *db);

#endif
