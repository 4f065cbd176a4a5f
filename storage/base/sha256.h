/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sha256 - SHA-256 (FIPS 180-4), as which passwords are kept.
 */
#ifndef STET_BASE_SHA256_H
#define STET_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX = 64 };

void sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES]);

/* The digest in lower-case hexadecimal digits and a NUL. */
void sha256_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX + 1]);

#endif
