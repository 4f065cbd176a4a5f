/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Comparing bytes without a call.
 */
#include "storage/base/bytes.h"

#include <criterion/criterion.h>

/* Each length, and each place where two pieces may differ. */
Test(bytes, the_same_bytes_are_told_from_others) {
    char a[80], b[80];

    for (size_t n = 0; n < sizeof a; n++) {
        for (size_t i = 0; i < sizeof a; i++) a[i] = b[i] = (char)(i * 7 + n);
        b[n] = (char)~b[n]; /* what follows does not count */
        cr_expect(bytes_same(a, b, n), "%zu", n);
        b[n] = a[n];
        for (size_t at = 0; at < n; at++) {
            b[at] ^= 0x20;
            cr_expect_not(bytes_same(a, b, n), "%zu of %zu", at, n);
            b[at] ^= 0x20;
        }
    }
    cr_expect(bytes_same(NULL, NULL, 0));
}
