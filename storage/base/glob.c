/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/glob.h"

#include <ctype.h>

static inline int fold(char c, bool nocase) {
    return nocase ? tolower((unsigned char)c) : (unsigned char)c;
}

/* Matches one byte against the set that begins after '['; moves *at past the set. A set that does
 * not end is taken to end with the pattern. */
static bool set_has(struct slice p, size_t *at, char c, bool nocase) {
    size_t i = *at;
    bool inverted = i < p.n && p.p[i] == '^', found = false;
    int want = fold(c, nocase);

    i += inverted;
    for (;; i++) {
        if (i >= p.n) break;
        if (p.p[i] == '\\' && i + 1 < p.n) {
            i++;
            if (fold(p.p[i], nocase) == want) found = true;
        } else if (p.p[i] == ']') {
            i++;
            break;
        } else if (i + 2 < p.n && p.p[i + 1] == '-') {
            int lo = fold(p.p[i], nocase), hi = fold(p.p[i + 2], nocase);

            if (lo > hi ? (want >= hi && want <= lo) : (want >= lo && want <= hi)) found = true;
            i += 2;
        } else if (fold(p.p[i], nocase) == want) {
            found = true;
        }
    }
    *at = i;
    return found != inverted;
}

/* One pattern element against one byte; moves *at past the element. */
static bool element_matches(struct slice p, size_t *at, char c, bool nocase) {
    char e = p.p[*at];

    (*at)++;
    if (e == '?') return true;
    if (e == '[') return set_has(p, at, c, nocase);
    if (e == '\\' && *at < p.n) e = p.p[(*at)++];
    return fold(e, nocase) == fold(c, nocase);
}

bool glob_match(struct slice p, struct slice t, bool nocase) {
    size_t pi = 0, ti = 0, star = (size_t)-1, star_text = 0;
    size_t steps = 0, most = GLOB_STEPS + t.n * GLOB_STEPS_PER_BYTE;

    while (ti < t.n) {
        size_t next = pi;

        if (pi < p.n && p.p[pi] == '*') {
            star = ++pi; /* try the empty run first; on a mismatch come back with one byte more */
            star_text = ti;
        } else if (pi < p.n && element_matches(p, &next, t.p[ti], nocase)) {
            pi = next;
            ti++;
        } else if (star != (size_t)-1 && steps <= most) {
            steps += next - star + 1; /* bytes of the pattern: sets may be long */
            pi = star;
            ti = ++star_text;
        } else {
            return false;
        }
    }
    while (pi < p.n && p.p[pi] == '*') pi++;
    return pi == p.n;
}
