/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Every reply in both protocols, byte for byte.
 */
#include "protocol/reply.h"
#include "storage/base/mem.h"

#include <criterion/criterion.h>
#include <math.h>

static struct out_pool pool;
static struct out out;
static struct bytes got;

static void begin(void) {
    mem_thread_init();
    out_init(&out, &pool);
}

static void end(void) {
    out_release(&out);
    out_pool_release(&pool);
    bytes_release(&got);
}

TestSuite(reply, .init = begin, .fini = end);

static const char *sent(void) {
    struct iovec iov[16];
    int n;

    bytes_clear(&got);
    while ((n = out_peek(&out, iov, 16, SIZE_MAX)) > 0) {
        size_t taken = 0;

        for (int i = 0; i < n; i++) {
            bytes_append(&got, iov[i].iov_base, iov[i].iov_len);
            taken += iov[i].iov_len;
        }
        out_consume(&out, taken);
    }
    return bytes_cstr(&got);
}

#define EXPECT(call, resp2, resp3)                                                                 \
    do {                                                                                           \
        struct reply two = {&out, 2}, three = {&out, 3}, *r = &two;                                \
        call;                                                                                      \
        cr_expect_str_eq(sent(), resp2, "RESP2: " #call);                                          \
        r = &three;                                                                                \
        call;                                                                                      \
        cr_expect_str_eq(sent(), resp3, "RESP3: " #call);                                          \
    } while (0)

#define EXPECT_BOTH(call, bytes) EXPECT(call, bytes, bytes)

Test(reply, plain_kinds_are_the_same_in_both) {
    EXPECT_BOTH(reply_ok(r), "+OK\r\n");
    EXPECT_BOTH(reply_simple(r, "PONG"), "+PONG\r\n");
    EXPECT_BOTH(reply_error_text(r, "ERR no", 6), "-ERR no\r\n");
    EXPECT_BOTH(reply_int(r, 0), ":0\r\n");
    EXPECT_BOTH(reply_int(r, INT64_MIN), ":-9223372036854775808\r\n");
    EXPECT_BOTH(reply_int(r, INT64_MAX), ":9223372036854775807\r\n");
    EXPECT_BOTH(reply_bulk(r, "a\r\nb", 4), "$4\r\na\r\nb\r\n");
    EXPECT_BOTH(reply_bulk(r, "", 0), "$0\r\n\r\n");
    EXPECT_BOTH(reply_bulk_str(r, "text"), "$4\r\ntext\r\n");
    EXPECT_BOTH(reply_bulk_int(r, -12), "$3\r\n-12\r\n");
    EXPECT_BOTH(reply_array(r, 0), "*0\r\n");
    EXPECT_BOTH(reply_array(r, 1000000), "*1000000\r\n");
    EXPECT_BOTH(reply_raw(r, ":1\r\n", 4), ":1\r\n");
}

Test(reply, what_resp3_added_has_its_form_in_resp2) {
    EXPECT(reply_null(r), "$-1\r\n", "_\r\n");
    EXPECT(reply_null_array(r), "*-1\r\n", "_\r\n");
    EXPECT(reply_bool(r, true), ":1\r\n", "#t\r\n");
    EXPECT(reply_bool(r, false), ":0\r\n", "#f\r\n");
    EXPECT(reply_double(r, 0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
    EXPECT(reply_double(r, -0.0), "$2\r\n-0\r\n", ",-0\r\n");
    EXPECT(reply_double(r, INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
    EXPECT(reply_double(r, -INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    EXPECT(reply_double(r, 1e300), "$6\r\n1e+300\r\n", ",1e+300\r\n");
    EXPECT(reply_bignum(r, "123456789012345678901234567890"),
           "$30\r\n123456789012345678901234567890\r\n", "(123456789012345678901234567890\r\n");
    EXPECT(reply_verbatim(r, "txt", "hi", 2), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    EXPECT(reply_map(r, 3), "*6\r\n", "%3\r\n");
    EXPECT(reply_set(r, 3), "*3\r\n", "~3\r\n");
    EXPECT(reply_push(r, 3), "*3\r\n", ">3\r\n");
}

Test(reply, an_attribute_is_a_matter_of_resp3) {
    struct reply r = {&out, 3};

    reply_attribute(&r, 1);
    cr_assert_str_eq(sent(), "|1\r\n");
}

Test(reply, an_error_stays_on_one_line) {
    EXPECT_BOTH(reply_error_text(r, "ERR a\r\nb\nc", 10), "-ERR a  b c\r\n");
}

Test(reply, bulks_of_any_size_come_whole) {
    static const size_t sizes[] = {1, 100, 8191, 8192, 8193, 16383, 16384, 16400, 100000};
    struct reply r = {&out, 2};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes want = {0};
        char *data = mem_alloc(sizes[i]);

        for (size_t k = 0; k < sizes[i]; k++) data[k] = (char)('a' + k % 23);
        reply_int(&r, 7);
        reply_bulk(&r, data, sizes[i]);
        reply_ok(&r);
        bytes_printf(&want, ":7\r\n$%zu\r\n", sizes[i]);
        bytes_append(&want, data, sizes[i]);
        bytes_append_str(&want, "\r\n+OK\r\n");
        sent();
        cr_assert(slice_eq(bytes_slice(&got), bytes_slice(&want)), "%zu bytes", sizes[i]);
        bytes_release(&want);
        mem_free(data);
    }
}
