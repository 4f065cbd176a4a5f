/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream_node - a run of neighbouring entries of a stream in one listpack, laid out as in Redis, so
 * that RDB files and DUMP carry it as it is.
 *
 * The id of the first entry ("master") stands outside, as the key of the node; ids inside are
 * differences from it. The listpack begins with
 *
 *   live entries | deleted ones | n | n names of fields | 0
 *
 * and then come the entries, the names of the fields only where they are others than those:
 *
 *   flags | ms | seq | n values                        | n + 3       with STREAM_ENTRY_SAME
 *   flags | ms | seq | n | n times: name, value        | 2n + 4
 *
 * The last element counts the others of the entry, for walks backwards. A deleted entry stays where
 * it is and gets a flag; it counts for the size of the node.
 */
#ifndef STET_STORAGE_STREAM_NODE_H
#define STET_STORAGE_STREAM_NODE_H

#include "storage/ds/listpack.h"
#include "storage/stream_id.h"

enum { STREAM_ENTRY_DELETED = 1, STREAM_ENTRY_SAME = 2 };

struct stream_node {
    const struct listpack *lp;
    struct stream_id master;
    uint64_t live, deleted;
    uint32_t nnames, names; /* how many names, where the first one stands */
    uint32_t first;         /* entry; 0 if there is none */
};

struct stream_entry {
    struct stream_id id;
    uint32_t at; /* of its flags */
    uint32_t nfields;
    bool deleted, same; /* same: only values stand in the entry */
    uint32_t data;      /* first name or value */
};

/* A node without entries, for the names at argv[0], argv[2]... argv[2 * nfields - 2]. */
struct listpack *stream_node_new(const struct slice *argv, size_t nfields);

struct stream_node stream_node_open(const struct listpack *lp, struct stream_id master);

/* Appends an entry: `argv` is name, value, name, value... Its id must be above all there. */
void stream_node_append(struct listpack **lp, struct stream_id master, struct stream_id id,
                        const struct slice *argv, size_t nfields);

struct stream_entry stream_node_entry(const struct stream_node *n, uint32_t at);

/* Where the next, previous or last entry begins, deleted or not; 0: there is none. */
uint32_t stream_node_next(const struct stream_node *n, const struct stream_entry *e);
uint32_t stream_node_prev(const struct stream_node *n, const struct stream_entry *e);
uint32_t stream_node_last(const struct stream_node *n);

/* Marks the entry at `at`, which is not yet so, as deleted. Returns where it begins then: the
 * counts in front of all entries may take more or fewer bytes than before. */
uint32_t stream_node_delete(struct listpack **lp, uint32_t at);

/* Live and deleted entries, from the head alone. */
uint64_t stream_node_live(const struct listpack *lp);
uint64_t stream_node_count(const struct listpack *lp);

/* Whether a listpack from outside (lp_check has passed over it) is a node with at least one entry,
 * deleted or not, whose ids rise and begin no earlier than `master`. The last one goes to *last. */
bool stream_node_check(const struct listpack *lp, struct stream_id master, struct stream_id *last);

#endif
