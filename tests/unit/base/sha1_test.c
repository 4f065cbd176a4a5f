/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/sha1.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(const char *text, size_t n, const char *want) {
    uint8_t digest[SHA1_BYTES];
    char hex[SHA1_HEX + 1];

    sha1(text, n, digest);
    sha1_hex(digest, hex);
    cr_assert_str_eq(hex, want);
}

/* The examples of FIPS 180, and a length of each kind of last block. */
Test(sha1, agrees_with_the_standard) {
    static char a[1000000];

    expect("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    expect("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
           "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    memset(a, 'a', sizeof a);
    expect(a, sizeof a, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    expect(a, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    expect(a, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}
