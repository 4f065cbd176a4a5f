/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bits - strings as arrays of bits; bit 0 is the highest bit of the first byte.
 */
#ifndef STET_COMMANDS_BITS_H
#define STET_COMMANDS_BITS_H

#include "server/exec/call.h"
#include "server/exec/keys.h"

/* How many bits of p[0..n) are one. */
uint64_t bits_count(const uint8_t *p, size_t n);

/* The first bit of value `bit` in [from, to], -1 if there is none. */
int64_t bits_find(const uint8_t *p, int64_t from, int64_t to, int bit);

/* Argument i as the offset of a field of `width` bits. With `counted`, "#n" is the n-th field of
 * that width. False: answered with an error. */
bool arg_bit_offset(struct call *x, int i, bool counted, unsigned width, uint64_t *offset);

/* Makes r a string of its own, at least up to `last_bit`. True if it had to be made or to grow. */
bool bits_reserve(struct call *x, struct ref *r, uint64_t last_bit, uint8_t **data, size_t *n);

#endif
