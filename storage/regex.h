/* SPDX-License-Identifier: BSD-3-Clause
 *
 * regex - regular expressions of JSON paths, matched in a time that no pattern can blow up.
 *
 * A pattern becomes a program of at most REGEX_MAX instructions, and the text is read once while
 * all ways through the program are followed side by side (K. Thompson, "Regular Expression Search
 * Algorithm", 1968): length of the text times length of the program, at the most.
 *
 * Known are: literals, `.`, classes [a-z] [^a-z], \d \w \s \D \W \S \b \B, \n \r \t \f \v \xHH
 * \x{H...}, ^ $ \A \z, groups ( ) and (?: ), |, * + ? {n} {n,} {n,m} (with `?` after them, which
 * changes nothing here), and the flags (?i) (?s). Case is that of ASCII letters. Not known:
 * references, looking around, names of Unicode classes.
 */
#ifndef STET_STORAGE_REGEX_H
#define STET_STORAGE_REGEX_H

#include "storage/base/bytes.h"
#include "storage/base/pace.h"

#include <stdint.h>

enum {
    REGEX_MAX = 4096,       /* instructions */
    REGEX_RANGE_MAX = 4096, /* ranges of all classes together */
    REGEX_DEPTH_MAX = 32,   /* groups within each other */
};

/* NULL: no pattern that is known, or one that becomes too large. */
struct regex *regex_compile(struct slice pattern);
void regex_free(struct regex *r);

/* Whether some part of the text matches; both are UTF-8. It follows *most instructions and no more,
 * and takes from *most what it has followed: with 0 left it was given up, and nothing matches. */
bool regex_matches(const struct regex *r, struct slice text, uint64_t *most,
                   const struct pace *pace);

#endif
