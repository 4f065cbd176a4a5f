/* SPDX-License-Identifier: BSD-3-Clause
 *
 * restore - a payload of DUMP: version, then the type byte and the value; the footer with its
 * checksum is added here. What is accepted is written and accepted again, with the same elements.
 * It can be copied, and its own limits hold: the first byte chooses between small and usual ones.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "persistence/rdb.h"
#include "persistence/rdb_types.h"
#include "storage/base/crc.h"
#include "storage/base/mem.h"
#include "storage/json.h"
#include "storage/listval.h"
#include "storage/sketch.h"
#include "storage/stream.h"
#include "storage/vset.h"

#include <stdio.h>

static const struct rdb_rules usual = {.hash = {512, 64, PARTS_ALL},
                                       .set = {512, 128, 64, PARTS_ALL},
                                       .zset = {128, 64},
                                       .list = {-2, 0}};
static const struct rdb_rules small = {
    .hash = {2, 8, PARTS_ALL}, .set = {2, 2, 8, PARTS_ALL}, .zset = {2, 8}, .list = {2, 0}};

static void seal(struct bytes *b, uint8_t version) {
    uint64_t sum;

    bytes_append_char(b, (char)version);
    bytes_append_char(b, 0);
    sum = crc64(0, b->p, b->n);
    bytes_append(b, &sum, sizeof sum);
}

static uint64_t length_of(const struct entry *e) {
    switch ((enum type_id)e->type) {
    case TYPE_STRING: return entry_string(e).n;
    case TYPE_LIST: return listval_len(e);
    case TYPE_SET: return set_len(e);
    case TYPE_ZSET: return zset_count(e);
    case TYPE_HASH: return hash_len(e);
    case TYPE_STREAM: return stream_of(e)->length;
    case TYPE_VSET: return vset_of(e)->n;
    case TYPE_BLOOM:
    case TYPE_CUCKOO:
    case TYPE_COUNTMIN:
    case TYPE_TOPK:
    case TYPE_TDIGEST: return sketch_ops_of(e->type)->body(entry_object(e));
    case TYPE_JSON: return json_count(json_of(e));
    default: CHECK(!"a type that there is");
    }
}

/* The sum of the bytes of a dump without its checksum: the order of elements does not count. */
static uint64_t sum_of(const struct bytes *dump) {
    return fuzz_sum(slice_of(dump->p, dump->n - RDB_SUM_BYTES));
}

static void say(const struct bytes *first, const struct bytes *second) {
    struct bytes text = {0};

    bytes_append_quoted(&text, bytes_slice(first));
    bytes_append_str(&text, "\n");
    bytes_append_quoted(&text, bytes_slice(second));
    fprintf(stderr, "%s\n", bytes_cstr(&text));
    bytes_release(&text);
}

/* The value as a payload makes it again. */
static struct entry *again(const struct entry *e, const struct rdb_rules *rules, bool compress) {
    struct bytes dump = {0};
    struct entry *back;
    int version;

    rdb_dump(&dump, e, compress, PACE_NONE);
    CHECK(rdb_restore(bytes_slice(&dump), SLICE("key"), ENTRY_NO_EXPIRE, rules, &back, &version) ==
          RDB_RESTORED);
    CHECK(back->type == e->type && length_of(back) == length_of(e));
    bytes_release(&dump);
    return back;
}

/* A value may take another form when it is made again, but only once. */
static void check_round(const struct entry *e, const struct rdb_rules *rules) {
    struct entry *once = again(e, rules, false), *twice = again(once, rules, true);
    struct bytes first = {0}, second = {0};

    rdb_dump(&first, once, false, PACE_NONE);
    rdb_dump(&second, twice, false, PACE_NONE);
    if (first.n != second.n || sum_of(&first) != sum_of(&second)) say(&first, &second);
    CHECK(first.n == second.n && sum_of(&first) == sum_of(&second));
    bytes_release(&first);
    bytes_release(&second);
    entry_free(once);
    entry_free(twice);
}

static void use(struct entry *e, const struct rdb_rules *rules) {
    const struct type_ops *ops = type_ops_of(e->type);
    struct entry *copy = entry_copy(e, SLICE("copy"), ENTRY_NO_EXPIRE, PACE_NONE);

    ops->encoding(e);
    ops->effort(e);
    ops->mem(e, 0, PACE_NONE);
    ops->mem(e, 5, PACE_NONE);
    if (ops->next_due) ops->next_due(e);
    check_round(e, rules);
    check_round(copy, rules);
    entry_free(copy);
}

/* The same bytes are a value for stet-check-rdb --salvage, which passes over it. */
static void skip(struct slice s, unsigned type) {
    struct rdb_in in;
    struct err e;

    rdb_in_memory(&in, s, &e);
    rdb_skip_value(&in, type);
    rdb_in_release(&in);
}

/* ---------------------------------------------------------------- libraries */

struct libraries {
    struct library l[4];
    size_t n;
    struct bytes code;
};

/* Keeps the codes of the first few; they point into `code` only at the end. */
static int take_library(void *arg, struct slice code, struct err *e) {
    struct libraries *all = arg;

    if (all->n == sizeof all->l / sizeof *all->l) return err_set(e, 1, "enough");
    all->l[all->n++].code.n = code.n;
    bytes_append(&all->code, code.p, code.n);
    return 0;
}

/* FUNCTION RESTORE, DUMP and RESTORE again: as many libraries, with the same code. */
static void check_libraries(struct slice payload) {
    struct libraries all = {0}, back = {0};
    struct bytes dump = {0};
    struct err e;
    size_t at = 0;

    if (rdb_restore_libraries(payload, take_library, &all, &e) == 0 && all.n) {
        for (size_t i = 0; i < all.n; at += all.l[i++].code.n) {
            all.l[i].code.p = all.code.n ? all.code.p + at : "";
            all.l[i].next = i + 1 < all.n ? &all.l[i + 1] : NULL;
        }
        rdb_dump_libraries(&dump, all.l, payload.n & 1);
        CHECK(rdb_restore_libraries(bytes_slice(&dump), take_library, &back, &e) == 0);
        CHECK(back.n == all.n && slice_eq(bytes_slice(&back.code), bytes_slice(&all.code)));
    }
    bytes_release(&dump);
    bytes_release(&all.code);
    bytes_release(&back.code);
}

FUZZ_TARGET(restore) {
    struct choices c = choices_of(data, size);
    uint8_t how = choose(&c);
    struct rdb_rules rules = how & 1 ? small : usual;
    struct bytes payload = {0};
    struct slice body;
    struct entry *e;
    int version;

    fuzz_begin();
    body = choose_bytes(&c, choices_left(&c));
    if (how & 2) rules.hash.now_ms = INT64_C(1700000000000);
    bytes_append(&payload, body.p, body.n);
    seal(&payload, (uint8_t)(how >> 2 & 15));
    if (rdb_restore(bytes_slice(&payload), SLICE("key"), ENTRY_NO_EXPIRE, &rules, &e, &version) ==
        RDB_RESTORED) {
        rules.hash.now_ms = PARTS_ALL;
        use(e, &rules);
        entry_free(e);
    }
    check_libraries(bytes_slice(&payload));
    if (body.n) skip(slice_of(body.p + 1, body.n - 1), (uint8_t)body.p[0]);
    bytes_release(&payload);
    return 0;
}
