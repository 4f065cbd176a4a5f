/* SPDX-License-Identifier: BSD-3-Clause
 *
 * json - the text of a JSON document. What is accepted is printed, read again as an equal value and
 * printed the same; a copy is equal; and no document is deeper than it may be.
 */
#include "tests/fuzz/kit/fuzz.h"

#include "storage/base/mem.h"
#include "storage/json.h"

static const struct json_format plain, wide = {SLICE(" "), SLICE("\n"), SLICE(" "), 0};

static void check_printed(const struct json *v, const struct json_format *f,
                          const struct bytes *want) {
    struct bytes text = {0}, again = {0};
    struct json_error e;
    struct json back;

    json_print(&text, v, f, 0, PACE_NONE);
    CHECK(json_parse(bytes_slice(&text), PACE_NONE, &back, &e));
    CHECK(json_equal(v, &back, PACE_NONE));
    json_print(&again, &back, &plain, 0, PACE_NONE);
    CHECK(slice_eq(bytes_slice(want), bytes_slice(&again)));
    json_clear(&back);
    bytes_release(&text);
    bytes_release(&again);
}

FUZZ_TARGET(json) {
    struct json v, copy;
    struct bytes text = {0};
    struct json_error e;
    char *bytes;

    fuzz_begin();
    bytes = fuzz_copy(slice_of(data, size));
    if (json_parse(slice_of(bytes, size), PACE_NONE, &v, &e)) {
        CHECK(json_depth(&v, PACE_NONE) <= JSON_DEPTH_MAX);
        json_print(&text, &v, &plain, 0, PACE_NONE);
        CHECK(json_is_utf8(bytes_slice(&text)));
        check_printed(&v, &plain, &text);
        check_printed(&v, &wide, &text);
        copy = json_copy(&v, PACE_NONE);
        json_clear(&v);
        check_printed(&copy, &plain, &text);
        json_clear(&copy);
    } else {
        CHECK(e.at <= size && e.what && v.kind == JSON_NULL);
    }
    bytes_release(&text);
    mem_free(bytes);
    return 0;
}
