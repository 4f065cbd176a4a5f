/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The wire: framing, pipelines, limits, inline commands, what bad input gets.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/ask.h"
#include "tests/kit/resp3.h"
#include "tests/kit/server.h"

TestSuite(protocol, .fini = kit_end);

static void open_to(struct resp_conn *c, struct server *s) {
    cr_assert(resp_open(c, server_port(s), NULL) == 0);
}

static void send_text(struct resp_conn *c, const char *text) {
    cr_assert(resp_send(c, text, strlen(text)) == 0);
}

Test(protocol, a_request_split_at_any_byte_is_the_same_request) {
    const char *bytes = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$7\r\nhe\r\nllo\r\n\r\nPING \"a b\"\r\n"
                        "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n";
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c, other;

    open_to(&c, s);
    open_to(&other, s);
    for (size_t at = 0; at <= strlen(bytes); at++) {
        resp_send(&c, bytes, at);
        cr_assert_str_eq(resp_ask(&other, "PING", NULL), "+PONG"); /* the first part was read */
        resp_send(&c, bytes + at, strlen(bytes) - at);
        cr_assert_str_eq(resp_next(&c), "+OK", "split at %zu", at);
        cr_assert_str_eq(resp_next(&c), "$a b", "split at %zu", at);
        cr_assert_str_eq(resp_next(&c), "$he\\x0d\\x0allo", "split at %zu", at);
        cr_assert_str_eq(resp_next(&c), "+PONG", "split at %zu", at);
    }
}

Test(protocol, a_request_may_come_byte_by_byte) {
    const char *bytes = "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n";
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c, other;

    open_to(&c, s);
    open_to(&other, s);
    for (const char *p = bytes; *p; p++) {
        resp_send(&c, p, 1);
        resp_ask(&other, "PING", NULL);
    }
    cr_assert_str_eq(resp_next(&c), "$abc");
}

Test(protocol, a_long_pipeline_is_answered_in_order) {
    enum { N = 20000 };
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);

    for (int i = 0; i < N; i++) redisAppendCommand(c, "INCR n");
    for (int i = 1; i <= N; i++) {
        redisReply *r;
        cr_assert_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        cr_assert_eq(r->integer, i);
        freeReplyObject(r);
    }
}

Test(protocol, replies_larger_than_the_socket_buffers_wait_for_the_reader) {
    enum { N = 300, SIZE = 200000 };
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);
    char *value = malloc(SIZE);

    for (int i = 0; i < SIZE; i++) value[i] = (char)(i * 7);
    EXPECT(c, "+OK", "SET big %b", value, (size_t)SIZE);
    for (int i = 0; i < N; i++) redisAppendCommand(c, "GET big");
    for (int i = 0; i < N; i++) {
        redisReply *r;
        cr_assert_eq(redisGetReply(c, (void **)&r), REDIS_OK);
        cr_assert_eq(r->len, SIZE);
        cr_assert(memcmp(r->str, value, SIZE) == 0);
        freeReplyObject(r);
    }
}

Test(protocol, a_value_of_20_mb_comes_back_whole) {
    enum { SIZE = 20 << 20 };
    struct server *s = server_run(NULL, NULL);
    redisContext *c = ask_open(s);
    char *value = malloc(SIZE);

    for (int i = 0; i < SIZE; i++) value[i] = (char)(i ^ i >> 9);
    EXPECT(c, "+OK", "SET big %b", value, (size_t)SIZE);
    EXPECT(c, ":20971520", "STRLEN big");
    redisReply *r = redisCommand(c, "GET big");
    cr_assert_eq(r->len, SIZE);
    cr_assert(memcmp(r->str, value, SIZE) == 0);
}

static const struct {
    const char *sent, *said;
} bad_input[] = {
    {"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'"},
    {"*1\r\nabc\r\n", "-ERR Protocol error: expected '$', got 'a'"},
    {"*2147483648\r\n", "-ERR Protocol error: invalid multibulk length"},
    {"*abc\r\n", "-ERR Protocol error: invalid multibulk length"},
    {"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length"},
    {"*1\r\n$abc\r\n", "-ERR Protocol error: invalid bulk length"},
    {"*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length"},
    {"*1\r\n$9223372036854775808\r\n", "-ERR Protocol error: invalid bulk length"},
    {"GET \"abc\r\n", "-ERR Protocol error: unbalanced quotes in request"},
    {"GET 'abc\r\n", "-ERR Protocol error: unbalanced quotes in request"},
    {"GET \"a\"b\r\n", "-ERR Protocol error: unbalanced quotes in request"},
};

/* Nothing but this comes any more. */
static void is_cut_off(struct resp_conn *c, const char *said) {
    cr_assert_str_eq(resp_next(c), said);
    cr_assert_str_eq(resp_next(c), "(closed)");
    resp_close(c);
}

Test(protocol, bad_input_gets_its_error_and_a_closed_connection) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    for (size_t i = 0; i < sizeof bad_input / sizeof bad_input[0]; i++) {
        open_to(&c, s);
        send_text(&c, "PING\r\n");
        send_text(&c, bad_input[i].sent);
        cr_assert_str_eq(resp_next(&c), "+PONG");
        is_cut_off(&c, bad_input[i].said);
    }
}

Test(protocol, a_request_has_at_most_1048576_arguments) {
    STET_ONLY();
    struct resp_conn c;

    open_to(&c, server_run(NULL, NULL));
    send_text(&c, "*1048577\r\n");
    is_cut_off(&c, "-ERR Protocol error: invalid multibulk length");
}

static void send_long(struct resp_conn *c, const char *start, size_t n) {
    char *p = malloc(n);

    memset(p, '1', n);
    memcpy(p, start, strlen(start));
    cr_assert(resp_send(c, p, n) == 0);
    free(p);
}

Test(protocol, a_line_without_end_is_cut_off_at_64_kb) {
    static const struct {
        const char *start, *said;
    } lines[] = {
        {"GET ", "-ERR Protocol error: too big inline request"},
        {"*", "-ERR Protocol error: too big mbulk count string"},
        {"*1\r\n$", "-ERR Protocol error: too big bulk count string"},
    };
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    for (int i = 0; i < 3; i++) {
        open_to(&c, s);
        send_long(&c, lines[i].start, 70000);
        is_cut_off(&c, lines[i].said);
    }
}

Test(protocol, empty_requests_are_ignored) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    send_text(&c, "\r\n\n*0\r\n*-1\r\n*-10\r\n   \r\nPING\n");
    cr_assert_str_eq(resp_next(&c), "+PONG");
    cr_assert_not(resp_waits(&c, 0));
}

Test(protocol, inline_words_are_quoted_as_in_redis) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    send_text(&c, "ECHO \"a \\x41\\n\\r\\t\\a\\b\\\\\\\" b\"\r\n");
    cr_assert_str_eq(resp_next(&c), "$a A\\x0a\\x0d\\x09\\x07\\x08\\\" b");
    send_text(&c, "ECHO 'it\\'s \\n'\r\n");
    cr_assert_str_eq(resp_next(&c), "$it's \\n");
    send_text(&c, "  SET\tk   v  \r\n");
    cr_assert_str_eq(resp_next(&c), "+OK");
    send_text(&c, "ECHO \"\"\r\n");
    cr_assert_str_eq(resp_next(&c), "$");
}

Test(protocol, an_http_request_is_cut_off_and_logged) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    send_text(&c, "POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n");
    cr_assert_str_eq(resp_next(&c), "(closed)");
    server_wait_log(s, "Possible SECURITY ATTACK detected");
    resp_close(&c);
    open_to(&c, s);
    send_text(&c, "host: x\r\n");
    cr_assert_str_eq(resp_next(&c), "(closed)");
    EXPECT(ask_open(s), ":0", "EXISTS k");
}

Test(protocol, before_authentication_requests_are_small) {
    struct server *s = server_run("--requirepass", "secret", NULL);
    struct resp_conn c;

    open_to(&c, s);
    send_text(&c, "*11\r\n");
    is_cut_off(&c, "-ERR Protocol error: unauthenticated multibulk length");
    open_to(&c, s);
    send_text(&c, "*1\r\n$16385\r\n");
    is_cut_off(&c, "-ERR Protocol error: unauthenticated bulk length");
}

Test(protocol, proto_max_bulk_len_limits_one_argument) {
    struct server *s = server_run("--proto-max-bulk-len", "1mb", NULL);
    struct resp_conn c;

    open_to(&c, s);
    send_text(&c, "*2\r\n$4\r\nECHO\r\n$1048577\r\n");
    is_cut_off(&c, "-ERR Protocol error: invalid bulk length");
}

Test(protocol, client_query_buffer_limit_closes_the_connection) {
    struct server *s = server_run("--client-query-buffer-limit", "1mb", NULL);
    struct resp_conn c;

    open_to(&c, s);
    char *p = calloc(1, 3 << 20);
    int n = sprintf(p, "*2\r\n$4\r\nECHO\r\n$10000000\r\n");
    resp_send(&c, p, (3 << 20) - (size_t)n);
    server_wait_log(s, "Closing client that reached max query buffer length");
    cr_assert(strcmp(resp_next(&c), "(closed)") == 0);
}

Test(protocol, client_output_buffer_limit_closes_who_does_not_read) {
    struct server *s = server_run("--client-output-buffer-limit", "normal", "1mb", "0", "0", NULL);
    redisContext *other = ask_open(s);
    struct resp_conn c;

    EXPECT(other, ":1000000", "SETRANGE big 999999 x");
    open_to(&c, s);
    for (int i = 0; i < 100 && resp_send(&c, "GET big\r\n", 9) == 0; i++) {
    } /* it may be closed before the last one */
    ask_wait_info(other, "connected_clients", "1");
    server_wait_log(s, "for overcoming of output buffer limits");
    EXPECT(other, "+PONG", "PING");
}

Test(protocol, quit_answers_what_came_before_it) {
    struct server *s = server_run(NULL, NULL);
    struct resp_conn c;

    open_to(&c, s);
    send_text(&c, "SET k v\r\nGET k\r\nQUIT\r\nSET k w\r\n");
    cr_assert_str_eq(resp_next(&c), "+OK");
    cr_assert_str_eq(resp_next(&c), "$v");
    cr_assert_str_eq(resp_next(&c), "+OK");
    cr_assert_str_eq(resp_next(&c), "(closed)");
    EXPECT(ask_open(s), "$v", "GET k");
}

Test(protocol, a_client_that_vanishes_in_the_middle_does_no_harm) {
    struct server *s = server_run(NULL, NULL);
    redisContext *other = ask_open(s);
    struct resp_conn c;

    for (int i = 0; i < 50; i++) {
        open_to(&c, s);
        send_text(&c, i % 2 ? "*3\r\n$3\r\nSET\r\n$1\r\nk" : "INFO\r\nINFO\r\nKEYS *\r\n");
        resp_close(&c);
    }
    ask_wait_info(other, "connected_clients", "1");
    EXPECT(other, "(nil)", "GET k");
}

Test(protocol, resp3_knows_every_type) {
    static const struct {
        const char *word, *shown;
    } types[] = {
        {"string", "$Hello World"},
        {"integer", ":12345"},
        {"double", ",3.141"},
        {"null", "_"},
        {"array", "[:0 :1 :2]"},
        {"set", "~[:0 :1 :2]"},
        {"map", "{:0=#f :1=#t :2=#f}"},
        {"attrib", "|{$key-popularity=[$key:123 :90]}$Some real reply following the attribute"},
        {"verbatim", "=txt:This is a verbatim\\x0astring"},
        {"true", "#t"},
        {"false", "#f"},
        {"bignum", "(1234567999999999999999999999999999999"},
    };
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    struct resp_conn c;

    open_to(&c, s);
    resp_ask(&c, "HELLO", "3", NULL);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        cr_assert_str_eq(resp_ask(&c, "DEBUG", "PROTOCOL", types[i].word, NULL), types[i].shown);
}

Test(protocol, resp2_has_stand_ins_for_resp3_types) {
    static const struct {
        const char *word, *shown;
    } types[] = {
        {"double", "$3.141"},  {"null", "(nil)"},
        {"set", "[:0 :1 :2]"}, {"map", "[:0 :0 :1 :1 :2 :0]"},
        {"true", ":1"},        {"verbatim", "$This is a verbatim\\x0astring"},
    };
    struct server *s = server_run("--enable-debug-command", "yes", NULL);
    struct resp_conn c;

    open_to(&c, s);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        cr_assert_str_eq(resp_ask(&c, "DEBUG", "PROTOCOL", types[i].word, NULL), types[i].shown);
}
