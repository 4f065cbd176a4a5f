/* SPDX-License-Identifier: BSD-3-Clause
 *
 * glob - patterns: two inputs apart by a NUL, the pattern and the text. Where there are only plain
 * characters, '*' and '?', the answer is that of a plain recursive matcher.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "storage/base/glob.h"
#include "storage/base/mem.h"

enum { COMPARED_MAX = 16 };

/* A table: whether the pattern from i on matches the text from j on. */
static bool plain_match(const char *p, size_t np, const char *t, size_t nt) {
    bool m[COMPARED_MAX + 1][COMPARED_MAX + 1];

    for (size_t i = np + 1; i-- > 0;)
        for (size_t j = nt + 1; j-- > 0;) {
            if (i == np)
                m[i][j] = j == nt;
            else if (p[i] == '*')
                m[i][j] = m[i + 1][j] || (j < nt && m[i][j + 1]);
            else
                m[i][j] = j < nt && (p[i] == '?' || p[i] == t[j]) && m[i + 1][j + 1];
        }
    return m[0][0];
}

static bool is_plain(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '[' || s.p[i] == '\\') return false;
    return s.n <= COMPARED_MAX;
}

FUZZ_TARGET(glob) {
    char *copy, *text_copy;
    const uint8_t *nul;
    struct slice pattern, text;
    bool same;

    fuzz_begin();
    if (size > 4096) return 0; /* the time is the product of both lengths */
    nul = size ? memchr(data, 0, size) : NULL;
    pattern = slice_of(data, nul ? (size_t)(nul - data) : size);
    text = nul ? slice_of(nul + 1, size - pattern.n - 1) : slice_of(data, 0);
    copy = fuzz_copy(pattern);
    text_copy = fuzz_copy(text);
    pattern.p = copy;
    text.p = text_copy;
    same = glob_match(pattern, text, false);
    glob_match(pattern, text, true);
    if (is_plain(pattern) && text.n <= COMPARED_MAX)
        CHECK(same == plain_match(pattern.p, pattern.n, text.p, text.n));
    mem_free(copy);
    mem_free(text_copy);
    return 0;
}
