/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stream - a log of entries in the order of their ids, each a list of names and values.
 *
 * The entries stand in nodes (stream_node), the nodes in an idtree by the id of their first entry.
 * Appending touches the last node only. Consumer groups: stream_group.
 *
 * Invariants: no id is above last_id; first_id is that of the first live entry, 0-0 without one;
 * `length` counts live entries, entries_added all there ever were; a node holds a live entry,
 * unless trimming by id emptied it of all but deleted ones.
 */
#ifndef STET_STORAGE_STREAM_H
#define STET_STORAGE_STREAM_H

#include "storage/ds/table.h"
#include "storage/entry.h"
#include "storage/stream_node.h"

struct stream_idmp;

struct stream {
    struct idtree nodes; /* struct listpack */
    uint64_t length;
    struct stream_id first_id, last_id, max_deleted_id;
    uint64_t entries_added;
    struct table groups;      /* struct stream_group */
    struct stream_idmp *idmp; /* see stream_idmp.h; NULL: nothing is remembered */
};

extern const struct type_ops stream_type_ops;

struct stream *stream_new(void);
void stream_free(struct stream *s);

static inline struct stream *stream_of(const struct entry *e) {
    return entry_object(e);
}

/* ---------------------------------------------------------------- changing */

#define STREAM_ENTRY_BYTES_MAX ((size_t)1 << 30) /* names and values of one entry together */

/* When a node is full: bytes (0: 1 GiB), and entries with the deleted ones (0: no limit). */
struct stream_limits {
    uint64_t node_bytes, node_entries;
};

/* `id` is above last_id; argv is nfields times name and value, of STREAM_ENTRY_BYTES_MAX at the
 * most. */
void stream_append(struct stream *s, struct stream_id id, const struct slice *argv, size_t nfields,
                   const struct stream_limits *limits);

bool stream_delete(struct stream *s, struct stream_id id);

enum stream_trim_by { STREAM_TRIM_NONE, STREAM_TRIM_MAXLEN, STREAM_TRIM_MINID };

struct stream_trim {
    enum stream_trim_by by;
    uint64_t maxlen;        /* so many may stay */
    struct stream_id minid; /* what is below goes */
    bool approx;            /* whole nodes only */
    uint64_t limit;         /* entries that may go, in whole nodes; 0: all */
};

/* Returns how many entries went. */
uint64_t stream_trim(struct stream *s, const struct stream_trim *t);

/* Appends a node from outside, which is taken over: false if it is not a valid node, or its ids do
 * not come after those of the other nodes; last_id is not checked. stream_settle() then computes
 * first_id and length from all nodes; false if an id, or max_deleted_id, is above last_id. */
bool stream_add_node(struct stream *s, struct stream_id master, struct listpack *lp);
bool stream_settle(struct stream *s);

/* ---------------------------------------------------------------- looking */

bool stream_has(const struct stream *s, struct stream_id id);

/* The first or the last live entry; false if there is none. */
bool stream_edge(const struct stream *s, bool last, struct stream_id *id);

/* Live entries from min to max, both included, in either direction. The stream must not change. */
struct stream_iter {
    struct idtree_place place; /* of the node */
    struct stream_node node;
    struct stream_id min, max;
    bool backward;
    struct stream_entry e; /* the one that stream_iter_next() found */
    uint32_t name, data;   /* of the next field */
};

void stream_iter_init(struct stream_iter *it, const struct stream *s, struct stream_id min,
                      struct stream_id max, bool backward);
bool stream_iter_next(struct stream_iter *it);

/* How often stream_iter_next() will find something yet, `most` times at the most. Cheap: whole
 * nodes are not walked over. Best asked after the first stream_iter_next(). */
uint64_t stream_iter_left(struct stream_iter it, uint64_t most);

/* The iterator as it is after it found the entry at `at` of the node at `place`. */
void stream_iter_set(struct stream_iter *it, struct idtree_place place, uint32_t at);

/* For e.nfields times, after stream_iter_next(). */
void stream_iter_field(struct stream_iter *it, struct lp_value *name, struct lp_value *value);

/* ---------------------------------------------------------------- many entries by their ids */

/* Finds entries by id; all zero at first. Ids that rise are found by one walk over each node. Until
 * the end, entries are deleted by the cursor alone, and first_id is not to be relied upon. */
struct stream_cursor {
    struct idtree_place place; /* of the node it stands in; no leaf: in none */
    struct stream_id end;      /* the ids of that node are below */
    struct stream_node node;
    struct stream_entry e;
    bool first_gone;
};

/* Whether there is a live entry with this id; place and e.at say where. */
bool stream_cursor_find(struct stream_cursor *c, const struct stream *s, struct stream_id id);

/* The iterator as it is after it found the same entry. */
void stream_cursor_iter(const struct stream_cursor *c, struct stream_iter *it);

/* Deletes the entry that was found last. */
void stream_cursor_delete(struct stream_cursor *c, struct stream *s);

/* After the last deletion. */
void stream_cursor_end(struct stream_cursor *c, struct stream *s);

#endif
