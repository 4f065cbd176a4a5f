/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset - members and their scores, in the order of the scores.
 *
 * Two forms:
 *   packed  a pack of member, score, in order: what Redis keeps in a listpack
 *   tree    a struct table of items by member, and a struct scoretree that keeps their order
 *
 * A packed set that outgrows the rules becomes a tree and stays one. Everything between two bounds
 * is a span of ranks, whatever the bounds are made of: code that counts, shows or removes a range
 * asks for its span first.
 *
 * Not here: sets that are made as a whole (zset_build.h).
 */
#ifndef STET_STORAGE_ZSET_H
#define STET_STORAGE_ZSET_H

#include "storage/ds/pack.h"
#include "storage/ds/scoretree.h"
#include "storage/entry.h"

/* What a packed set holds at the most. */
struct zset_rules {
    uint64_t max_entries, max_value; /* members; bytes of one of them */
};

/* An empty set in the form that a first member of `len` bytes wants. */
struct entry *zset_new(struct slice key, size_t len, const struct zset_rules *rules);

size_t zset_count(const struct entry *e);

/* Members and scores of a small set, NULL for others; and a set of those in a listpack that comes
 * from outside (lp_check has passed over it), in order or not: NULL if these are no pairs, a member
 * comes twice, or a score is no number. As with Redis it stays packed unless there are too many. */
const struct pack *zset_pack(const struct entry *e);
struct entry *zset_from_listpack(struct slice key, const struct listpack *lp,
                                 const struct zset_rules *rules);

/* ---------------------------------------------------------------- one member */

/* Where a member stands, or that it does not. Good until the set changes. */
struct zset_hit {
    double score;        /* if found */
    uint32_t at;         /* packed: the member's position, 0: not there */
    struct scored *item; /* tree: NULL: not there */
    uint64_t hash;       /* tree */
};

bool zset_find(const struct entry *e, struct slice member, struct zset_hit *hit);

/* Adds a member that `miss` says is not there. */
void zset_add(struct entry *e, struct slice member, double score, const struct zset_hit *miss,
              const struct zset_rules *rules);

/* Changes the score of a member that is there. */
void zset_rescore(struct entry *e, struct slice member, double score, const struct zset_hit *hit);

/* The rank of a member that is there. */
size_t zset_rank(const struct entry *e, struct slice member, const struct zset_hit *hit);

/* False if it was not there. */
bool zset_remove(struct entry *e, struct slice member);

/* ---------------------------------------------------------------- ranges */

/* Ranks from..to-1. */
struct zset_span {
    size_t from, to;
};

struct zset_scores {
    double min, max;
    bool above_min, below_max; /* without the bound itself */
};

struct zset_members {
    struct zset_edge {
        int end; /* -1: below all, 1: above all, 0: `member` */
        bool open;
        struct slice member;
    } min, max;
};

struct zset_span zset_span_of_scores(const struct entry *e, const struct zset_scores *r);

/* Where scores are not all equal, this range means nothing; packed sets are then gone through from
 * the first to the last member, or `from_end`, as Redis does. */
struct zset_span zset_span_of_members(const struct entry *e, const struct zset_members *r,
                                      bool from_end);

void zset_remove_span(struct entry *e, struct zset_span span);

/* ---------------------------------------------------------------- walking */

enum { ZSET_BACK = 32 };

struct zset_iter {
    struct slice member; /* what it stands on; good until the next step or change */

    const struct pack *pack; /* NULL: tree */
    uint32_t here, at;       /* positions: of this member, of the next one forwards */
    size_t left, behind;     /* backwards: so many to come; `back` has the ranks from here on */
    uint32_t back[ZSET_BACK];
    struct scoretree_place place;
    const struct scored *item;
    bool backward;
    char text[NUM_I64_MAX];
};

/* The first step leads to `rank` (always counted from the lowest score), the others on from there,
 * or back. Nothing must change meanwhile. */
void zset_iter_init(struct zset_iter *it, const struct entry *e, size_t rank, bool backward);
bool zset_iter_next(struct zset_iter *it);
double zset_iter_packed_score(const struct zset_iter *it);

static inline double zset_iter_score(const struct zset_iter *it) {
    return it->pack ? zset_iter_packed_score(it) : it->item->score;
}

typedef void (*zset_visit_fn)(struct slice member, double score, void *arg);

/* As table_scan(); a packed set is visited whole, whatever the cursor. */
uint64_t zset_scan(const struct entry *e, uint64_t cursor, zset_visit_fn visit, void *arg);

/* Visits a random member `n` times, with repetition; the set is not empty. */
void zset_pick(const struct entry *e, size_t n, zset_visit_fn visit, void *arg);

/* n different members, or all if there are no more: the highest first then, as Redis. */
void zset_sample(const struct entry *e, size_t n, zset_visit_fn visit, void *arg);

extern const struct type_ops zset_type_ops;

#endif
