/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/clock.h"
#include "storage/base/glob.h"

#include <criterion/criterion.h>

struct glob_case {
    const char *pattern, *text;
    bool matches;
};

/* clang-format off */
static const struct glob_case cases[] = {
    {"", "", true}, {"", "a", false}, {"a", "", false}, {"a", "a", true}, {"a", "A", false}, {"ab", "a", false},
    {"*", "", true}, {"*", "anything", true}, {"**", "a", true}, {"*a", "ba", true}, {"*a", "ab", false},
    {"a*", "a", true}, {"a*b", "ab", true}, {"a*b", "axxb", true}, {"a*b", "axxbc", false}, {"a*b*c", "abbc", true},
    {"*ab", "aab", true}, {"*aab*", "aaaab", true}, {"*.txt", "a.txt.txt", true},
    {"?", "", false}, {"?", "a", true}, {"?", "ab", false}, {"a?c", "abc", true}, {"h?llo", "hllo", false},
    {"h[ae]llo", "hello", true}, {"h[ae]llo", "hillo", false}, {"h[^e]llo", "hallo", true}, {"h[^e]llo", "hello", false},
    {"[a-c]", "b", true}, {"[c-a]", "b", true}, {"[a-c]", "d", false}, {"[^a-c]", "d", true}, {"[a-c-]", "-", true},
    {"[]", "]", false}, {"[]a", "a", false}, {"[^]", "x", true}, {"[a", "a", true}, {"[a", "b", false}, {"[", "[", false},
    {"[^a", "b", true}, {"[\\]]", "]", true}, {"[\\a-c]", "a", true}, {"[a\\-c]", "b", false}, {"[a\\-c]", "-", true},
    {"\\*", "*", true}, {"\\*", "x", false}, {"\\?", "?", true}, {"\\[a]", "[a]", true}, {"\\\\", "\\", true},
    {"\\", "\\", true}, {"a\\", "a\\", true}, {"\\a", "a", true}, {"[a-", "a", true}, {"[a-", "-", true},
    {"*[0-9]*", "abc5d", true}, {"*[0-9]*", "abcd", false}, {"[[]", "[", true}, {"a]", "a]", true},
    {"*\\*", "abc*", true}, {"?*?", "a", false}, {"?*?", "ab", true}, {"news.*", "news.", true}, {"*?", "", false},
};
/* clang-format on */

static bool match(const char *pattern, const char *text, bool nocase) {
    return glob_match(slice_str(pattern), slice_str(text), nocase);
}

Test(glob, matches_what_redis_matches) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(match(cases[i].pattern, cases[i].text, false), cases[i].matches,
                     "'%s' and '%s'", cases[i].pattern, cases[i].text);
}

Test(glob, case_counts_unless_told_otherwise) {
    cr_expect(match("HeL*[A-C]", "helloB", true));
    cr_expect(match("[a-c]", "B", true));
    cr_expect_not(match("[^a-c]", "B", true));
    cr_expect(match("\\A", "a", true));
    cr_expect_not(match("[a-c]", "B", false));
}

Test(glob, bytes_above_127_and_nul_are_bytes_like_others) {
    cr_expect(glob_match(slice_of("a\0*", 3), slice_of("a\0b", 3), false));
    cr_expect_not(glob_match(slice_of("a\0b", 3), slice_of("a\0c", 3), false));
    cr_expect(match("[\x80-\xff]", "\xc3", false));
    cr_expect_not(match("[\x01-\x7f]", "\xc3", false));
}

/* 20,000 elements, or one set of that length, against a million bytes: 20 s if nothing ended them.
 */
Test(glob, long_patterns_end_soon) {
    static const char *const ends[][2] = {{"a", "b"}, {"?", "b"}, {"[b", "]"}};
    size_t n = 1000000;
    char *text = malloc(n);
    uint64_t began = clock_real_ns();

    memset(text, 'a', n);
    for (size_t i = 0; i < 3; i++) {
        struct bytes p = {0};

        bytes_append_str(&p, "*");
        bytes_append_str(&p, ends[i][0]);
        for (int k = 0; k < 20000; k++) bytes_append_char(&p, i == 2 ? 'b' : ends[i][0][0]);
        bytes_append_str(&p, ends[i][1]);
        cr_expect_not(glob_match(bytes_slice(&p), slice_of(text, n), false));
        bytes_release(&p);
    }
    cr_expect_lt(clock_real_ns() - began, 10000000000u);
    cr_expect(glob_match(SLICE("*aaaaaaaaaaaa*b"), slice_of("aaaaaaaaaaaaaaaab", 17), false));
    text[n - 1] = 'b';
    cr_expect(glob_match(SLICE("*aaaab"), slice_of(text, n), false), "it is not that long");
    free(text);
}

/* A matcher that tries every way would need longer than the universe has. */
Test(glob, hard_patterns_end_soon) {
    char pattern[2000], text[20000];
    uint64_t began = clock_real_ns();

    for (size_t i = 0; i + 1 < sizeof pattern; i += 2) memcpy(pattern + i, "*a", 2);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    cr_expect_not(
        glob_match(slice_of(pattern, sizeof pattern), slice_of(text, sizeof text), false));
    cr_expect(
        glob_match(slice_of(pattern, sizeof pattern), slice_of(text, sizeof text - 1), false));
    for (size_t i = 0; i + 1 < sizeof pattern; i += 2) memcpy(pattern + i, "*?", 2);
    cr_expect(glob_match(slice_of(pattern, sizeof pattern), slice_of(text, sizeof text), false));
    memset(pattern, '[', sizeof pattern);
    pattern[0] = '*';
    cr_expect_not(
        glob_match(slice_of(pattern, sizeof pattern), slice_of(text, sizeof text), false));
    cr_expect_lt(clock_real_ns() - began, UINT64_C(60000000000));
}
