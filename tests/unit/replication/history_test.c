/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/history.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <string.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddd"

static struct repl_stream s;

/* A up to 100, then B up to 200. */
static void begin(void) {
    mem_thread_init();
    rng_seed(7);
    repl_stream_init(&s);
    repl_stream_adopt(&s, A, 100, 0);
    repl_stream_continue_as(&s, B);
    s.offset = 200;
}

static void end(void) {
    repl_stream_release(&s);
}

TestSuite(history, .init = begin, .fini = end);

static bool meets(const char *said, uint64_t want) {
    struct history_match m;

    return history_find(&s, said, &m) && m.at == want && m.at <= m.end;
}

Test(history, any_id_that_both_have_so_far_will_do) {
    cr_expect(meets("100," A ":100", 100));
    cr_expect(meets("99," C ":200," A ":300", 99));
    cr_expect(meets("200," C ":200," A ":200," B ":200", 200));
    cr_expect(meets("0," B ":0", 0));
    cr_expect_not(meets("101," A ":200", 101));
    cr_expect_not(meets("201," A ":300," B ":300", 201));
    cr_expect_not(meets("50," A ":49", 50), "the other side has it up to 49 only");
    cr_expect_not(meets("1," C ":1", 1));
}

Test(history, how_far_both_share_it_is_found) {
    struct history_match m;

    cr_assert(history_find(&s, "300," C ":300," A ":250," B ":150", &m));
    cr_expect_eq(m.at, 300);
    cr_expect_eq(m.end, 150);
    cr_expect_str_eq(m.id, B);
}

Test(history, what_is_malformed_meets_nothing) {
    static const char *const bad[] = {
        "",
        ",",
        "100",
        "100,",
        "x," A ":100",
        "-1," A ":100",
        "99999999999999999999," A ":100",
        "100;" A ":100",
        "100," A,
        "100," A ":",
        "100," A ":x",
        "100," A ":-5",
        "100," A "x:100",
        "100,aaa:100," A ":100",
        "100," A ":100;" B ":100x",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(meets(bad[i], 100), "%s", bad[i]);
}

Test(history, all_ids_are_said_with_their_ends) {
    char text[HISTORY_MAX];

    cr_expect(history_is_useful(&s));
    history_put(&s, text);
    cr_expect_str_eq(text, "100," B ":200," A ":100");
    repl_stream_note_data(&s);
    s.npasts = 0;
    cr_expect_not(history_is_useful(&s), "PSYNC says as much");
}

Test(history, an_older_id_is_not_said_where_its_database_is_not_known) {
    char text[HISTORY_MAX];

    s.data_db = STREAM_DB_UNKNOWN;
    history_put(&s, text);
    cr_expect_str_eq(text, "100," B ":200");
}

Test(history, a_master_tells_and_is_heard) {
    char text[HISTORY_MAX];
    struct history_told t;

    history_tell(&s, text);
    cr_expect_str_eq(text, B "," A ":100");
    history_hear(&t, slice_str(text));
    cr_expect_str_eq(t.id, B);
    cr_assert_eq(t.n, 1);
    cr_expect_str_eq(t.past[0].id, A);
    cr_expect_eq(t.past[0].end, 100);
}

Test(history, what_a_hostile_master_tells_is_nothing) {
    static const char *const bad[] = {
        "",
        "x",
        B ",",
        B "," A,
        B "," A ":",
        B "," A ":x",
        B ":1",
        B "," A ":1,",
        "BBBBbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        B "," A ":1," A ":1," A ":1," A ":1," A ":1," A ":1," A ":1," A ":1," A ":1",
    };
    struct history_told t;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        history_hear(&t, slice_str(bad[i]));
        cr_expect_str_eq(t.id, "", "%s", bad[i]);
        cr_expect_eq(t.n, 0);
    }
}

/* The file of a full sync may be older than what the master has: the rest comes as the stream. */
Test(history, after_a_full_sync_older_ids_count_as_far_as_the_stream_comes) {
    struct history_told t = {
        .id = C,
        .past = {{.id = A, .end = 700}, {.id = B, .end = 300}, {.id = D, .end = 500}},
        .n = 3};
    static const char text[200];
    uint64_t end;

    repl_stream_adopt(&s, C, 500, 0);
    history_use(&t, &s, 500);
    cr_assert(repl_stream_knows(&s, A, &end));
    cr_expect_eq(end, 500);
    repl_stream_append(&s, slice_of(text, 100));
    cr_assert(repl_stream_knows(&s, A, &end));
    cr_expect_eq(end, 600);
    repl_stream_append(&s, slice_of(text, 200));
    cr_assert(repl_stream_knows(&s, A, &end));
    cr_expect_eq(end, 700);
    cr_assert(repl_stream_knows(&s, B, &end));
    cr_expect_eq(end, 300);
    cr_assert(repl_stream_knows(&s, D, &end));
    cr_expect_eq(end, 499);
}

Test(history, a_full_list_of_ids_fits) {
    char text[HISTORY_MAX];

    for (int i = 0; i < STREAM_PASTS + 3; i++) repl_stream_rename(&s);
    s.offset = s.data_end = INT64_MAX;
    for (size_t i = 0; i < s.npasts; i++) s.past[i].end = s.offset;
    history_put(&s, text);
    cr_expect(meets(text, s.offset));
    cr_expect_not_null(strstr(text, s.past[STREAM_PASTS - 1].id));
}
