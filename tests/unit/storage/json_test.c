/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON values: texts in and out, what is refused, objects beside a plain list of pairs, marks.
 */
#include "storage/json.h"

#include "storage/base/mem.h"
#include "storage/base/rng.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(json, .init = mem_thread_init);

static const struct json_format plain;

static struct json parse(const char *text) {
    struct json_error e;
    struct json v;

    cr_assert(json_parse(slice_str(text), PACE_NONE, &v, &e), "%s: %s at %zu", text, e.what, e.at);
    return v;
}

static const char *print(const struct json *v) {
    static struct bytes b;

    bytes_clear(&b);
    json_print(&b, v, &plain, 0, PACE_NONE);
    return bytes_cstr(&b);
}

/* What comes in, and what goes out; NULL: the same. */
static const struct {
    const char *in, *out;
} texts[] = {
    {"null"},
    {"true"},
    {"false"},
    {"0"},
    {"-1"},
    {"9223372036854775807"},
    {"-9223372036854775808"},
    {"9223372036854775808", "9.223372036854776e18"},
    {"12345678901234567890123", "1.2345678901234568e22"},
    {"1.0"},
    {"1.5"},
    {"-0", "-0.0"},
    {"-0.0"},
    {"0.1"},
    {"1e2", "100.0"},
    {"1E+2", "100.0"},
    {"1e16", "1e16"},
    {"1e15", "1000000000000000.0"},
    {"123456789012345680.0", "1.2345678901234568e17"},
    {"0.0001", "0.0001"},
    {"0.00001", "0.00001"},
    {"0.000001", "1e-6"},
    {"1.5e-7"},
    {"5e-324"},
    {"1.7976931348623157e308"},
    {"12.340", "12.34"},
    {"0.30000000000000004"},
    {"2251799813685249.5"},
    {"9007199254740993.0", "9007199254740992.0"},
    {"\"\""},
    {"\"abc\""},
    {"\"12345678901234\""},
    {"\"123456789012345\""},
    {"\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\t\"", "\"a\\\"b\\\\c/d\\b\\f\\n\\r\\t\""},
    {"\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\x7f\""},
    {"\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"[]"},
    {"{}"},
    {" [ 1 , 2 ] ", "[1,2]"},
    {"[[],{},[[]]]"},
    {"{\"a\":1,\"b\":{\"c\":[1,2.5,null]}}"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
    {"{\"\":{\"\":1}}"},
};

Test(json, texts_come_back_in_their_plain_form) {
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json v = parse(texts[i].in), copy = json_copy(&v, PACE_NONE);

        cr_expect_str_eq(print(&v), texts[i].out ? texts[i].out : texts[i].in);
        cr_expect(json_equal(&v, &copy, PACE_NONE));
        json_clear(&v);
        cr_expect_str_eq(print(&copy), texts[i].out ? texts[i].out : texts[i].in);
        json_clear(&copy);
    }
}

Test(json, what_is_no_json_is_refused) {
    static const char *const bad[] = {
        "",
        " ",
        "nul",
        "nullx",
        "tru",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-",
        "- 1",
        "0x1",
        "1e400",
        "-1e400",
        "\"",
        "\"abc",
        "\"\\x\"",
        "\"\\",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\x01\"",
        "\"\n\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:2}",
        "{\"a\" 1}",
        "1 2",
        "[] x",
        "'a'",
        "NaN",
        "Infinity",
        "\xef\xbb\xbf"
        "1",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct json_error e = {0};
        struct json v;

        cr_expect_not(json_parse(slice_str(bad[i]), PACE_NONE, &v, &e), "%s", bad[i]);
        cr_expect_not_null(e.what);
        cr_expect_leq(e.at, strlen(bad[i]));
    }
}

static char *nested(int depth, const char *open, const char *inner, const char *close) {
    struct bytes b = {0};
    char *text;

    for (int i = 0; i < depth; i++) bytes_append_str(&b, open);
    bytes_append_str(&b, inner);
    for (int i = 0; i < depth; i++) bytes_append_str(&b, close);
    text = strdup(bytes_cstr(&b));
    bytes_release(&b);
    return text;
}

Test(json, a_depth_of_128_is_the_last) {
    char *good = nested(JSON_DEPTH_MAX, "[", "1", "]"),
         *bad = nested(JSON_DEPTH_MAX + 1, "{\"a\":", "1", "}"),
         *worse = nested(1000000, "[", "", "");
    struct json v = parse(good);
    struct json_error e;

    cr_assert_eq(json_depth(&v, PACE_NONE), JSON_DEPTH_MAX);
    json_clear(&v);
    cr_assert_not(json_parse(slice_str(bad), PACE_NONE, &v, &e));
    cr_assert_not(json_parse(slice_str(worse), PACE_NONE, &v, &e));
    free(good);
    free(bad);
    free(worse);
}

Test(json, equality_knows_numbers_and_the_order_of_members) {
    static const struct {
        const char *a, *b;
        bool equal;
    } pairs[] = {
        {"1", "1.0", true},
        {"9223372036854775807", "9223372036854775808", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"\"1\"", "1", false},
        {"null", "false", false},
        {"0", "false", false},
        {"true", "true", true},
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"[1,2]", "[2,1]", false},
        {"[]", "{}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct json a = parse(pairs[i].a), b = parse(pairs[i].b);

        cr_expect_eq(json_equal(&a, &b, PACE_NONE), pairs[i].equal, "%s %s", pairs[i].a,
                     pairs[i].b);
        json_clear(&a);
        json_clear(&b);
    }
}

enum { NAMES = 300, ROUNDS = 20000 };

static struct slice name_of(int i, char *text) {
    return slice_of(text, (size_t)sprintf(text, i % 3 ? "n%d" : "a name that is long %d", i));
}

static void check_object(const struct json *o, const int64_t *model) {
    uint32_t n = 0;
    char text[64];

    for (int i = 0; i < NAMES; i++) {
        struct json *v = json_object_find(o, name_of(i, text));

        cr_assert_eq(v != NULL, model[i] >= 0, "%d", i);
        if (!v) continue;
        cr_assert_eq(v->u.integer, model[i]);
        n++;
    }
    cr_assert_eq(o->n, n);
}

Test(json, an_object_holds_what_a_model_holds) {
    struct json o = {.kind = JSON_OBJECT};
    int64_t model[NAMES];
    char text[64];

    rng_seed(3);
    memset(model, 0xff, sizeof model);
    for (int round = 0; round < ROUNDS; round++) {
        int most = round / 2000 % 2 ? NAMES : 20, i = (int)rng_below((uint64_t)most);
        int64_t at = json_object_at(&o, name_of(i, text));

        if (rng_below(3) == 0) {
            if (at >= 0) json_object_remove(&o, (uint32_t)at);
            model[i] = -1;
        } else {
            json_object_set(&o, name_of(i, text), json_from_integer(round));
            model[i] = round;
        }
        if (round % 50 == 0) check_object(&o, model);
        if (rng_below(500) == 0) {
            for (i = 0; i < NAMES; i += 2) {
                struct json *v = json_object_find(&o, name_of(i, text));

                if (v) v->kind |= JSON_MARK;
                model[i] = -1;
            }
            json_sweep(&o);
            check_object(&o, model);
        }
    }
    json_clear(&o);
}

Test(json, items_are_opened_taken_and_trimmed) {
    struct json a = parse("[1,2,3]");

    *json_array_open(&a, 1, 1) = json_from_text(SLICE("a text that is long enough"));
    cr_assert_str_eq(print(&a), "[1,\"a text that is long enough\",2,3]");
    json_array_open(&a, 4, 2);
    cr_assert_str_eq(print(&a), "[1,\"a text that is long enough\",2,3,null,null]");
    cr_assert_eq(json_array_take(&a, 0).u.integer, 1);
    json_array_trim(&a, 1, 3);
    cr_assert_str_eq(print(&a), "[2,3,null]");
    json_array_trim(&a, 0, 0);
    cr_assert_str_eq(print(&a), "[]");
    json_array_open(&a, 0, 1);
    cr_assert_str_eq(print(&a), "[null]");
    json_clear(&a);
}

static void to_zero(struct json *v) {
    json_clear(v);
    *v = json_from_integer(0);
}

Test(json, marks_count_the_topmost_values_only) {
    struct json v = parse("{\"a\":{\"a\":1},\"b\":[{\"a\":[2]},3]}"),
                copy = json_copy(&v, PACE_NONE);

    for (int i = 0; i < 2; i++) {
        struct json *in = i ? &copy : &v, *a = json_object_find(in, SLICE("a"));

        json_object_find(a, SLICE("a"))->kind |= JSON_MARK;
        a->kind |= JSON_MARK;
        json_object_find(json_child(json_object_find(in, SLICE("b")), 0), SLICE("a"))->kind |=
            JSON_MARK;
    }
    cr_assert_eq(json_prune(&v), 2);
    cr_assert_str_eq(print(&v), "{\"b\":[{},3]}");
    cr_assert_eq(json_each_marked(&copy, to_zero), 2);
    cr_assert_str_eq(print(&copy), "{\"a\":0,\"b\":[{\"a\":0},3]}");
    json_clear(&v);
    json_clear(&copy);
}

Test(json, printing_knows_forms_and_a_limit) {
    struct json_format f = {SLICE("  "), SLICE("\n"), SLICE(" "), 0};
    struct json v = parse("{\"a\":[1,{}],\"b\":[]}");
    struct bytes b = {0};

    json_print(&b, &v, &f, 0, PACE_NONE);
    cr_assert_str_eq(bytes_cstr(&b), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
    bytes_clear(&b);
    f.limit = 8;
    json_print(&b, &v, &f, 0, PACE_NONE);
    cr_assert_gt(b.n, f.limit);
    cr_assert_lt(b.n, 24);
    bytes_release(&b);
    json_clear(&v);
}

Test(json, memory_is_what_the_allocations_have) {
    struct json v = parse("[1,2,\"a text of 25 characters\",{\"a\":1}]");

    cr_assert_eq(json_mem(&v, PACE_NONE), 64 + 24 + 32);
    json_clear(&v);
}
