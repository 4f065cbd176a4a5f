/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tests' own reader, against recorded bytes.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/resp3.h"

/* What redis-server 7.2 sends for DEBUG PROTOCOL ... and friends, and how it has to be read. */
static const struct {
    const char *bytes, *shown;
} recorded[] = {
    {"+PONG\r\n", "+PONG"},
    {"-ERR unknown command 'FOO', with args beginning with: \r\n",
     "-ERR unknown command 'FOO', with args beginning with: "},
    {":12345\r\n", ":12345"},
    {":-9223372036854775808\r\n", ":-9223372036854775808"},
    {"$0\r\n\r\n", "$"},
    {"$-1\r\n", "(nil)"},
    {"*-1\r\n", "(nil)"},
    {"$11\r\nHello World\r\n", "$Hello World"},
    {"$4\r\n\r\n\x01\xff\r\n", "$\\x0d\\x0a\\x01\\xff"},
    {"*3\r\n:0\r\n:1\r\n:2\r\n", "[:0 :1 :2]"},
    {"*0\r\n", "[]"},
    {"*2\r\n*1\r\n$1\r\na\r\n$-1\r\n", "[[$a] (nil)]"},
    {"_\r\n", "_"},
    {",3.141\r\n", ",3.141"},
    {",inf\r\n", ",inf"},
    {"(1234567999999999999999999999999999999\r\n", "(1234567999999999999999999999999999999"},
    {"~3\r\n:0\r\n:1\r\n:2\r\n", "~[:0 :1 :2]"},
    {"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n", "{:0=#f :1=#t :2=#f}"},
    {"=29\r\ntxt:This is a verbatim\nstring\r\n", "=txt:This is a verbatim\\x0astring"},
    {">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n", ">[$server-cpu-usage :42]"},
    {"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n$4\r\nSome\r\n",
     "|{$key-popularity=[$key:123 :90]}$Some"},
};

enum { RECORDED = sizeof recorded / sizeof recorded[0] };

Test(resp3, reads_what_was_recorded) {
    for (int i = 0; i < RECORDED; i++) {
        struct resp *r;
        size_t n = strlen(recorded[i].bytes);

        cr_assert_eq(resp_parse(recorded[i].bytes, n, &r), (long)n, "%s", recorded[i].shown);
        char *text = resp_show(r);
        cr_assert_str_eq(text, recorded[i].shown);
        free(text);
        resp_free(r);
    }
}

Test(resp3, asks_for_more_at_every_byte_but_the_last) {
    for (int i = 0; i < RECORDED; i++) {
        struct resp *r;
        for (size_t n = 0; n < strlen(recorded[i].bytes); n++)
            cr_assert_eq(resp_parse(recorded[i].bytes, n, &r), RESP_MORE, "%s at %zu",
                         recorded[i].shown, n);
    }
}

Test(resp3, takes_one_reply_of_many) {
    const char *bytes = "+OK\r\n$3\r\nabc\r\n:1\r\n";
    struct resp *r;

    cr_assert_eq(resp_parse(bytes, strlen(bytes), &r), 5);
    resp_free(r);
    cr_assert_eq(resp_parse(bytes + 5, strlen(bytes) - 5, &r), 9);
    cr_assert_eq(r->len, 3);
    resp_free(r);
}

Test(resp3, refuses_what_is_no_reply) {
    const char *bad[] = {"PONG\r\n",     "\r\n",           ":x\r\n", "$-2\r\n", "~-1\r\n",
                         "#x\r\n",       "$1\r\nab\r\n",   "_x\r\n", "$x\r\n",  "*2\r\n:1\r\nx\r\n",
                         "=2\r\nab\r\n", "=5\r\ntxt.a\r\n"};
    struct resp *r;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(resp_parse(bad[i], strlen(bad[i]), &r), RESP_BAD, "%s", bad[i]);
}

Test(resp3, does_not_allocate_for_a_count_that_cannot_be_there) {
    const char *bytes = "*2147483647\r\n";
    struct resp *r;

    cr_assert_eq(resp_parse(bytes, strlen(bytes), &r), RESP_MORE);
}
