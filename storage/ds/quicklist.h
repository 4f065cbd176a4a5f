/* SPDX-License-Identifier: BSD-3-Clause
 *
 * quicklist - a long sequence: an array of nodes, each a listpack of a few kilobytes.
 *
 * The nodes' addresses and counts stand in one array with room at both ends, 16 bytes a node: so an
 * element is found by its index by adding up counts that lie side by side, and there are no links
 * to follow. Nodes further than `depth` from either end are kept compressed (LZF) if that is asked
 * for and gains something; a change unpacks the node first.
 *
 * A change at the front of a listpack moves all of it. So the front of a list grows and shrinks in
 * a short node of its own: when that is long enough it joins the next one, and when it is used up,
 * another one is cut off. Lists that are compressed do without.
 *
 * Indexes are 0 .. count-1. Nodes are never empty.
 */
#ifndef STET_DS_QUICKLIST_H
#define STET_DS_QUICKLIST_H

#include "storage/base/pace.h"
#include "storage/ds/listpack.h"

#include <stdbool.h>

/* The parameters list-max-listpack-size and list-compress-depth. */
struct ql_limits {
    int64_t fill;  /* elements of a node, or -1 .. -5: 4, 8, 16, 32, 64 kB */
    int64_t depth; /* nodes at each end that stay uncompressed; 0: all of them */
};

struct ql_node {
    void *p; /* struct listpack, or struct ql_packed if `packed` */
    uint32_t count;
    uint32_t packed; /* 0, or the bytes of the listpack that is compressed */
};

struct quicklist {
    struct ql_node *v; /* nodes first .. first+n-1 of cap */
    uint32_t first, n, cap;
    size_t count;
};

/* Whether a listpack of so many bytes and elements is more than one node may hold. */
bool ql_exceeds(const struct ql_limits *lim, size_t bytes, size_t count);

/* Whether so little is left of a node that it may become a plain listpack again: half of what it
 * may hold, so that a list on the edge does not change back and forth. */
bool ql_is_half(const struct ql_limits *lim, size_t bytes, size_t count);

/* Of one uncompressed node (ql_delete_equal does the same for a list). */
size_t ql_node_delete_equal(struct ql_node *node, const struct lp_key *key, size_t most,
                            bool from_back);

/* All-zero is an empty list. */
void ql_release(struct quicklist *q);
void ql_copy(struct quicklist *to, const struct quicklist *from, const struct pace *pace);

/* Appends a node made of a listpack that is not empty; takes it over. */
void ql_append_node(struct quicklist *q, const struct ql_limits *lim, struct listpack *lp);

/* `s` must not point into the list, here and below. */
void ql_insert(struct quicklist *q, const struct ql_limits *lim, size_t index, struct slice s);
void ql_replace(struct quicklist *q, const struct ql_limits *lim, size_t index, struct slice s);
void ql_delete(struct quicklist *q, const struct ql_limits *lim, size_t index, size_t n);

/* Deletes up to `most` elements that equal `key`, the first ones (from_back: the last ones).
 * Returns how many. */
size_t ql_delete_equal(struct quicklist *q, const struct ql_limits *lim, const struct lp_key *key,
                       size_t most, bool from_back);

size_t ql_mem(const struct quicklist *q);

/* A node's listpack; one that has to be unpacked for it goes to *scratch, to be freed. */
const struct listpack *ql_node_listpack(const struct ql_node *node, struct listpack **scratch);

/* ---------------------------------------------------------------- walking */

/* The list must not change meanwhile. Where the iterator stands: element `at` of listpack `lp`;
 * at 0: beyond the end. */
struct ql_iter {
    const struct quicklist *q;
    const struct listpack *lp;
    uint32_t at, node;
    bool back;
    struct listpack *scratch; /* a node that had to be unpacked */
};

/* Stands on element `index` afterwards (beyond the end if there is none). */
void ql_iter_begin(struct ql_iter *it, const struct quicklist *q, size_t index, bool back);
void ql_iter_next(struct ql_iter *it);
void ql_iter_end(struct ql_iter *it);

#endif
