/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/bytes.h"
#include "storage/base/mem.h"
#include "storage/base/read_ahead.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ROOM = 65536, EMPTY_READS = 40 };

static atomic_int reads;

static void init(void) {
    mem_thread_init();
    atomic_store(&reads, 0);
}

TestSuite(read_ahead, .init = init);

/* Makes room before it knows whether there is something, as a read of a file does. */
static enum read_ahead_result read_nothing_first(void *arg, struct bytes *out, struct err *e) {
    int n = atomic_fetch_add(&reads, 1);

    (void)arg;
    (void)e;
    bytes_room(out, ROOM);
    if (n < EMPTY_READS) return READ_AHEAD_LATER;
    bytes_append_str(out, "data");
    return n == EMPTY_READS ? READ_AHEAD_SOME : READ_AHEAD_END;
}

static enum read_ahead_result take(struct read_ahead *r, struct bytes *out) {
    enum read_ahead_result rc;
    struct err e;

    while ((rc = read_ahead_take(r, out, &e)) == READ_AHEAD_LATER) usleep(100);
    return rc;
}

Test(read_ahead, what_is_not_there_yet_takes_no_memory) {
    const struct read_ahead_ops ops = {.read = read_nothing_first};
    struct bytes got = {0};
    size_t before = mem_used();
    struct read_ahead *r = read_ahead_start("test", &ops, NULL);

    cr_assert(r);
    while (atomic_load(&reads) < EMPTY_READS) usleep(100);
    cr_expect_leq(mem_used() - before, 4 * ROOM);
    cr_assert_eq(take(r, &got), READ_AHEAD_SOME);
    cr_expect(slice_is(bytes_slice(&got), "data"));
    bytes_release(&got);
    cr_assert_eq(take(r, &got), READ_AHEAD_SOME, "what came with the end");
    cr_expect(slice_is(bytes_slice(&got), "data"));
    bytes_release(&got);
    cr_assert_eq(take(r, &got), READ_AHEAD_END);
    read_ahead_stop(r);
}
