/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/sha256.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(const char *text, size_t n, const char *want) {
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX + 1];

    sha256(text, n, digest);
    sha256_hex(digest, hex);
    cr_assert_str_eq(hex, want);
}

/* The examples of FIPS 180, and a length of each kind of last block. */
Test(sha256, agrees_with_the_standard) {
    static char a[1000000];

    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(a, 'a', sizeof a);
    expect(a, sizeof a, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    expect(a, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    expect(a, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

Test(sha256, pieces_of_any_size_give_the_same) {
    uint8_t text[300], whole[SHA256_BYTES], pieces[SHA256_BYTES];
    struct sha256 s;

    for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= sizeof text; n++) {
        sha256(text, n, whole);
        for (size_t piece = 1; piece < 130; piece += 21) {
            sha256_begin(&s);
            for (size_t at = 0; at < n; at += piece)
                sha256_add(&s, text + at, n - at < piece ? n - at : piece);
            sha256_end(&s, pieces);
            cr_assert_arr_eq(whole, pieces, SHA256_BYTES, "%zu bytes by %zu", n, piece);
        }
    }
}
