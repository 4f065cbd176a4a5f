/* SPDX-License-Identifier: BSD-3-Clause
 *
 * varint - lengths in front of what they measure: 7 bits a byte, the lowest first, the top bit set
 * on all bytes but the last. For memory only, never for files.
 */
#ifndef STET_BASE_VARINT_H
#define STET_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

enum { VARINT_MAX = 10 };

static inline size_t varint_size(uint64_t v) {
    size_t n = 1;

    for (; v > 127; v >>= 7) n++;
    return n;
}

/* Returns the address after it. */
static inline char *varint_put(char *p, uint64_t v) {
    for (; v > 127; v >>= 7) *p++ = (char)(v | 128);
    *p++ = (char)v;
    return p;
}

static inline const char *varint_get(const char *p, uint64_t *v) {
    uint64_t byte = (uint8_t)*p++;
    unsigned shift = 7;

    *v = byte & 127;
    for (; byte & 128; shift += 7) {
        byte = (uint8_t)*p++;
        *v |= (byte & 127) << shift;
    }
    return p;
}

#endif
