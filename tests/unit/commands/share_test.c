/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Long values go out uncopied: what was asked for stays as it was, whatever happens to the key
 * before the bytes are sent.
 */
#include "engine_help.h"

#include "storage/base/mem.h"

#include <criterion/criterion.h>

TestSuite(share, .init = engine_begin, .fini = engine_end);

enum { LONG = OUT_SHARE_MIN + 100 };

static void put(struct bytes *b, const char *a, const char *key, struct slice value) {
    bytes_printf(b, "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(a), a, strlen(key), key,
                 value.n);
    bytes_append(b, value.p, value.n);
    bytes_append_str(b, "\r\n");
}

/* One pipeline: the reply of GET is taken before `change`, and sent after it. */
static void get_then(const char *change) {
    struct bytes in = {0}, want = {0};
    char *value = mem_alloc(LONG);
    struct slice out;

    memset(value, 'x', LONG);
    put(&in, "SET", "k", slice_of(value, LONG));
    bytes_printf(&in, "GET k\r\n%s\r\n", change);
    out = engine_send(in.p, in.n);
    bytes_printf(&want, "+OK\r\n$%d\r\n", LONG);
    bytes_append(&want, value, LONG);
    bytes_append_str(&want, "\r\n");
    cr_expect(out.n > want.n);
    cr_expect(memcmp(out.p, want.p, want.n) == 0, "%s", change);
    bytes_release(&in);
    bytes_release(&want);
    mem_free(value);
}

Test(share, a_reply_keeps_the_value_it_was_given) {
    static const char *const each[] = {
        "APPEND k y",
        "SETRANGE k 5 yyy",
        "SETBIT k 3 1",
        "SET k y",
        "DEL k",
        "GETDEL k",
        "FLUSHALL",
        "FLUSHALL ASYNC",
        "BITFIELD k SET u8 0 1",
        "RENAME k l",
        "SET k 1 EX 1",
        "EXPIRE k -1",
    };

    for (size_t i = 0; i < sizeof each / sizeof *each; i++) get_then(each[i]);
}
