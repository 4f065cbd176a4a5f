/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash - the keyed hash of every table that holds a client's keys: a client without the key cannot
 * choose keys that collide. The key is one per process, set once at start, before the first table
 * is filled.
 *
 * Where the processor has instructions for AES, hash_bytes() chains blocks of 16 bytes by four
 * rounds of AES each, as the Pelican MAC does (J. Daemen, V. Rijmen, "The Pelican MAC Function",
 * 2005), with secret round keys: for two texts of one length, chosen without the keys, the state
 * after the last block is the same with a probability below 2^-100. The length is in the first
 * round key of the last block: for texts of different lengths it is below 2^-23. Two more rounds
 * stand before the half of the state that is the result, because SCAN shows some of its bits. It
 * takes a fifth of SipHash's instructions.
 *
 * Elsewhere, and until a key is set, it is SipHash-1-3 (J.-P. Aumasson, D. J. Bernstein, "SipHash:
 * a fast short-input PRF", 2012, with the reduced rounds its authors propose for hash tables).
 */
#ifndef STET_BASE_HASH_H
#define STET_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

void hash_set_key(const uint8_t key[16]);
uint64_t hash_bytes(const void *p, size_t n);

/* SipHash-1-3 with an explicit key: on every machine the same. */
uint64_t hash_keyed(uint64_t k0, uint64_t k1, const void *p, size_t n);

#endif
