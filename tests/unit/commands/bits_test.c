/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The fast ways through bits against one bit at a time.
 */
#include "server/commands/bits.h"

#include "storage/base/rng.h"

#include <criterion/criterion.h>

enum { BYTES = 200 };

static int bit(const uint8_t *p, int64_t at) {
    return p[at / 8] >> (7 - at % 8) & 1;
}

/* Long runs of equal bytes, so that whole words are passed over. */
static void fill(uint8_t *p) {
    static const uint8_t some[] = {0x00, 0xff, 0x01, 0x80};

    for (size_t i = 0; i < BYTES;) {
        uint8_t c = rng_below(3) ? some[rng_below(2)] : (uint8_t)rng_below(256);

        for (size_t run = 1 + rng_below(40); run > 0 && i < BYTES; run--) p[i++] = c;
    }
}

Test(bits, count_is_that_of_every_single_bit) {
    uint8_t p[BYTES];

    for (int round = 0; round < 200; round++) {
        size_t from = rng_below(BYTES), n = rng_below(BYTES - from + 1);
        uint64_t want = 0;

        fill(p);
        for (size_t i = from * 8; i < (from + n) * 8; i++) want += (uint64_t)bit(p, (int64_t)i);
        cr_assert_eq(bits_count(p + from, n), want);
    }
}

Test(bits, find_gives_the_first_in_the_range_or_none) {
    uint8_t p[BYTES];

    for (int round = 0; round < 5000; round++) {
        int64_t from = (int64_t)rng_below(BYTES * 8), to, want;
        int wanted = (int)rng_below(2);

        fill(p);
        to = from + (int64_t)rng_below(BYTES * 8 - (uint64_t)from);
        for (want = from; want <= to && bit(p, want) != wanted;) want++;
        if (want > to) want = -1;
        cr_assert_eq(bits_find(p, from, to, wanted), want, "%d in %ld..%ld", wanted, from, to);
    }
}
