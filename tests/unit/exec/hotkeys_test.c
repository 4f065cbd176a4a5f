/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What HOTKEYS collects. Bytes of the network are what a command line and its reply have, so the
 * values are known.
 */
#include "exec_help.h"

#include "server/exec/hotkeys.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(hotkeys, .init = exec_begin, .fini = exec_end);

static const struct hotkeys_key *top[HOTKEYS_COUNT_MAX];

static void start(uint32_t count, uint64_t sample) {
    struct hotkeys_options o = {.metrics = 1u << HOTKEYS_NET, .sample = sample, .count = count};

    hotkeys_start(&engine, &o);
}

static const char *name_of(unsigned i) {
    static char text[64];

    snprintf(text, sizeof text, "%.*s", (int)top[i]->name_n, top[i]->name);
    return text;
}

Test(hotkeys, nothing_is_collected_without_a_session) {
    say("set a 1");
    cr_assert_null(engine.hotkeys);
    cr_assert_not(hotkeys_is_active(&engine));
    hotkeys_stop(&engine);
    hotkeys_free(&engine);
}

Test(hotkeys, the_largest_come_first) {
    start(2, 1);
    say("set a 1");
    say("set bb 12345678901234567890");
    say("set c 1");
    say("get c");
    cr_assert_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 2);
    cr_expect_str_eq(name_of(0), "bb");
    cr_expect_str_eq(name_of(1), "c");
    cr_expect_eq(hotkeys_top(&engine, HOTKEYS_CPU, top), 0);
}

Test(hotkeys, a_session_that_was_stopped_keeps_what_it_has) {
    start(10, 1);
    say("set a 1");
    hotkeys_stop(&engine);
    say("set b 1");
    cr_expect_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 1);
    cr_expect_eq(hotkeys_report(&engine).totals->all[HOTKEYS_NET], top[0]->value);
    start(10, 1);
    cr_expect_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 0);
}

Test(hotkeys, keys_share_the_cost_of_their_command) {
    say("set x 1");
    start(10, 1);
    say("take x y 0");
    cr_assert_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 2);
    cr_expect_eq(top[0]->value, top[1]->value);
    cr_expect_eq(top[0]->value, hotkeys_report(&engine).totals->all[HOTKEYS_NET] / 2);
}

Test(hotkeys, commands_of_a_transaction_count_once_in_the_total) {
    uint64_t all;

    start(10, 1);
    say("multi\r\nset a 1\r\nset b 1");
    all = hotkeys_report(&engine).totals->all[HOTKEYS_NET];
    cr_expect_eq(hotkeys_report(&engine).totals->selected[HOTKEYS_NET], 0, "nothing has run yet");
    say("exec");
    cr_expect_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 2);
    cr_expect_gt(hotkeys_report(&engine).totals->all[HOTKEYS_NET], all);
}

Test(hotkeys, a_hot_key_stands_out_of_many_and_memory_is_bounded) {
    size_t before = mem_used();
    char line[64];

    start(1, 1);
    for (int i = 0; i < 20000; i++) {
        snprintf(line, sizeof line, "get cold%d", i);
        say(line);
        if (i % 10 == 0) say("get hot");
    }
    cr_assert_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 1);
    cr_expect_str_eq(name_of(0), "hot");
    cr_expect_lt(mem_used() - before, 512 * 1024);
    hotkeys_stop(&engine);
    hotkeys_free(&engine);
    cr_expect_lt(mem_used(), before + 64 * 1024);
}

Test(hotkeys, the_least_key_leaves_a_full_board) {
    char line[64];

    start(1, 1);
    for (int i = 0; i < HOTKEYS_KEPT; i++) {
        snprintf(line, sizeof line, "get k%d", i);
        say(line);
    }
    for (int i = 0; i < 100; i++) say("get k0"); /* was the least: its name is the shortest */
    say("get newcomer");
    cr_assert_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 1);
    cr_expect_str_eq(name_of(0), "k0");
}

Test(hotkeys, one_of_so_many_commands_is_sampled) {
    const struct hotkeys_totals *t;

    start(10, 4);
    for (int i = 0; i < 4000; i++) say("get a");
    t = hotkeys_report(&engine).totals;
    cr_expect_gt(t->sampled[HOTKEYS_NET], t->selected[HOTKEYS_NET] / 8);
    cr_expect_lt(t->sampled[HOTKEYS_NET], t->selected[HOTKEYS_NET] / 2);
}

Test(hotkeys, a_key_that_is_too_long_is_not_kept) {
    char line[HOTKEYS_NAME_MAX + 16] = "get ";

    start(10, 1);
    memset(line + 4, 'k', HOTKEYS_NAME_MAX + 1);
    say(line);
    cr_expect_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 0);
    line[4 + HOTKEYS_NAME_MAX] = '\0';
    say(line);
    cr_expect_eq(hotkeys_top(&engine, HOTKEYS_NET, top), 1);
}
