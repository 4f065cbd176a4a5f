/* SPDX-License-Identifier: BSD-3-Clause
 *
 * key_set - which keys were seen. A key is kept as a hash of 64 bits, so that a large file fits.
 */
#ifndef STET_TOOLS_KEY_SET_H
#define STET_TOOLS_KEY_SET_H

#include "storage/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct key_set {
    uint64_t *seen; /* open addressing, 0: free */
    size_t n, cap;
};

/* Adds a key of a database; true if it was there already. */
bool key_set_has(struct key_set *s, int db, struct slice key);
void key_set_release(struct key_set *s);

#endif
