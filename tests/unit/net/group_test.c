/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clients that share a sync: batches stay open for most of the writers, but not for absent ones.
 */
#include "server/net/group.h"

#include <criterion/criterion.h>

TestSuite(group);

static void serve(struct group *g, unsigned n) {
    while (n-- > 0) group_serves(g, true);
}

/* Replies that were fresh last turn wait in the list now. */
static enum group_advice turn(struct group *g, unsigned served, bool syncing) {
    enum group_advice advice;

    serve(g, served);
    advice = group_ask(g, syncing);
    g->gated += served;
    return advice;
}

Test(group, a_single_writer_never_waits_for_others) {
    struct group g = {0};

    for (int i = 0; i < 100; i++) {
        cr_assert_eq(turn(&g, 1, i % 2), GROUP_CLOSE, "write %d", i);
        g.gated = 0;
    }
}

Test(group, most_of_those_that_write_are_enough) {
    struct group g = {0};

    cr_assert_eq(turn(&g, 10, false), GROUP_CLOSE); /* all that are known */
    g.gated = 0;                                    /* and they have their answers */
    cr_assert_eq(turn(&g, 2, false), GROUP_LOOK);
    cr_assert_eq(turn(&g, 2, false), GROUP_LOOK);
    cr_assert_eq(turn(&g, 1, false), GROUP_LOOK);
    cr_assert_eq(turn(&g, 1, false), GROUP_CLOSE);
    cr_assert_eq(turn(&g, 4, true), GROUP_LOOK, "the others begin another one");
    g.gated -= 6; /* a sync has ended, and its clients send again */
    cr_assert_eq(turn(&g, 2, true), GROUP_CLOSE);
}

Test(group, with_nobody_left_to_serve_only_a_sync_is_waited_for) {
    struct group g = {0};

    turn(&g, 10, false);
    g.gated = 0;
    cr_assert_eq(turn(&g, 3, true), GROUP_LOOK);
    cr_assert_eq(turn(&g, 0, true), GROUP_WAIT);
    cr_assert_eq(turn(&g, 0, true), GROUP_WAIT);
    cr_assert_eq(turn(&g, 0, false), GROUP_CLOSE);
    cr_assert_eq(g.joined, 0);
}

Test(group, those_that_were_let_go_may_come_again) {
    struct group g = {0};

    turn(&g, 10, false);
    g.gated = 0;
    turn(&g, 1, false);
    g.progress = true; /* replies have left */
    cr_assert_eq(turn(&g, 0, false), GROUP_LOOK);
    cr_assert_eq(turn(&g, 0, false), GROUP_CLOSE);
}

Test(group, writers_that_stay_away_are_forgotten) {
    struct group g = {0};
    int turns = 0;

    turn(&g, 1000, false);
    g.gated = 0;
    while (turn(&g, 1, true) != GROUP_CLOSE) {
        g.gated = g.joined = 0; /* one that waited goes, another comes */
        cr_assert_lt(++turns, 500);
    }
    cr_assert_gt(turns, 50, "but not at once");
}

Test(group, readers_do_not_count) {
    struct group g = {0};

    for (int i = 0; i < 100; i++) group_serves(&g, false);
    serve(&g, 1);
    cr_assert_eq(group_ask(&g, true), GROUP_CLOSE);
    group_serves(&g, false);
    cr_assert_eq(group_ask(&g, true), GROUP_CLOSE, "nothing is waited with for readers alone");
}
