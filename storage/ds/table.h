/* SPDX-License-Identifier: BSD-3-Clause
 *
 * table - the hash table of the keyspace and of every large hash-like value.
 *
 * Design. A directory (indexed by the hash's top bits, as in extendible hashing) points to
 * segments; a segment is an array of 1 to 128 buckets; a bucket is one cache line: 7 slots, 7
 * one-byte tags, one overflow count. A segment that fills up is rebuilt a quarter larger; past 128
 * buckets it splits in two. So no insert pays for more than one segment (under 1000 entries),
 * memory follows the count in steps of a quarter, and nothing doubles.
 *
 *   hash: | 63 ... directory ... | ... | 23 tag 16 | 15 position 0 |
 *   slot: | 63 position 48 | 47 address 0 |            0 = free
 *
 * The position says where in its segment an entry wants to be (bucket = position * buckets >> 16),
 * and because the slot keeps it, rebuilding a segment touches no entry; only a split has to hash
 * keys again. An entry whose bucket is full goes to the next one with room, and every bucket it
 * passed counts it in `overflow`, so a search stops at the first bucket that no entry passed.
 *
 * Entries are the caller's: the table keeps addresses (48 bits) and asks `ops` for keys.
 * Not here: memory of entries, locking (one thread at a time), iteration that tolerates changes
 * (that is what table_scan's cursor is for).
 */
#ifndef STET_DS_TABLE_H
#define STET_DS_TABLE_H

#include "storage/base/bytes.h"

#include <stdint.h>

enum { TABLE_SLOTS = 7 };

struct table_ops {
    struct slice (*key)(const void *entry); /* for splits: the key is hashed again */
    bool (*match)(const void *entry, struct slice key);
};

struct table_bucket {
    uint64_t slot[TABLE_SLOTS];
    uint8_t tag[TABLE_SLOTS]; /* never 0 for a used slot, 0 for a free one */
    uint8_t overflow;         /* entries that passed by; 255 sticks until the next rebuild */
};

struct table_segment {
    struct table_bucket *buckets;
    uint16_t nbuckets;
    uint16_t depth; /* how many top bits of the hash all entries here share */
    uint32_t count;
};

struct table {
    const struct table_ops *ops;
    struct table_segment **dir; /* 2^depth pointers; NULL while the table never held anything */
    unsigned depth;
    size_t count;
    size_t mem_bytes; /* directory, segments and buckets */
};

void table_init(struct table *t, const struct table_ops *ops);

/* Frees the structure and, if `free_entry` is given, hands it every entry. The table is then as
 * after table_init. */
void table_release(struct table *t, void (*free_entry)(void *entry, void *arg), void *arg);

/* Lays out room for n entries. Only on an empty table. */
void table_reserve(struct table *t, size_t n);

void *table_find(const struct table *t, struct slice key, uint64_t hash);

/* `entry`'s key must not be in the table. */
void table_insert(struct table *t, void *entry, uint64_t hash);

/* The slot of `old` now holds `entry` (same key, new address). `old` must be there; only its
 * address is looked at. */
void table_replace(struct table *t, const void *old, void *entry, uint64_t hash);

/* Takes exactly this entry out; it must be there. Its memory is not touched. */
void table_remove(struct table *t, const void *entry, uint64_t hash);

/* Two steps of fetching ahead for a lookup to come: first the bucket, then what its tags promise.
 * The second tells which entry the lookup will most likely find; NULL: none that is known yet. */
void table_prefetch_bucket(const struct table *t, uint64_t hash);
const void *table_prefetch_entry(const struct table *t, uint64_t hash);

typedef void (*table_visit_fn)(void *entry, void *arg);

/* Visits some entries (at least one bucket's, if the table holds any) and returns the next cursor,
 * 0 at the end; begin with 0. An entry that is present from first to last call is visited at least
 * once, whatever is inserted or removed between calls. Cursors stay below 2^53. Any number is
 * accepted as a cursor. `visit` must not change the table. */
uint64_t table_scan(const struct table *t, uint64_t cursor, table_visit_fn visit, void *arg);

/* Visits every entry; `visit` must not change the table. */
void table_each(const struct table *t, table_visit_fn visit, void *arg);

/* Where table_next() goes on; all zero: at the beginning. */
struct table_iter {
    size_t at; /* in the directory */
    unsigned bucket;
};

/* Up to `max` entries (TABLE_SLOTS at least) from there on, 0 at the end; the table must not change
 * between calls. hash[i] is what can be told of entry i's hash without looking at it: its `*depth`
 * highest bits and what else a search needs, so it is good for searches in tables of no greater
 * depth. The lowest 16 bits are right always. */
size_t table_next(const struct table *t, struct table_iter *it, size_t max, void **entries,
                  uint64_t *hash, unsigned *depth);

/* Some entry, every one with nearly the same probability; NULL if there is none. */
void *table_random(const struct table *t);

/* The entries of one bucket, each with nearly the same probability: how many, often none. Cheaper
 * than as many calls of table_random. `out` has room for TABLE_SLOTS; the table is not empty. */
size_t table_sample_bucket(const struct table *t, void **out);

/* True if the table holds an entry of this hash at this address, which is not looked at. */
bool table_holds(const struct table *t, const void *entry, uint64_t hash);

/* Visits n different entries, any set of n with nearly the same probability; n <= count. `visit`
 * must not change the table. */
void table_sample(const struct table *t, size_t n, table_visit_fn visit, void *arg);

#endif
