/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/replication/stream.h"
#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <string.h>

static struct repl_stream s;

static void begin(void) {
    mem_thread_init();
    rng_seed(7);
    repl_stream_init(&s);
    repl_stream_activate(&s);
}

static void end(void) {
    repl_stream_release(&s);
}

TestSuite(stream, .init = begin, .fini = end);

static void append(size_t n, char c) {
    char *p = mem_alloc(n);

    memset(p, c, n);
    repl_stream_append(&s, slice_of(p, n));
    mem_free(p);
}

/* The n bytes from `from` on, all of which are c. */
static void expect(uint64_t from, size_t n, char c) {
    struct iovec iov[8];
    size_t got = 0;
    int k = repl_stream_peek(&s, from, iov, 8, n);

    for (int i = 0; i < k; i++) {
        for (size_t j = 0; j < iov[i].iov_len; j++) cr_assert_eq(((char *)iov[i].iov_base)[j], c);
        got += iov[i].iov_len;
    }
    cr_assert_eq(got, n);
}

Test(stream, bytes_are_found_by_their_offset) {
    cr_expect_eq(s.first, 1);
    append(10, 'a');
    append(3 * STREAM_BLOCK, 'b');
    append(5, 'c');
    cr_expect_eq(s.offset, 15 + 3 * STREAM_BLOCK);
    expect(1, 10, 'a');
    expect(11, 3 * STREAM_BLOCK, 'b');
    expect(11 + 3 * STREAM_BLOCK, 5, 'c');
    expect(10 + STREAM_BLOCK, 100, 'b');
    expect(16 + 3 * STREAM_BLOCK, 0, 'c');
}

Test(stream, a_limit_ends_inside_a_block) {
    struct iovec iov[2];

    append(100, 'a');
    cr_expect_eq(repl_stream_peek(&s, 51, iov, 2, 7), 1);
    cr_expect_eq(iov[0].iov_len, 7);
}

Test(stream, what_is_needed_or_kept_stays) {
    s.keep = 2 * STREAM_BLOCK;
    append(10 * STREAM_BLOCK, 'a');
    repl_stream_trim(&s, 5 * STREAM_BLOCK);
    cr_expect_leq(s.first, 5 * STREAM_BLOCK);
    cr_expect_geq(s.first, 3 * STREAM_BLOCK);
    repl_stream_trim(&s, s.offset + 1);
    cr_expect_eq(repl_stream_held(&s), 2 * STREAM_BLOCK);
    expect(s.first, 2 * STREAM_BLOCK, 'a');
}

Test(stream, an_old_id_is_good_up_to_where_it_ended) {
    char old[STREAM_ID_CHARS + 1];

    append(10, 'a');
    memcpy(old, s.id, sizeof old);
    repl_stream_rename(&s);
    append(10, 'b');
    cr_expect_str_neq(s.id, old);
    cr_expect(repl_stream_is_of(&s, old, 11));
    cr_expect_not(repl_stream_is_of(&s, old, 12));
    cr_expect(repl_stream_is_of(&s, s.id, 21));
    cr_expect_not(repl_stream_is_of(&s, s.id, 22), "it does not exist yet");
    cr_expect_not(repl_stream_is_of(&s, "", 1));
}

Test(stream, the_oldest_id_is_forgotten_first) {
    char first[STREAM_ID_CHARS + 1], second[STREAM_ID_CHARS + 1];

    memcpy(first, s.id, sizeof first);
    repl_stream_rename(&s);
    memcpy(second, s.id, sizeof second);
    for (int i = 0; i < STREAM_PASTS; i++) repl_stream_rename(&s);
    cr_expect_not(repl_stream_is_of(&s, first, 1));
    cr_expect(repl_stream_is_of(&s, second, 1));
    cr_expect_eq(s.npasts, STREAM_PASTS);
}

Test(stream, another_history_has_nothing_of_the_old_one) {
    append(10, 'a');
    repl_stream_rename(&s);
    repl_stream_adopt(&s, "0123456789012345678901234567890123456789", 1000, 3);
    cr_expect_eq(s.npasts, 0);
    cr_expect_eq(repl_stream_held(&s), 0);
    append(5, 'b');
    expect(1001, 5, 'b');
    cr_expect_eq(s.db, 3);
}

Test(stream, it_goes_back_to_where_the_data_set_is) {
    char old[STREAM_ID_CHARS + 1];

    append(STREAM_BLOCK - 5, 'a');
    s.db = 3;
    repl_stream_note_data(&s);
    append(2 * STREAM_BLOCK, 'b');
    memcpy(old, s.id, sizeof old);
    repl_stream_rename(&s);
    append(7, 'c');
    repl_stream_rewind(&s);
    cr_expect_eq(s.offset, STREAM_BLOCK - 5);
    cr_expect_eq(s.db, 3);
    cr_expect(repl_stream_is_of(&s, old, STREAM_BLOCK - 4));
    cr_expect_not(repl_stream_is_of(&s, old, STREAM_BLOCK - 3));
    append(10, 'd');
    expect(1, STREAM_BLOCK - 5, 'a');
    expect(STREAM_BLOCK - 4, 10, 'd');
}

Test(stream, it_goes_back_to_before_what_is_in_memory) {
    append(10, 'a');
    repl_stream_note_data(&s);
    append(3 * STREAM_BLOCK, 'b');
    s.keep = 1;
    repl_stream_trim(&s, s.offset + 1);
    repl_stream_rewind(&s);
    cr_expect_eq(s.offset, 10);
    cr_expect_eq(s.first, 11);
    append(5, 'c');
    expect(11, 5, 'c');
}

/* ---------------------------------------------------------------- against an array */

enum { MODEL_BYTES = 40 * STREAM_BLOCK };

static char model[MODEL_BYTES + 1]; /* by offset */

static void model_append(void) {
    static char bytes[3 * STREAM_BLOCK];
    size_t n = 1 + rng_below(rng_below(4) ? 300 : sizeof bytes);

    if (s.offset + n > MODEL_BYTES) return;
    for (size_t i = 0; i < n; i++) bytes[i] = (char)rng_below(256);
    memcpy(model + s.offset + 1, bytes, n);
    repl_stream_append(&s, slice_of(bytes, n));
    if (rng_below(3) == 0) repl_stream_note_data(&s);
}

static void model_peek(void) {
    uint64_t from = s.first + rng_below(s.offset + 2 - s.first);
    size_t limit = 1 + rng_below(2 * STREAM_BLOCK), at = from;
    struct iovec iov[3];
    int n = repl_stream_peek(&s, from, iov, 3, limit);

    cr_assert_eq(n > 0, from <= s.offset);
    for (int i = 0; i < n; i++) {
        cr_assert_eq(memcmp(iov[i].iov_base, model + at, iov[i].iov_len), 0, "at %zu", at);
        at += iov[i].iov_len;
    }
    cr_assert_leq(at - from, limit);
}

/* Where a reader was is remembered; what it points to may go at either end. */
Test(stream, gives_what_an_array_would_whatever_goes_meanwhile) {
    for (int round = 0; round < 60; round++) {
        repl_stream_adopt(&s, "0123456789012345678901234567890123456789", 0, -1);
        s.keep = STREAM_BLOCK * (1 + rng_below(8));
        for (int i = 0; i < 300; i++) {
            switch (rng_below(8)) {
            case 0: repl_stream_trim(&s, rng_below(s.offset + 1)); break;
            case 1:
                if (s.data_end + 1 >= s.first) repl_stream_rewind(&s);
                break;
            case 2:
            case 3: model_append(); break;
            default: model_peek();
            }
        }
    }
}
