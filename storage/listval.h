/* SPDX-License-Identifier: BSD-3-Clause
 *
 * listval - lists as values: one listpack while small ("listpack"), a quicklist beyond that
 * ("quicklist"). A list that has shrunk to half of one node becomes a listpack again.
 *
 * A caller that empties a list deletes its key. (The name: struct list is the intrusive one of
 * base.)
 */
#ifndef STET_STORAGE_LISTVAL_H
#define STET_STORAGE_LISTVAL_H

#include "storage/ds/quicklist.h"
#include "storage/entry.h"

/* What an entry for an empty list takes over. */
void *listval_new(void);

size_t listval_len(const struct entry *e);

/* One after the other, so that with `front` the last one comes first. The texts must not point
 * into the list, here and below. */
void listval_push(struct entry *e, const struct ql_limits *lim, const struct slice *v, size_t n,
                  bool front);

/* In front of element `index`; index == length: at the end. */
void listval_insert(struct entry *e, const struct ql_limits *lim, size_t index, struct slice s);
void listval_set(struct entry *e, const struct ql_limits *lim, size_t index, struct slice s);
void listval_delete(struct entry *e, const struct ql_limits *lim, size_t index, size_t n);

/* As ql_delete_equal. */
size_t listval_delete_equal(struct entry *e, const struct ql_limits *lim, struct slice s,
                            size_t most, bool from_back);

/* ---------------------------------------------------------------- whole nodes */

/* The listpacks that it is made of, in order; they are good until `visit` returns. */
typedef void (*listval_node_fn)(const struct listpack *lp, void *arg);
void listval_each_node(const struct entry *e, listval_node_fn visit, void *arg);
size_t listval_nodes(const struct entry *e);

/* Builds a list from nodes: an empty list; appends a listpack (not empty; taken over); chooses the
 * form that fits the result. */
struct entry *listval_new_nodes(struct slice key);
void listval_add_node(struct entry *e, const struct ql_limits *lim, struct listpack *lp);
void listval_settle(struct entry *e, const struct ql_limits *lim);

/* ---------------------------------------------------------------- walking */

/* Walks over the elements from `index` on, backwards if wanted; the list must not change:
 *
 *   for (listval_begin(&it, e, 0, false); listval_more(&it); listval_next(&it))
 *       ... listval_value(&it) ...
 *   listval_end(&it);
 */
struct listval_iter {
    struct ql_iter at;
    struct quicklist view; /* a listpack seen as a list of one node */
    struct ql_node node;
};

void listval_begin(struct listval_iter *it, const struct entry *e, size_t index, bool back);
static inline bool listval_more(const struct listval_iter *it) {
    return it->at.at != 0;
}
static inline void listval_next(struct listval_iter *it) {
    ql_iter_next(&it->at);
}
static inline struct lp_value listval_value(const struct listval_iter *it) {
    return lp_get(it->at.lp, it->at.at);
}
static inline bool listval_equal(const struct listval_iter *it, const struct lp_key *key) {
    return lp_equal(it->at.lp, it->at.at, key);
}
static inline void listval_end(struct listval_iter *it) {
    ql_iter_end(&it->at);
}

extern const struct type_ops list_type_ops;

#endif
