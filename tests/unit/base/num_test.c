/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_i64(const char *text, int64_t *v) {
    return num_parse_i64(text, strlen(text), v);
}

Test(num, integers_are_taken_in_their_canonical_form_only) {
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "01",
                                      "-01",
                                      "-0",
                                      "00",
                                      "1.0",
                                      "--1",
                                      "1-",
                                      "a",
                                      "0x1",
                                      "1e3",
                                      "-a1",
                                      "1\n",
                                      "- 1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "100000000000000000000"};
    static const int64_t good[] = {0,
                                   1,
                                   -1,
                                   9,
                                   10,
                                   99,
                                   100,
                                   101,
                                   12345678,
                                   INT64_MAX,
                                   INT64_MIN,
                                   INT64_MAX - 1,
                                   INT64_MIN + 1};
    int64_t v = 77;
    char text[32];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!is_i64(bad[i], &v) && v == 77, "'%s' is refused, the result untouched", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(text, sizeof text, "%" PRId64, good[i]);
        cr_expect(is_i64(text, &v) && v == good[i], "%s", text);
        v = 77;
    }
    cr_expect_not(num_parse_i64("1\0", 2, &v), "a NUL is no digit");
    cr_expect(num_parse_i64("123", 2, &v) && v == 12, "the length counts, not a NUL");
}

Test(num, unsigned_integers_reach_their_largest) {
    uint64_t v;

    cr_expect(num_parse_u64("18446744073709551615", 20, &v) && v == UINT64_MAX);
    cr_expect_not(num_parse_u64("18446744073709551616", 20, &v));
    cr_expect_not(num_parse_u64("99999999999999999999", 20, &v));
    cr_expect_not(num_parse_u64("-1", 2, &v));
    cr_expect_not(num_parse_u64("00", 2, &v));
}

Test(num, integers_print_as_they_parse) {
    rng_seed(3);
    for (int i = 0; i < 200000; i++) {
        int64_t v = (int64_t)(rng_u64() >> rng_below(64)) * (i % 2 ? 1 : -1), back;
        char text[NUM_I64_MAX], expected[32];
        int n = num_format_i64(text, v);

        snprintf(expected, sizeof expected, "%" PRId64, v);
        cr_assert_eq((size_t)n, strlen(expected));
        cr_assert_arr_eq(text, expected, (size_t)n);
        cr_assert(num_parse_i64(text, (size_t)n, &back) && back == v);
    }
}

Test(num, the_extreme_integers_print) {
    char text[NUM_I64_MAX];

    cr_expect_eq(num_format_i64(text, INT64_MIN), 20);
    cr_expect_arr_eq(text, "-9223372036854775808", 20);
    cr_expect_eq(num_format_u64(text, UINT64_MAX), 20);
    cr_expect_arr_eq(text, "18446744073709551615", 20);
    cr_expect_eq(num_format_u64(text, 0), 1);
    cr_expect_eq(text[0], '0');
}

/* ---------------------------------------------------------------- doubles */

Test(num, doubles_are_taken_in_any_form_of_strtod_but_nan) {
    static const char *const bad[] = {"",       " 1",  "\t1", "1 ",   "1x", "nan",   "NaN",
                                      "-nan",   "1e",  "e1",  ".",    "0x", "1e400", "-1e400",
                                      "1e-400", "1,5", "--1", "infi", "in", "nan(1)"};
    static const struct {
        const char *text;
        double v;
    } good[] = {{"1", 1},           {"-1.5", -1.5},         {"1e3", 1000},     {".5", .5},
                {"5.", 5},          {"0x10", 16},           {"inf", INFINITY}, {"-inf", -INFINITY},
                {"+inf", INFINITY}, {"Infinity", INFINITY}, {"1e308", 1e308},  {"5e-324", 5e-324},
                {"+1", 1},          {"-0", -0.0},           {"0x1p-3", .125},  {"00001", 1}};
    double v = 77;
    char long_text[600];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(!num_parse_double(bad[i], strlen(bad[i]), &v) && v == 77, "'%s'", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(num_parse_double(good[i].text, strlen(good[i].text), &v) && v == good[i].v,
                  "'%s'", good[i].text);
    cr_expect_not(num_parse_double("1\0", 2, &v));
    cr_expect(num_parse_double("1.25", 3, &v) && v == 1.2, "the length counts, not a NUL");
    memset(long_text, '0', sizeof long_text);
    cr_expect_not(num_parse_double(long_text, sizeof long_text, &v));
}

/* The texts are Redis 7.2's, where recorded (tests/data/golden), else by its printer's rules. */
Test(num, doubles_print_as_redis_does) {
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {0.2, "0.2"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1, "1"},
        {-1, "-1"},
        {0.0, "0"},
        {-0.0, "-0"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {2.5, "2.5"},
        {1e17, "100000000000000000"},
        {12345678901234567, "12345678901234568"},
        {3479447370796909, "3479447370796909"},
        {1e18, "1000000000000000000"},
        {1152921504606846976, "1152921504606846976"},
        {4611686018427387904, "4611686018427387904"},
        {9223372036854775808.0, "9223372036854776000"},
        {1e19, "1e+19"},
        {1e20, "1e+20"},
        {1e21, "1e+21"},
        {1.5e21, "1.5e+21"},
        {1e300, "1e+300"},
        {-1e300, "-1e+300"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {-1e-308, "-1e-308"},
        {1e-7, "1e-7"},
        {5e-7, "5e-7"},
        {1e-6, "0.000001"},
        {1.5e-6, "1.5e-6"},
        {0.00001, "0.00001"},
        {1.26736058093e-6, "1.26736058093e-6"},
        {0.001, "0.001"},
        {2.68220901489e-6, "2.68220901489e-6"},
        {123456789.123, "123456789.123"},
        {190.44242984775784, "190.44242984775784"},
        {56.4412578701582, "56.4412578701582"},
        {38.1155563954963, "38.1155563954963"},
        {5.00001, "5.00001"},
        {1e-100, "1e-100"},
        {3.0000000000000004, "3.0000000000000004"},
        {0.012345678, "0.012345678"},
        {0.00012345678, "1.2345678e-4"},
    };
    char out[NUM_DOUBLE_MAX];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq((size_t)num_format_double(out, cases[i].v), strlen(cases[i].text));
        cr_expect_str_eq(out, cases[i].text);
    }
}

/* No text is shorter by a digit, and each reads back the same. */
static void check_shortest(double v) {
    char out[NUM_DOUBLE_MAX + 1] = {0}, shorter[40];
    int n = num_format_double(out, v), digits = 0;
    double back;

    cr_assert_lt(n, NUM_DOUBLE_MAX);
    cr_assert_eq(out[n], '\0');
    cr_assert(num_parse_double(out, (size_t)n, &back) && back == v, "%s of %a", out, v);
    if (fabs(v) < 0x1p62 && v == floor(v)) return;
    for (const char *p = out; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9' && (digits || *p != '0')) digits++;
    if (!strchr(out, '.'))
        for (int i = n; out[i - 1] == '0'; i--) digits--;
    snprintf(shorter, sizeof shorter, "%.*e", digits - 1, v);
    cr_assert_eq(strtod(shorter, NULL), v, "%s has other digits than %s", out, shorter);
    if (digits == 1) return;
    snprintf(shorter, sizeof shorter, "%.*e", digits - 2, v);
    cr_assert(strtod(shorter, NULL) != v, "%s is shorter than %s", shorter, out);
}

Test(num, doubles_print_the_shortest_text_that_reads_back) {
    rng_seed(11);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = rng_u64();
        double v;

        memcpy(&v, &bits, sizeof v);
        if (isfinite(v)) check_shortest(v);
        check_shortest((double)rng_below(1u << 30) / (double)(1 + rng_below(10000)));
        check_shortest(ldexp((double)(1 + rng_below(1000)), -1074)); /* the smallest ones */
        v = ldexp((double)(bits >> 11), -(int)rng_below(75));
        check_shortest(v);
        check_shortest(-nextafter(v, 0));
        v = ldexp(1, (int)rng_below(53) - 20); /* the gap below is half as wide */
        check_shortest(nextafter(v, 0));
        check_shortest(v + v * 0x1p-52);
    }
}

Test(num, plain_decimals_are_read_as_strtod_does) {
    double v;

    rng_seed(12);
    for (int i = 0; i < 100000; i++) {
        char text[40];
        int n = num_format_u64(text, rng_u64() >> rng_below(64)), at = (int)rng_below(20);

        if (at < n) {
            memmove(text + at + 1, text + at, (size_t)(n - at));
            text[at] = '.';
            n++;
        }
        text[n] = '\0';
        cr_assert(num_parse_double(text, (size_t)n, &v), "%s", text);
        cr_assert_eq(v, strtod(text, NULL), "%s", text);
    }
    cr_expect_not(num_parse_double(".", 1, &v));
    cr_expect_not(num_parse_double("-", 1, &v));
    cr_expect_not(num_parse_double("1.2.3", 5, &v));
    cr_expect(num_parse_double("-0", 2, &v) && v == 0 && signbit(v));
    cr_expect(num_parse_double("1.", 2, &v) && v == 1);
}

Test(num, long_doubles_print_as_incrbyfloat_does) {
    static const struct {
        const char *in, *out;
    } cases[] = {{"0.1", "0.1"},   {"10.50", "10.5"},     {"5.0e3", "5000"},
                 {"-0", "0"},      {"3.0e-5", "0.00003"}, {"1e20", "100000000000000000000"},
                 {"-1.5", "-1.5"}, {"1e-18", "0"},        {"100", "100"},
                 {"0.30", "0.3"},  {"-1e-19", "0"}};
    char out[NUM_LDOUBLE_MAX];
    long double v;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(num_parse_ldouble(cases[i].in, strlen(cases[i].in), &v));
        cr_expect_eq((size_t)num_format_ldouble(out, v), strlen(cases[i].out), "%s", cases[i].in);
        cr_expect_str_eq(out, cases[i].out);
    }
    cr_expect_eq(num_format_ldouble(out, LDBL_MAX), 4933, "the longest has room");
    cr_expect_not(num_parse_ldouble("nan", 3, &v));
    cr_expect_not(num_parse_ldouble(" 1", 2, &v));
    cr_expect_not(num_parse_ldouble("1e5000", 6, &v));
}

/* ---------------------------------------------------------------- sizes */

Test(num, sizes_know_two_kinds_of_units) {
    static const struct {
        const char *text;
        uint64_t v;
    } good[] = {{"0", 0},
                {"1", 1},
                {"1b", 1},
                {"1k", 1000},
                {"1kb", 1024},
                {"1K", 1000},
                {"2KB", 2048},
                {"3m", 3000000},
                {"3Mb", 3 << 20},
                {"1g", 1000000000},
                {"1gb", 1 << 30},
                {"00012", 12},
                {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",
                                      "k",
                                      "1t",
                                      "1kk",
                                      "1 k",
                                      "-1",
                                      "+1",
                                      "1.5k",
                                      "1kbb",
                                      "kb1",
                                      "18446744073709551616",
                                      "18446744073709551615k"};
    uint64_t v = 77;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(num_parse_size(good[i].text, strlen(good[i].text), &v) && v == good[i].v, "%s",
                  good[i].text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(num_parse_size(bad[i], strlen(bad[i]), &v), "'%s'", bad[i]);
}

Test(num, sizes_print_for_people) {
    static const struct {
        uint64_t v;
        const char *text;
    } cases[] = {{0, "0B"},
                 {1023, "1023B"},
                 {1024, "1.00K"},
                 {1536, "1.50K"},
                 {1 << 20, "1.00M"},
                 {UINT64_C(3) << 40, "3.00T"},
                 {UINT64_MAX, "16384.00P"}};
    char out[32];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        num_format_human(out, cases[i].v);
        cr_expect_str_eq(out, cases[i].text);
    }
}
