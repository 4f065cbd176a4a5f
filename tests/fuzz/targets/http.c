/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http - the head of an HTTP request. What is accepted ends with an empty line, is not longer than
 * a head may be, is read the same when more follows, and is not there yet when a byte is missing.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "server/http/request.h"
#include "storage/base/mem.h"

static void check_accepted(const struct http_request *r, struct slice in, size_t n) {
    struct http_request again;

    CHECK(n <= in.n && n <= HTTP_HEADER_MAX);
    CHECK(memcmp(in.p + n - 4, "\r\n\r\n", 4) == 0);
    CHECK(r->path[0] == '/' && strlen(r->path) < HTTP_PATH_MAX);
    CHECK(strlen(r->password) < HTTP_PASSWORD_MAX);
    CHECK(http_request_read(&again, slice_of(in.p, n)) == (int)n);
    CHECK(strcmp(again.path, r->path) == 0 && again.keep_alive == r->keep_alive);
    CHECK(http_request_read(&again, slice_of(in.p, n - 1)) == 0);
}

FUZZ_TARGET(http) {
    struct http_request r;
    char *copy;
    int n;

    fuzz_begin();
    copy = fuzz_copy(slice_of(data, size));
    n = http_request_read(&r, slice_of(copy, size));
    if (n > 0) check_accepted(&r, slice_of(copy, size), (size_t)n);
    CHECK(n >= -505);
    mem_free(copy);
    return 0;
}
