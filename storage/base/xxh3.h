/* SPDX-License-Identifier: BSD-3-Clause
 *
 * xxh3 - the digests XXH3 with seed 0, as https://github.com/Cyan4973/xxHash/blob/dev/doc/
 * xxhash_spec.md has it; computed by libxxhash, compiled in. Any thread. It is no hash function of
 * tables: a client can make values collide.
 */
#ifndef STET_BASE_XXH3_H
#define STET_BASE_XXH3_H

#include "storage/base/pace.h"

#include <stddef.h>
#include <stdint.h>

enum { XXH3_HEX = 16 };

/* `pace` (NULL: none) takes a step now and then; the bytes must stay what they are meanwhile. */
uint64_t xxh3(const void *p, size_t n, const struct pace *pace);

/* The 128-bit digest of the same specification, in two halves. */
struct xxh3_wide {
    uint64_t low, high;
};
struct xxh3_wide xxh3_wide(const void *p, size_t n);

#endif
