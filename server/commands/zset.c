/* SPDX-License-Identifier: BSD-3-Clause
 *
 * zset - members of sorted sets: adding, removing, asking for scores and ranks.
 */
#include "server/commands/zset.h"

#include "conf/conf.h"
#include "server/commands/commands.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <math.h>

#define ERR_NAN "ERR resulting score is not a number (NaN)"

/* ---------------------------------------------------------------- ZADD */

static const struct {
    const char *word;
    unsigned bit;
} add_words[] = {
    {"nx", ZADD_NX}, {"xx", ZADD_XX}, {"gt", ZADD_GT},
    {"lt", ZADD_LT}, {"ch", ZADD_CH}, {"incr", ZADD_INCR},
};

static unsigned add_option(struct slice word) {
    for (size_t i = 0; i < sizeof add_words / sizeof *add_words; i++)
        if (slice_is(word, add_words[i].word)) return add_words[i].bit;
    return 0;
}

/* 0, or answered with an error. */
static int check_options(struct call *x, unsigned options, int words) {
    unsigned compare = options & (ZADD_NX | ZADD_GT | ZADD_LT);

    if (words == 0 || words % 2) return reply_err(x, ERR_SYNTAX);
    if (options & ZADD_NX && options & ZADD_XX)
        return reply_err(x, "ERR XX and NX options at the same time are not compatible");
    if (compare & (compare - 1))
        return reply_err(x, "ERR GT, LT, and/or NX options at the same time are not compatible");
    if (options & ZADD_INCR && words > 2)
        return reply_err(x, "ERR INCR option supports a single increment-element pair");
    return 0;
}

/* What became of a pair. */
enum outcome { REFUSED, SAME, CHANGED, ADDED, NOT_A_NUMBER };

/* *score is the member's new score afterwards. */
static enum outcome put(struct entry *e, struct slice member, double *score, unsigned options,
                        const struct zset_rules *rules) {
    struct zset_hit hit;

    if (!zset_find(e, member, &hit)) {
        if (options & ZADD_XX) return REFUSED;
        zset_add(e, member, *score, &hit, rules);
        return ADDED;
    }
    if (options & ZADD_NX) return REFUSED;
    if (options & ZADD_INCR) *score += hit.score;
    if (isnan(*score)) return NOT_A_NUMBER;
    if (options & ZADD_GT && *score <= hit.score) return REFUSED;
    if (options & ZADD_LT && *score >= hit.score) return REFUSED;
    if (*score == hit.score) return SAME;
    zset_rescore(e, member, *score, &hit);
    return CHANGED;
}

static void make(struct call *x, struct ref *r, struct slice first,
                 const struct zset_rules *rules) {
    if (r->e) return;
    r->e = zset_new(r->key, first.n, rules);
    db_add(r->db, r->e, r->hash);
    key_added(x, r);
}

static int add_none(struct call *x, unsigned options) {
    if (options & ZADD_INCR)
        reply_null(&x->r);
    else
        reply_int(&x->r, 0);
    return 0;
}

int zset_add_pairs(struct call *x, unsigned options, const struct zset_pair *pairs, size_t n) {
    struct zset_rules rules = zset_rules(x);
    uint64_t counts[NOT_A_NUMBER + 1] = {0}, changes;
    enum outcome last = REFUSED;
    double score = 0;
    struct ref r;

    if (!zset_for_writing(x, 1, &r)) return -1;
    if (!r.e && options & ZADD_XX) return add_none(x, options);
    make(x, &r, pairs[0].member, &rules);
    for (size_t i = 0; i < n; i++) {
        score = pairs[i].score;
        last = put(r.e, pairs[i].member, &score, options, &rules);
        counts[last]++;
    }
    if (last == NOT_A_NUMBER) return reply_err(x, ERR_NAN); /* there was no other pair */
    changes = counts[ADDED] + counts[CHANGED];
    if (changes) {
        key_changed(x, &r, EVENT_ZSET, options & ZADD_INCR ? "zincr" : "zadd");
        x->e->dirty += changes - 1;
    }
    if (!(options & ZADD_INCR))
        reply_int(&x->r, (int64_t)(options & ZADD_CH ? changes : counts[ADDED]));
    else if (last == REFUSED)
        reply_null(&x->r);
    else
        reply_double(&x->r, score);
    return 0;
}

struct zset_pair *zset_pairs_room(struct zset_pair few[ZSET_FEW], size_t n) {
    return n > ZSET_FEW ? mem_alloc(n * sizeof *few) : few;
}

static int cmd_zadd(struct call *x) {
    struct zset_pair few[ZSET_FEW], *pairs;
    unsigned options = 0, bit;
    int first = 2, words, rc = -1;

    for (; first < x->argc && (bit = add_option(x->argv[first])); first++) options |= bit;
    words = x->argc - first;
    if (check_options(x, options, words) < 0) return -1;
    pairs = zset_pairs_room(few, (size_t)words / 2);
    for (int i = 0; i < words; i += 2) {
        pairs[i / 2].member = x->argv[first + i + 1];
        if (!arg_score(x, first + i, &pairs[i / 2].score)) goto out;
    }
    rc = zset_add_pairs(x, options, pairs, (size_t)words / 2);
out:
    if (pairs != few) mem_free(pairs);
    return rc;
}

static int cmd_zincrby(struct call *x) {
    struct zset_pair pair = {.member = x->argv[3]};

    /* ZADD's words are known here as well, and leave no pair. */
    if (add_option(x->argv[2])) return reply_err(x, ERR_SYNTAX);
    if (!arg_score(x, 2, &pair.score)) return -1;
    return zset_add_pairs(x, ZADD_INCR, &pair, 1);
}

/* ---------------------------------------------------------------- results */

void zset_removed(struct call *x, struct ref *r, size_t n, const char *event) {
    if (n == 0) return;
    key_changed(x, r, EVENT_ZSET, event);
    x->e->dirty += n - 1;
    if (zset_count(r->e) > 0) return;
    key_delete(x, r, x->e->v->lazyfree_lazy_server_del);
    key_event(x, r, EVENT_GENERIC, "del");
}

int zset_store_built(struct call *x, int i, struct zset_build *b, const char *event) {
    struct zset_rules rules = zset_rules(x);
    struct ref r = lookup_write(x, i);
    size_t n = b->n;

    if (n > 0) {
        store_entry(x, &r, zset_build_entry(b, r.key, &rules));
        key_changed(x, &r, EVENT_ZSET, event);
    } else {
        zset_build_release(b);
        if (r.e) {
            key_delete(x, &r, x->e->v->lazyfree_lazy_server_del);
            key_changed(x, &r, EVENT_GENERIC, "del");
        }
    }
    reply_int(&x->r, (int64_t)n);
    return 0;
}

/* ---------------------------------------------------------------- removing */

static int cmd_zrem(struct call *x) {
    struct ref r;
    size_t n = 0;

    if (!zset_for_writing(x, 1, &r)) return -1;
    for (int i = 2; r.e && i < x->argc && zset_count(r.e) > 0; i++)
        n += zset_remove(r.e, x->argv[i]);
    zset_removed(x, &r, n, "zrem");
    reply_int(&x->r, (int64_t)n);
    return 0;
}

/* ---------------------------------------------------------------- asking */

static int cmd_zcard(struct call *x) {
    struct ref r;

    if (!zset_for_reading(x, 1, &r)) return -1;
    reply_int(&x->r, r.e ? (int64_t)zset_count(r.e) : 0);
    return 0;
}

static void reply_score(struct call *x, const struct ref *r, struct slice member) {
    struct zset_hit hit;

    if (r->e && zset_find(r->e, member, &hit))
        reply_double(&x->r, hit.score);
    else
        reply_null(&x->r);
}

static int cmd_zscore(struct call *x) {
    struct ref r;

    if (!zset_for_reading(x, 1, &r)) return -1;
    reply_score(x, &r, x->argv[2]);
    return 0;
}

static int cmd_zmscore(struct call *x) {
    struct ref r;

    if (!zset_for_reading(x, 1, &r)) return -1;
    reply_array(&x->r, (size_t)x->argc - 2);
    for (int i = 2; i < x->argc; i++) {
        reply_score(x, &r, x->argv[i]);
        call_breathe(x);
    }
    return 0;
}

static int reply_rank(struct call *x, bool from_end) {
    bool score = x->argc > 3;
    struct zset_hit hit;
    struct ref r;
    size_t rank;

    if (x->argc > 4)
        return reply_errf(x, "ERR wrong number of arguments for '%s' command", x->cmd->name);
    if (score && !arg_is(x, 3, "withscore")) return reply_err(x, ERR_SYNTAX);
    if (!zset_for_reading(x, 1, &r)) return -1;
    if (!r.e || !zset_find(r.e, x->argv[2], &hit)) {
        score ? reply_null_array(&x->r) : reply_null(&x->r);
        return 0;
    }
    rank = zset_rank(r.e, x->argv[2], &hit);
    if (from_end) rank = zset_count(r.e) - 1 - rank;
    if (score) reply_array(&x->r, 2);
    reply_int(&x->r, (int64_t)rank);
    if (score) reply_double(&x->r, hit.score);
    return 0;
}

static int cmd_zrank(struct call *x) {
    return reply_rank(x, false);
}

static int cmd_zrevrank(struct call *x) {
    return reply_rank(x, true);
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command zset_commands[] = {
    {"zadd", -4, W | CMD_DENYOOM | F, "sorted-set", {1, 1, 1}, cmd_zadd, "1.2.0",
     "Adds members to a sorted set, or gives them other scores.",
     .grammar = "key@0 [condition(NX|XX)^3.0.2] [comparison(GT|LT)^6.2.0] [change=CH^3.0.2] "
                "[increment=INCR^3.0.2] data{score:double member}+",
     .key_specs = "RW update"},
    {"zcard", 2, R | F, "sorted-set", {1, 1, 1}, cmd_zcard, "1.2.0",
     "Counts the members of a sorted set.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"zincrby", 4, W | CMD_DENYOOM | F, "sorted-set", {1, 1, 1}, cmd_zincrby, "1.2.0",
     "Adds a number to the score of a member of a sorted set.",
     .grammar = "key@0 increment:int member",
     .key_specs = "RW access update"},
    {"zmscore", -3, R | F, "sorted-set", {1, 1, 1}, cmd_zmscore, "6.2.0",
     "Gives the scores of some members of a sorted set.",
     .grammar = "key@0 member+"},
    {"zrank", -3, R | F, "sorted-set", {1, 1, 1}, cmd_zrank, "2.0.0",
     "Tells how many members of a sorted set come before this one.",
     .grammar = "key@0 member [WITHSCORE]"},
    {"zrem", -3, W | F, "sorted-set", {1, 1, 1}, cmd_zrem, "1.2.0",
     "Removes members from a sorted set.",
     .grammar = "key@0 member+",
     .key_specs = "RW delete"},
    {"zrevrank", -3, R | F, "sorted-set", {1, 1, 1}, cmd_zrevrank, "2.0.0",
     "Tells how many members of a sorted set come after this one.",
     .grammar = "key@0 member [WITHSCORE]"},
    {"zscore", 3, R | F, "sorted-set", {1, 1, 1}, cmd_zscore, "1.2.0",
     "Gives the score of a member of a sorted set.",
     .grammar = "key@0 member"},
    {0},
};
/* clang-format on */
