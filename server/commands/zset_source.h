/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_source - what ZUNION and its like are computed from: sorted sets, and sets, whose members
 * have the score 1.
 */
#ifndef STET_COMMANDS_ZSET_SOURCE_H
#define STET_COMMANDS_ZSET_SOURCE_H

#include "server/commands/parts.h"
#include "server/commands/zset.h"

struct zset_source {
    const struct entry *e; /* NULL: there is no such key */
    int64_t now_ms;        /* by when members of a set are due */
    double weight;
    size_t count;
    int place; /* among the arguments */
};

/* Argument i as a source; false: another type, answered with an error. */
bool zset_source_open(struct call *x, int i, struct zset_source *s);

/* Whether it is a set with members that are due, and left out. */
bool zset_source_is_due(const struct zset_source *s);

/* The member's score, not weighted; false: it is not there. */
bool zset_source_find(const struct zset_source *s, struct slice member, double *score);

/* Visits every member, with its score, not weighted. */
void zset_source_each(const struct zset_source *s, zset_visit_fn visit, void *arg);

#endif
