/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sha1 - SHA-1 (FIPS 180-4), which names scripts. Not for secrets.
 */
#ifndef STET_BASE_SHA1_H
#define STET_BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { SHA1_BYTES = 20, SHA1_HEX = 40 };

void sha1(const void *p, size_t n, uint8_t out[SHA1_BYTES]);

/* The digest in lower-case hexadecimal digits and a NUL. */
void sha1_hex(const uint8_t digest[SHA1_BYTES], char out[SHA1_HEX + 1]);

#endif
