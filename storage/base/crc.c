/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/crc.h"

#include <isa-l/crc.h>
#include <isa-l/crc64.h>

uint64_t crc64(uint64_t crc, const void *p, size_t n) {
    return ~crc64_jones_refl(~crc, p,
                             n); /* libisal inverts on both ends, Redis' variant does not */
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n) {
    const unsigned char *q = p;

    crc = ~crc;
    for (; n > INT32_MAX; n -= INT32_MAX, q += INT32_MAX)
        crc = crc32_iscsi((unsigned char *)q, INT32_MAX, crc);
    return ~crc32_iscsi((unsigned char *)q, (int)n, crc);
}

/* One byte at a time, without a table: the eight steps of the division, joined. */
uint16_t crc16(const void *p, size_t n) {
    const uint8_t *q = p;
    uint16_t crc = 0;

    while (n--) {
        uint16_t t = (uint16_t)((crc >> 8) ^ *q++);

        t ^= (uint16_t)(t >> 4);
        crc = (uint16_t)((crc << 8) ^ (t << 12) ^ (t << 5) ^ t);
    }
    return crc;
}
