/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Consumer groups: the pending entries of each consumer, against an array; and the lag of a group.
 */
#include "storage/base/mem.h"
#include "storage/base/rng.h"
#include "storage/stream_group.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct stream *s;
static const struct stream_limits limits = {4096, 10};

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
    s = stream_new();
}

static void end(void) {
    stream_free(s);
}

TestSuite(stream_group, .init = begin, .fini = end);

static struct stream_id id_of(uint64_t ms) {
    return (struct stream_id){ms, 0};
}

static void append(uint64_t from, uint64_t to) {
    struct slice argv[2] = {SLICE("f"), SLICE("v")};

    for (; from <= to; from++) stream_append(s, id_of(from), argv, 1, &limits);
}

/* ---------------------------------------------------------------- names */

Test(stream_group, names_come_in_their_order_and_are_bytes) {
    struct slice names[] = {SLICE("b"), SLICE("a\0c"), SLICE(""), SLICE("\xff"), SLICE("a")};
    static const size_t order[] = {2, 4, 1, 0, 3};
    struct stream_group **v, *g;
    struct stream_consumer **c;

    cr_assert_null(stream_groups_by_name(s));
    for (size_t i = 0; i < 5; i++) stream_group_add(s, names[i], STREAM_ID_MIN, -1);
    v = stream_groups_by_name(s);
    g = v[0];
    for (size_t i = 0; i < 5; i++) {
        cr_assert(slice_eq(stream_group_name(v[i]), names[order[i]]));
        stream_consumer_add(g, names[i], 5);
    }
    mem_free(v);
    c = stream_consumers_by_name(g);
    for (size_t i = 0; i < 5; i++) cr_assert(slice_eq(stream_consumer_name(c[i]), names[order[i]]));
    mem_free(c);
    cr_assert_eq(stream_group_find(s, SLICE("")), g);
    stream_group_remove(s, g);
    cr_assert_null(stream_group_find(s, SLICE("")));
    cr_assert_eq(s->groups.count, 4);
}

/* ---------------------------------------------------------------- pending entries */

enum { IDS = 500, CONSUMERS = 5 };

static struct stream_group *group;
static int owner[IDS]; /* consumer number + 1; 0: not pending */

static struct stream_consumer *consumer(int i) {
    char name[8];
    size_t n = (size_t)snprintf(name, sizeof name, "c%d", i);
    struct stream_consumer *c = stream_consumer_find(group, slice_of(name, n));

    return c ? c : stream_consumer_add(group, slice_of(name, n), 0);
}

static void check_pending(void) {
    size_t n[CONSUMERS] = {0}, all = 0;

    for (size_t i = 0; i < IDS; i++) {
        struct stream_pending *p = stream_pending_find(group, id_of(i));

        cr_assert_eq(p != NULL, owner[i] != 0);
        if (!p) continue;
        cr_assert_eq(p->owner, consumer(owner[i] - 1));
        cr_assert_eq(*idtree_find(&p->owner->pending, stream_key(id_of(i))), p);
        n[owner[i] - 1]++;
        all++;
    }
    cr_assert_eq(group->pending.count, all);
    for (int i = 0; i < CONSUMERS; i++) cr_assert_eq(consumer(i)->pending.count, n[i]);
}

static void change_pending(void) {
    size_t i = rng_below(IDS);
    int c = (int)rng_below(CONSUMERS);
    uint64_t dice = rng_below(100);
    struct stream_pending *p;

    if (dice < 60) {
        p = stream_pending_give(group, id_of(i), consumer(c));
        if (!owner[i]) cr_assert_eq(p->deliveries, 1);
        p->deliveries = 9;
        owner[i] = c + 1;
    } else if (dice < 98) {
        cr_assert_eq(stream_pending_drop(group, id_of(i)), owner[i] != 0);
        owner[i] = 0;
    } else {
        stream_consumer_remove(group, consumer(c));
        for (i = 0; i < IDS; i++)
            if (owner[i] == c + 1) owner[i] = 0;
    }
}

Test(stream_group, what_is_pending_stands_with_its_group_and_one_consumer) {
    struct entry *e;

    group = stream_group_add(s, SLICE("g"), STREAM_ID_MIN, 0);
    for (int i = 0; i < 20000; i++) {
        change_pending();
        if (i % 200 == 0) check_pending();
    }
    e = entry_new_object(SLICE("k"), TYPE_STREAM, s, ENTRY_NO_EXPIRE, 0);
    s = stream_type_ops.copy(e, PACE_NONE);
    entry_free(e);
    group = stream_group_find(s, SLICE("g"));
    check_pending();
}

/* ---------------------------------------------------------------- lag */

static int64_t lag_of(const struct stream_group *g) {
    int64_t lag;

    return stream_group_lag(s, g, &lag) ? lag : -99;
}

Test(stream_group, lag_is_known_as_long_as_nothing_was_deleted_ahead) {
    struct stream_group *g = stream_group_add(s, SLICE("g"), STREAM_ID_MIN, 0);

    cr_assert_eq(lag_of(g), 0);
    append(1, 10);
    cr_assert_eq(lag_of(g), 10);
    for (uint64_t i = 1; i <= 4; i++) stream_group_advance(s, g, id_of(i));
    cr_assert_eq(lag_of(g), 6);
    stream_delete(s, id_of(2));
    cr_assert_eq(lag_of(g), 6);
    stream_delete(s, id_of(7));
    cr_assert_eq(lag_of(g), -99);
    for (uint64_t i = 5; i <= 10; i++)
        if (i != 7) stream_group_advance(s, g, id_of(i));
    cr_assert_eq(g->entries_read, 10);
    cr_assert_eq(lag_of(g), 0);
    append(11, 12);
    cr_assert_eq(lag_of(g), 2);
}

Test(stream_group, lag_of_a_group_in_the_middle_is_found_at_the_edges) {
    struct stream_group *g = stream_group_add(s, SLICE("g"), id_of(5), STREAM_READ_UNKNOWN);
    struct stream_trim none = {.by = STREAM_TRIM_MAXLEN};

    append(1, 10);
    cr_assert_eq(lag_of(g), -99);
    g->last_id = id_of(1);
    cr_assert_eq(lag_of(g), 9);
    g->last_id = STREAM_ID_MIN;
    cr_assert_eq(lag_of(g), 10);
    g->last_id = id_of(10);
    cr_assert_eq(lag_of(g), 0);
    g->last_id = id_of(5);
    stream_trim(s, &none);
    cr_assert_eq(lag_of(g), 0);
}
