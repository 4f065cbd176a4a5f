/* SPDX-License-Identifier: BSD-3-Clause
 *
 * parts - what fields of hashes and members of sets have in common: a time to live of their own.
 *
 * A part whose time has come is "due". It stays in its value until that is told to give it up
 * (hash_take_due, set_take_due), or until something else is stored under its name. A call that
 * passes the current time does not see it; a call that passes PARTS_ALL sees everything.
 *
 * Not here: the order in which parts fall due (expiry.h), and what removes them (server/exec).
 */
#ifndef STET_STORAGE_PARTS_H
#define STET_STORAGE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#define PARTS_ALL INT64_MIN

/* `expire_ms` 0: the part has no time. */
static inline bool part_is_due(int64_t expire_ms, int64_t now_ms) {
    return expire_ms != 0 && expire_ms <= now_ms;
}

#endif
