/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checksums, the keyed hash, random numbers: known answers.
 */
#include "storage/base/crc.h"
#include "storage/base/hash.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(crc, the_check_values_of_both_polynomials_come_out) {
    cr_expect_eq(crc64(0, "123456789", 9), UINT64_C(0xe9c6d914c4b8d9ca)); /* as redis/src/crc64.c */
    cr_expect_eq(crc32c(0, "123456789", 9), 0xe3069283u);                 /* RFC 3720's */
    cr_expect_eq(crc16("123456789", 9), 0x31c3);                          /* as redis/src/crc16.c */
    cr_expect_eq(crc16("", 0), 0);
    cr_expect_eq(crc64(0, "", 0), 0);
    cr_expect_eq(crc32c(0, "", 0), 0);
}

Test(crc, they_chain) {
    const char *text = "a text that is cut everywhere in turn";
    size_t n = strlen(text);

    for (size_t i = 0; i <= n; i++) {
        cr_expect_eq(crc64(crc64(0, text, i), text + i, n - i), crc64(0, text, n));
        cr_expect_eq(crc32c(crc32c(0, text, i), text + i, n - i), crc32c(0, text, n));
    }
}

/* Bit by bit, as the definition has it. */
static uint64_t slow_crc64(uint64_t crc, const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int b = 0; b < 8; b++) crc = crc >> 1 ^ (crc & 1 ? UINT64_C(0x95ac9329ac4bc9b5) : 0);
    }
    return crc;
}

Test(crc, crc64_agrees_with_its_definition_at_every_length) {
    uint8_t buf[600];

    rng_seed(1);
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (uint8_t)rng_u64();
    for (size_t n = 0; n <= sizeof buf; n++)
        cr_assert_eq(crc64(n, buf, n), slow_crc64(n, buf, n), "length %zu", n);
}

/* From another implementation: CPython 3.11, whose hash() is SipHash-1-3 too, and for the other key
 * one that was checked against it. */
Test(hash, is_siphash_1_3) {
    static const struct {
        size_t n;
        uint64_t sum;
    } cases[] = {{0, 0xabac0158050fc4dc}, {1, 0xc9f49bf37d57ca93},  {7, 0xd3927d989bb11140},
                 {8, 0x369095118d299a8e}, {15, 0xd320d86d2a519956}, {16, 0xcc4fdd1a7d908b66},
                 {63, 0x9d199062b7bbb3a8}};
    uint8_t text[64];

    cr_expect_eq(hash_keyed(0, 0, "a", 1), UINT64_C(0x407448d2b89b1813));
    cr_expect_eq(hash_keyed(0, 0, "abc", 3), UINT64_C(0xc03bc3a0042630f2));
    cr_expect_eq(hash_keyed(0, 0, "01234567", 8), UINT64_C(0xda3dcedf84ea6cc6));
    cr_expect_eq(hash_keyed(0, 0, "the quick brown fox", 19), UINT64_C(0x5a17575ad3449cba));
    for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(hash_keyed(0x0706050403020100, 0x0f0e0d0c0b0a0908, text, cases[i].n),
                     cases[i].sum, "length %zu", cases[i].n);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = v[1] << 13 | v[1] >> 51, v[1] ^= v[0], v[0] = v[0] << 32 | v[0] >> 32;
    v[2] += v[3], v[3] = v[3] << 16 | v[3] >> 48, v[3] ^= v[2];
    v[0] += v[3], v[3] = v[3] << 21 | v[3] >> 43, v[3] ^= v[0];
    v[2] += v[1], v[1] = v[1] << 17 | v[1] >> 47, v[1] ^= v[2], v[2] = v[2] << 32 | v[2] >> 32;
}

/* Byte by byte, with both keys 0. */
static uint64_t slow_sip13(const uint8_t *p, size_t n) {
    uint64_t v[] = {0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573};
    uint64_t m = 0;

    for (size_t i = 0; i <= n; i++) {
        m |= i < n ? (uint64_t)p[i] << 8 * (i % 8) : (uint64_t)n << 56;
        if (i % 8 != 7 && i < n) continue;
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
        m = 0;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

Test(hash, every_length_agrees_with_the_definition) {
    uint8_t buf[100];

    rng_seed(3);
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (uint8_t)rng_u64();
    for (size_t n = 0; n <= sizeof buf; n++)
        for (size_t at = 0; at + n <= sizeof buf; at += 7)
            cr_assert_eq(hash_keyed(0, 0, buf + at, n), slow_sip13(buf + at, n), "length %zu", n);
}

/* ---------------------------------------------------------------- by rounds of AES (FIPS 197) */

static uint8_t times(uint8_t a, uint8_t b) {
    uint8_t sum = 0;

    for (; b; b >>= 1, a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0)))
        if (b & 1) sum ^= a;
    return sum;
}

static uint8_t s_box(uint8_t x) {
    uint8_t inverse = 0, sum;

    for (int y = 1; y < 256 && !inverse; y++)
        if (times(x, (uint8_t)y) == 1) inverse = (uint8_t)y;
    sum = inverse;
    for (int i = 1; i <= 4; i++) sum ^= (uint8_t)(inverse << i | inverse >> (8 - i));
    return sum ^ 0x63;
}

/* SubBytes, ShiftRows, MixColumns, AddRoundKey; column by column in memory. */
static void slow_round(uint8_t state[16], const uint8_t key[16]) {
    uint8_t old[16];

    for (int i = 0; i < 16; i++) old[i] = s_box(state[i]);
    for (int c = 0; c < 4; c++)
        for (int r = 0; r < 4; r++) {
            uint8_t in[4];

            for (int i = 0; i < 4; i++) in[i] = old[(c + (r + i) % 4) % 4 * 4 + (r + i) % 4];
            state[c * 4 + r] = times(in[0], 2) ^ times(in[1], 3) ^ in[2] ^ in[3] ^ key[c * 4 + r];
        }
}

static void add(uint8_t state[16], const void *other) {
    for (int i = 0; i < 16; i++) state[i] ^= ((const uint8_t *)other)[i];
}

static uint64_t slow_by_rounds(const uint8_t key[16], const uint8_t *p, size_t n) {
    uint8_t keys[7][16], state[16], last[16] = {0};
    uint64_t k[2], half[2], length[2] = {n, 0}, result;
    size_t at = 0;

    memcpy(k, key, 16);
    for (uint64_t i = 0; i < 14; i++) {
        half[i % 2] = hash_keyed(k[0], k[1], &i, 8);
        if (i % 2) memcpy(keys[i / 2], half, 16);
    }
    memcpy(state, keys[0], 16);
    for (; n - at > 16; at += 16) {
        add(state, p + at);
        for (int i = 1; i <= 4; i++) slow_round(state, keys[i]);
    }
    if (n > 16) {
        memcpy(last, p + n - 16, 16);
    } else if (n >= 8) {
        memcpy(last, p, 8);
        memcpy(last + 8, p + n - 8, 8);
    } else if (n >= 4) {
        memcpy(last, p, 4);
        memcpy(last + 4, p + n - 4, 4);
    } else if (n > 0) {
        last[0] = p[0], last[1] = p[n / 2], last[2] = p[n - 1];
    }
    add(state, last);
    add(keys[1], length);
    for (int i = 1; i <= 6; i++) slow_round(state, keys[i]);
    memcpy(&result, state, 8);
    return result;
}

static bool processor_has_aes(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("aes");
#else
    return false;
#endif
}

static const uint8_t test_key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

Test(hash, the_process_own_agrees_with_its_definition) {
    uint8_t buf[80];

    rng_seed(4);
    for (size_t i = 0; i < sizeof buf; i++) buf[i] = (uint8_t)rng_u64();
    hash_set_key(test_key);
    for (size_t n = 0; n <= sizeof buf; n++)
        for (size_t at = 0; at + n <= sizeof buf; at += 7)
            cr_assert_eq(hash_bytes(buf + at, n),
                         processor_has_aes()
                             ? slow_by_rounds(test_key, buf + at, n)
                             : hash_keyed(0x0706050403020100, 0x0f0e0d0c0b0a0908, buf + at, n),
                         "length %zu", n);
}

/* Whatever is varied, each bit of the result changes about every other time. */
Test(hash, every_bit_of_a_text_its_length_and_the_key_reach_every_bit) {
    enum { KEYS = 64, TEXT = 40, BITS = TEXT * 8 };
    uint64_t changes[64] = {0}, changed_length[64] = {0};
    uint8_t key[16], text[TEXT];

    rng_seed(5);
    for (int k = 0; k < KEYS; k++) {
        uint64_t whole;

        for (int i = 0; i < 16; i++) key[i] = (uint8_t)rng_u64();
        for (int i = 0; i < TEXT; i++) text[i] = (uint8_t)rng_u64();
        hash_set_key(key);
        whole = hash_bytes(text, TEXT);
        for (int bit = 0; bit < BITS; bit++) {
            text[bit / 8] ^= (uint8_t)(1 << bit % 8);
            for (int i = 0; i < 64; i++) changes[i] += (whole ^ hash_bytes(text, TEXT)) >> i & 1;
            text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t n = 0; n < TEXT; n++)
            for (int i = 0; i < 64; i++)
                changed_length[i] += (whole ^ hash_bytes(text, n)) >> i & 1;
    }
    for (int i = 0; i < 64; i++) {
        cr_expect(changes[i] > KEYS * BITS * 48 / 100 && changes[i] < KEYS * BITS * 52 / 100,
                  "bit %d: %lu", i, (unsigned long)changes[i]);
        cr_expect(changed_length[i] > KEYS * TEXT * 45 / 100 &&
                      changed_length[i] < KEYS * TEXT * 55 / 100,
                  "bit %d: %lu", i, (unsigned long)changed_length[i]);
    }
}

/* Texts that a client is likely to choose fill 4096 places as random numbers would: chi-square with
 * 4095 degrees of freedom has a standard deviation of 90.5. */
Test(hash, texts_that_hardly_differ_spread_evenly) {
    enum { PLACES = 4096, TEXTS = 400000 };
    static uint32_t low[PLACES], high[PLACES];
    double chi[2] = {0}, each = (double)TEXTS / PLACES;
    char text[32];

    hash_set_key(test_key);
    for (int i = 0; i < TEXTS; i++) {
        uint64_t h = hash_bytes(text, (size_t)snprintf(text, sizeof text, "key:%012d", i));

        low[h % PLACES]++;
        high[h >> 52]++;
    }
    for (int i = 0; i < PLACES; i++) {
        chi[0] += (low[i] - each) * (low[i] - each) / each;
        chi[1] += (high[i] - each) * (high[i] - each) / each;
    }
    for (int i = 0; i < 2; i++)
        cr_expect(chi[i] > PLACES - 6 * 90.5 && chi[i] < PLACES + 6 * 90.5, "%f", chi[i]);
}

/* Zeros of all lengths are different texts. */
Test(hash, no_two_of_these_are_the_same) {
    static const uint8_t zeros[300];
    uint64_t seen[300];

    hash_set_key(test_key);
    for (size_t n = 0; n < 300; n++) {
        seen[n] = hash_bytes(zeros, n);
        for (size_t i = 0; i < n; i++) cr_assert_neq(seen[n], seen[i], "%zu, %zu", i, n);
    }
}

Test(hash, the_process_key_counts) {
    uint64_t before = hash_bytes("key", 3), first;
    uint8_t other[16] = {1};

    hash_set_key(test_key);
    first = hash_bytes("key", 3);
    hash_set_key(other);
    cr_expect_neq(first, before);
    cr_expect_neq(hash_bytes("key", 3), before);
    cr_expect_neq(hash_bytes("key", 3), first);
}

Test(rng, the_same_seed_gives_the_same_numbers) {
    uint64_t first[100];

    rng_seed(42);
    for (int i = 0; i < 100; i++) first[i] = rng_u64();
    rng_seed(42);
    for (int i = 0; i < 100; i++) cr_assert_eq(rng_u64(), first[i]);
    rng_seed(43);
    cr_assert_neq(rng_u64(), first[0]);
}

Test(rng, numbers_stay_below_the_bound_and_reach_all_of_it) {
    unsigned seen[10] = {0};

    rng_seed(1);
    for (int i = 0; i < 100000; i++) seen[rng_below(10)]++;
    for (int i = 0; i < 10; i++) {
        cr_expect_gt(seen[i], 9000u);
        cr_expect_lt(seen[i], 11000u);
    }
    for (int i = 0; i < 1000; i++) cr_assert_eq(rng_below(1), 0);
    for (int i = 0; i < 1000; i++) cr_assert_lt(rng_below(UINT64_MAX), UINT64_MAX);
}

Test(rng, hexadecimal_ids_do_not_follow_the_seed) {
    char a[41] = {0}, b[41] = {0};

    rng_seed(1);
    rng_hex(a, 40);
    rng_seed(1);
    rng_hex(b, 40);
    cr_expect_eq(strspn(a, "0123456789abcdef"), 40);
    cr_expect_str_neq(a, b);
}
