/* SPDX-License-Identifier: BSD-3-Clause */
#define XXH_INLINE_ALL
#include "storage/base/xxh3.h"

#include <xxhash.h>

enum { PART = 64 * 1024, STEPS = 64 }; /* a part takes about as long as so many steps */

uint64_t xxh3(const void *p, size_t n, const struct pace *pace) {
    const char *at = p;
    XXH3_state_t s;

    if (n <= PART) return XXH3_64bits(p, n);
    XXH3_64bits_reset(&s);
    for (; n > PART; at += PART, n -= PART) {
        XXH3_64bits_update(&s, at, PART);
        if (pace) pace_step(pace, STEPS);
    }
    XXH3_64bits_update(&s, at, n);
    return XXH3_64bits_digest(&s);
}

struct xxh3_wide xxh3_wide(const void *p, size_t n) {
    XXH128_hash_t h = XXH3_128bits(p, n);

    return (struct xxh3_wide){h.low64, h.high64};
}
