/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Vector sets: expressions of FILTER against what Redis 8.0.6 answers, and what hostile arguments
 * and expressions do.
 */
#include "engine_help.h"

#include "server/commands/vset_filter.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(vset_commands, .init = engine_begin, .fini = engine_end);
TestSuite(vset_filter, .init = mem_thread_init);

static void says(const char *line, const char *want) {
    cr_assert_str_eq(engine_say(line), want, "%s", line);
}

#define JSON                                                                                       \
    "{\"n\":1,\"s\":\"foo\",\"t\":true,\"f\":false,\"z\":null,\"arr\":[1,\"x\"],\"o\":{\"q\":1},"  \
    "\"num\":\"5\",\"neg\":-2.5,\"e\":\"\",\"d-e\":4,\"esc\":\"a\\nb\\u0041\"}"

enum { BAD = 2 };

/* Recorded from Redis 8.0.6; BAD: a syntax error near `near`. */
static const struct {
    const char *text;
    int want;
    const char *near;
} cases[] = {
    {"1", 1},
    {"0", 0},
    {"\"a\"", 1},
    {"\"\"", 0},
    {".n", 1},
    {".f", 0},
    {".z", 0},
    {".arr", 1},
    {".o", 0},
    {"!.missing", 0},
    {".missing or .n", 0},
    {".n or .missing", 0},
    {".n = 1", BAD, " 1"},
    {".n==1", 1},
    {".s == 'foo'", 1},
    {".s > \"bar\"", 0},
    {".num == 5", 1},
    {".num + 1 == 6", 1},
    {".s + 1 == 1", 1},
    {".t == 1", 1},
    {".t == true", BAD, ".t == true"},
    {".n in [1,2]", 1},
    {".s in \"xfoox\"", 0},
    {"\"x\" in .arr", 1},
    {"2 in .arr", 0},
    {"1 in [\"1\"]", 1},
    {".n in []", 0},
    {".n in (1,2)", BAD, ",2)"},
    {".n in [1 2]", BAD, "2]"},
    {".n in [1,,2]", BAD, ",2]"},
    {"1 in [[1]]", BAD, "[1]]"},
    {"2 ** 3 ** 2 == 512", 1},
    {"-2 ** 2 == 4", 1},
    {"7.5 % 2 == 1.5", 1},
    {"1/0 == 1/0", 1},
    {"7 % 0 == 7 % 0", 0},
    {"7 % 0", 1},
    {"-.n == -1", BAD, "-.n == -1"},
    {"1-1 == 0", 1},
    {"1 + -1 == 0", 1},
    {"1 --1 == 2", 1},
    {"not .n == 1", 0},
    {"not (1 == 0)", 1},
    {"!!.n", BAD, "!!.n"},
    {"((.n == 1)", BAD, "((.n == 1)"},
    {"(.n == 1))", BAD, "(.n == 1))"},
    {"()", BAD, "()"},
    {"1 2", BAD, "1 2"},
    {".d-e == 4", 1},
    {".o.q", BAD, ".o.q"},
    {"n == 1", BAD, " == 1"},
    {"0x10 == 16", BAD, "10 == 16"},
    {"\"abc", BAD, "\"abc"},
    {"1 and1", 1},
    {"1 andx", BAD, "1 andx"},
    {"1 < 2 < 3", 1},
    {"3 > 2 > 1", 0},
    {"1 or 0 and 0", 1},
    {"0 == 0 > 1", 0},
    {"1 + 0 in [5]", 0},
    {"[5] == [6]", 1},
    {"1.5.5 == 1", BAD, " == 1"},
    {"2^2", BAD, "^2"},
    {"", BAD, ""},
    {".esc == \"a\nbu0041\"", 1},
};

Test(vset_filter, expressions_mean_what_they_mean_in_redis) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice text = slice_str(cases[i].text);
        size_t bad;
        struct vset_filter *f = vset_filter_compile(text, &bad);

        cr_assert_eq(!f, cases[i].want == BAD, "%s", cases[i].text);
        if (f)
            cr_assert_eq(vset_filter_matches(f, slice_str(JSON), PACE_NONE), cases[i].want, "%s",
                         text.p);
        else
            cr_assert_str_eq(text.p + bad, cases[i].near, "%s", text.p);
        vset_filter_free(f);
    }
}

Test(vset_filter, attributes_that_are_no_json_do_not_match) {
    static const char *const bad[] = {"",
                                      "{",
                                      "[1]",
                                      "{\"n\"",
                                      "{\"n\":",
                                      "{n:1}",
                                      "{\"n\":x}",
                                      "{\"n\":.5}",
                                      "{\"n\":\"x}",
                                      "{'n':1}",
                                      "{\"a\":bad,\"n\":1}",
                                      "{\"a\":1 \"n\":1}",
                                      "{\"n\":[1,{}]}"};
    static const char *const good[] = {
        "{\"n\":1",        "  {\"n\" : 1 } x", "{\"a\":[{\"n\":0},\"}\"],\"n\":1}",
        "{\"n\":[1,[2]]}", "{\"n\":+1}",       "{\"n\":1a}"};
    size_t at;
    struct vset_filter *f = vset_filter_compile(SLICE(".n"), &at);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(vset_filter_matches(f, slice_str(bad[i]), PACE_NONE), "%s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(vset_filter_matches(f, slice_str(good[i]), PACE_NONE), "%s", good[i]);
    vset_filter_free(f);
}

/* `head`, then `n` times `part`, then `tail`. */
static struct slice long_text(char **buf, const char *head, const char *part, size_t n,
                              const char *tail) {
    size_t len = strlen(part);
    char *p = *buf = malloc(strlen(head) + n * len + strlen(tail) + 1);

    p = stpcpy(p, head);
    for (size_t i = 0; i < n; i++) p = stpcpy(p, part);
    p = stpcpy(p, tail);
    return slice_of(*buf, (size_t)(p - *buf));
}

Test(vset_filter, depth_and_length_cost_no_stack) {
    static const char *const parts[] = {"(", "!", "1+", "[", "1,", "not ", "\"", "(1)**", ".n or "};
    size_t bad;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *buf;
        struct slice text = long_text(&buf, "", parts[i], 100000, "1");
        struct vset_filter *f = vset_filter_compile(text, &bad);

        if (f) vset_filter_matches(f, SLICE("{\"n\":1}"), PACE_NONE);
        vset_filter_free(f);
        free(buf);
    }
}

Test(vset_filter, deep_attributes_are_refused) {
    size_t at;
    struct vset_filter *f = vset_filter_compile(SLICE(".n"), &at);
    char *buf;

    cr_assert_not(vset_filter_matches(f, long_text(&buf, "{\"n\":", "[", 100000, ""), PACE_NONE));
    free(buf);
    cr_assert(vset_filter_matches(f, long_text(&buf, "{\"a\":", "[", 100000, ""), PACE_NONE) == 0);
    free(buf);
    vset_filter_free(f);
}

Test(vset_commands, elements_come_and_go) {
    says("VADD v VALUES 3 1 2 3 a", ":1\r\n");
    says("VADD v VALUES 3 1 2 3 a SETATTR x", ":0\r\n");
    says("VADD v VALUES 3 3 2 1 a", ":0\r\n");
    says("VGETATTR v a", "$1\r\nx\r\n");
    says("VADD v VALUES 3 0 2 3 b", ":1\r\n");
    says("VCARD v", ":2\r\n");
    says("TYPE v", "+vectorset\r\n");
    says("OBJECT ENCODING v", "$3\r\nraw\r\n");
    says("COPY v w", ":1\r\n");
    says("VREM v a", ":1\r\n");
    says("VREM v b", ":1\r\n");
    says("EXISTS v", ":0\r\n");
    says("VCARD w", ":2\r\n");
    says("SCAN 0 TYPE vectorset", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nw\r\n");
}

Test(vset_commands, hostile_arguments_are_refused) {
    static const char vector[] = "-ERR invalid vector specification\r\n";

    says("VADD", "-ERR wrong number of arguments for 'VADD' command\r\n");
    says("VADD v VALUES 1000000000000 1 a", vector);
    says("VADD v VALUES -1 1 a", vector);
    says("VADD v VALUES 2 nan 1 a", vector);
    says("VADD v VALUES 2 1 2", "-ERR wrong number of arguments for 'VADD' command\r\n");
    says("VADD v FP32 abc a", vector);
    says("VADD v REDUCE 99999999999 VALUES 2 1 2 a", vector);
    says("VADD v REDUCE 0 VALUES 2 1 2 a", vector);
    says("VADD v REDUCE 1000000 VALUES 20 1 2 3 4 5 6 7 8 9 10 1 2 3 4 5 6 7 8 9 10 a", vector);
    says("EXISTS v", ":0\r\n");
    says("VADD v VALUES 2 1 2 a", ":1\r\n");
    says("VSIM v ELE a COUNT 9223372036854775807 EF 9223372036854775807", "*1\r\n$1\r\na\r\n");
    says("VSIM v ELE a TRUTH COUNT 9223372036854775807", "*1\r\n$1\r\na\r\n");
    says("VRANDMEMBER v 9223372036854775807", "*1\r\n$1\r\na\r\n");
    cr_assert(strstr(engine_say("VRANDMEMBER v -9223372036854775808"), "-ERR"));
    says("VEMB x a RAW RAW", "$-1\r\n");
    says("VEMB x a RAW x", "-ERR invalid option\r\n");
    says("SET k v", "+OK\r\n");
    says("VRANDMEMBER k 0", "*0\r\n");
    cr_assert(strstr(engine_say("VRANDMEMBER k 1"), "-WRONGTYPE"));
    says("VSIM v VALUES 3 1 2 3", "-ERR Vector dimension mismatch - got 3 but set has 2\r\n");
}

Test(vset_commands, names_in_order_between_bounds) {
    static const char *const names[] = {"d", "b", "a", "c", "e"};
    char line[64];

    for (size_t i = 0; i < 5; i++) {
        sprintf(line, "VADD v VALUES 2 1 2 %s", names[i]);
        says(line, ":1\r\n");
    }
    says("VRANGE v - +", "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n");
    says("VRANGE v [b (d", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    says("VRANGE v (b [d -1", "*2\r\n$1\r\nc\r\n$1\r\nd\r\n");
    says("VRANGE v - + 1", "*1\r\n$1\r\na\r\n");
    says("VRANGE v (a + 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    says("VRANGE v - + 9223372036854775807",
         "*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n");
    says("VRANGE v + -", "*0\r\n");
    says("VRANGE v [d [b", "*0\r\n");
    says("VRANGE v - + 0", "*0\r\n");
    says("VRANGE none - +", "*0\r\n");
}

Test(vset_commands, what_vrange_refuses) {
    static const char bound[] = "-ERR min or max not valid string range item\r\n";

    says("SET k v", "+OK\r\n");
    says("VRANGE k -", "-ERR wrong number of arguments for 'VRANGE' command\r\n");
    says("VRANGE k a +", bound);
    says("VRANGE k - +x", bound);
    says("VRANGE k -- +", bound);
    says("VRANGE k - + x", "-ERR value is not an integer or out of range\r\n");
    cr_assert(strstr(engine_say("VRANGE k - +"), "-WRONGTYPE"));
}

/* Whatever the order in which they came, and however few are wanted. */
Test(vset_commands, a_part_of_a_range_is_its_beginning) {
    char line[64], want[64];

    for (int i = 0; i < 200; i++) {
        sprintf(line, "VADD v VALUES 2 1 %d n%03d", i, i * 77 % 200);
        says(line, ":1\r\n");
    }
    for (int n = 1; n < 199; n += 7) {
        const char *got;

        sprintf(line, "VRANGE v (n%03d + %d", n, 200 - n);
        got = engine_say(line);
        sprintf(want, "*%d\r\n$4\r\nn%03d\r\n", 199 - n, n + 1);
        cr_assert_eq(strncmp(got, want, strlen(want)), 0, "%s", line);
        sprintf(line, "VRANGE v [n%03d + 2", n);
        sprintf(want, "*2\r\n$4\r\nn%03d\r\n$4\r\nn%03d\r\n", n, n + 1);
        says(line, want);
    }
}

Test(vset_commands, random_members_are_different_ones) {
    char line[64];

    for (int i = 0; i < 9; i++) {
        sprintf(line, "VADD v VALUES 2 1 %d e%d", i, i);
        says(line, ":1\r\n");
    }
    for (int n = 1; n <= 10; n++) {
        unsigned seen = 0;
        const char *p;
        int found = 0;

        sprintf(line, "VRANDMEMBER v %d", n);
        for (p = strchr(engine_say(line), 'e'); p; p = strchr(p + 1, 'e'), found++)
            seen |= 1u << (p[1] - '0');
        cr_assert_eq(found, n < 9 ? n : 9);
        cr_assert_eq(__builtin_popcount(seen), found);
    }
}
