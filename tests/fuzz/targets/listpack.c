/* SPDX-License-Identifier: BSD-3-Clause
 *
 * listpack - bytes that lp_check() or intset_check() passes over can be walked over in both
 * directions, looked into and changed; ziplists and zipmaps of old become such. The first byte
 * says which.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "persistence/rdb_types.h"
#include "storage/base/mem.h"
#include "storage/ds/intset.h"
#include "storage/ds/listpack.h"

static void check_walk(const struct listpack *lp) {
    size_t n = lp_count(lp), forward = 0, back = 0;
    char buf[NUM_I64_MAX];

    for (uint32_t at = lp_first(lp); at; at = lp_next(lp, at), forward++) {
        struct slice s = lp_text(lp, at, buf);
        struct lp_key key = lp_key_of(s);

        CHECK(lp_at(lp, (int64_t)forward) == at || forward > 64);
        if (lp_is_shortest_form(lp)) CHECK(lp_equal(lp, at, &key));
    }
    for (uint32_t at = lp_last(lp); at; at = lp_prev(lp, at)) back++;
    CHECK(forward == n && back == n);
}

static void change(struct listpack **lp, struct choices *c) {
    for (int i = 0; i < 16 && choices_left(c); i++) {
        uint8_t how = choose(c);
        uint32_t at = lp_at(*lp, (int8_t)choose(c));
        struct slice s = choose_bytes(c, choose(c) % 80);

        if (how % 4 == 0)
            lp_insert(lp, at, s);
        else if (how % 4 == 1 && at)
            lp_replace(lp, at, s);
        else if (how % 4 == 2 && at)
            lp_delete(lp, at, 1 + how / 64);
        else if (at)
            lp_replace_int(lp, at, (int64_t)s.n - 40);
    }
}

static void use_listpack(struct slice s, struct choices *c) {
    struct listpack *lp;

    if (!lp_check(s.p, s.n)) return;
    lp = lp_from_bytes(s.p, s.n);
    CHECK(lp_bytes(lp) == s.n);
    check_walk(lp);
    change(&lp, c);
    CHECK(lp_check(lp, lp_bytes(lp)));
    check_walk(lp);
    lp_free(lp);
}

static void use_old(struct listpack *lp) {
    if (!lp) return;
    CHECK(lp_check(lp, lp_bytes(lp)));
    check_walk(lp);
    lp_free(lp);
}

static void use_intset(struct slice s, struct choices *c) {
    struct intset *set;

    if (!intset_check(s.p, s.n)) return;
    set = intset_from_bytes(s.p, s.n);
    for (size_t i = 0; i < intset_len(set); i++) CHECK(intset_has(set, intset_get(set, i)));
    for (int i = 0; i < 16 && choices_left(c); i++) {
        int64_t v = (int64_t)((uint64_t)choose_16(c) << choose(c) % 49);

        if (!intset_add(&set, v)) intset_remove(&set, v);
    }
    if (intset_len(set)) CHECK(intset_check(set, intset_bytes(set)));
    intset_free(set);
}

FUZZ_TARGET(listpack) {
    struct choices c = choices_of(data, size);
    uint8_t kind = choose(&c), changes = choose(&c);
    struct choices later;
    struct slice s;
    char *copy;

    fuzz_begin();
    s = choose_bytes(&c, choices_left(&c) > changes ? choices_left(&c) - changes : 0);
    later = c;
    copy = fuzz_copy(s);
    s.p = copy;
    if (kind % 4 == 0) use_listpack(s, &later);
    if (kind % 4 == 1) use_old(rdb_from_ziplist(s));
    if (kind % 4 == 2) use_old(rdb_from_zipmap(s));
    if (kind % 4 == 3) use_intset(s, &later);
    mem_free(copy);
    return 0;
}
