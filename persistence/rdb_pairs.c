/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hashes and sorted sets: what comes in pairs.
 */
#include "persistence/rdb_types.h"
#include "storage/base/mem.h"
#include "storage/zset_build.h"

#include <math.h>

/* How a score of old is written: its length and text, or one of these in place of the length. */
enum { SCORE_NAN = 253, SCORE_INF = 254, SCORE_NEG_INF = 255 };

/* ---------------------------------------------------------------- hashes, out */

static bool is_timed(const struct entry *e) {
    return hash_next_due(e) != ENTRY_NO_EXPIRE;
}

enum rdb_type rdb_hash_type(const struct entry *e) {
    if (is_timed(e)) return RDB_HASH_TIMED;
    return hash_pack(e) ? RDB_HASH_LISTPACK : RDB_HASH;
}

static void put_pair(const struct hash_item *item, void *arg) {
    rdb_out_value(arg, item->field);
    rdb_out_value(arg, item->value);
}

struct timed_put {
    struct rdb_out *o;
    int64_t first_ms;
};

static void put_timed(const struct hash_item *item, void *arg) {
    struct timed_put *t = arg;

    rdb_out_len(t->o, item->expire_ms ? (uint64_t)(item->expire_ms - t->first_ms) + 1 : 0);
    put_pair(item, t->o);
}

static void put_valkey_timed(const struct hash_item *item, void *arg) {
    put_pair(item, arg);
    rdb_out_u64(arg, item->expire_ms ? (uint64_t)item->expire_ms : UINT64_MAX);
}

static void keep_least(const struct hash_item *item, void *arg) {
    int64_t *least = arg;

    if (item->expire_ms && item->expire_ms < *least) *least = item->expire_ms;
}

void rdb_put_hash(struct rdb_out *o, const struct entry *e) {
    struct timed_put t = {o, INT64_MAX};

    if (is_timed(e) && o->valkey) {
        rdb_out_len(o, hash_len(e));
        hash_each(e, PARTS_ALL, put_valkey_timed, o);
    } else if (is_timed(e)) {
        hash_each(e, PARTS_ALL, keep_least, &t.first_ms);
        rdb_out_u64(o, (uint64_t)t.first_ms);
        rdb_out_len(o, hash_len(e));
        hash_each(e, PARTS_ALL, put_timed, &t);
    } else if (hash_pack(e)) {
        rdb_put_pack(o, hash_pack(e));
    } else {
        rdb_out_len(o, hash_len(e));
        hash_each(e, PARTS_ALL, put_pair, o);
    }
}

/* ---------------------------------------------------------------- hashes, in */

/* A field, copied to `keep`, and its value, which is in the source. */
static bool take_pair(struct rdb_in *in, struct bytes *keep, struct slice *value) {
    struct slice field;

    if (!rdb_in_string(in, &field)) return false;
    bytes_clear(keep);
    bytes_room(keep, field.n + 1); /* not NULL for an empty one */
    bytes_append(keep, field.p, field.n);
    return rdb_in_string(in, value);
}

static bool add_field(struct rdb_in *in, struct entry *e, const struct hash_rules *rules,
                      struct slice field, struct slice value, int64_t when_ms) {
    if (when_ms < 0 || when_ms > RDB_PART_TIME_MAX)
        return rdb_in_fail(in, "a field with a time that is none");
    if (!hash_set(e, field, value, false, rules))
        return rdb_in_fail(in, "a field that comes twice");
    if (when_ms) hash_set_expire(e, field, when_ms);
    return true;
}

static struct hash_rules rules_of(const struct rdb_want *w) {
    struct hash_rules rules = w->rules->hash;

    rules.now_ms = PARTS_ALL; /* nothing is due while it is put together */
    return rules;
}

/* Frees it if something failed, or if it is empty. */
static struct entry *hash_done(struct rdb_in *in, struct entry *e) {
    if (!in->failed && hash_len(e) > 0) return e;
    entry_discard(e, false);
    return rdb_in_empty(in);
}

/* `timed`: in front of each stands its time, less `base_ms`; 0: it has none. */
static struct entry *take_fields(struct rdb_in *in, const struct rdb_want *w, bool timed,
                                 int64_t base_ms) {
    struct hash_rules rules = rules_of(w);
    struct bytes field = {0};
    struct slice value;
    struct entry *e;
    uint64_t n, time = 0;

    if (!rdb_in_count(in, 2, &n)) return NULL;
    e = hash_new_for(w->key, n, &rules);
    for (; n > 0; n--) {
        if (timed && !rdb_in_len(in, &time)) break;
        if (time > (uint64_t)RDB_PART_TIME_MAX) time = (uint64_t)RDB_PART_TIME_MAX + 1;
        if (time) time += (uint64_t)base_ms;
        if (!take_pair(in, &field, &value) ||
            !add_field(in, e, &rules, bytes_slice(&field), value, (int64_t)time))
            break;
    }
    bytes_release(&field);
    return hash_done(in, e);
}

struct entry *rdb_take_hash(struct rdb_in *in, const struct rdb_want *w) {
    return take_fields(in, w, false, 0);
}

/* What stands in front of a hash with times: the first of them. */
static bool take_first_time(struct rdb_in *in, int64_t *first_ms) {
    uint64_t v;

    if (!rdb_in_u64(in, &v)) return false;
    *first_ms =
        v <= (uint64_t)RDB_PART_TIME_MAX ? (int64_t)v : RDB_PART_TIME_MAX; /* or: there is none */
    return true;
}

struct entry *rdb_take_hash_timed(struct rdb_in *in, const struct rdb_want *w) {
    int64_t first_ms = 1;

    if (w->type == RDB_HASH_TIMED && !take_first_time(in, &first_ms)) return NULL;
    return take_fields(in, w, true, first_ms - 1);
}

/* Valkey writes -1 where there is none. */
static bool take_valkey_time(struct rdb_in *in, struct entry *e, struct slice field) {
    uint64_t time;

    if (!rdb_in_u64(in, &time)) return false;
    if (time == UINT64_MAX) return true;
    if (time > (uint64_t)RDB_PART_TIME_MAX)
        return rdb_in_fail(in, "a field with a time that is none");
    hash_set_expire(e, field, time ? (int64_t)time : 1);
    return true;
}

struct entry *rdb_take_hash_timed_valkey(struct rdb_in *in, const struct rdb_want *w) {
    struct hash_rules rules = rules_of(w);
    struct bytes field = {0};
    struct slice value;
    struct entry *e;
    uint64_t n;

    if (!rdb_in_count(in, 10, &n)) return NULL;
    e = hash_new_for(w->key, n, &rules);
    for (; n > 0; n--) {
        if (!take_pair(in, &field, &value) ||
            !add_field(in, e, &rules, bytes_slice(&field), value, 0) ||
            !take_valkey_time(in, e, bytes_slice(&field)))
            break;
    }
    bytes_release(&field);
    return hash_done(in, e);
}

struct entry *rdb_take_hash_packed_timed(struct rdb_in *in, const struct rdb_want *w) {
    struct hash_rules rules = rules_of(w);
    struct listpack *lp;
    struct entry *e;
    int64_t ignored;
    size_t n;

    if (w->type == RDB_HASH_LISTPACK_TIMED && !take_first_time(in, &ignored)) return NULL;
    lp = rdb_take_listpack(in);
    if (!lp) return NULL;
    n = lp_count(lp);
    if (n % 3) rdb_in_fail(in, "fields, values and times that are not as many");
    e = hash_new_for(w->key, n / 3, &rules);
    hash_allow_times(e);
    for (uint32_t at = lp_first(lp); at && !in->failed;) {
        char texts[2][NUM_I64_MAX];
        struct slice field = lp_text(lp, at, texts[0]), value;
        struct lp_value time;

        at = lp_next(lp, at);
        value = lp_text(lp, at, texts[1]);
        at = lp_next(lp, at);
        time = lp_get(lp, at);
        add_field(in, e, &rules, field, value, time.p ? -1 : time.v);
        at = lp_next(lp, at);
    }
    lp_free(lp);
    return hash_done(in, e);
}

/* Field by field, so that long ones are not packed. */
static struct entry *take_zipmap(struct rdb_in *in, const struct rdb_want *w) {
    struct hash_rules rules = rules_of(w);
    struct listpack *lp;
    struct entry *e;
    struct slice s;

    if (!rdb_in_string(in, &s)) return NULL;
    lp = rdb_from_zipmap(s);
    if (!lp) {
        rdb_in_fail(in, "a zipmap that is damaged");
        return NULL;
    }
    e = hash_new_for(w->key, lp_count(lp) / 2, &rules);
    for (uint32_t at = lp_first(lp); at && !in->failed; at = lp_next(lp, at)) {
        char texts[2][NUM_I64_MAX];
        struct slice field = lp_text(lp, at, texts[0]);

        at = lp_next(lp, at);
        add_field(in, e, &rules, field, lp_text(lp, at, texts[1]), 0);
    }
    lp_free(lp);
    return hash_done(in, e);
}

/* A listpack, or what came before them. */
static struct listpack *take_packed(struct rdb_in *in, unsigned type) {
    struct listpack *lp;
    struct slice s;

    if (type == RDB_HASH_LISTPACK || type == RDB_ZSET_LISTPACK) return rdb_take_listpack(in);
    if (!rdb_in_string(in, &s)) return NULL;
    lp = rdb_from_ziplist(s);
    if (!lp) rdb_in_fail(in, "a ziplist that is damaged");
    return lp;
}

/* Says what is wrong with a listpack of which no value could be made; returns NULL. */
static struct entry *refuse(struct rdb_in *in, const struct listpack *lp, const char *what) {
    if (!lp_first(lp)) return rdb_in_empty(in);
    rdb_in_fail(in, "%s", what);
    return NULL;
}

struct entry *rdb_take_hash_packed(struct rdb_in *in, const struct rdb_want *w) {
    struct listpack *lp;
    struct entry *e;

    if (w->type == RDB_HASH_ZIPMAP) return take_zipmap(in, w);
    lp = take_packed(in, w->type);
    if (!lp) return NULL;
    e = hash_from_listpack(w->key, lp, &w->rules->hash);
    if (!e) refuse(in, lp, "fields without values, or a field that comes twice");
    lp_free(lp);
    return e;
}

/* ---------------------------------------------------------------- sorted sets */

enum rdb_type rdb_zset_type(const struct entry *e) {
    return zset_pack(e) ? RDB_ZSET_LISTPACK : RDB_ZSET_2;
}

/* From the highest on: Redis inserts them one by one, and this way always in front. */
void rdb_put_zset(struct rdb_out *o, const struct entry *e) {
    struct zset_iter it;
    size_t n = zset_count(e);

    if (zset_pack(e)) {
        rdb_put_pack(o, zset_pack(e));
        return;
    }
    rdb_out_len(o, n);
    zset_iter_init(&it, e, n - 1, true);
    while (zset_iter_next(&it)) {
        rdb_out_string(o, it.member);
        rdb_out_double(o, zset_iter_score(&it));
    }
}

static bool take_old_score(struct rdb_in *in, double *score) {
    const uint8_t *p;
    uint8_t n;

    if (!rdb_in_byte(in, &n)) return false;
    if (n == SCORE_NAN) {
        *score = NAN;
    } else if (n >= SCORE_INF) {
        *score = n == SCORE_INF ? INFINITY : -INFINITY;
    } else {
        p = rdb_in_take(in, n);
        if (!p) return false;
        if (!num_parse_double((const char *)p, n, score))
            return rdb_in_fail(in, "a score that is no number");
    }
    return true;
}

static bool take_member(struct rdb_in *in, const struct rdb_want *w, struct zset_build *b,
                        struct bytes *keep) {
    struct slice member;
    double score;

    if (!rdb_in_string(in, &member)) return false;
    bytes_clear(keep);
    bytes_room(keep, member.n + 1);
    bytes_append(keep, member.p, member.n);
    if (w->type == RDB_ZSET_2 ? !rdb_in_double(in, &score) : !take_old_score(in, &score))
        return false;
    if (isnan(score)) return rdb_in_fail(in, "a score that is no number");
    return !zset_build_slot(b, bytes_slice(keep), score) ||
           rdb_in_fail(in, "a member that comes twice");
}

struct entry *rdb_take_zset(struct rdb_in *in, const struct rdb_want *w) {
    struct zset_build b;
    struct bytes keep = {0};
    struct entry *e = NULL;
    uint64_t n;

    if (!rdb_in_count(in, 2, &n)) return NULL;
    if (n == 0) return rdb_in_empty(in);
    zset_build_init(&b, n);
    b.pace = in->pace;
    while (n > 0 && take_member(in, w, &b, &keep)) n--;
    if (in->failed)
        zset_build_release(&b);
    else
        e = zset_build_entry(&b, w->key, &w->rules->zset);
    bytes_release(&keep);
    return e;
}

struct entry *rdb_take_zset_packed(struct rdb_in *in, const struct rdb_want *w) {
    struct listpack *lp = take_packed(in, w->type);
    struct entry *e;

    if (!lp) return NULL;
    e = zset_from_listpack(w->key, lp, &w->rules->zset);
    if (!e) refuse(in, lp, "members without scores, twice, or with scores that are no numbers");
    lp_free(lp);
    return e;
}
