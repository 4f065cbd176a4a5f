/* SPDX-License-Identifier: BSD-3-Clause
 *
 * expiry - things that have a time to live, in the order they fall due: the keys of a database, the
 * hashes and sets in it with such parts, the fields of a large hash, the members of a set.
 *
 * A B+-tree ordered by (time, address). Leaves keep addresses only, in no order, and inner nodes
 * the bounds between leaves: so adding and removing touch no other item, and one costs 8 to 12
 * bytes here. Times that only ever rise (the usual case: one TTL for all) fill leaves completely.
 *
 * The index reads an item's time from the item, through `when`: remove it here before its time
 * changes or it moves, and add it afterwards. Or, where the old time is known, remove it at that
 * time after the change and before anything else.
 */
#ifndef STET_STORAGE_EXPIRY_H
#define STET_STORAGE_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct expiry_node;

struct expiry {
    int64_t (*when)(const void *item); /* its time, in ms */
    struct expiry_node *root;          /* NULL while empty */
    size_t count;
    size_t mem_bytes;
};

void expiry_init(struct expiry *x, int64_t (*when)(const void *item));
void expiry_release(struct expiry *x);
void expiry_add(struct expiry *x, void *item);
void expiry_remove(struct expiry *x, void *item);
void expiry_remove_at(struct expiry *x, void *item, int64_t when_ms);

/* The earliest time; INT64_MAX if the index is empty. It only changes when the index does. */
int64_t expiry_next(const struct expiry *x);

/* How many are due at `now_ms`; takes as long as there are. */
size_t expiry_count_due(const struct expiry *x, int64_t now_ms);

/* Takes up to `max` items that are due at `now_ms` out of the index and into `out`, earliest
 * leaves first; returns how many. 0 means that nothing is due. Their time stays in the items. */
size_t expiry_take_due(struct expiry *x, int64_t now_ms, void **out, size_t max);

/* The same, up to `max` items, each of which goes to `each`: that may free it. */
size_t expiry_each_due(struct expiry *x, int64_t now_ms, size_t max,
                       void (*each)(void *item, void *arg), void *arg);

/* Some item, every one with nearly the same probability; NULL if there is none. */
void *expiry_random(const struct expiry *x);

/* Up to `max` items, at random, of the few hundred that are due first. */
size_t expiry_sample_next(const struct expiry *x, size_t max, void **out);

/* Mean of the times to live of a sample, in ms; 0 without items. */
int64_t expiry_avg_ttl(const struct expiry *x, int64_t now_ms);

#endif
