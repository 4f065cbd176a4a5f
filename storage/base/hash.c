/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/hash.h"

#include "storage/base/ends.h"

#include <stdbool.h>
#ifdef __x86_64__
#include <wmmintrin.h>
#endif

static uint64_t key0 = 0x736574206c657420, key1 = 0x6974207374616e64;

/* ---------------------------------------------------------------- SipHash */

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND                                                                                      \
    do {                                                                                           \
        v0 += v1, v1 = ROTL(v1, 13), v1 ^= v0, v0 = ROTL(v0, 32);                                  \
        v2 += v3, v3 = ROTL(v3, 16), v3 ^= v2;                                                     \
        v0 += v3, v3 = ROTL(v3, 21), v3 ^= v0;                                                     \
        v2 += v1, v1 = ROTL(v1, 17), v1 ^= v2, v2 = ROTL(v2, 32);                                  \
    } while (0)

/* The last r = n mod 8 bytes, which begin at p, each at its place, and the length in the top byte.
 * Loads overlap, as in ends.h. */
static inline uint64_t tail_of(const uint8_t *p, size_t n) {
    size_t r = n & 7;
    uint64_t v = 0;

    if (n >= 8)
        v = load64(p + r - 8) >> 1 >> (63 - 8 * r);
    else if (r >= 4)
        v = load32(p) | load32(p + r - 4) << 8 * (r - 4);
    else if (r > 0)
        v = p[0] | (uint64_t)p[r / 2] << 8 * (r / 2) | (uint64_t)p[r - 1] << 8 * (r - 1);
    return v | (uint64_t)n << 56;
}

static inline uint64_t sip13(uint64_t k0, uint64_t k1, const void *data, size_t n) {
    const uint8_t *p = data, *end = p + (n & ~(size_t)7);
    uint64_t v0 = k0 ^ 0x736f6d6570736575, v1 = k1 ^ 0x646f72616e646f6d;
    uint64_t v2 = k0 ^ 0x6c7967656e657261, v3 = k1 ^ 0x7465646279746573;
    uint64_t m;

    for (; p < end; p += 8) {
        m = load64(p);
        v3 ^= m;
        ROUND;
        v0 ^= m;
    }
    m = tail_of(p, n);
    v3 ^= m;
    ROUND;
    v0 ^= m;
    v2 ^= 0xff;
    ROUND;
    ROUND;
    ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

uint64_t hash_keyed(uint64_t k0, uint64_t k1, const void *data, size_t n) {
    return sip13(k0, k1, data, n);
}

/* ---------------------------------------------------------------- rounds of AES */

#ifdef __x86_64__
enum { ROUNDS = 6, AES_BLOCK = 16 };

static bool has_aes;
static __m128i round_keys[1 + ROUNDS];

/* A key for each round, none of which tells of another one. */
static void expand_key(void) {
    for (uint64_t i = 0; i < 1 + ROUNDS; i++) {
        uint64_t half[] = {2 * i, 2 * i + 1};

        round_keys[i] = _mm_set_epi64x((int64_t)sip13(key0, key1, &half[1], 8),
                                       (int64_t)sip13(key0, key1, &half[0], 8));
    }
    has_aes = __builtin_cpu_supports("aes");
}

#define AES __attribute__((target("aes")))

static inline AES __m128i four_rounds(__m128i x, __m128i length) {
    x = _mm_aesenc_si128(x, _mm_xor_si128(round_keys[1], length));
    x = _mm_aesenc_si128(x, round_keys[2]);
    x = _mm_aesenc_si128(x, round_keys[3]);
    return _mm_aesenc_si128(x, round_keys[4]);
}

/* The block that ends the text: up to 16 bytes, of a longer one its last 16. */
static inline __m128i last_block(const uint8_t *p, size_t n) {
    struct ends e;

    if (n > AES_BLOCK) return _mm_loadu_si128((const __m128i *)(const void *)(p + n - AES_BLOCK));
    e = ends_of(p, n);
    return _mm_set_epi64x((int64_t)e.tail, (int64_t)e.head);
}

static AES uint64_t aes_hash(const uint8_t *p, size_t n) {
    __m128i x = round_keys[0];

    for (size_t at = 0; n - at > AES_BLOCK; at += AES_BLOCK)
        x = four_rounds(_mm_xor_si128(x, _mm_loadu_si128((const __m128i *)(const void *)(p + at))),
                        _mm_setzero_si128());
    x = four_rounds(_mm_xor_si128(x, last_block(p, n)), _mm_cvtsi64_si128((int64_t)n));
    x = _mm_aesenc_si128(_mm_aesenc_si128(x, round_keys[5]), round_keys[6]);
    return (uint64_t)_mm_cvtsi128_si64(x);
}
#else
enum { has_aes = false };

static void expand_key(void) {}

static uint64_t aes_hash(const uint8_t *p, size_t n) {
    return sip13(key0, key1, p, n);
}
#endif

/* ---------------------------------------------------------------- the process' own */

void hash_set_key(const uint8_t key[16]) {
    key0 = load64(key);
    key1 = load64(key + 8);
    expand_key();
}

uint64_t hash_bytes(const void *p, size_t n) {
    return __builtin_expect(has_aes, 1) ? aes_hash(p, n) : sip13(key0, key1, p, n);
}
