/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ends - up to 16 bytes as two words, read without a loop and never outside of them: lengths differ
 * from text to text, and branches cost more than loads that overlap.
 *
 * Two texts of the same length, of up to 16 bytes, have the same words only if they are the same.
 * Of a longer text the words are its first and its last eight bytes. Little-endian hosts only, as
 * the file formats' fast paths.
 */
#ifndef STET_BASE_ENDS_H
#define STET_BASE_ENDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ends {
    uint64_t head, tail;
};

static inline uint64_t load64(const void *p) {
    uint64_t v;

    memcpy(&v, p, 8);
    return v;
}

static inline uint64_t load32(const void *p) {
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

static inline struct ends ends_of(const void *text, size_t n) {
    const uint8_t *p = text;

    if (n >= 8) return (struct ends){load64(p), load64(p + n - 8)};
    if (n >= 4) return (struct ends){load32(p) | load32(p + n - 4) << 32, 0};
    if (n == 0) return (struct ends){0, 0};
    return (struct ends){p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16, 0};
}

#endif
