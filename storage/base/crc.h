/* SPDX-License-Identifier: BSD-3-Clause
 *
 * crc - checksums of the file formats, by libisal, and the one that slots of a cluster are made of.
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

/* CRC-16/XMODEM (polynomial 0x1021, initial value 0): the slot of a key. */
uint16_t crc16(const void *p, size_t n);

#endif
