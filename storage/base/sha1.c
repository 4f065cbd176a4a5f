/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/sha1.h"

#include <string.h>

enum { BLOCK = 64 };

static inline uint32_t rotl(uint32_t v, int by) {
    return v << by | v >> (32 - by);
}

static inline uint32_t load_be(const uint8_t *p) {
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

/* One of the eighty steps; f and k belong to its round. */
#define STEP(f, k)                                                                                 \
    do {                                                                                           \
        uint32_t t = rotl(a, 5) + (f) + e + (k) + w[i];                                            \
        e = d;                                                                                     \
        d = c;                                                                                     \
        c = rotl(b, 30);                                                                           \
        b = a;                                                                                     \
        a = t;                                                                                     \
    } while (0)

static void take_block(uint32_t h[5], const uint8_t *p) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    int i;

    for (i = 0; i < 16; i++) w[i] = load_be(p + 4 * i);
    for (; i < 80; i++) w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (i = 0; i < 20; i++) STEP((b & c) | (~b & d), 0x5a827999u);
    for (; i < 40; i++) STEP(b ^ c ^ d, 0x6ed9eba1u);
    for (; i < 60; i++) STEP((b & c) | (b & d) | (c & d), 0x8f1bbcdcu);
    for (; i < 80; i++) STEP(b ^ c ^ d, 0xca62c1d6u);
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(const void *data, size_t n, uint8_t out[SHA1_BYTES]) {
    uint32_t h[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
    const uint8_t *p = data;
    uint8_t tail[2 * BLOCK] = {0};
    uint64_t bits = __builtin_bswap64((uint64_t)n * 8);
    size_t left = n, tail_bytes;

    for (; left >= BLOCK; left -= BLOCK, p += BLOCK) take_block(h, p);
    if (left) memcpy(tail, p, left);
    tail[left] = 0x80;
    tail_bytes = left + 1 + sizeof bits <= BLOCK ? BLOCK : 2 * BLOCK;
    memcpy(tail + tail_bytes - sizeof bits, &bits, sizeof bits);
    for (size_t at = 0; at < tail_bytes; at += BLOCK) take_block(h, tail + at);
    for (int i = 0; i < 5; i++) {
        uint32_t v = __builtin_bswap32(h[i]);

        memcpy(out + 4 * i, &v, sizeof v);
    }
}

void sha1_hex(const uint8_t digest[SHA1_BYTES], char out[SHA1_HEX + 1]) {
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < SHA1_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[SHA1_HEX] = '\0';
}
