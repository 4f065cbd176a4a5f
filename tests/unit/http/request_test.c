/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/request.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct http_request r;

static int read_text(const char *text) {
    return http_request_read(&r, slice_str(text));
}

#define HOST "Host: a\r\n"

Test(request, reads_the_path_without_its_query) {
    const char text[] = "GET /metrics?x=1 HTTP/1.1\r\n" HOST "\r\n";

    cr_assert_eq(read_text(text), (int)strlen(text));
    cr_assert_str_eq(r.path, "/metrics");
    cr_assert(r.keep_alive);
    cr_assert_not(r.is_head);
}

Test(request, is_not_there_until_its_empty_line_is) {
    const char text[] = "GET / HTTP/1.1\r\n" HOST "\r\nGET /second";
    size_t whole = strstr(text, "\r\n\r\n") + 4 - text;

    for (size_t n = 0; n < whole; n++)
        cr_assert_eq(http_request_read(&r, slice_of(text, n)), 0, "%zu bytes", n);
    cr_assert_eq(read_text(text), (int)whole);
}

Test(request, stays_open_as_version_and_connection_say) {
    cr_assert(read_text("GET / HTTP/1.0\r\n\r\n") > 0);
    cr_assert_not(r.keep_alive);
    cr_assert(read_text("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n") > 0);
    cr_assert(r.keep_alive);
    cr_assert(read_text("HEAD / HTTP/1.1\r\n" HOST "Connection: x, close\r\n\r\n") > 0);
    cr_assert_not(r.keep_alive);
    cr_assert(r.is_head);
}

Test(request, refuses_what_is_no_request) {
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "\r\n\r\n"},
        {400, "GET\r\n\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
        {400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
        {400, "GET / HTTP/1.1 \r\n" HOST "\r\n"},
        {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET http://a/ HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET /\x01 HTTP/1.1\r\n" HOST "\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "a\x7f: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "a : b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST " folded: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" HOST "a: b\x02\r\n\r\n"},
        {505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
        {400, "GET / HTTP/2.0\r\n" HOST "\r\n"},
        {405, "PUT / HTTP/1.1\r\n" HOST "\r\n"},
        {411, "POST / HTTP/1.1\r\n" HOST "\r\n"},
        {413, "POST / HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n"},
        {400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
        {413, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
        {405, "get / HTTP/1.1\r\n" HOST "\r\n"},
        {413, "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n"},
        {413, "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
        {413, "GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(read_text(cases[i].text), -cases[i].status, "%s", cases[i].text);
}

Test(request, says_how_long_the_body_of_a_post_is) {
    const char text[] = "POST /command HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n";

    cr_assert_eq(read_text(text), (int)strlen(text));
    cr_assert(r.is_post);
    cr_assert_eq(r.body, 4);
    cr_assert_eq(r.db, -1);
}

Test(request, takes_the_database_from_its_field) {
    static const struct {
        const char *value;
        int db; /* -1: refused */
    } cases[] = {{"0", 0}, {"15", 15}, {"999999", 999999}, {"1000000", -1},
                 {"", -1}, {"-1", -1}, {"1x", -1},         {"0\r\nStet-Admin: 0", -1}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        int rc;

        snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "Stet-Admin: %s\r\n\r\n",
                 cases[i].value);
        rc = read_text(text);
        cr_assert_eq(rc, cases[i].db < 0 ? -400 : (int)strlen(text), "%s", text);
        if (rc > 0) cr_assert_eq(r.db, cases[i].db, "%s", text);
    }
}

Test(request, tells_a_page_of_another_origin) {
    static const struct {
        bool foreign;
        const char *fields;
    } cases[] = {
        {false, ""},
        {false, "Origin: http://a\r\n"},
        {false, "Origin: https://A\r\n"},
        {false, "Sec-Fetch-Site: same-origin\r\n"},
        {true, "Origin: http://b\r\n"},
        {true, "Origin: http://ab\r\n"},
        {true, "Origin: http://\r\n"},
        {true, "Origin: a\r\n"},
        {true, "Origin:\r\n"},
        {true, "Origin: null\r\n"},
        {true, "Origin: http://a:80\r\n"},
        {true, "Origin: http://a\r\nSec-Fetch-Site: cross-site\r\n"},
        {true, "Sec-Fetch-Site: none\r\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];

        snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s" HOST "\r\n", cases[i].fields);
        cr_assert(read_text(text) > 0, "%s", text);
        cr_assert_eq(r.foreign, cases[i].foreign, "%s", text);
    }
}

/* HTTP/1.0 knows requests without Host: no page is of this origin then. */
Test(request, without_a_host_every_origin_is_another_one) {
    cr_assert(read_text("GET / HTTP/1.0\r\nOrigin: http://\r\n\r\n") > 0);
    cr_expect(r.foreign);
    cr_assert(read_text("GET / HTTP/1.0\r\n\r\n") > 0);
    cr_expect_not(r.foreign);
}

Test(request, refuses_a_zero_byte_wherever_it_stands) {
    static const char good[] = "GET / HTTP/1.1\r\nHost: a\r\nb: c\r\n\r\n";

    for (size_t i = 0; i < sizeof good - 5; i++) {
        char bad[sizeof good];

        memcpy(bad, good, sizeof good);
        bad[i] = '\0';
        cr_assert(http_request_read(&r, slice_of(bad, sizeof good - 1)) < 0, "byte %zu", i);
    }
}

Test(request, refuses_a_large_head_and_many_fields) {
    static char text[2 * HTTP_HEADER_MAX];
    size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n" HOST);

    for (int i = 0; i < 100; i++) n += (size_t)sprintf(text + n, "a: b\r\n");
    sprintf(text + n, "\r\n");
    cr_assert_eq(read_text(text), -431);
    memset(text, 'a', sizeof text);
    cr_assert_eq(http_request_read(&r, slice_of(text, HTTP_HEADER_MAX - 1)), 0);
    cr_assert_eq(http_request_read(&r, slice_of(text, HTTP_HEADER_MAX)), -431);
}

static bool by_name(const char *host) {
    char text[256];

    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    cr_assert(read_text(text) > 0);
    return r.by_name;
}

Test(request, knows_addresses_and_localhost_from_names) {
    cr_assert_not(by_name("127.0.0.1:9121"));
    cr_assert_not(by_name("[::1]:9121"));
    cr_assert_not(by_name("localhost"));
    cr_assert_not(by_name("LocalHost:80"));
    cr_assert(by_name("localhost.example"));
    cr_assert(by_name("127.0.0.1.example:80"));
    cr_assert(by_name("redis"));
}

static const char *password_of(const char *authorization) {
    char text[2048];

    snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "Authorization: %s\r\n\r\n",
             authorization);
    cr_assert(read_text(text) > 0);
    return r.password;
}

Test(request, takes_the_password_of_basic_authentication) {
    char text[1600] = "Basic eDp5"; /* x:y */

    cr_assert_str_eq(password_of("Basic dXNlcjpzZWNyZXQ="), "secret");
    cr_assert_str_eq(password_of("basic OmE6Yg=="), "a:b");
    cr_assert_str_eq(password_of("Basic dXNlcg=="), "");
    cr_assert_str_eq(password_of("Basic dX*sZWNyZXQ="), "");
    cr_assert_str_eq(password_of("Basic YTpiAGM="), ""); /* a zero byte */
    cr_assert_str_eq(password_of("Bearer dXNlcjpzZWNyZXQ="), "");
    memset(text + 10, 'e', 1200);
    cr_assert_str_eq(password_of(text), "");
}

Test(request, compares_secrets_as_a_whole) {
    cr_assert(http_same_secret("secret", "secret"));
    cr_assert_not(http_same_secret("secre", "secret"));
    cr_assert_not(http_same_secret("secretsecret", "secret"));
    cr_assert_not(http_same_secret("", "secret"));
    cr_assert_not(http_same_secret("x", ""));
}

static bool wants_openmetrics(const char *accept) {
    char text[512];

    snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST "Accept: %s\r\n\r\n", accept);
    cr_assert(read_text(text) > 0);
    return r.openmetrics;
}

Test(request, accept_says_which_form_is_preferred) {
    cr_assert(wants_openmetrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.3"));
    cr_assert(wants_openmetrics("application/openmetrics-text; version=1.0.0; q=0.5, "
                                "text/plain;version=0.0.4;q=0.4,*/*;q=0.1"));
    cr_assert_not(wants_openmetrics("application/openmetrics-text;q=0.2, text/plain;q=0.4"));
    cr_assert_not(wants_openmetrics("application/openmetrics-text;q=0"));
    cr_assert_not(wants_openmetrics("*/*"));
    cr_assert_not(wants_openmetrics("application/openmetrics-text;q=x"));
}
