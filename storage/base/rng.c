/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/rng.h"

#include "storage/base/check.h"

#include <sys/random.h>

static uint64_t state[4] = {1, 2, 3, 4};

static uint64_t splitmix(uint64_t *x) {
    uint64_t z = (*x += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void rng_seed(uint64_t seed) {
    for (int i = 0; i < 4; i++) state[i] = splitmix(&seed);
}

static inline uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_u64(void) {
    uint64_t result = rotl(state[1] * 5, 7) * 9, t = state[1] << 17;

    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotl(state[3], 45);
    return result;
}

uint64_t rng_below(uint64_t n) {
    return (uint64_t)(((unsigned __int128)rng_u64() * n) >> 64);
}

void rng_system(void *p, size_t n) {
    char *q = p;

    while (n > 0) {
        ssize_t got = getrandom(q, n, 0);

        CHECK(got > 0);
        q += got;
        n -= (size_t)got;
    }
}

void rng_hex(char *out, size_t chars) {
    uint8_t raw[32];

    for (size_t i = 0; i < chars; i++) {
        if (i % sizeof raw == 0) rng_system(raw, sizeof raw);
        out[i] = "0123456789abcdef"[raw[i % sizeof raw] & 15];
    }
}
