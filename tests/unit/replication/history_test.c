/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/history.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"

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

Test(history, any_id_that_reaches_so_far_will_do) {
    cr_expect(meets("100," A, 100));
    cr_expect(meets("99," C "," A, 99));
    cr_expect(meets("200," C "," A "," B, 200));
    cr_expect(meets("0," B, 0));
    cr_expect_not(meets("101," A, 101));
    cr_expect_not(meets("201," A "," B, 201));
    cr_expect_not(meets("1," C, 1));
}

Test(history, what_is_malformed_meets_nothing) {
    static const char *const bad[] = {
        "", ",", "100", "100,", "x," A, "-1," A, "99999999999999999999," A, "100;" A, "100," A "x",
    };

    for (size_t i = 0; i + 1 < sizeof bad / sizeof *bad; i++)
        cr_expect_not(meets(bad[i], 100), "%s", bad[i]);
    cr_expect_not(meets("100,aaa," A, 100), "ids have 40 characters");
}

Test(history, only_ids_that_reach_the_data_set_are_said) {
    char text[HISTORY_MAX];

    cr_expect(history_is_useful(&s));
    history_put(&s, text);
    cr_expect_str_eq(text, "100," B "," A);
    repl_stream_note_data(&s);
    cr_expect_not(history_is_useful(&s));
    history_put(&s, text);
    cr_expect_str_eq(text, "200," B);
}

Test(history, an_older_id_is_not_said_where_its_database_is_not_known) {
    char text[HISTORY_MAX];

    s.data_db = STREAM_DB_UNKNOWN;
    history_put(&s, text);
    cr_expect_str_eq(text, "100," B);
}

Test(history, a_full_list_of_ids_fits) {
    char text[HISTORY_MAX];

    for (int i = 0; i < STREAM_PASTS + 3; i++) repl_stream_rename(&s);
    s.offset = s.data_end = UINT64_MAX / 2;
    for (size_t i = 0; i < s.npasts; i++) s.past[i].end = s.offset;
    history_put(&s, text);
    cr_expect(meets(text, s.offset));
}
