/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rng - the one source of randomness that semantics may depend on.
 *
 * xoshiro256** (D. Blackman, S. Vigna, 2018), seeded once. The same seed gives the same order of
 * RANDOMKEY, SPOP and so on. Main thread only. Secrets come from rng_system().
 */
#ifndef STET_BASE_RNG_H
#define STET_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

void rng_seed(uint64_t seed);
uint64_t rng_u64(void);
uint64_t rng_below(uint64_t n); /* 0 .. n-1; n > 0 */

/* Unpredictable bytes of the system. */
void rng_system(void *p, size_t n);

/* `chars` hexadecimal digits (no NUL): run ids, file ids. */
void rng_hex(char *out, size_t chars);

#endif
