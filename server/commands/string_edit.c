/* SPDX-License-Identifier: BSD-3-Clause
 *
 * string_edit - parts of strings, and strings as numbers.
 */
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "storage/base/num.h"

#include <math.h>

/* ---------------------------------------------------------------- parts */

static int cmd_strlen(struct call *x) {
    struct ref r = lookup_read(x, 1);

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    reply_int(&x->r, r.e ? (int64_t)entry_string(r.e).n : 0);
    return 0;
}

static int cmd_append(struct call *x) {
    struct ref r = lookup_write(x, 1);
    struct slice more = x->argv[2];
    size_t n = more.n;

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (r.e) {
        size_t had = entry_string(r.e).n;
        char *data;

        if (!check_length(x, had, more.n)) return -1;
        n += had;
        r.e = db_resize_string(r.db, r.e, r.hash, n, &data);
        memcpy(data + had, more.p, more.n);
    } else {
        store_string(x, &r, more, ENTRY_NO_EXPIRE, 0);
    }
    key_changed(x, &r, EVENT_STRING, "append");
    reply_int(&x->r, (int64_t)n);
    return 0;
}

static int cmd_setrange(struct call *x) {
    struct slice part = x->argv[3];
    int64_t offset;
    struct ref r;
    size_t n;
    char *data;

    if (!arg_int(x, 2, &offset)) return -1;
    if (offset < 0) return reply_err(x, "ERR offset is out of range");
    r = lookup_write(x, 1);
    if (!check_type(x, &r, TYPE_STRING)) return -1;
    n = r.e ? entry_string(r.e).n : 0;
    if (part.n == 0) {
        reply_int(&x->r, (int64_t)n);
        return 0;
    }
    if (!check_length(x, (uint64_t)offset, part.n)) return -1;
    if (n < (size_t)offset + part.n) n = (size_t)offset + part.n;
    if (!r.e) store_string(x, &r, SLICE(""), ENTRY_NO_EXPIRE, ENTRY_RAW);
    r.e = db_resize_string(r.db, r.e, r.hash, n, &data);
    memcpy(data + offset, part.p, part.n);
    key_changed(x, &r, EVENT_STRING, "setrange");
    reply_int(&x->r, (int64_t)n);
    return 0;
}

static int cmd_getrange(struct call *x) {
    int64_t start, end, n;
    struct slice s;
    struct ref r;

    if (!arg_int(x, 2, &start) || !arg_int(x, 3, &end)) return -1;
    r = lookup_read(x, 1);
    if (!check_type(x, &r, TYPE_STRING)) return -1;
    s = r.e ? entry_string(r.e) : SLICE("");
    n = (int64_t)s.n;
    if (n == 0 || (start < 0 && end < 0 && start > end)) {
        reply_bulk(&x->r, "", 0);
        return 0;
    }
    if (start < 0) start += n;
    if (end < 0) end += n;
    if (start < 0) start = 0;
    if (end < 0) end = 0;
    if (end >= n) end = n - 1;
    if (start > end)
        reply_bulk(&x->r, "", 0);
    else
        reply_part(x, r.e, slice_of(s.p + start, (size_t)(end - start + 1)));
    return 0;
}

/* ---------------------------------------------------------------- numbers */

static int add_to_int(struct call *x, int64_t by) {
    struct ref r = lookup_write(x, 1);
    char text[NUM_I64_MAX];
    int64_t v = 0;

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (r.e) {
        struct slice s = entry_string(r.e);

        if (!num_parse_i64(s.p, s.n, &v)) return reply_err(x, ERR_NOT_INT);
    }
    if (__builtin_add_overflow(v, by, &v))
        return reply_err(x, "ERR increment or decrement would overflow");
    store_string(x, &r, slice_of(text, (size_t)num_format_i64(text, v)), DB_KEEP_EXPIRE, 0);
    key_changed(x, &r, EVENT_STRING, "incrby");
    reply_int(&x->r, v);
    return 0;
}

static int cmd_incr(struct call *x) {
    return add_to_int(x, 1);
}

static int cmd_decr(struct call *x) {
    return add_to_int(x, -1);
}

static int cmd_incrby(struct call *x) {
    int64_t by;

    return arg_int(x, 2, &by) ? add_to_int(x, by) : -1;
}

static int cmd_decrby(struct call *x) {
    int64_t by;

    if (!arg_int(x, 2, &by)) return -1;
    if (by == INT64_MIN) return reply_err(x, "ERR decrement would overflow");
    return add_to_int(x, -by);
}

/* The sum depends on the machine's long double, so the result is what gets logged. */
static int cmd_incrbyfloat(struct call *x) {
    struct ref r = lookup_write(x, 1);
    struct slice s = SLICE("0"), sum;
    char text[NUM_LDOUBLE_MAX];
    long double v, by;

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (r.e) s = entry_string(r.e);
    if (!num_parse_ldouble(s.p, s.n, &v) || !num_parse_ldouble(x->argv[2].p, x->argv[2].n, &by))
        return reply_err(x, ERR_NOT_FLOAT);
    v += by;
    if (isnan(v) || isinf(v)) return reply_err(x, "ERR increment would produce NaN or Infinity");
    sum = slice_of(text, (size_t)num_format_ldouble(text, v));
    store_string(x, &r, sum, DB_KEEP_EXPIRE, ENTRY_NOT_INT);
    key_changed(x, &r, EVENT_STRING, "incrbyfloat");
    EFFECT(x, SLICE("SET"), r.key, sum, SLICE("KEEPTTL"));
    reply_bulk(&x->r, sum.p, sum.n);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W (CMD_WRITE | CMD_DENYOOM)
#define R CMD_READONLY
#define F CMD_FAST

/* clang-format off */
const struct command string_edit_commands[] = {
    {"append", 3, W | F, "string", {1, 1, 1}, cmd_append, "2.0.0",
     "Adds bytes to the end of a string; a missing key is an empty string.",
     .grammar = "key@0 value",
     .key_specs = "RW insert"},
    {"decr", 2, W | F, "string", {1, 1, 1}, cmd_decr, "1.0.0",
     "Subtracts one from the integer stored at a key.",
     .grammar = "key@0",
     .key_specs = "RW access update"},
    {"decrby", 3, W | F, "string", {1, 1, 1}, cmd_decrby, "1.0.0",
     "Subtracts a number from the integer stored at a key.",
     .grammar = "key@0 decrement:int",
     .key_specs = "RW access update"},
    {"getrange", 4, R, "string", {1, 1, 1}, cmd_getrange, "2.4.0",
     "Gives the bytes of a string between two offsets.",
     .grammar = "key@0 start:int end:int"},
    {"incr", 2, W | F, "string", {1, 1, 1}, cmd_incr, "1.0.0",
     "Adds one to the integer stored at a key.",
     .grammar = "key@0",
     .key_specs = "RW access update"},
    {"incrby", 3, W | F, "string", {1, 1, 1}, cmd_incrby, "1.0.0",
     "Adds a number to the integer stored at a key.",
     .grammar = "key@0 increment:int",
     .key_specs = "RW access update"},
    {"incrbyfloat", 3, W | F, "string", {1, 1, 1}, cmd_incrbyfloat, "2.6.0",
     "Adds a floating-point number to the number stored at a key.",
     .grammar = "key@0 increment:double",
     .key_specs = "RW access update"},
    {"setrange", 4, W, "string", {1, 1, 1}, cmd_setrange, "2.2.0",
     "Overwrites bytes of a string from an offset on; grows it with zero bytes where needed.",
     .grammar = "key@0 offset:int value",
     .key_specs = "RW update"},
    {"strlen", 2, R | F, "string", {1, 1, 1}, cmd_strlen, "2.2.0",
     "Gives the length of a string in bytes.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"substr", 4, R, "string", {1, 1, 1}, cmd_getrange, "1.0.0",
     "Gives the bytes of a string between two offsets.",
     .grammar = "!2.0.0 `GETRANGE`; key@0 start:int end:int"},
    {0},
};
/* clang-format on */
