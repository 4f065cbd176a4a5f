/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset - what the commands of sorted sets have in common, those of places among them.
 */
#ifndef STET_COMMANDS_ZSET_H
#define STET_COMMANDS_ZSET_H

#include "server/commands/support.h"
#include "server/exec/rules.h"
#include "storage/zset.h"
#include "storage/zset_build.h"

static inline struct zset_rules zset_rules(const struct call *x) {
    return rules_of_zset(x->e->v);
}

/* Argument i as a sorted set to read; false: another type, answered with an error. */
static inline bool zset_for_reading(struct call *x, int i, struct ref *r) {
    *r = lookup_read(x, i);
    return check_type(x, r, TYPE_ZSET);
}

static inline bool zset_for_writing(struct call *x, int i, struct ref *r) {
    *r = lookup_write(x, i);
    return check_type(x, r, TYPE_ZSET);
}

/* A score or the like; false: answered with an error. */
static inline bool arg_score(struct call *x, int i, double *score) {
    if (num_parse_double(x->argv[i].p, x->argv[i].n, score)) return true;
    reply_err(x, ERR_NOT_FLOAT);
    return false;
}

/* Arguments `min` and `max` as bounds of scores ("(1" is without 1); false: answered with an error.
 */
bool arg_scores(struct call *x, int min, int max, struct zset_scores *out);

/* ---------------------------------------------------------------- adding */

enum zset_add_options {
    ZADD_NX = 1 << 0,
    ZADD_XX = 1 << 1,
    ZADD_GT = 1 << 2,
    ZADD_LT = 1 << 3,
    ZADD_CH = 1 << 4,
    ZADD_INCR = 1 << 5,
};

struct zset_pair {
    double score;
    struct slice member;
};

/* All of ZADD but its arguments: adds or changes n members, tells of it and answers. */
int zset_add_pairs(struct call *x, unsigned options, const struct zset_pair *pairs, size_t n);

/* Room for n pairs: `few` if they fit, else an allocation to be freed unless it is `few`. */
enum { ZSET_FEW = 32 };
struct zset_pair *zset_pairs_room(struct zset_pair few[ZSET_FEW], size_t n);

/* ---------------------------------------------------------------- results */

/* Ends the removal of n members; an empty set is deleted. n 0: nothing changed. */
void zset_removed(struct call *x, struct ref *r, size_t n, const char *event);

/* Stores what was built at argument i, in place of whatever stood there, and answers with the
 * number of members; nothing is stored as no key. Releases `b`. */
int zset_store_built(struct call *x, int i, struct zset_build *b, const char *event);

/* The head of a reply of n members, and each of them. */
static inline void zset_reply_head(struct call *x, size_t n, bool scores) {
    reply_array(&x->r, scores && x->r.resp == 2 ? 2 * n : n);
}

static inline void zset_reply_member(struct call *x, struct slice member, double score,
                                     bool scores) {
    if (scores && x->r.resp > 2) reply_array(&x->r, 2);
    reply_bulk(&x->r, member.p, member.n);
    if (scores) reply_double(&x->r, score);
}

#endif
