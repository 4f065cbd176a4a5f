/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash - the keyed hash of every table that holds a client's keys.
 *
 * SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, with the
 * reduced rounds its authors propose for hash tables): a client without the key cannot choose keys
 * that collide. The key is one per process, set once at start, before the first table is filled.
 */
#ifndef STET_BASE_HASH_H
#define STET_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

void hash_set_key(const uint8_t key[16]);
uint64_t hash_bytes(const void *p, size_t n);

/* With an explicit key, for seeds that must not follow the process' key. */
uint64_t hash_keyed(uint64_t k0, uint64_t k1, const void *p, size_t n);

#endif
