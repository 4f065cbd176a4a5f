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

/* The last 0 to 7 bytes, and the length in the top byte. */
static inline uint64_t tail_of(const uint8_t *p, size_t n) {
    uint64_t v = (uint64_t)n << 56;

    switch (n & 7) {
    case 7: v |= (uint64_t)p[6] << 48; /* fall through */
    case 6: v |= (uint64_t)p[5] << 40; /* fall through */
    case 5: v |= (uint64_t)p[4] << 32; /* fall through */
    case 4: v |= (uint64_t)p[3] << 24; /* fall through */
    case 3: v |= (uint64_t)p[2] << 16; /* fall through */
    case 2: v |= (uint64_t)p[1] << 8;  /* fall through */
    case 1: v |= p[0];                 /* fall through */
    default: return v;
    }
}

uint64_t hash_keyed(uint64_t k0, uint64_t k1, const void *data, size_t n) {
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

uint64_t hash_bytes(const void *p, size_t n) {
    return hash_keyed(key0, key1, p, n);
}
