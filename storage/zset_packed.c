/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_packed - small sorted sets: one pack of member, score, member, score..., in order.
 */
#include "storage/base/check.h"
#include "storage/zset_forms.h"

/* ---------------------------------------------------------------- looking */

uint32_t zset_packed_find(const struct pack *p, struct slice member) {
    struct lp_code key = lp_code_of(member);

    return pack_find(p, &key, 1);
}

uint32_t zset_packed_next(const struct pack *p, uint32_t at) {
    return pack_next(p, pack_next(p, at));
}

uint32_t zset_packed_at(const struct pack *p, size_t rank) {
    return pack_at(p, 2 * rank);
}

size_t zset_packed_count(const struct pack *p) {
    return pack_count(p) / 2;
}

struct slice zset_packed_member(const struct pack *p, uint32_t at, char text[NUM_I64_MAX]) {
    return lp_value_text(pack_get(p, at), text);
}

double zset_packed_score(const struct pack *p, uint32_t at) {
    struct lp_value v = pack_get(p, pack_next(p, at));
    double score = (double)v.v;

    if (v.p) CHECK(num_parse_double(v.p, v.n, &score));
    return score;
}

/* Whether the pair at `at` comes before this one. */
static bool comes_before(const struct pack *p, uint32_t at, double score, struct slice member) {
    double have = zset_packed_score(p, at);
    char text[NUM_I64_MAX];

    if (have != score) return have < score;
    return slice_cmp(zset_packed_member(p, at, text), member) < 0;
}

/* The pair that this one goes in front of; what stands at `except` does not count. */
static uint32_t place_of(const struct pack *p, double score, struct slice member, uint32_t except) {
    uint32_t at = pack_first(p);

    while (at && (at == except || comes_before(p, at, score, member))) at = zset_packed_next(p, at);
    return at;
}

/* ---------------------------------------------------------------- changing */

/* Integers are written as such: -0 becomes 0 here, as with Redis. */
static struct lp_code code_of_score(double score, char text[NUM_DOUBLE_MAX]) {
    if (score >= -0x1p62 && score <= 0x1p62 && (double)(int64_t)score == score)
        return lp_code_int((int64_t)score);
    return lp_code_text(slice_of(text, (size_t)num_format_double(text, score)));
}

static void put(struct pack **p, uint32_t at, struct slice member, double score) {
    char text[NUM_DOUBLE_MAX];
    struct lp_code name = lp_code_of(member), value = code_of_score(score, text);

    if (at) at = pack_insert(p, at, &value); /* the value first: what is put in front comes last */
    pack_insert(p, at, &name);
    if (!at) pack_insert(p, 0, &value);
}

void zset_packed_add(struct pack **p, struct slice member, double score) {
    put(p, place_of(*p, score, member, 0), member, score);
}

void zset_packed_append(struct pack **p, struct slice member, double score) {
    put(p, 0, member, score);
}

void zset_packed_rescore(struct pack **p, uint32_t at, struct slice member, double score) {
    char text[NUM_DOUBLE_MAX];
    struct lp_code value;

    if (place_of(*p, score, member, at) == zset_packed_next(*p, at)) {
        value = code_of_score(score, text);
        pack_replace(p, pack_next(*p, at), &value);
        return;
    }
    pack_delete(p, at, 2);
    zset_packed_add(p, member, score);
}

bool zset_packed_room(size_t bytes, struct slice member) {
    return member.n < LP_BYTES_MAX && bytes + member.n < LP_BYTES_MAX;
}

/* ---------------------------------------------------------------- ranges */

struct zset_span zset_packed_scores(const struct pack *p, const struct zset_scores *r) {
    struct zset_span span = {0, 0};

    for (uint32_t at = pack_first(p); at; at = zset_packed_next(p, at)) {
        double score = zset_packed_score(p, at);

        if (r->below_max ? score >= r->max : score > r->max) break;
        span.to++;
        if (r->above_min ? score <= r->min : score < r->min) span.from++;
    }
    return span;
}

static bool above_min(const struct zset_members *r, struct slice member) {
    int c;

    if (r->min.end) return r->min.end < 0;
    c = slice_cmp(member, r->min.member);
    return r->min.open ? c > 0 : c >= 0;
}

static bool below_max(const struct zset_members *r, struct slice member) {
    int c;

    if (r->max.end) return r->max.end > 0;
    c = slice_cmp(member, r->max.member);
    return r->max.open ? c < 0 : c <= 0;
}

/* Whether the last member is above the lower bound and the first below the upper one. */
static bool reaches(const struct pack *p, const struct zset_members *r) {
    uint32_t last = zset_packed_at(p, zset_packed_count(p) - 1);
    char text[NUM_I64_MAX];

    return above_min(r, zset_packed_member(p, last, text)) &&
           below_max(r, zset_packed_member(p, pack_first(p), text));
}

/* From the first (or last) member that is within the bound it meets first, to where the other
 * bound is passed. */
struct zset_span zset_packed_members(const struct entry *e, const struct zset_members *r,
                                     bool from_end) {
    bool (*enters)(const struct zset_members *, struct slice) = from_end ? below_max : above_min;
    bool (*stays)(const struct zset_members *, struct slice) = from_end ? above_min : below_max;
    size_t skipped = 0, n = 0, count = zset_count(e);
    struct zset_iter it;

    if (!reaches(entry_object(e), r)) return (struct zset_span){0, 0};
    zset_iter_init(&it, e, from_end ? count - 1 : 0, from_end);
    while (zset_iter_next(&it)) {
        if (n == 0 && !enters(r, it.member)) {
            skipped++;
            continue;
        }
        if (!stays(r, it.member)) break;
        n++;
    }
    if (from_end) return (struct zset_span){count - skipped - n, count - skipped};
    return (struct zset_span){skipped, skipped + n};
}
