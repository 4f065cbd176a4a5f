/* SPDX-License-Identifier: BSD-3-Clause
 *
 * lolwut - LOLWUT: a picture, and the version. Any arguments are accepted, the words of the
 * picture's own are: columns, rows.
 */
#include "conf/conf.h"
#include "server/admin/rows.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

enum { COLUMNS = 40, ROWS = 8, COLUMNS_MAX = 160, ROWS_MAX = 50 };

static int64_t size_arg(const struct call *x, int i, int64_t otherwise, int64_t max) {
    int64_t v;

    if (i >= x->argc || !num_parse_i64(x->argv[i].p, x->argv[i].n, &v)) return otherwise;
    return v < 1 ? 1 : v > max ? max : v;
}

/* A stack of paper: the further down, the more sheets are askew. */
static void append_sheets(struct bytes *b, int64_t columns, int64_t rows) {
    for (int64_t y = 0; y < rows; y++) {
        for (int64_t i = 0; i < columns; i++) {
            bool askew = (int64_t)rng_below((uint64_t)rows * 2) < y;

            bytes_append_str(b, !askew ? "\u2500" : rng_below(2) ? "\u2571" : "\u2572");
        }
        bytes_append_char(b, '\n');
    }
}

static int cmd_lolwut(struct call *x) {
    int first = x->argc > 2 && arg_is(x, 1, "version") ? 3 : 1;
    int64_t version;
    struct bytes b = {0};

    if (first == 3 && !arg_int(x, 2, &version)) return -1;
    append_sheets(&b, size_arg(x, first, COLUMNS, COLUMNS_MAX),
                  size_arg(x, first + 1, ROWS, ROWS_MAX));
    bytes_printf(&b, "\nLet it stand. Redis ver. %s\n", conf_redis_version(x->e->v));
    reply_verbatim(&x->r, "txt", b.p, b.n);
    bytes_release(&b);
    return 0;
}

/* clang-format off */
const struct command lolwut_commands[] = {
    {"lolwut", -1, CMD_READONLY | CMD_FAST, "server", {0, 0, 0}, cmd_lolwut, "5.0.0",
     "Draws something, and names the version.",
     .grammar = "[VERSION=version:int]"},
    {0},
};
/* clang-format on */
