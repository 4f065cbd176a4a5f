/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sets. One whose members have times is the value of a module of our own, "stet-sets" with the
 * version 1, which Redis refuses and its tools pass over:
 *
 *   module id | number of members | member, its time in ms (0: none) | ... | end
 */
#include "persistence/rdb_parts.h"
#include "persistence/rdb_types.h"

/* ---------------------------------------------------------------- out */

enum rdb_type rdb_set_type(const struct entry *e) {
    if (set_next_due(e) != ENTRY_NO_EXPIRE) return RDB_MODULE_2;
    return set_intset(e) ? RDB_SET_INTSET : RDB_SET;
}

static void put_member(struct lp_value member, void *arg) {
    rdb_out_value(arg, member);
}

static void put_timed_member(struct lp_value member, int64_t expire_ms, void *arg) {
    char text[NUM_I64_MAX];

    rdb_put_text(arg, lp_value_text(member, text));
    rdb_put_number(arg, (uint64_t)expire_ms);
}

static void put_timed(struct rdb_out *o, const struct entry *e) {
    rdb_out_len(o, RDB_SET_MODULE);
    rdb_put_number(o, set_len(e));
    set_each_time(e, put_timed_member, o);
    rdb_put_end(o);
}

void rdb_put_set(struct rdb_out *o, const struct entry *e) {
    const struct intset *ints = set_intset(e);

    if (set_next_due(e) != ENTRY_NO_EXPIRE) {
        put_timed(o, e);
        return;
    }
    if (ints) {
        rdb_out_string(o, slice_of(ints, intset_bytes(ints)));
        return;
    }
    rdb_out_len(o, set_len(e));
    set_each(e, PARTS_ALL, put_member, o);
}

/* ---------------------------------------------------------------- in */

static bool add_member(struct rdb_in *in, struct entry **e, const struct rdb_want *w,
                       struct slice member, uint64_t expected) {
    if (!*e) *e = set_new(w->key, member, expected, &w->rules->set);
    return set_add(*e, member, &w->rules->set) || rdb_in_fail(in, "a member that comes twice");
}

/* Frees it if something failed. */
static struct entry *set_done(struct rdb_in *in, struct entry *e) {
    if (!in->failed) return e ? e : rdb_in_empty(in);
    if (e) entry_discard(e, false);
    return NULL;
}

struct entry *rdb_take_set(struct rdb_in *in, const struct rdb_want *w) {
    struct entry *e = NULL;
    struct slice s;
    uint64_t n;

    if (!rdb_in_count(in, 1, &n)) return NULL;
    for (uint64_t i = 0; i < n; i++) {
        if (!rdb_in_string(in, &s) || !add_member(in, &e, w, s, n)) break;
        if (i == 0) set_expect(e, n - 1, &w->rules->set);
    }
    return set_done(in, e);
}

struct entry *rdb_take_intset(struct rdb_in *in, const struct rdb_want *w) {
    struct entry *e;
    struct slice s;

    if (!rdb_in_string(in, &s)) return NULL;
    if (s.n == 2 * sizeof(uint32_t)) return rdb_in_empty(in);
    e = set_from_intset(w->key, s.p, s.n, &w->rules->set);
    if (!e) rdb_in_fail(in, "an intset that is damaged");
    return e;
}

struct entry *rdb_take_set_packed(struct rdb_in *in, const struct rdb_want *w) {
    struct listpack *lp = rdb_take_listpack(in);
    struct entry *e = NULL;

    if (!lp) return NULL;
    if (lp_first(lp)) {
        e = set_from_listpack(w->key, lp, &w->rules->set);
        if (!e) rdb_in_fail(in, "a member that comes twice");
    }
    lp_free(lp);
    return set_done(in, e);
}

/* A member and its time. */
static bool take_timed_member(struct rdb_in *in, struct entry **e, const struct rdb_want *w,
                              uint64_t expected) {
    struct slice member;
    struct bytes keep = {0};
    uint64_t time = 0;
    bool good;

    if (!rdb_take_text(in, &member)) return false;
    good = add_member(in, e, w, member, expected);
    bytes_room(&keep, member.n + 1); /* not NULL for an empty one; the source moves on */
    bytes_append(&keep, member.p, member.n);
    good = good && rdb_take_number(in, &time);
    if (good && time > RDB_PART_TIME_MAX)
        good = rdb_in_fail(in, "a member with a time that is none");
    if (good && time) set_set_expire(*e, bytes_slice(&keep), (int64_t)time);
    bytes_release(&keep);
    return good;
}

struct entry *rdb_take_set_timed(struct rdb_in *in, const struct rdb_want *w) {
    struct entry *e = NULL;
    uint64_t n;

    if (!rdb_take_number(in, &n)) return NULL;
    for (uint64_t i = 0; i < n && take_timed_member(in, &e, w, n); i++) pace_at(&in->pace, i);
    if (!in->failed) rdb_take_end(in);
    return set_done(in, e);
}
