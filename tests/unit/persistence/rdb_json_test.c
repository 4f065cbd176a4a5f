/* SPDX-License-Identifier: BSD-3-Clause
 *
 * JSON documents in snapshots: the payload that RedisJSON's form is, round trips, and payloads of
 * which a byte is damaged.
 */
#include "log_help.h"

#include "persistence/aof_rewrite_types.h"
#include "persistence/rdb_types.h"
#include "storage/base/mem.h"
#include "storage/json.h"

#include <criterion/criterion.h>

static const struct rdb_rules rules = {.skip_sum = true,
                                       .hash = {512, 64, PARTS_ALL},
                                       .set = {512, 128, 64, PARTS_ALL},
                                       .zset = {128, 64},
                                       .list = {-2, 0}};

TestSuite(rdb_json, .init = help_begin, .fini = help_end);

static struct entry *restore(struct slice payload) {
    struct entry *e;
    int version;

    rdb_restore(payload, SLICE("k"), ENTRY_NO_EXPIRE, &rules, &e, &version);
    return e;
}

static struct entry *entry_of(const char *text) {
    struct json_error error;
    struct json v;

    cr_assert(json_parse(slice_str(text), PACE_NONE, &v, &error));
    return json_entry(SLICE("k"), v, ENTRY_NO_EXPIRE);
}

static struct bytes dump_of(const struct entry *e) {
    struct bytes b = {0};

    rdb_dump(&b, e, false, PACE_NONE);
    return b;
}

/* The type, the id of "ReJSON-RL" with version 3 as 64 bits, a string, the end. */
Test(rdb_json, the_payload_is_the_text_under_the_module_s_id) {
    static const char want[] = "\x07\x81\x45\xe2\x52\x38\xdf\x91\x2c\x03\x05\x07{\"a\":1}\x00";
    struct entry *e = entry_of(" { \"a\" : 1 } ");
    struct bytes b = dump_of(e);

    cr_assert_eq(b.n, sizeof want - 1 + RDB_FOOTER_BYTES);
    cr_assert_arr_eq(b.p, want, sizeof want - 1);
    bytes_release(&b);
    entry_free(e);
}

Test(rdb_json, every_value_comes_back) {
    static const char *const texts[] = {
        "5",
        "-1.5e-7",
        "\"\"",
        "\"5\"",
        "null",
        "true",
        "[]",
        "{}",
        "{\"a\":[1,2.0,{\"b\":\"a text that is long enough\"}],\"\":null,\"\\u0000\":[[[]]]}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct entry *e = entry_of(texts[i]), *back;
        struct bytes b = dump_of(e);

        back = restore(bytes_slice(&b));
        cr_assert_not_null(back, "%s", texts[i]);
        cr_assert_eq(back->type, TYPE_JSON);
        cr_assert(json_equal(json_of(e), json_of(back), PACE_NONE));
        bytes_release(&b);
        entry_free(e);
        entry_free(back);
    }
}

Test(rdb_json, no_damaged_byte_does_harm) {
    struct entry *e = entry_of("{\"a\":[1,2.5e3,\"\\u00e9\\n\"],\"b\":{\"c\":null,\"d\":true}}");
    struct bytes b = dump_of(e);

    for (size_t at = 0; at + RDB_FOOTER_BYTES < b.n; at++) {
        for (int flip = 1; flip < 256; flip++) {
            struct entry *back;

            b.p[at] = (char)(b.p[at] ^ flip);
            back = restore(bytes_slice(&b));
            b.p[at] = (char)(b.p[at] ^ flip);
            if (back) entry_free(back);
        }
    }
    for (size_t n = 0; n < b.n; n++) {
        struct entry *back = restore(slice_of(b.p, n));

        if (back) entry_free(back);
    }
    bytes_release(&b);
    entry_free(e);
}

Test(rdb_json, a_rewritten_log_has_one_json_set) {
    struct entry *e = entry_of("[1, 2]");
    struct bytes b = {0};

    rewrite_json(&b, e);
    cr_assert_str_eq(bytes_cstr(&b),
                     "*4\r\n$8\r\nJSON.SET\r\n$1\r\nk\r\n$1\r\n$\r\n$5\r\n[1,2]\r\n");
    bytes_release(&b);
    entry_free(e);
}
