/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol/out.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct out_pool pool;
static struct out out;
static unsigned drops;
static struct bytes want; /* what waits to be sent */

static void begin(void) {
    mem_thread_init();
    rng_seed(17);
    out_init(&out, &pool);
}

static void end(void) {
    out_release(&out);
    out_pool_release(&pool);
    bytes_release(&want);
}

TestSuite(out, .init = begin, .fini = end);

static void drop(void *owner) {
    drops++;
    mem_free(owner);
}

static void add(size_t n, bool share) {
    char *p = mem_alloc(n ? n : 1);

    for (size_t i = 0; i < n; i++) p[i] = (char)rng_u64();
    bytes_append(&want, p, n);
    if (share) {
        out_share(&out, p, n, p, drop);
    } else {
        out_append(&out, p, n);
        mem_free(p);
    }
}

static void compare(size_t limit) {
    struct iovec iov[32];
    int n = out_peek(&out, iov, 32, limit);
    size_t at = 0;

    for (int i = 0; i < n; i++) {
        cr_assert_gt(iov[i].iov_len, 0);
        cr_assert_leq(at + iov[i].iov_len, want.n);
        cr_assert_eq(memcmp(want.p + at, iov[i].iov_base, iov[i].iov_len), 0);
        at += iov[i].iov_len;
    }
    cr_assert_leq(at, limit);
    if (n < 32) cr_assert_eq(at, limit < want.n ? limit : want.n);
}

static void consume(size_t n) {
    out_consume(&out, n);
    bytes_consume(&want, n);
}

Test(out, an_idle_one_holds_nothing) {
    struct iovec iov;

    cr_assert_eq(out_pending(&out), 0);
    cr_assert_eq(out_peek(&out, &iov, 1, SIZE_MAX), 0);
    add(100, false);
    consume(100);
    cr_assert_null(out.first);
    cr_assert_eq(out.mem_bytes, 0);
    cr_assert_eq(out.head, 100);
    cr_assert_eq(out.end, 100);
    cr_assert_not_null(pool.spare, "its chunk went to the pool");
    add(100, false);
    cr_assert_null(pool.spare, "and came back");
    consume(100);
}

Test(out, bytes_leave_in_order_however_they_are_taken) {
    for (int i = 0; i < 20000; i++) {
        size_t sizes[] = {1, 20, 500, 5000, 16000, 16384, 40000};
        size_t n = rng_below(sizes[rng_below(7)]) + 1;

        if (out_pending(&out) < 200000) add(n, n > 4000 && rng_below(2));
        if (rng_below(3) == 0) compare(rng_below(100000));
        if (rng_below(2)) consume(rng_below(out_pending(&out) + 1));
        cr_assert_eq(out_pending(&out), want.n);
    }
    compare(SIZE_MAX);
    consume(want.n);
    cr_assert_eq(out.mem_bytes, 0);
}

Test(out, shared_bytes_are_given_back_once_when_sent) {
    add(10, false);
    add(20000, true);
    add(10, false);
    consume(10 + 19999);
    cr_assert_eq(drops, 0);
    consume(1);
    cr_assert_eq(drops, 1);
    compare(SIZE_MAX);
    add(20000, true);
    out_release(&out);
    cr_assert_eq(drops, 2, "or when the client is gone");
    cr_assert_eq(out.mem_bytes, 0);
    cr_assert_eq(out_pending(&out), 0);
}

Test(out, shared_bytes_count_as_held) {
    add(1000000, true);
    cr_assert_geq(out.mem_bytes, 1000000);
    consume(1000000);
    cr_assert_eq(out.mem_bytes, 0);
}

static void cut_to(uint64_t to) {
    bytes_consume(&want, 0);
    out_truncate(&out, to);
    want.n = (size_t)(to - out.head);
    cr_assert_eq(out_pending(&out), want.n);
    compare(SIZE_MAX);
}

Test(out, what_was_appended_can_be_taken_back) {
    for (int i = 0; i < 500; i++) {
        uint64_t mark;

        add(rng_below(20000), false);
        if (rng_below(2)) consume(rng_below(out_pending(&out) + 1));
        mark = out.end;
        for (int k = 0; k < 3; k++) add(rng_below(30000) + 1, rng_below(2));
        cut_to(mark);
        add(rng_below(100), false);
        compare(SIZE_MAX);
        if (out_pending(&out) > 100000) consume(out_pending(&out));
    }
    cut_to(out.head);
    cr_assert_eq(out.mem_bytes, 0);
}

Test(out, room_can_be_filled_in_part) {
    char *p = out_room(&out, 1000);

    memcpy(p, "abc", 3);
    out_advance(&out, 3);
    memcpy(out_room(&out, OUT_CHUNK * 2), "def", 3);
    out_advance(&out, 3);
    out_append(&out, "ghi", 3);
    bytes_append_str(&want, "abcdefghi");
    compare(SIZE_MAX);
    compare(4);
    consume(9);
}

Test(out, consuming_more_than_waits_is_a_bug, .signal = SIGABRT) {
    add(10, false);
    out_consume(&out, 11);
}

Test(out, the_pool_keeps_a_few_chunks_only) {
    for (int i = 0; i < 1000; i++) add(16000, false);
    consume(out_pending(&out));
    cr_assert_leq(pool.nspare, 64u);
    cr_assert_gt(pool.nspare, 0u);
}

Test(out, the_pool_loses_what_is_not_needed) {
    for (int i = 0; i < 10; i++) add(16000, false);
    consume(out_pending(&out));
    cr_assert_eq(pool.nspare, 10u);
    out_pool_trim(&pool); /* all were needed since the beginning */
    cr_assert_eq(pool.nspare, 10u);
    for (int i = 0; i < 3; i++) add(16000, false);
    consume(out_pending(&out));
    out_pool_trim(&pool);
    cr_assert_eq(pool.nspare, 3u);
    out_pool_trim(&pool);
    cr_assert_eq(pool.nspare, 0u);
    cr_assert_null(pool.spare);
}
