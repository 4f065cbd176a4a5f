/* SPDX-License-Identifier: BSD-3-Clause
 *
 * key_delay - the pause after a key that tests ask for (rdb-key-save-delay, key-load-delay).
 */
#ifndef STET_PERSISTENCE_KEY_DELAY_H
#define STET_PERSISTENCE_KEY_DELAY_H

#include <stdint.h>

/* Waits for `us` microseconds; for one, after every so many keys, if `us` is below 0. */
void key_delay(int64_t us, uint64_t keys);

#endif
