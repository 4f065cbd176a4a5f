/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/zset_source.h"

bool zset_source_open(struct call *x, int i, struct zset_source *s) {
    struct ref r;

    if (!zset_for_reading(x, i, &r)) return false;
    *s = (struct zset_source){.e = r.e, .weight = 1, .place = i};
    if (r.e) s->count = zset_count(r.e);
    return true;
}

bool zset_source_find(const struct zset_source *s, struct slice member, double *score) {
    struct zset_hit hit;

    if (!s->e || !zset_find(s->e, member, &hit)) return false;
    *score = hit.score;
    return true;
}

void zset_source_each(const struct zset_source *s, zset_visit_fn visit, void *arg) {
    struct zset_iter it;

    if (!s->e) return;
    zset_iter_init(&it, s->e, 0, false);
    while (zset_iter_next(&it)) visit(it.member, zset_iter_score(&it), arg);
}
