/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From bytes to commands, however the bytes arrive.
 */
#include "protocol/request.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct request_limits limits = {512 * 1024 * 1024, REQUEST_ARGS_MAX, true};
static struct request_args args;
static struct bytes seen;

static void end(void) {
    mem_free(args.v);
    bytes_release(&seen);
}

TestSuite(request, .init = mem_thread_init, .fini = end);

static void note(const struct request *q) {
    for (size_t i = 0; i < q->argc; i++) {
        bytes_append_char(&seen, '<');
        bytes_append(&seen, args.v[q->first + i].p, args.v[q->first + i].n);
        bytes_append_char(&seen, '>');
    }
    bytes_append_str(&seen, q->is_inline ? "i;" : ";");
}

/* Feeds `text` in pieces that end at each of `cuts` (NULL: whole); the commands as "<a><b>;", or
 * the error. Input that is used up goes, as a connection has it. */
static const char *parse_cut(struct slice text, const size_t *cuts, size_t ncuts) {
    struct request_partial *partial = NULL;
    struct bytes in = {0};
    size_t fed = 0;

    bytes_clear(&seen);
    for (size_t c = 0; c <= ncuts; c++) {
        size_t to = c < ncuts ? cuts[c] : text.n, need = 0;
        enum request_result rc;
        const char *error = NULL;

        /* A buffer of exactly this size, so that a sanitizer sees every step beyond it. */
        struct bytes fresh = {0};
        bytes_append(&fresh, in.p, in.n);
        bytes_append(&fresh, text.p + fed, to - fed);
        bytes_release(&in);
        in = (struct bytes){fresh.n ? mem_dup(fresh.p, fresh.n) : NULL, fresh.n, fresh.n};
        bytes_release(&fresh);
        fed = to;
        do {
            struct request q;

            args.n = 0;
            rc = request_parse(in.p, in.n, &limits, &partial, &args, &q, &need, &error);
            if (rc == REQUEST_READY) {
                cr_assert_null(partial);
                cr_assert_leq(q.bytes, in.n);
                note(&q);
                bytes_consume(&in, q.bytes);
            }
        } while (rc == REQUEST_READY && in.n);
        if (rc == REQUEST_MORE) cr_assert_gt(need, in.n, "it asks for more than there is");
        if (rc != REQUEST_BAD) continue;
        bytes_clear(&seen);
        bytes_append_str(&seen, error);
        break;
    }
    request_partial_free(&partial);
    bytes_release(&in);
    return bytes_cstr(&seen);
}

static const char *parse(const char *text) {
    return parse_cut(slice_str(text), NULL, 0);
}

Test(request, a_pipeline_split_at_every_byte_gives_the_same_commands) {
    static const char good[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\n\r\n\r\n"
                               "PING\r\n"
                               "*1\r\n$0\r\n\r\n"
                               "*0\r\n*-1\r\n\r\n\n"
                               "set \"a b\" 'c d'\n"
                               "*2\r\n$10\r\n0123456789\r\n$1\r\nx\r\n";
    static const char want[] =
        "<SET><k><v\r\n\r\n>;<PING>i;<>;;;i;i;<set><a b><c d>i;<0123456789><x>;";
    struct slice text = slice_of(good, sizeof good - 1);
    size_t cuts[sizeof good];

    cr_assert_str_eq(parse_cut(text, NULL, 0), want);
    for (size_t a = 0; a <= text.n; a++) {
        cr_assert_str_eq(parse_cut(text, &a, 1), want, "cut at %zu", a);
        for (size_t b = a; b <= text.n; b += 3)
            cr_assert_str_eq(parse_cut(text, (size_t[]){a, b}, 2), want, "cut at %zu and %zu", a,
                             b);
    }
    for (size_t i = 0; i < text.n; i++) cuts[i] = i;
    cr_assert_str_eq(parse_cut(text, cuts, text.n), want, "byte by byte");
}

Test(request, an_error_comes_wherever_the_bytes_are_split) {
    struct slice text = SLICE("*1\r\n$4\r\nPING\r\nPING\r\nset \"a b\" 'c''\nPING\r\n");

    for (size_t a = 0; a <= text.n; a++)
        cr_assert_str_eq(parse_cut(text, &a, 1), "unbalanced quotes in request", "cut at %zu", a);
}

Test(request, wrong_framing_is_found_wherever_the_bytes_are_split) {
    static const char *const texts[] = {
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nbZZ*1\r\n$4\r\nPING\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nkXX$1\r\nb\r\n",
    };

    for (size_t i = 0; i < 2; i++)
        for (size_t a = 0; a <= strlen(texts[i]); a++)
            cr_assert_str_eq(parse_cut(slice_str(texts[i]), &a, 1), "bulk string without CRLF",
                             "'%s' cut at %zu", texts[i], a);
}

struct bad_request {
    const char *text, *error;
};

Test(request, what_is_no_request_is_refused_in_redis_words) {
    static const struct bad_request bad[] = {
        {"*x\r\n", "invalid multibulk length"},
        {"*\r\n", "invalid multibulk length"},
        {"*01\r\n", "invalid multibulk length"},
        {"*1048577\r\n", "invalid multibulk length"},
        {"*9999999999\r\n", "invalid multibulk length"},
        {"*99999999999999999999\r\n", "invalid multibulk length"},
        {"*1\r\n:1\r\n", "expected '$', got ':'"},
        {"*1\r\n\r\n", "expected '$', got '\r'"},
        {"*1\r\n$-1\r\n", "invalid bulk length"},
        {"*1\r\n$x\r\n", "invalid bulk length"},
        {"*1\r\n$536870913\r\n", "invalid bulk length"},
        {"*2\r\n$1\r\na\r\n$+1\r\n", "invalid bulk length"},
        {"*1\rX$4\r\nPING\r\n", "invalid multibulk length"},
        {"*1\r\r\n$4\r\nPING\r\n", "invalid multibulk length"},
        {"*1\r\n$4\rXPING\r\n", "invalid bulk length"},
        {"*1\r\n$4\r\rPING\r\n", "invalid bulk length"},
        {"*1\r\n$4\r\nPINGZZ", "bulk string without CRLF"},
        {"*1\r\n$4\r\nPING\rZ", "bulk string without CRLF"},
        {"*1\r\n$4\r\nPINGZ\n", "bulk string without CRLF"},
        {"*1\r\n$4\r\nPING\n\r", "bulk string without CRLF"},
        {"*2\r\n$3\r\nGET\r\r$1\r\nk\r\n", "bulk string without CRLF"},
        {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nvvv\r\n", "bulk string without CRLF"},
        {"*1\r\n$04\r\nPING\r\n", "invalid bulk length"},
        {"*1\r\n$4 \r\nPING\r\n", "invalid bulk length"},
        {"*1\r\n$-0\r\n\r\n", "invalid bulk length"},
        {"*+1\r\n$4\r\nPING\r\n", "invalid multibulk length"},
        {"*1 \r\n$4\r\nPING\r\n", "invalid multibulk length"},
        {"a 'b\r\n", "unbalanced quotes in request"},
        {"a \"b\r\n", "unbalanced quotes in request"},
        {"a \"b\"c\r\n", "unbalanced quotes in request"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_str_eq(parse(bad[i].text), bad[i].error);
}

Test(request, the_largest_of_each_kind_is_taken) {
    cr_expect_str_eq(parse("*1048576\r\n"), "", "it waits for the arguments");
    cr_expect_str_eq(parse("*1\r\n$536870912\r\n"), "");
}

Test(request, a_length_beyond_32_bits_is_waited_for) {
    char in[] = "*1\r\n$9223372036854775807\r\nabc", big[] = "*1\r\n$2147483650\r\nabc";
    struct request_limits most = {REQUEST_BULK_MAX, REQUEST_LOG_ARGS_MAX, true};
    struct request_partial *partial = NULL;
    struct request q;
    const char *error;
    size_t need;

    cr_assert_eq(request_parse(in, sizeof in - 1, &most, &partial, &args, &q, &need, &error),
                 REQUEST_MORE);
    cr_assert_eq(need, (size_t)INT64_MAX + 2 + strlen("*1\r\n$9223372036854775807\r\n"));
    request_partial_free(&partial);
    cr_assert_eq(request_parse(big, sizeof big - 1, &most, &partial, &args, &q, &need, &error),
                 REQUEST_MORE);
    cr_assert_eq(need, UINT64_C(2147483652) + strlen("*1\r\n$2147483650\r\n"));
    request_partial_free(&partial);
}

Test(request, before_auth_the_limits_are_tight) {
    char text[64];

    limits.authenticated = false;
    cr_expect_str_eq(parse("*11\r\n"), "unauthenticated multibulk length");
    cr_expect_str_eq(parse("*10\r\n"), "");
    cr_expect_str_eq(parse("*1\r\n$16385\r\n"), "unauthenticated bulk length");
    cr_expect_str_eq(parse("*1\r\n$16384\r\n"), "");
    cr_expect_str_eq(parse("*1048577\r\n"), "invalid multibulk length",
                     "the other error comes first");
    limits.authenticated = true;
    snprintf(text, sizeof text, "*1\r\n$%d\r\n", 20000);
    cr_expect_str_eq(parse(text), "");
}

Test(request, lines_without_end_are_refused_at_64k) {
    static const struct bad_request bad[] = {{"*", "too big mbulk count string"},
                                             {"*1\r\n$", "too big bulk count string"},
                                             {"a", "too big inline request"}};

    for (size_t i = 0; i < 3; i++) {
        struct bytes b = {0};

        bytes_append_str(&b, bad[i].text);
        while (b.n < REQUEST_LINE_MAX) bytes_append_char(&b, '1');
        cr_expect_str_eq(parse_cut(bytes_slice(&b), NULL, 0), "", "so far it could end");
        for (int k = 0; k < 8; k++) bytes_append_char(&b, '1');
        cr_expect_str_eq(parse_cut(bytes_slice(&b), NULL, 0), bad[i].error);
        bytes_release(&b);
    }
}

Test(request, it_says_how_much_input_a_large_argument_needs) {
    char in[] = "*2\r\n$3\r\nSET\r\n$1000\r\nabc";
    struct request_partial *partial = NULL;
    struct request q;
    const char *error;
    size_t need;

    cr_assert_eq(request_parse(in, sizeof in - 1, &limits, &partial, &args, &q, &need, &error),
                 REQUEST_MORE);
    cr_assert_eq(need, strlen("*2\r\n$3\r\nSET\r\n$1000\r\n") + 1000 + 2);
    request_partial_free(&partial);
    cr_assert_null(partial);
    request_partial_free(&partial);
}

Test(request, arguments_are_slices_of_the_input) {
    char in[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
    struct request_partial *partial = NULL;
    struct request q;
    const char *error;
    size_t need;

    request_args_push(&args, "before", 6);
    cr_assert_eq(request_parse(in, sizeof in - 1, &limits, &partial, &args, &q, &need, &error),
                 REQUEST_READY);
    cr_assert_eq(q.first, 1, "they follow those that are there");
    cr_assert_eq(args.v[2].p, in + 17);
    cr_assert_eq(q.bytes, sizeof in - 1);
    cr_assert(slice_eq(args.v[0], SLICE("before")));
}

/* ---------------------------------------------------------------- lines */

static const char *split(const char *line) {
    char *copy = mem_strdup(line);
    bool ok;

    args.n = 0;
    ok = request_split_line(copy, strlen(copy), &args);
    bytes_clear(&seen);
    for (size_t i = 0; i < args.n; i++) {
        bytes_append_char(&seen, '<');
        bytes_append(&seen, args.v[i].p, args.v[i].n);
        bytes_append_char(&seen, '>');
    }
    mem_free(copy);
    return ok ? bytes_cstr(&seen) : "bad";
}

Test(request, lines_are_split_and_unquoted_as_redis_does) {
    static const struct bad_request lines[] = {
        {"", ""},
        {"   ", ""},
        {"a", "<a>"},
        {"  a\tb  c ", "<a><b><c>"},
        {"\"\"", "<>"},
        {"''", "<>"},
        {"\"a b\" c", "<a b><c>"},
        {"'a b' c", "<a b><c>"},
        {"\"\\n\\r\\t\\b\\a\"", "<\n\r\t\b\a>"},
        {"\"\\x41\\x6a\\x4A\"", "<AjJ>"},
        {"\"\\x4\"", "<x4>"},
        {"\"\\xzz\"", "<xzz>"},
        {"\"\\\"\\\\\"", "<\"\\>"},
        {"\"\\q\"", "<q>"},
        {"'\\n'", "<\\n>"},
        {"'it\\'s'", "<it's>"},
        {"a\\nb", "<a\\nb>"},
        {"a\"b c\"", "<ab c>"},
        {"a'b c'", "<ab c>"},
        {"\"a\"b", "bad"},
        {"'a'b", "bad"},
        {"\"a", "bad"},
        {"'a", "bad"},
        {"\"a\\\"", "bad"},
        {"'a\\'", "bad"},
        {"a\"", "bad"},
        {"\"a\"\"b\"", "bad"},
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect_str_eq(split(lines[i].text), lines[i].error, "%s", lines[i].text);
}
