/* SPDX-License-Identifier: BSD-3-Clause
 *
 * glob - Redis' patterns: * ? [set] [^set] [a-z] and backslash escapes, over bytes.
 *
 * Time grows with the length of the text, whatever the pattern: a match that has looked at
 * GLOB_STEPS bytes and GLOB_STEPS_PER_BYTE for each byte of the text in vain ends as none. Patterns
 * that take this long are made to take long.
 */
#ifndef STET_BASE_GLOB_H
#define STET_BASE_GLOB_H

#include "storage/base/bytes.h"

enum { GLOB_STEPS = 1 << 22, GLOB_STEPS_PER_BYTE = 8 };

bool glob_match(struct slice pattern, struct slice text, bool nocase);

#endif
