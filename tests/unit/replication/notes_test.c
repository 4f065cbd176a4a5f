/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/notes.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>

static struct notes notes;

static void begin(void) {
    mem_thread_init();
}

static void end(void) {
    notes_release(&notes);
}

TestSuite(notes, .init = begin, .fini = end);

static void add_many(uint64_t n) {
    for (uint64_t i = 1; i <= n; i++) notes_add(&notes, i * 10, i * 100, i);
}

Test(notes, an_offset_is_before_its_position) {
    add_many(200);
    cr_expect_eq(notes_offset_at(&notes, 99), 0);
    cr_expect_eq(notes_offset_at(&notes, 100), 10);
    cr_expect_eq(notes_offset_at(&notes, 15050), 1500);
    cr_expect_eq(notes_oldest_us(&notes), 151);
    cr_expect_eq(notes_offset_at(&notes, 20000), 2000);
    cr_expect_eq(notes_oldest_us(&notes), 0);
}

Test(notes, and_the_reverse) {
    add_many(200);
    cr_expect_eq(notes_position_at(&notes, 9), 0);
    cr_expect_eq(notes_position_at(&notes, 10), 100);
    cr_expect_eq(notes_position_at(&notes, 1505), 15000);
}

Test(notes, one_position_has_the_last_offset_said_of_it) {
    notes_add(&notes, 10, 100, 1);
    notes_add(&notes, 17, 100, 2);
    notes_add(&notes, 17, 100, 3);
    cr_expect_eq(notes_offset_at(&notes, 100), 17);
    notes_add(&notes, 17, 100, 4);
    cr_expect_eq(notes_oldest_us(&notes), 0, "nothing new was said");
}

Test(notes, a_position_that_was_passed_may_get_more_bytes) {
    notes_add(&notes, 10, 100, 1);
    cr_expect_eq(notes_offset_at(&notes, 100), 10);
    notes_add(&notes, 12, 100, 2);
    cr_expect_eq(notes_offset_at(&notes, 100), 12);
}
