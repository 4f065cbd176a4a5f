/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/zset_source.h"

#include "storage/set.h"

bool zset_source_open(struct call *x, int i, struct zset_source *s) {
    struct ref r = lookup_read(x, i);

    *s = (struct zset_source){.e = r.e, .now_ms = parts_now(x), .weight = 1, .place = i};
    if (!r.e) return true;
    if (r.e->type != TYPE_SET && !check_type(x, &r, TYPE_ZSET)) return false;
    s->count = r.e->type == TYPE_SET ? set_len_at(r.e, s->now_ms) : zset_count(r.e);
    return true;
}

bool zset_source_is_due(const struct zset_source *s) {
    return s->e && s->e->type == TYPE_SET && set_any_due(s->e, s->now_ms);
}

bool zset_source_find(const struct zset_source *s, struct slice member, double *score) {
    struct zset_hit hit;

    if (!s->e) return false;
    if (s->e->type == TYPE_SET) {
        *score = 1;
        return set_has(s->e, member, s->now_ms);
    }
    if (!zset_find(s->e, member, &hit)) return false;
    *score = hit.score;
    return true;
}

struct set_walk {
    zset_visit_fn visit;
    void *arg;
};

static void set_visit(struct lp_value member, void *arg) {
    const struct set_walk *w = arg;
    char text[NUM_I64_MAX];

    w->visit(lp_value_text(member, text), 1, w->arg);
}

void zset_source_each(const struct zset_source *s, zset_visit_fn visit, void *arg) {
    struct set_walk w = {visit, arg};
    struct zset_iter it;

    if (!s->e) return;
    if (s->e->type == TYPE_SET) {
        set_each(s->e, s->now_ms, set_visit, &w);
        return;
    }
    zset_iter_init(&it, s->e, 0, false);
    while (zset_iter_next(&it)) visit(it.member, zset_iter_score(&it), arg);
}
