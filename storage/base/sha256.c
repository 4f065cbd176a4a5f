/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/sha256.h"

#include <stdio.h>
#include <string.h>

enum { BLOCK = 64, ROUNDS = 64, WORDS = 8 };

static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotr(uint32_t v, int by) {
    return v >> by | v << (32 - by);
}

static void expand(uint32_t w[ROUNDS], const uint8_t *p) {
    for (int i = 0; i < 16; i++) {
        uint32_t v;

        memcpy(&v, p + 4 * i, sizeof v);
        w[i] = __builtin_bswap32(v);
    }
    for (int i = 16; i < ROUNDS; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] +
               (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
    }
}

static void take_block(uint32_t h[WORDS], const uint8_t *p) {
    uint32_t w[ROUNDS], v[WORDS];

    expand(w, p);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t e = v[4], a = v[0];
        uint32_t t1 = v[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
                      constants[i] + w[i];
        uint32_t t2 =
            (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, (WORDS - 1) * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < WORDS; i++) h[i] += v[i];
}

void sha256_begin(struct sha256 *s) {
    static const uint32_t start[WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(s->h, start, sizeof start);
    s->bytes = 0;
}

void sha256_add(struct sha256 *s, const void *data, size_t n) {
    size_t used = s->bytes % BLOCK;
    const uint8_t *p = data;

    s->bytes += n;
    if (used) {
        size_t part = n < BLOCK - used ? n : BLOCK - used;

        memcpy(s->block + used, p, part);
        if (used + part < BLOCK) return;
        take_block(s->h, s->block);
        p += part;
        n -= part;
    }
    for (; n >= BLOCK; n -= BLOCK, p += BLOCK) take_block(s->h, p);
    if (n) memcpy(s->block, p, n);
}

void sha256_end(struct sha256 *s, uint8_t out[SHA256_BYTES]) {
    static const uint8_t padding[BLOCK] = {0x80};
    uint64_t bits = __builtin_bswap64(s->bytes * 8);
    size_t used = s->bytes % BLOCK, room = BLOCK - sizeof bits;

    sha256_add(s, padding, used < room ? room - used : BLOCK + room - used);
    sha256_add(s, &bits, sizeof bits);
    for (int i = 0; i < WORDS; i++) {
        uint32_t v = __builtin_bswap32(s->h[i]);

        memcpy(out + 4 * i, &v, sizeof v);
    }
}

void sha256(const void *data, size_t n, uint8_t out[SHA256_BYTES]) {
    struct sha256 s;

    sha256_begin(&s);
    sha256_add(&s, data, n);
    sha256_end(&s, out);
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX + 1]) {
    for (int i = 0; i < SHA256_BYTES; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
