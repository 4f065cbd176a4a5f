/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Another data set takes the place of the one that the AOF holds: a full sync.
 */
#include "stream_help.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(stream_replace, .init = live_begin, .fini = live_end, .timeout = 300);

/* ---------------------------------------------------------------- another data set */

/* Replaces the data set by one with some keys, and gives the AOF its file. */
static void replace(bool says_position) {
    struct rdb_save o = {.ks = &live_ks,
                         .checksum = true,
                         .aof_base = says_position,
                         .aof_position = says_position ? 99 : 0};
    char name[AOF_NAME_MAX], path[AOF_NAME_MAX + 8];
    struct err e = {0};
    FILE *f;

    cr_assert_geq(aof_temp_name(live_aof, name), 0);
    keyspace_release(&live_ks);
    keyspace_init(&live_ks, LIVE_DBS);
    for (int i = 0; i < 3; i++) live_store(i, SLICE("k1"), SLICE("full sync"));
    snprintf(path, sizeof path, "adir/%s", name);
    f = fopen(path, "w");
    cr_assert(f);
    cr_assert_eq(rdb_write(&o, fileno(f), NULL, &e), 0, "%s", e.text);
    fclose(f);
    aof_enable_with(live_aof, name);
    cr_assert_eq(aof_phase(live_aof), AOF_ENABLING);
}

static bool temp_is_left(void) {
    return system("ls adir | grep -q temp-") == 0;
}

Test(stream_replace, a_full_sync_becomes_the_base_with_what_follows) {
    for (int round = 0; round < 6; round++) {
        if (!live_aof) live_start();
        if (round != 1) live_stream_begins(ID_A, live_model.now.offset + 5, -1);
        if (round != 1) live_data(1, 1);
        if (round == 2) aof_disable(live_aof);
        if (round == 3) aof_bgrewrite(live_aof); /* which is given up */
        replace(false);
        if (round == 4) { /* another one at once */
            live_data(1, 1);
            replace(false);
        }
        live_stream_is(ID_B, 7777, -1);
        for (int i = 0; i < 30; i++) live_something();
        if (round == 5) live_turn();
        for (int i = 0; i < 30; i++) live_something();
        live_becomes_on();
        cr_assert(aof_stream_is_kept(live_aof));
        for (int i = 0; i < 30; i++) live_something();
        live_settle();
        live_expect_read(7778, 1000);
        cr_assert(aof_stream_covers(live_aof, ID_B, 7778));
        cr_assert_not(aof_stream_covers(live_aof, ID_B, 7777));
        live_restart();
        live_expect_loaded(&live_model);
        cr_assert_not(temp_is_left());
        if (round % 2) live_rewrite();
    }
}

/* The base of the master's AOF says a position of that. */
Test(stream_replace, a_base_of_another_log_becomes_the_base) {
    struct aof_stream_base b;

    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    replace(true);
    live_stream_is(ID_B, 7777, -1);
    for (int i = 0; i < 30; i++) live_something();
    live_becomes_on();
    for (int i = 0; i < 2; i++) {
        cr_assert(aof_stream_base(live_aof, &b));
        cr_assert_eq(b.offset, 7777);
        cr_assert_lt(b.bytes, help_read("adir/log.2.base.rdb").n, "a header follows");
        cr_assert(memmem(help_read("adir/log.2.base.rdb").p + b.bytes, 6, "#stet ", 6));
        live_restart();
        live_expect_loaded(&live_model);
        live_stream_is(ID_B, live_model.now.offset, live_model.now.db);
    }
}

/* A whole RDB, but nothing that the AOF could load. */
static void damage_replacement(void) {
    cr_assert_eq(system("for f in adir/temp-*.rdb; do printf XXXXX | dd of=$f conv=notrunc; done "
                        "2>/dev/null"),
                 0);
}

Test(stream_replace, a_full_sync_that_cannot_be_the_base_is_written_by_a_child) {
    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    replace(false);
    damage_replacement();
    live_stream_is(ID_B, 7777, -1);
    for (int i = 0; i < 30; i++) live_something();
    live_becomes_on();
    cr_assert_not(help_exists("adir/log.2.base.rdb"), "it is one of commands");
    live_data(1, 1);
    live_settle();
    live_restart();
    live_expect_loaded(&live_model);
    cr_assert_not(temp_is_left());
}

Test(stream_replace, a_crash_before_a_full_sync_is_published_leaves_the_old_log) {
    struct aof_stream_state before;
    struct bytes was = {0}, is = {0};

    live_start();
    live_stream_begins(ID_A, 0, -1);
    live_data(1, 1);
    live_settle();
    before = live_model;
    live_show_data(&was);
    replace(false);
    live_stream_is(ID_B, 7777, -1);
    for (int i = 0; i < 30; i++) live_something();
    aof_stop(live_aof, 20000);
    keyspace_release(&live_ks);
    live_start();
    live_show_data(&is);
    cr_assert_str_eq(bytes_cstr(&was), bytes_cstr(&is));
    live_expect_loaded(&before);
    cr_assert_not(temp_is_left());
    bytes_release(&was);
    bytes_release(&is);
}
