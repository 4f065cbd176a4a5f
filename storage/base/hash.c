/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/hash.h"

#include <string.h>

static uint64_t key0 = 0x736574206c657420, key1 = 0x6974207374616e64;

void hash_set_key(const uint8_t key[16]) {
    memcpy(&key0, key, 8);
    memcpy(&key1, key + 8, 8);
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define ROUND                                                                                      \
    do {                                                                                           \
        v0 += v1, v1 = ROTL(v1, 13), v1 ^= v0, v0 = ROTL(v0, 32);                                  \
        v2 += v3, v3 = ROTL(v3, 16), v3 ^= v2;                                                     \
        v0 += v3, v3 = ROTL(v3, 21), v3 ^= v0;                                                     \
        v2 += v1, v1 = ROTL(v1, 17), v1 ^= v2, v2 = ROTL(v2, 32);                                  \
    } while (0)

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v;

    memcpy(&v, p, 8);
    return v; /* little-endian hosts only, as the file formats' fast paths */
}

static inline uint64_t load32(const uint8_t *p) {
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

/* The last r = n mod 8 bytes, which begin at p, and the length in the top byte. Loads overlap
 * instead of going byte by byte: lengths differ from key to key, and branches cost more. */
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

uint64_t hash_bytes(const void *p, size_t n) {
    return sip13(key0, key1, p, n);
}
