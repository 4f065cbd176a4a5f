/* SPDX-License-Identifier: BSD-3-Clause
 *
 * glob - Redis' patterns: * ? [set] [^set] [a-z] and backslash escapes, over bytes.
 *
 * Time is at most pattern length x text length, whatever the pattern.
 */
#ifndef STET_BASE_GLOB_H
#define STET_BASE_GLOB_H

#include "storage/base/bytes.h"

bool glob_match(struct slice pattern, struct slice text, bool nocase);

#endif
