/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sha256 - SHA-256 (FIPS 180-4), as which passwords are kept, and of the files of backups.
 */
#ifndef STET_BASE_SHA256_H
#define STET_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX = 64 };

/* A text that comes in pieces. */
struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64]; /* its first bytes % 64 bytes are in use */
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *p, size_t n);
void sha256_end(struct sha256 *s, uint8_t out[SHA256_BYTES]);

/* All of it at once. */
void sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES]);

/* The digest in lower-case hexadecimal digits and a NUL. */
void sha256_hex(const uint8_t digest[SHA256_BYTES], char out[SHA256_HEX + 1]);

#endif
