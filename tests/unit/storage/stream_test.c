/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Streams: the layout of their nodes, and random operations against an array of what is there.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/stream.h"
#include "storage/stream_group.h"
#include "storage/stream_idmp.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct stream *s;

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
    s = stream_new();
}

static void end(void) {
    stream_free(s);
}

TestSuite(stream, .init = begin, .fini = end);

/* ---------------------------------------------------------------- ids */

static bool parses(const char *text, uint64_t ms, uint64_t seq) {
    struct stream_id id;

    return stream_id_parse(slice_str(text), 77, &id) && id.ms == ms && id.seq == seq;
}

Test(stream, ids_are_read_as_redis_reads_them) {
    static const char *const bad[] = {
        "", "-", "1-", "-1", "a", "1-a", "1-1-1", "1--5", "18446744073709551616", "1-*", "1 "};
    struct stream_id id;

    cr_assert(parses("5-3", 5, 3));
    cr_assert(parses("5", 5, 77));
    cr_assert(parses("18446744073709551615-18446744073709551615", UINT64_MAX, UINT64_MAX));
    cr_assert(parses("007-010", 7, 10));
    cr_assert(parses(" +5-+1", 5, 1));
    cr_assert(stream_id_parse(slice_of("5-1\0x", 5), 0, &id) && id.seq == 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(stream_id_parse(slice_str(bad[i]), 0, &id), "%s", bad[i]);
}

Test(stream, ids_step_over_their_halves_and_stop_at_the_ends) {
    struct stream_id id = {5, UINT64_MAX};
    char text[STREAM_ID_TEXT];

    cr_assert(stream_id_inc(&id));
    cr_assert_eq(stream_id_cmp(id, (struct stream_id){6, 0}), 0);
    cr_assert(stream_id_dec(&id));
    cr_assert_eq(stream_id_cmp(id, (struct stream_id){5, UINT64_MAX}), 0);
    id = STREAM_ID_MAX;
    cr_assert_eq(stream_id_format(text, id), STREAM_ID_TEXT);
    cr_assert_not(stream_id_inc(&id));
    id = STREAM_ID_MIN;
    cr_assert_not(stream_id_dec(&id));
    cr_assert_eq(stream_id_cmp(id, STREAM_ID_MAX), 0);
}

/* ---------------------------------------------------------------- nodes */

static const struct stream_limits roomy = {4096, 100};

static void append(uint64_t ms, uint64_t seq, const char *words) {
    struct slice argv[16];
    char text[128], *rest = text, *word;
    size_t n = 0;

    snprintf(text, sizeof text, "%s", words);
    while ((word = strsep(&rest, " "))) argv[n++] = slice_str(word);
    stream_append(s, (struct stream_id){ms, seq}, argv, n / 2, &roomy);
}

/* What Redis 7.0.15 has in DUMP for these commands. */
Test(stream, nodes_have_redis_layout) {
    static const uint8_t want[] = {
        0x56, 0x00, 0x00, 0x00, 0x1d, 0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01, 0x81, 0x61, 0x02,
        0x00, 0x01, 0x02, 0x01, 0x00, 0x01, 0x00, 0x01, 0x01, 0x01, 0x04, 0x01, 0x01, 0x01, 0x00,
        0x01, 0x01, 0x01, 0x02, 0x01, 0x81, 0x61, 0x02, 0x85, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x06,
        0x81, 0x62, 0x02, 0xc1, 0x2c, 0x02, 0x08, 0x01, 0x02, 0x01, 0x05, 0x01, 0xdf, 0xff, 0x02,
        0xf2, 0x90, 0xee, 0xfe, 0x04, 0x04, 0x01, 0x02, 0x01, 0xf4, 0x17, 0x7c, 0xc6, 0xa4, 0x7e,
        0x8d, 0x03, 0x00, 0x09, 0x06, 0x01, 0x02, 0x01, 0x04, 0x01, 0xff};
    const struct idtree_slot *node;

    append(1000, 1, "a 1");
    append(1000, 2, "a hello b 300");
    append(1005, 0, "a -70000");
    append(999999999999999, 7, "a 2");
    cr_assert(stream_delete(s, (struct stream_id){1000, 2}));
    cr_assert_eq(s->nodes.count, 1);
    node = idtree_at(idtree_first(&s->nodes));
    cr_assert_eq(idtree_cmp(node->key, (struct idtree_key){1000, 1}), 0);
    cr_assert_eq(lp_bytes(node->value), sizeof want);
    cr_assert_arr_eq(node->value, want, sizeof want);
}

Test(stream, a_node_is_full_by_entries_or_bytes) {
    struct stream_limits two = {0, 2}, bytes = {100, 0};
    char text[60];
    struct slice argv[2] = {SLICE("f"), slice_of(text, sizeof text)};

    memset(text, 'x', sizeof text);
    for (uint64_t i = 1; i <= 5; i++) stream_append(s, (struct stream_id){i, 0}, argv, 1, &two);
    cr_assert_eq(s->nodes.count, 3);
    cr_assert(stream_delete(s, (struct stream_id){5, 0}));
    cr_assert_eq(s->nodes.count, 2);
    for (uint64_t i = 6; i <= 8; i++) stream_append(s, (struct stream_id){i, 0}, argv, 1, &bytes);
    cr_assert_eq(s->nodes.count, 5);
}

/* ---------------------------------------------------------------- against an array */

enum { IDS = 3000 };

struct model {
    bool there[IDS + 64]; /* by ms; seq is always 5 */
    uint64_t next, length, added, max_deleted;
    bool large; /* nodes of hundreds of entries, whose counts change their size */
} m;

static struct stream_id id_of(uint64_t ms) {
    return (struct stream_id){ms, 5};
}

static void add_random(void) {
    struct stream_limits limits = {m.large ? 1 << 16 : 200 + rng_below(400),
                                   m.large ? 0 : rng_below(8)};
    struct slice argv[6];
    char text[6][32];
    size_t nfields = 1 + rng_below(3);
    uint64_t ms = m.next + rng_below(3);

    for (size_t i = 0; i < 2 * nfields; i++) {
        int64_t v = (int64_t)(rng_u64() >> rng_below(64));
        int n = i % 2 ? snprintf(text[i], 32, rng_below(2) ? "%ld" : "v%ld", (long)v)
                      : snprintf(text[i], 32, "f%d", (int)(i + (rng_below(4) == 0)));

        argv[i] = slice_of(text[i], (size_t)n);
    }
    stream_append(s, id_of(ms), argv, nfields, &limits);
    m.there[ms] = true;
    m.next = ms + 1;
    m.length++;
    m.added++;
}

static void delete_random(void) {
    uint64_t ms = rng_below(m.next + 2);

    cr_assert_eq(stream_delete(s, id_of(ms)), m.there[ms]);
    if (!m.there[ms]) return;
    m.there[ms] = false;
    m.length--;
    if (ms > m.max_deleted) m.max_deleted = ms;
}

/* Mostly in ascending order, as callers ask; some are there, some are gone. */
static void delete_many(void) {
    struct stream_cursor c = {0};
    uint64_t ms = rng_below(m.next + 2);

    for (int i = 0; i < 8; i++, ms += rng_below(4)) {
        if (rng_below(16) == 0) ms = rng_below(m.next + 2);
        cr_assert_eq(stream_cursor_find(&c, s, id_of(ms)), m.there[ms]);
        if (!m.there[ms] || rng_below(2)) continue;
        stream_cursor_delete(&c, s);
        m.there[ms] = false;
        m.length--;
        if (ms > m.max_deleted) m.max_deleted = ms;
        cr_assert_not(stream_cursor_find(&c, s, id_of(ms)));
    }
    stream_cursor_end(&c, s);
}

/* An exact trim takes from the beginning until it is enough; "~" never takes more. */
static void trim_random(void) {
    struct stream_trim t = {.approx = rng_below(2), .limit = rng_below(2) ? rng_below(20) : 0};
    uint64_t gone, ms = 0, had = m.length;

    t.by = rng_below(2) ? STREAM_TRIM_MAXLEN : STREAM_TRIM_MINID;
    t.maxlen = rng_below(m.length + 5);
    t.minid = id_of(rng_below(m.next + 1));
    if (m.large) {
        t.maxlen = m.length - rng_below(m.length / 8 + 1);
        t.minid = id_of(s->first_id.ms + rng_below(50));
    }
    gone = stream_trim(s, &t);
    for (uint64_t left = gone; left > 0; ms++) {
        if (!m.there[ms]) continue;
        if (t.by == STREAM_TRIM_MINID) cr_assert_lt(ms, t.minid.ms);
        m.there[ms] = false;
        m.length--;
        left--;
    }
    if (t.by == STREAM_TRIM_MAXLEN) cr_assert(gone == 0 || m.length >= t.maxlen);
    if (t.approx || t.limit) return;
    if (t.by == STREAM_TRIM_MAXLEN)
        cr_assert_eq(m.length, had < t.maxlen ? had : t.maxlen);
    else
        for (ms = 0; ms < t.minid.ms; ms++) cr_assert_not(m.there[ms]);
}

static void check_range(uint64_t min, uint64_t max, bool backward) {
    struct stream_iter it, first;
    uint64_t n = 0, want = 0;

    for (uint64_t ms = min; ms <= max && ms < IDS; ms++) want += m.there[ms];
    stream_iter_init(&it, s, id_of(min), id_of(max), backward);
    first = it;
    cr_assert_eq(stream_iter_left(first, UINT64_MAX), want);
    cr_assert_eq(stream_iter_left(first, 3), want < 3 ? want : 3);
    for (uint64_t ms = backward ? max : min; stream_iter_next(&it); n++) {
        while (!m.there[ms]) ms += backward ? (uint64_t)-1 : 1;
        cr_assert_eq(it.e.id.ms, ms);
        cr_assert_eq(stream_iter_left(it, UINT64_MAX), want - n - 1);
        for (uint32_t i = 0; i < it.e.nfields; i++) {
            struct lp_value name, value;

            stream_iter_field(&it, &name, &value);
            cr_assert_eq(name.p[0], 'f');
            cr_assert(!value.p || value.p[0] == 'v' || value.n > 0);
        }
        ms += backward ? (uint64_t)-1 : 1;
    }
    cr_assert_eq(n, want);
}

static void check_all(void) {
    uint64_t first = 0, from = rng_below(m.next + 1), to = from + rng_below(m.next - from + 1);

    while (first < m.next && !m.there[first]) first++;
    cr_assert_eq(s->length, m.length);
    cr_assert_eq(s->entries_added, m.added);
    cr_assert_eq(s->max_deleted_id.ms, m.max_deleted);
    cr_assert_eq(s->first_id.ms, m.length ? first : 0);
    cr_assert_eq(stream_has(s, id_of(from)), m.there[from]);
    check_range(from, to, false);
    check_range(from, to, true);
    for (struct idtree_place p = idtree_first(&s->nodes); p.leaf; p = idtree_next(p))
        cr_assert(lp_check(idtree_at(p)->value, lp_bytes(idtree_at(p)->value)));
}

static void copy_stream(void) {
    struct entry *e = entry_new_object(SLICE("k"), TYPE_STREAM, s, ENTRY_NO_EXPIRE, 0);

    s = stream_type_ops.copy(e, PACE_NONE);
    cr_assert_geq(stream_type_ops.mem(e, 0, PACE_NONE), sizeof *s);
    entry_free(e);
}

Test(stream, behaves_like_an_array_of_entries) {
    for (int round = 0; round < 20; round++) {
        stream_free(s);
        s = stream_new();
        m = (struct model){.next = 1, .large = round % 2};
        for (int i = 0; m.next < IDS - 10; i++) {
            uint64_t dice = rng_below(100);

            if (dice < 55 + 2 * (uint64_t)round)
                add_random();
            else if (dice < 95)
                delete_random();
            else if (dice < 97)
                delete_many();
            else
                trim_random();
            if (i % 100 == 0) check_all();
            if (i % 1000 == 0) copy_stream();
        }
        check_all();
    }
}

Test(stream, large_ids_survive_in_both_halves) {
    static const struct stream_id ids[] = {{0, 1},          {0, UINT64_MAX},
                                           {1, 0},          {(uint64_t)1 << 63, 3},
                                           {UINT64_MAX, 0}, {UINT64_MAX, UINT64_MAX}};
    struct slice argv[2] = {SLICE("f"), SLICE("v")};
    struct stream_iter it;

    for (size_t i = 0; i < 6; i++) stream_append(s, ids[i], argv, 1, &roomy);
    cr_assert_eq(s->nodes.count, 1);
    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, false);
    for (size_t i = 0; i < 6; i++) {
        cr_assert(stream_iter_next(&it));
        cr_assert_eq(stream_id_cmp(it.e.id, ids[i]), 0);
    }
    cr_assert_not(stream_iter_next(&it));
    stream_iter_init(&it, s, STREAM_ID_MIN, STREAM_ID_MAX, true);
    for (size_t i = 6; i-- > 0;) {
        cr_assert(stream_iter_next(&it));
        cr_assert_eq(stream_id_cmp(it.e.id, ids[i]), 0);
    }
}

/* ---------------------------------------------------------------- producers */

static void remember(struct stream_idmp *idmp, int producer, int iid, int64_t ms) {
    char name[16], text[16];
    int n = snprintf(name, sizeof name, "p%d", producer);
    int k = snprintf(text, sizeof text, "i%d", iid);

    stream_idmp_add(idmp, slice_of(name, (size_t)n), slice_of(text, (size_t)k),
                    (struct stream_id){(uint64_t)iid, (uint64_t)producer}, ms, ms);
}

/* Producers that give nothing more are forgotten while others go on. */
Test(stream, producers_that_are_silent_are_forgotten) {
    struct stream_idmp *idmp = stream_idmp_need(s, 1, 10);

    for (int i = 0; i < 1000; i++) remember(idmp, i, i, 1000);
    cr_assert_eq(idmp->producers.count, 1000);
    cr_assert_eq(idmp->iids, 1000);
    for (int i = 0; i < 3000; i++) remember(idmp, 1000, i, 2000);
    cr_assert_eq(idmp->producers.count, 1);
    cr_assert_eq(idmp->iids, 10);
}

static struct stream_idmp *read_back(const struct stream_idmp *idmp) {
    struct stream_idmp *again;
    struct bytes b = {0};

    stream_idmp_encode(idmp, &b);
    again = stream_idmp_decode(bytes_slice(&b));
    bytes_release(&b);
    return again;
}

/* What the AOF says may be old when it is read, and the limits may have become lower since. */
Test(stream, what_is_too_old_or_too_much_is_no_damage) {
    struct stream_idmp *idmp = stream_idmp_need(s, 1, 10), *again;

    stream_idmp_add(idmp, SLICE("p"), SLICE("i"), (struct stream_id){1, 1}, 1000, 900000);
    cr_assert_eq(idmp->producers.count, 0);
    cr_assert_eq(idmp->iids, 0);
    again = read_back(idmp);
    cr_assert(again);
    stream_idmp_free(again);
    for (int i = 0; i < 10; i++) remember(idmp, 1, i, 1000);
    idmp->maxsize = 3;
    again = read_back(idmp);
    cr_assert(again);
    cr_assert_eq(again->iids, 10);
    remember(again, 1, 11, 1000);
    cr_assert_eq(again->iids, 3);
    stream_idmp_free(again);
}

/* Bytes that were changed or cut are refused, or make something that holds. */
Test(stream, what_is_remembered_is_read_back_and_damage_does_no_harm) {
    struct stream_idmp *idmp = stream_idmp_need(s, 100, 7), *again;
    struct bytes b = {0}, once_more = {0};
    struct stream_id id;

    for (int i = 0; i < 50; i++) remember(idmp, i % 5, i, 1000 + i);
    stream_idmp_encode(idmp, &b);
    again = stream_idmp_decode(bytes_slice(&b));
    cr_assert(again);
    cr_assert_eq(again->iids, 35);
    cr_assert(stream_idmp_find(again, SLICE("p3"), SLICE("i48"), 2000, &id));
    cr_assert(id.ms == 48 && id.seq == 3);
    cr_assert_not(stream_idmp_find(again, SLICE("p3"), SLICE("i3"), 2000, &id));
    stream_idmp_free(again);
    for (size_t n = 0; n < b.n; n++) {
        again = stream_idmp_decode(slice_of(b.p, n));
        stream_idmp_free(again);
    }
    for (int i = 0; i < 20000; i++) {
        bytes_clear(&once_more);
        bytes_append(&once_more, b.p, b.n);
        once_more.p[rng_below(b.n)] = (char)rng_below(256);
        again = stream_idmp_decode(bytes_slice(&once_more));
        stream_idmp_free(again);
    }
    bytes_release(&once_more);
    bytes_release(&b);
}
