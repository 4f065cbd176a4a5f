/* SPDX-License-Identifier: BSD-3-Clause
 *
 * expiry - the keys of one database that have a time to live, in the order they fall due.
 *
 * A B+-tree ordered by (time, address). Leaves keep addresses only, in no order, and inner nodes
 * the bounds between leaves: so adding and removing touch no other entry, and a key costs 8 to 12
 * bytes here. Times that only ever rise (the usual case: one TTL for all) fill leaves completely.
 *
 * The index reads an entry's time from the entry: remove it here before its time changes or it
 * moves, and add it afterwards.
 */
#ifndef STET_STORAGE_EXPIRY_H
#define STET_STORAGE_EXPIRY_H

#include "storage/entry.h"

struct expiry_node;

struct expiry {
    struct expiry_node *root; /* NULL while empty */
    size_t count;
    size_t mem_bytes;
};

void expiry_init(struct expiry *x);
void expiry_release(struct expiry *x);
void expiry_add(struct expiry *x, struct entry *e);
void expiry_remove(struct expiry *x, struct entry *e);

/* Takes up to `max` entries that are due at `now_ms` out of the index and into `out`, earliest
 * leaves first; returns how many. 0 means that nothing is due. Their time stays in the entries. */
size_t expiry_take_due(struct expiry *x, int64_t now_ms, struct entry **out, size_t max);

/* Mean of the times to live of a sample, in ms; 0 without keys. */
int64_t expiry_avg_ttl(const struct expiry *x, int64_t now_ms);

#endif
