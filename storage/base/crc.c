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
