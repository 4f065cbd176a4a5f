/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset_range - members of a sorted set by rank, score or name: shown, stored elsewhere, counted,
 * removed.
 *
 * Every kind of range becomes a span of ranks. LIMIT cuts a part from a span by score or name; REV
 * reads the span from its end.
 */
#include "server/commands/commands.h"
#include "server/commands/zset.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <math.h>
#include <stdlib.h>

#define ERR_BAD_SCORE  "ERR min or max is not a float"
#define ERR_BAD_MEMBER "ERR min or max not valid string range item"

enum range_by { BY_RANK, BY_SCORE, BY_MEMBER };

struct range {
    enum range_by by;
    bool reverse;
    int64_t first, last; /* by rank; negative: from the end */
    struct zset_scores scores;
    struct zset_members members;
    int64_t offset, limit; /* limit < 0: none */
    bool with_scores;
};

/* ---------------------------------------------------------------- bounds */

/* What strtod() makes of a text up to its first NUL: Redis is less strict here than with scores,
 * and takes nothing at all for 0. */
static bool loose_double(struct slice s, double *v) {
    char few[128], *text = few, *end;
    bool ok;

    if (s.n > 0 && num_parse_double(s.p, s.n, v)) return true;
    if (s.n >= sizeof few) text = mem_alloc(s.n + 1);
    if (s.n) memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *v = strtod(text, &end);
    ok = *end == '\0' && !isnan(*v);
    if (text != few) mem_free(text);
    return ok;
}

static bool parse_score_bound(struct slice s, double *v, bool *open) {
    *open = s.n > 0 && s.p[0] == '(';
    return loose_double(slice_of(s.p + *open, s.n - *open), v);
}

bool arg_scores(struct call *x, int min, int max, struct zset_scores *out) {
    if (parse_score_bound(x->argv[min], &out->min, &out->above_min) &&
        parse_score_bound(x->argv[max], &out->max, &out->below_max))
        return true;
    reply_err(x, ERR_BAD_SCORE);
    return false;
}

static bool parse_edge(struct slice s, struct zset_edge *edge) {
    char c = s.n ? s.p[0] : '\0';

    *edge = (struct zset_edge){.end = (c == '+') - (c == '-')};
    if (edge->end) return s.n == 1 || s.p[1] == '\0';
    if (c != '(' && c != '[') return false;
    edge->open = c == '(';
    edge->member = slice_of(s.p + 1, s.n - 1);
    return true;
}

/* Arguments `min` and `max`; with `by` and `reverse` set. False: answered with an error. */
static bool parse_bounds(struct call *x, int min, int max, struct range *r) {
    const struct slice *v = x->argv;

    if (r->by == BY_RANK) return arg_int(x, min, &r->first) && arg_int(x, max, &r->last);
    if (r->by == BY_SCORE) {
        if (parse_score_bound(v[min], &r->scores.min, &r->scores.above_min) &&
            parse_score_bound(v[max], &r->scores.max, &r->scores.below_max))
            return true;
        reply_err(x, ERR_BAD_SCORE);
        return false;
    }
    if (parse_edge(v[min], &r->members.min) && parse_edge(v[max], &r->members.max)) return true;
    reply_err(x, ERR_BAD_MEMBER);
    return false;
}

/* ---------------------------------------------------------------- spans */

static struct zset_span span_of_ranks(const struct entry *e, const struct range *r) {
    int64_t n = (int64_t)zset_count(e), first = r->first, last = r->last;

    if (first < 0) first += n;
    if (last < 0) last += n;
    if (first < 0) first = 0;
    if (last >= n) last = n - 1;
    if (first > last) return (struct zset_span){0, 0};
    if (r->reverse) return (struct zset_span){(size_t)(n - 1 - last), (size_t)(n - first)};
    return (struct zset_span){(size_t)first, (size_t)last + 1};
}

static void apply_limit(const struct range *r, struct zset_span *span) {
    size_t n = span->to - span->from, keep;

    if (r->offset < 0 || (uint64_t)r->offset >= n) {
        span->to = span->from;
        return;
    }
    keep = n - (size_t)r->offset;
    if (r->limit >= 0 && (uint64_t)r->limit < keep) keep = (size_t)r->limit;
    if (r->reverse) {
        span->to -= (size_t)r->offset;
        span->from = span->to - keep;
    } else {
        span->from += (size_t)r->offset;
        span->to = span->from + keep;
    }
}

static struct zset_span span_of(const struct entry *e, const struct range *r) {
    struct zset_span span;

    if (r->by == BY_RANK) return span_of_ranks(e, r);
    span = r->by == BY_SCORE ? zset_span_of_scores(e, &r->scores)
                             : zset_span_of_members(e, &r->members, r->reverse);
    apply_limit(r, &span);
    return span;
}

/* ---------------------------------------------------------------- showing and storing */

static void iter_span(struct zset_iter *it, const struct entry *e, const struct range *r,
                      struct zset_span span) {
    zset_iter_init(it, e, r->reverse ? span.to - 1 : span.from, r->reverse);
}

static void reply_span(struct call *x, const struct entry *e, const struct range *r) {
    struct zset_span span = span_of(e, r);
    size_t n = span.to - span.from;
    struct zset_iter it;

    zset_reply_head(x, n, r->with_scores);
    if (n == 0) return;
    for (iter_span(&it, e, r, span); n > 0; n--) {
        zset_iter_next(&it);
        zset_reply_member(x, it.member, r->with_scores ? zset_iter_score(&it) : 0, r->with_scores);
        call_breathe(x);
    }
}

static int store_span(struct call *x, const struct entry *e, const struct range *r) {
    struct zset_span span = e ? span_of(e, r) : (struct zset_span){0, 0};
    size_t n = span.to - span.from;
    struct zset_build b;
    struct zset_iter it;

    zset_build_init(&b, n);
    b.pace = call_pace(x);
    if (n > 0) zset_iter_init(&it, e, span.from, false);
    for (; n > 0; n--) {
        zset_iter_next(&it);
        zset_build_add(&b, it.member, zset_iter_score(&it));
        call_breathe(x);
    }
    return zset_store_built(x, 1, &b, "zrangestore");
}

/* ---------------------------------------------------------------- the arguments */

/* What a command's name says already. */
enum {
    FREE_FORM = 1 << 0, /* BYSCORE, BYLEX and REV may be given */
    STORING = 1 << 1,   /* and WITHSCORES may not */
};

static bool bad_syntax(struct call *x) {
    reply_err(x, ERR_SYNTAX);
    return false;
}

/* The options from argument i on. */
static bool parse_options(struct call *x, int i, unsigned how, struct range *r) {
    bool by_given = false;

    for (; i < x->argc; i++) {
        if (!(how & STORING) && arg_is(x, i, "withscores")) {
            r->with_scores = true;
        } else if (arg_is(x, i, "limit") && i + 2 < x->argc) {
            if (!arg_int(x, i + 1, &r->offset) || !arg_int(x, i + 2, &r->limit)) return false;
            i += 2;
        } else if (how & FREE_FORM && !r->reverse && arg_is(x, i, "rev")) {
            r->reverse = true;
        } else if (how & FREE_FORM && !by_given && arg_is(x, i, "bylex")) {
            r->by = BY_MEMBER;
            by_given = true;
        } else if (how & FREE_FORM && !by_given && arg_is(x, i, "byscore")) {
            r->by = BY_SCORE;
            by_given = true;
        } else {
            return bad_syntax(x);
        }
    }
    return true;
}

/* Everything from the argument `min` on. */
static bool parse_range(struct call *x, int min, unsigned how, struct range *r) {
    bool swapped;

    r->limit = -1;
    if (!parse_options(x, min + 2, how, r)) return false;
    if (r->limit != -1 && r->by == BY_RANK) { /* as in Redis, LIMIT n -1 is accepted */
        reply_err(x, "ERR syntax error, LIMIT is only supported in combination with either "
                     "BYSCORE or BYLEX");
        return false;
    }
    if (r->with_scores && r->by == BY_MEMBER) {
        reply_err(x, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    swapped = r->reverse && r->by != BY_RANK; /* the greater bound comes first */
    return parse_bounds(x, min + swapped, min + !swapped, r);
}

static int show(struct call *x, unsigned how, enum range_by by, bool reverse) {
    struct range r = {.by = by, .reverse = reverse};
    struct ref ref;

    if (!parse_range(x, 2, how, &r) || !zset_for_reading(x, 1, &ref)) return -1;
    if (ref.e)
        reply_span(x, ref.e, &r);
    else
        reply_array(&x->r, 0);
    return 0;
}

static int cmd_zrange(struct call *x) {
    return show(x, FREE_FORM, BY_RANK, false);
}

static int cmd_zrevrange(struct call *x) {
    return show(x, 0, BY_RANK, true);
}

static int cmd_zrangebyscore(struct call *x) {
    return show(x, 0, BY_SCORE, false);
}

static int cmd_zrevrangebyscore(struct call *x) {
    return show(x, 0, BY_SCORE, true);
}

static int cmd_zrangebylex(struct call *x) {
    return show(x, 0, BY_MEMBER, false);
}

static int cmd_zrevrangebylex(struct call *x) {
    return show(x, 0, BY_MEMBER, true);
}

static int cmd_zrangestore(struct call *x) {
    struct range r = {.by = BY_RANK};
    struct ref ref;

    if (!parse_range(x, 3, FREE_FORM | STORING, &r) || !zset_for_reading(x, 2, &ref)) return -1;
    return store_span(x, ref.e, &r);
}

/* ---------------------------------------------------------------- counting and removing */

static int count(struct call *x, enum range_by by) {
    struct range r = {.by = by, .limit = -1};
    struct zset_span span = {0, 0};
    struct ref ref;

    if (!parse_bounds(x, 2, 3, &r) || !zset_for_reading(x, 1, &ref)) return -1;
    if (ref.e) span = span_of(ref.e, &r);
    reply_int(&x->r, (int64_t)(span.to - span.from));
    return 0;
}

static int cmd_zcount(struct call *x) {
    return count(x, BY_SCORE);
}

static int cmd_zlexcount(struct call *x) {
    return count(x, BY_MEMBER);
}

static int remove_range(struct call *x, enum range_by by, const char *event) {
    struct range r = {.by = by, .limit = -1};
    struct zset_span span = {0, 0};
    struct ref ref;

    if (!parse_bounds(x, 2, 3, &r) || !zset_for_writing(x, 1, &ref)) return -1;
    if (ref.e) {
        span = span_of(ref.e, &r);
        zset_remove_span(ref.e, span);
    }
    zset_removed(x, &ref, span.to - span.from, event);
    reply_int(&x->r, (int64_t)(span.to - span.from));
    return 0;
}

static int cmd_zremrangebyrank(struct call *x) {
    return remove_range(x, BY_RANK, "zremrangebyrank");
}

static int cmd_zremrangebyscore(struct call *x) {
    return remove_range(x, BY_SCORE, "zremrangebyscore");
}

static int cmd_zremrangebylex(struct call *x) {
    return remove_range(x, BY_MEMBER, "zremrangebylex");
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command zset_range_commands[] = {
    {"zcount", 4, R | F, "sorted-set", {1, 1, 1}, cmd_zcount, "2.0.0",
     "Counts the members of a sorted set between two scores.",
     .grammar = "key@0 min:double max:double"},
    {"zlexcount", 4, R | F, "sorted-set", {1, 1, 1}, cmd_zlexcount, "2.8.9",
     "Counts the members of a sorted set between two names.",
     .grammar = "key@0 min max"},
    {"zrange", -4, R, "sorted-set", {1, 1, 1}, cmd_zrange, "1.2.0",
     "Gives the members of a sorted set within a range of ranks, scores or names.",
     .grammar = "key@0 start stop [sortby(BYSCORE|BYLEX)^6.2.0] [REV^6.2.0] "
                "[LIMIT=limit{offset:int count:int}^6.2.0] [WITHSCORES]"},
    {"zrangebylex", -4, R, "sorted-set", {1, 1, 1}, cmd_zrangebylex, "2.8.9",
     "Gives the members of a sorted set between two names.",
     .grammar = "!6.2.0 `ZRANGE` with the `BYLEX` argument; key@0 min max "
                "[LIMIT=limit{offset:int count:int}]"},
    {"zrangebyscore", -4, R, "sorted-set", {1, 1, 1}, cmd_zrangebyscore, "1.0.5",
     "Gives the members of a sorted set between two scores.",
     .grammar = "!6.2.0 `ZRANGE` with the `BYSCORE` argument; key@0 min:double max:double "
                "[WITHSCORES^2.0.0] [LIMIT=limit{offset:int count:int}]"},
    {"zrangestore", -5, W | CMD_DENYOOM, "sorted-set", {1, 2, 1}, cmd_zrangestore, "6.2.0",
     "Stores a range of one sorted set as another.",
     .grammar = "dst@0 src@1 min max [sortby(BYSCORE|BYLEX)] [REV] "
                "[LIMIT=limit{offset:int count:int}]",
     .key_specs = "@1..0 OW update; @2..0 RO access"},
    {"zremrangebylex", 4, W, "sorted-set", {1, 1, 1}, cmd_zremrangebylex, "2.8.9",
     "Removes the members of a sorted set between two names.",
     .grammar = "key@0 min max",
     .key_specs = "RW delete"},
    {"zremrangebyrank", 4, W, "sorted-set", {1, 1, 1}, cmd_zremrangebyrank, "2.0.0",
     "Removes the members of a sorted set between two ranks.",
     .grammar = "key@0 start:int stop:int",
     .key_specs = "RW delete"},
    {"zremrangebyscore", 4, W, "sorted-set", {1, 1, 1}, cmd_zremrangebyscore, "1.2.0",
     "Removes the members of a sorted set between two scores.",
     .grammar = "key@0 min:double max:double",
     .key_specs = "RW delete"},
    {"zrevrange", -4, R, "sorted-set", {1, 1, 1}, cmd_zrevrange, "1.2.0",
     "Gives members of a sorted set by rank, the highest score first.",
     .grammar = "!6.2.0 `ZRANGE` with the `REV` argument; key@0 start:int stop:int [WITHSCORES]"},
    {"zrevrangebylex", -4, R, "sorted-set", {1, 1, 1}, cmd_zrevrangebylex, "2.8.9",
     "Gives the members of a sorted set between two names, the greatest first.",
     .grammar = "!6.2.0 `ZRANGE` with the `REV` and `BYLEX` arguments; key@0 max min "
                "[LIMIT=limit{offset:int count:int}]"},
    {"zrevrangebyscore", -4, R, "sorted-set", {1, 1, 1}, cmd_zrevrangebyscore, "2.2.0",
     "Gives the members of a sorted set between two scores, the highest first.",
     .grammar = "!6.2.0 `ZRANGE` with the `REV` and `BYSCORE` arguments; key@0 max:double "
                "min:double [WITHSCORES] [LIMIT=limit{offset:int count:int}]"},
    {0},
};
/* clang-format on */
