/* SPDX-License-Identifier: BSD-3-Clause
 *
 * crc - checksums of the file formats, by libisal.
 *
 * crc64 is CRC-64/Jones as RDB uses it (reflected, initial value and final xor 0: chaining is
 * crc64(crc64(0, a), b)). crc32c is Castagnoli's with the usual inversions.
 */
#ifndef STET_BASE_CRC_H
#define STET_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint64_t crc64(uint64_t crc, const void *p, size_t n);
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
