/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Paths into JSON documents: what they find, what is none, and what hostile ones cost.
 */
#include "storage/json_path.h"
#include "storage/regex.h"

#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(json_path, .init = mem_thread_init);
TestSuite(regex, .init = mem_thread_init);

/* Of RFC 9535, 1.5, with less of each book. */
#define STORE                                                                                      \
    "{\"store\":{\"book\":[{\"category\":\"reference\",\"author\":\"Rees\",\"price\":8.95},"       \
    "{\"category\":\"fiction\",\"author\":\"Waugh\",\"price\":12.99},"                             \
    "{\"category\":\"fiction\",\"author\":\"Melville\",\"isbn\":\"0-553\",\"price\":8.99},"        \
    "{\"category\":\"fiction\",\"author\":\"Tolkien\",\"isbn\":\"0-395\",\"price\":22.99}],"       \
    "\"bicycle\":{\"color\":\"red\",\"price\":399}},\"pat\":\"^T.*n$\",\"lim\":10}"
#define LIST   "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]"
#define NESTED "{\"o\":{\"j\":1,\"k\":2},\"a\":[5,3,[{\"j\":4},{\"k\":6}]]}"
#define MIXED                                                                                      \
    "[{\"x\":1},{\"x\":1.5},{\"x\":\"1\"},{\"x\":true},{\"x\":null},{\"x\":[1]},{\"x\":{\"y\":1}}" \
    ",{}]"
#define NAMES                                                                                      \
    "{\"a "                                                                                        \
    "b\":1,\"a.b\":2,\"'\":3,\"\\\"\":4,\"\xc3\xa9\":5,\"$x\":6,\"a-b\":7,\"@t\":8,\"\":9,\"a:"    \
    "b\":10,\"\\n\":11}"

static const struct {
    const char *doc, *path, *want;
} cases[] = {
    {STORE, "$.store.book[*].author", "\"Rees\" \"Waugh\" \"Melville\" \"Tolkien\""},
    {STORE, "$..author", "\"Rees\" \"Waugh\" \"Melville\" \"Tolkien\""},
    {STORE, "$.store..price", "8.95 12.99 8.99 22.99 399"},
    {STORE, "$..book[2].author", "\"Melville\""},
    {STORE, "$..book[2].publisher", ""},
    {STORE, "$..book[-1].author", "\"Tolkien\""},
    {STORE, "$..book[0,1].price", "8.95 12.99"},
    {STORE, "$..book[:2].price", "8.95 12.99"},
    {STORE, "$..book[?@.isbn].price", "8.99 22.99"},
    {STORE, "$..book[?(@.price<10)].author", "\"Rees\" \"Melville\""},
    {STORE, "$..book[?(@.price < $.lim && @.isbn)].author", "\"Melville\""},
    {STORE, "$..book[?(@.price < 10 || @.author == 'Tolkien')].price", "8.95 8.99 22.99"},
    {STORE, "$..book[?(!(@.price < 10) && !@.isbn)].price", "12.99"},
    {STORE, "$..book[?(@.author =~ \"(?i)^m\")].price", "8.99"},
    {STORE, "$..book[?(@.author =~ $.pat)].price", "22.99"},
    {STORE, "$..book[?(@.author =~ '[')].price", ""},
    {STORE, "$.store[?(@[?(@.price > 20)])][3].price", "22.99"},
    {STORE, "$.store.*.color", "\"red\""},
    {STORE, "$.store.book.[1].price", "12.99"},
    {STORE, "$.store[\"bicycle\"]['color','price']", "\"red\" 399"},
    {STORE, ".store.bicycle.color", "\"red\""},
    {STORE, "store.bicycle.color", "\"red\""},
    {STORE, "[\"lim\"]", "10"},
    {STORE, "..isbn", "\"0-553\" \"0-395\""},
    {"{\"a\":1}", "$", "{\"a\":1}"},
    {"{\"a\":1}", ".", "{\"a\":1}"},
    {"{\"$a\":1}", "$a", "1"},
    {LIST, "$[1:3]", "\"b\" \"c\""},
    {LIST, "$[5:]", "\"f\" \"g\""},
    {LIST, "$[1:5:2]", "\"b\" \"d\""},
    {LIST, "$[5:1:-2]", "\"f\" \"d\""},
    {LIST, "$[::-1]", "\"g\" \"f\" \"e\" \"d\" \"c\" \"b\" \"a\""},
    {LIST, "$[-2:]", "\"f\" \"g\""},
    {LIST, "$[:-5]", "\"a\" \"b\""},
    {LIST, "$[1:5:0]", ""},
    {LIST, "$[9007199254740991:-9007199254740991:-9007199254740991]", "\"g\""},
    {LIST, "$[-8]", ""},
    {LIST, "$[7]", ""},
    {LIST, "$[-7]", "\"a\""},
    {LIST, "$[0, 0]", "\"a\" \"a\""},
    {LIST, "$[ 1 , 5:7 , -1 ]", "\"b\" \"f\" \"g\" \"g\""},
    {LIST, "$[*].x", ""},
    {NESTED, "$..j", "1 4"},
    {NESTED, "$..[0]", "5 {\"j\":4}"},
    {NESTED, "$..*",
     "{\"j\":1,\"k\":2} [5,3,[{\"j\":4},{\"k\":6}]] 1 2 5 3 [{\"j\":4},{\"k\":6}] "
     "{\"j\":4} {\"k\":6} 4 6"},
    {NESTED, "$.o.*", "1 2"},
    {NESTED, "$.a[?@>3]", "5"},
    {NESTED, "$.o[?@<2]", "1"},
    {NESTED, "$[?@.*]", "{\"j\":1,\"k\":2} [5,3,[{\"j\":4},{\"k\":6}]]"},
    {MIXED, "$[?@.x == 1].x", "1"},
    {MIXED, "$[?@.x == 1.5].x", "1.5"},
    {MIXED, "$[?@.x == '1'].x", "\"1\""},
    {MIXED, "$[?@.x == true].x", "true"},
    {MIXED, "$[?@.x == null].x", "null"},
    {MIXED, "$[?@.x >= 1].x", "1 1.5"},
    {MIXED, "$[?@.x <= \"1\"].x", "\"1\""},
    {MIXED, "$[?@.x <= true].x", "true"},
    {MIXED, "$[?@.x != 1].x", "1.5 \"1\" true null [1] {\"y\":1}"},
    {MIXED, "$[?@.x == @.y]", "{}"},
    {MIXED, "$[?@.x == $[5].x].x", "[1]"},
    {MIXED, "$[?@.x].x", "1 1.5 \"1\" true null [1] {\"y\":1}"},
    {MIXED, "$[?!@.x]", "{}"},
    {MIXED, "$[?@.x.y].x", "{\"y\":1}"},
    {MIXED, "$[?@..y == 1].x", "{\"y\":1}"},
    {MIXED, "$[?1 == @.x].x", "1"},
    {MIXED, "$[?true][0].x", ""},
    {NAMES, "$['a b']", "1"},
    {NAMES, "$[\"a.b\"]", "2"},
    {NAMES, "$['\\'']", "3"},
    {NAMES, "$[\"'\"]", "3"},
    {NAMES, "$['\"']", "4"},
    {NAMES, "$[\"\\\"\"]", "4"},
    {NAMES, "$.\xc3\xa9", "5"},
    {NAMES, "$['\\u00e9']", "5"},
    {NAMES, "$.$x", "6"},
    {NAMES, "$.a-b", "7"},
    {NAMES, "$.@t", "8"},
    {NAMES, "$['']", "9"},
    {NAMES, "$.a:b", "10"},
    {NAMES, "['\\n']", "11"},
};

static const char *find(const char *doc, const char *text) {
    static const struct json_format plain;
    static struct bytes out;
    struct json_matches m = {0};
    struct json_error e;
    struct json v;
    uint64_t work = 0;
    size_t bad;
    struct json_path *p = json_path_compile(slice_str(text), &bad);

    cr_assert_not_null(p, "%s: at %zu", text, bad);
    cr_assert(json_parse(slice_str(doc), PACE_NONE, &v, &e));
    bytes_clear(&out);
    cr_assert(json_path_find(p, &v, PACE_NONE, &work, &m));
    for (size_t i = 0; i < m.n; i++) {
        const struct json_found *f = &m.list[i];

        if (i > 0) bytes_append_char(&out, ' ');
        json_print(&out, f->v, &plain, 0, PACE_NONE);
        if (f->parent) cr_assert_eq(json_child(f->parent, f->at), f->v);
    }
    json_matches_release(&m);
    json_path_free(p);
    json_clear(&v);
    return bytes_cstr(&out);
}

Test(json_path, each_finds_what_it_should) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(find(cases[i].doc, cases[i].path), cases[i].want, "%s: %s", cases[i].path,
                         find(cases[i].doc, cases[i].path));
}

Test(json_path, what_is_no_path_is_refused) {
    static const char *const bad[] = {
        "",
        "$.",
        "$..",
        "$.a.",
        "$[",
        "$]",
        "$[]",
        "$[1",
        "$['a",
        "$['a'",
        "$[a]",
        "$[1,]",
        "$[,1]",
        "$[01]",
        "$[-0]",
        "$[9007199254740992]",
        "$[1:2:3:4]",
        "$.a b",
        "$...a",
        "a..",
        "$[?]",
        "$[?(]",
        "$[?()]",
        "$[?(@.a]",
        "$[?(@.a == )]",
        "$[?(@.a = 1)]",
        "$[?(@.a && )]",
        "$[?(|| @.a)]",
        "$[?(@.a == 'x)]",
        "$[?(@.a == 1 == 2)]",
        "$[?(@.a ~ 1)]",
        "$[?(x)]",
        "$['\\x']",
        "$[\"\x01\"]",
        "$.\xff",
        "$[?(length(@.a) > 1)]",
        "$ .a",
        "$.a]",
        "$[?@.a",
        "$[(1)]",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t at;
        struct json_path *p = json_path_compile(slice_str(bad[i]), &at);

        if (p) fprintf(stderr, "accepted: %s\n", bad[i]);
        cr_expect(!p, "%s", bad[i]);
        json_path_free(p);
    }
}

static struct slice many(char **buf, const char *head, const char *part, size_t n,
                         const char *tail) {
    char *p = *buf = malloc(strlen(head) + n * strlen(part) + strlen(tail) + 1);

    p = stpcpy(p, head);
    for (size_t i = 0; i < n; i++) p = stpcpy(p, part);
    p = stpcpy(p, tail);
    return slice_of(*buf, (size_t)(p - *buf));
}

Test(json_path, a_path_has_a_length_of_1_mb_at_most) {
    size_t bad = 0;
    char *buf;
    struct slice text = many(&buf, "$.", "a", JSON_PATH_TEXT_MAX - 1, "");

    cr_assert_null(json_path_compile(text, &bad));
    cr_assert_eq(bad, JSON_PATH_TEXT_MAX);
    text.n--;
    json_path_free(json_path_compile(text, &bad));
    free(buf);
}

Test(json_path, long_and_deep_paths_cost_no_stack) {
    static const struct {
        const char *head, *part, *tail;
    } shapes[] = {
        {"$", ".a", ""},          {"$", "[0]", ""},         {"$", "..a", ""},
        {"$", "[?(@", ""},        {"$[?", "(", ""},         {"$[?", "!", "@.a]"},
        {"$[?@", "[?@", ""},      {"$[?@.a", "||@.a", "]"}, {"$[?@.a", "&&@.a", "]"},
        {"$[0", ",0", "]"},       {"$[?@", ".a", "]"},      {"$['", "a", "']"},
        {"$[?@=~'", "(", "']"},   {"$[?@=~'", "a|", "']"},  {"$[?@=~'", "a{9}", "']"},
        {"$[?@=~'", "[a]", "']"},
    };
    struct json_error e;
    struct json v;

    cr_assert(json_parse(SLICE("{\"a\":[\"aaa\"]}"), PACE_NONE, &v, &e));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct json_matches m = {0};
        uint64_t work = 0;
        char *buf;
        size_t bad;
        struct json_path *p = json_path_compile(
            many(&buf, shapes[i].head, shapes[i].part, 50000, shapes[i].tail), &bad);

        if (p) json_path_find(p, &v, PACE_NONE, &work, &m);
        json_matches_release(&m);
        json_path_free(p);
        free(buf);
    }
    json_clear(&v);
}

/* 128 arrays in each other, so that each further `..*` multiplies the results. */
Test(json_path, results_that_repeat_are_bounded) {
    struct json_matches m = {0};
    struct json_error e;
    struct json v;
    uint64_t work = 0;
    char *buf;
    size_t bad;
    struct json_path *p = json_path_compile(SLICE("$..*..*..*..*..*"), &bad);

    cr_assert(json_parse(many(&buf, "", "[", 128,
                              "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                              "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                              "]]]]]]]]]]]]"),
                         PACE_NONE, &v, &e));
    cr_assert_not(json_path_find(p, &v, PACE_NONE, &work, &m));
    cr_assert_leq(m.n, (size_t)JSON_PATH_REPEATS_MAX + JSON_DEPTH_MAX);
    json_matches_release(&m);
    json_path_free(p);
    json_clear(&v);
    free(buf);
}

/* Of one step, and of a query in a filter; each selector leads to 100,000 values. */
Test(json_path, results_of_many_selectors_are_bounded) {
    static const char *const paths[] = {"$[", "$[?$["};
    struct bytes doc = {0}, text = {0};
    struct json_error e;
    struct json v;
    size_t bad;

    bytes_append_str(&doc, "[0");
    for (int i = 1; i < 100000; i++) bytes_append_str(&doc, ",0");
    bytes_append_str(&doc, "]");
    cr_assert(json_parse(bytes_slice(&doc), PACE_NONE, &v, &e));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct json_matches m = {0};
        uint64_t work = 0;
        struct json_path *p;

        text.n = 0;
        bytes_append_str(&text, paths[i]);
        for (int k = 0; k < 1000; k++) bytes_append_str(&text, "0:,");
        bytes_append_str(&text, i ? "0:]]" : "0:]");
        p = json_path_compile(bytes_slice(&text), &bad);
        cr_assert_not_null(p);
        cr_assert_not(json_path_find(p, &v, PACE_NONE, &work, &m));
        cr_assert_leq(m.cap, (size_t)JSON_PATH_REPEATS_MAX * 2);
        cr_assert_leq(work, (uint64_t)JSON_PATH_REPEATS_MAX * 2, "%s", paths[i]);
        json_matches_release(&m);
        json_path_free(p);
    }
    bytes_release(&doc);
    bytes_release(&text);
    json_clear(&v);
}

/* Each of 300,000 items compares two texts of 300,000 bytes, or two arrays of 100,000 numbers. */
Test(json_path, comparisons_count_as_work) {
    static const char *const paths[] = {"$.c[?$.x==$.y]", "$.c[?$.p==$.q]"};
    struct bytes doc = {0};
    struct json_error e;
    struct json v;

    bytes_append_str(&doc, "{\"c\":[0");
    for (int i = 0; i < 300000; i++) bytes_append_str(&doc, ",0");
    bytes_append_str(&doc, "],\"p\":[0");
    for (int i = 0; i < 100000; i++) bytes_append_str(&doc, ",0");
    bytes_append_str(&doc, "],\"x\":\"");
    for (int i = 0; i < 300000; i++) bytes_append_char(&doc, 'a');
    bytes_append_str(&doc, "\"}");
    cr_assert(json_parse(bytes_slice(&doc), PACE_NONE, &v, &e));
    json_object_set(&v, SLICE("y"), json_copy(json_object_find(&v, SLICE("x")), PACE_NONE));
    json_object_set(&v, SLICE("q"), json_copy(json_object_find(&v, SLICE("p")), PACE_NONE));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct json_matches m = {0};
        uint64_t work = 0;
        size_t bad;
        struct json_path *p = json_path_compile(slice_str(paths[i]), &bad);

        cr_expect_not(json_path_find(p, &v, PACE_NONE, &work, &m), "%s", paths[i]);
        json_matches_release(&m);
        json_path_free(p);
    }
    json_clear(&v);
    bytes_release(&doc);
}

static const struct {
    const char *pattern, *text;
    int want; /* 2: no pattern */
} regexes[] = {
    {"", "", 1},
    {"", "x", 1},
    {"a", "xax", 1},
    {"a", "xbx", 0},
    {"^a", "ba", 0},
    {"^a", "ab", 1},
    {"a$", "ba", 1},
    {"a$", "ab", 0},
    {"^$", "", 1},
    {"a.c", "abc", 1},
    {"a.c", "a\nc", 0},
    {"(?s)a.c", "a\nc", 1},
    {"a*", "", 1},
    {"^a+$", "aaa", 1},
    {"^a+$", "", 0},
    {"^ab?c$", "ac", 1},
    {"^ab?c$", "abbc", 0},
    {"^(ab)*$", "abab", 1},
    {"^(ab)*$", "aba", 0},
    {"^a{2}$", "aa", 1},
    {"^a{2}$", "aaa", 0},
    {"^a{2,}$", "aaaa", 1},
    {"^a{2,}$", "a", 0},
    {"^a{1,3}$", "aaa", 1},
    {"^a{1,3}$", "aaaa", 0},
    {"^a{0,2}b$", "b", 1},
    {"^a{0,2}b$", "aab", 1},
    {"^a{0,2}b$", "aaab", 0},
    {"^a{0}b$", "b", 1},
    {"^(a|b)c$", "bc", 1},
    {"^(a|b|cd)$", "cd", 1},
    {"^(a|b|cd)$", "c", 0},
    {"^(a|)b$", "b", 1},
    {"x|y|z", "az", 1},
    {"^(?:a|b){3}$", "aba", 1},
    {"(a*)*b", "aaaaaaaaaac", 0},
    {"^[a-c]+$", "abc", 1},
    {"^[a-c]+$", "abd", 0},
    {"^[^a-c]+$", "xyz", 1},
    {"^[^a-c]+$", "xaz", 0},
    {"^[]a]+$", "]a", 1},
    {"^[a-]+$", "-a", 1},
    {"^[\\d_]+$", "1_2", 1},
    {"^[\\]]$", "]", 1},
    {"^\\d+$", "123", 1},
    {"^\\D+$", "12a", 0},
    {"^\\w+\\s\\w+$", "ab cd", 1},
    {"^\\W$", "-", 1},
    {"\\bfoo\\b", "a foo b", 1},
    {"\\bfoo\\b", "afoo", 0},
    {"\\Boo", "foo", 1},
    {"\\.", "a.b", 1},
    {"\\.", "ab", 0},
    {"\\x41", "A", 1},
    {"\\x{e9}", "\xc3\xa9", 1},
    {"^.$", "\xc3\xa9", 1},
    {"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", 1},
    {"(?i)AbC", "xaBcx", 1},
    {"(?i)[a-c]+x", "ABX", 1},
    {"a(?i)b", "aB", 1},
    {"a(?i)b", "AB", 0},
    {"(?i:a)b", "Ab", 1},
    {"(?i:a)b", "AB", 0},
    {"a+?b", "aab", 1},
    {"\\Aab\\z", "ab", 1},
    {"^\\S+@\\S+\\.com$", "a@b.com", 1},
    {"(", "", 2},
    {")", "", 2},
    {"[", "", 2},
    {"*", "", 2},
    {"a**", "", 2},
    {"a{2,1}", "", 2},
    {"a{1001}", "", 2},
    {"(a{1000}){1000}", "", 2},
    {"\\", "", 2},
    {"\\q", "", 2},
    {"[z-a]", "", 2},
    {"(?x)a", "", 2},
    {"\\1", "", 2},
    {"(?=a)", "", 2},
    {"[c-ea-bx]", "e", 1},
    {"(?i)[^c-ea-b]", "E", 0},
    {"\\x4", "", 2},
    {"\\x{110000}", "", 2},
};

Test(regex, each_matches_what_it_should) {
    for (size_t i = 0; i < sizeof regexes / sizeof *regexes; i++) {
        struct regex *r = regex_compile(slice_str(regexes[i].pattern));
        uint64_t most = 10000;
        int got = r ? regex_matches(r, slice_str(regexes[i].text), &most, PACE_NONE) : 2;

        cr_expect_eq(got, regexes[i].want, "%s on %s: %d", regexes[i].pattern, regexes[i].text,
                     got);
        regex_free(r);
    }
}

Test(regex, time_is_linear_in_the_text) {
    struct regex *r = regex_compile(SLICE("^(a|a|aa)*(a*)*(a?){50}b$"));
    uint64_t most = 20000 * 400, left = most;
    char *buf;

    cr_assert_not(regex_matches(r, many(&buf, "", "a", 20000, ""), &left, PACE_NONE));
    cr_assert_gt(left, 0);
    regex_free(r);
    free(buf);
}

Test(regex, it_follows_no_more_instructions_than_it_may) {
    struct regex *r = regex_compile(SLICE("[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?[a-z]?b"));
    uint64_t most = 1000;
    char *buf;

    cr_assert_not(regex_matches(r, many(&buf, "", "a", 20000, "b"), &most, PACE_NONE));
    cr_assert_eq(most, 0);
    most = 1000000;
    cr_assert(regex_matches(r, slice_str(buf), &most, PACE_NONE));
    cr_assert(most > 0 && most < 900000);
    regex_free(r);
    free(buf);
}

/* Ranges in any order, within each other, side by side. */
Test(regex, a_class_is_the_sum_of_its_ranges) {
    struct regex *r = regex_compile(SLICE("^[x-za-fc-dmf-h0]+$"));

    for (int c = 1; c < 127; c++) {
        bool in = (c >= 'x' && c <= 'z') || (c >= 'a' && c <= 'h') || c == 'm' || c == '0';
        char text[] = {(char)c, 0};
        uint64_t most = 1000;

        cr_expect_eq(regex_matches(r, slice_str(text), &most, PACE_NONE), in, "%c", c);
    }
    regex_free(r);
}
