/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bitfield - integers of any width at any bit of a string.
 *
 * All operations are parsed before the first is done; then the string is grown once for all.
 */
#include "server/commands/bits.h"
#include "server/commands/commands.h"
#include "server/commands/support.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field_op {
    enum field_verb verb;
    enum field_overflow overflow;
    bool is_signed;
    unsigned width; /* bits: up to 64 signed, 63 unsigned */
    uint64_t offset;
    int64_t value;
};

struct field_ops {
    struct field_op *v;
    size_t n;
    bool writes;
    uint64_t last_bit; /* that is written */
};

/* ---------------------------------------------------------------- bits of a string */

static uint64_t low_mask(unsigned width) {
    return width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
}

/* Bits after the end are zero. */
static uint64_t load_field(const uint8_t *p, size_t n, uint64_t offset, unsigned width) {
    unsigned lead = offset & 7, bytes = (lead + width + 7) / 8;
    unsigned __int128 v = 0;

    for (unsigned i = 0; i < bytes; i++) {
        uint64_t at = (offset >> 3) + i;

        v = v << 8 | (at < n ? p[at] : 0);
    }
    return (uint64_t)(v >> (bytes * 8 - lead - width)) & low_mask(width);
}

static void store_field(uint8_t *p, uint64_t offset, unsigned width, uint64_t value) {
    unsigned lead = offset & 7, bytes = (lead + width + 7) / 8;
    unsigned shift = bytes * 8 - lead - width;
    unsigned __int128 mask = (unsigned __int128)low_mask(width) << shift;
    unsigned __int128 v = (unsigned __int128)(value & low_mask(width)) << shift;

    p += offset >> 3;
    for (unsigned i = bytes; i-- > 0; mask >>= 8, v >>= 8)
        p[i] = (uint8_t)((p[i] & ~(uint8_t)mask) | (uint8_t)v);
}

static int64_t extend_sign(uint64_t v, unsigned width) {
    unsigned unused = 64 - width;

    return (int64_t)(v << unused) >> unused;
}

/* ---------------------------------------------------------------- limits */

/* Adds; true if the sum does not fit, *sum then being what the overflow mode makes of it. A value
 * more than 2^63 below the upper bound counts as above it: so does Redis. */
static bool add_signed(const struct field_op *op, int64_t value, int64_t by, int64_t *sum) {
    int64_t max = (int64_t)(low_mask(op->width) >> 1), min = -max - 1;
    int64_t room = (int64_t)((uint64_t)max - (uint64_t)value);
    __int128 exact = (__int128)value + by;
    bool over = exact > max || (op->width < 64 && by > room);

    *sum = extend_sign((uint64_t)exact, op->width);
    if (!over && exact >= min) return false;
    if (op->overflow == OVERFLOW_SAT) *sum = over ? max : min;
    return true;
}

static bool add_unsigned(const struct field_op *op, uint64_t value, int64_t by, uint64_t *sum) {
    uint64_t max = low_mask(op->width);
    __int128 exact = (__int128)value + by;

    *sum = (uint64_t)exact & max;
    if (exact >= 0 && exact <= max) return false;
    if (op->overflow == OVERFLOW_SAT) *sum = exact < 0 ? 0 : max;
    return true;
}

/* ---------------------------------------------------------------- operations */

/* Does one writing operation and answers it; true if that is a change; where the
 * string has grown, any write is. */
static bool write_field(struct call *x, const struct field_op *op, uint8_t *p, size_t n,
                        bool grown) {
    uint64_t old = load_field(p, n, op->offset, op->width), bits;
    bool set = op->verb == FIELD_SET, overflow;

    if (op->is_signed) {
        int64_t was = extend_sign(old, op->width), now;

        overflow = set ? add_signed(op, op->value, 0, &now) : add_signed(op, was, op->value, &now);
        bits = (uint64_t)now;
    } else {
        overflow = set ? add_unsigned(op, (uint64_t)op->value, 0, &bits)
                       : add_unsigned(op, old, op->value, &bits);
    }
    if (overflow && op->overflow == OVERFLOW_FAIL) {
        reply_null(&x->r);
        return false;
    }
    bits &= low_mask(op->width);
    store_field(p, op->offset, op->width, bits);
    if (op->is_signed)
        reply_int(&x->r, extend_sign(set ? old : bits, op->width));
    else
        reply_int(&x->r, (int64_t)(set ? old : bits));
    return grown || bits != old;
}

static void read_field(struct call *x, const struct field_op *op, const uint8_t *p, size_t n) {
    uint64_t bits = load_field(p, n, op->offset, op->width);

    reply_int(&x->r, op->is_signed ? extend_sign(bits, op->width) : (int64_t)bits);
}

/* ---------------------------------------------------------------- parsing */

/* "i8", "u63" */
static bool parse_kind(struct call *x, struct slice s, struct field_op *op) {
    int64_t width;

    op->is_signed = s.n > 0 && s.p[0] == 'i';
    if (s.n < 2 || (s.p[0] != 'i' && s.p[0] != 'u') || !num_parse_i64(s.p + 1, s.n - 1, &width) ||
        width < 1 || width > (op->is_signed ? 64 : 63)) {
        reply_err(x, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                     "supported but i64 is.");
        return false;
    }
    op->width = (unsigned)width;
    return true;
}

static bool parse_overflow(struct call *x, int i, enum field_overflow *mode) {
    if (arg_is(x, i, "wrap")) {
        *mode = OVERFLOW_WRAP;
    } else if (arg_is(x, i, "sat")) {
        *mode = OVERFLOW_SAT;
    } else if (arg_is(x, i, "fail")) {
        *mode = OVERFLOW_FAIL;
    } else {
        reply_err(x, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* The verb at argument i; how many arguments follow it in *nargs. */
static bool parse_verb(struct call *x, int i, enum field_verb *verb, int *nargs) {
    int left = x->argc - i - 1;

    *nargs = 3;
    if (arg_is(x, i, "get") && left >= 2) {
        *verb = FIELD_GET;
        *nargs = 2;
    } else if (arg_is(x, i, "set") && left >= 3) {
        *verb = FIELD_SET;
    } else if (arg_is(x, i, "incrby") && left >= 3) {
        *verb = FIELD_INCRBY;
    } else {
        reply_err(x, ERR_SYNTAX);
        return false;
    }
    return true;
}

/* Each operation takes three arguments at least, so that ops->v has room for argc. */
static bool parse_ops(struct call *x, struct field_ops *ops) {
    enum field_overflow overflow = OVERFLOW_WRAP;
    int nargs;

    for (int i = 2; i < x->argc; i += nargs + 1) {
        struct field_op op = {.overflow = overflow};

        if (arg_is(x, i, "overflow") && i + 1 < x->argc) {
            nargs = 1;
            if (!parse_overflow(x, i + 1, &overflow)) return false;
            continue;
        }
        if (!parse_verb(x, i, &op.verb, &nargs) || !parse_kind(x, x->argv[i + 1], &op) ||
            !arg_bit_offset(x, i + 2, true, op.width, &op.offset))
            return false;
        if (op.verb != FIELD_GET) {
            uint64_t last = op.offset + op.width - 1;

            if (!arg_int(x, i + 3, &op.value)) return false;
            ops->writes = true;
            if (ops->last_bit < last) ops->last_bit = last;
        }
        ops->v[ops->n++] = op;
    }
    return true;
}

/* ---------------------------------------------------------------- handlers */

static int read_fields(struct call *x, const struct field_ops *ops) {
    struct ref r = lookup_read(x, 1);
    struct slice s;

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    s = r.e ? entry_string(r.e) : SLICE("");
    reply_array(&x->r, ops->n);
    for (size_t i = 0; i < ops->n; i++) read_field(x, &ops->v[i], (const uint8_t *)s.p, s.n);
    return 0;
}

static int write_fields(struct call *x, const struct field_ops *ops) {
    struct ref r = lookup_write(x, 1);
    uint64_t changes;
    uint8_t *data;
    size_t n;
    bool grown;

    if (!check_type(x, &r, TYPE_STRING)) return -1;
    grown = bits_reserve(x, &r, ops->last_bit, &data, &n);
    changes = 0;
    reply_array(&x->r, ops->n);
    for (size_t i = 0; i < ops->n; i++) {
        if (ops->v[i].verb == FIELD_GET)
            read_field(x, &ops->v[i], data, n);
        else
            changes += write_field(x, &ops->v[i], data, n, grown);
    }
    if (changes || grown) {
        key_changed(x, &r, EVENT_STRING, "setbit");
        if (changes > 1) x->e->dirty += changes - 1;
    }
    return 0;
}

static int bitfield(struct call *x, bool readonly) {
    struct field_ops ops = {.v = mem_alloc((size_t)x->argc * sizeof *ops.v)};
    int rc = -1;

    if (!parse_ops(x, &ops)) goto out;
    if (!ops.writes)
        rc = read_fields(x, &ops);
    else if (readonly)
        rc = reply_err(x, "ERR BITFIELD_RO only supports the GET subcommand");
    else
        rc = write_fields(x, &ops);
out:
    mem_free(ops.v);
    return rc;
}

static int cmd_bitfield(struct call *x) {
    return bitfield(x, false);
}

static int cmd_bitfield_ro(struct call *x) {
    return bitfield(x, true);
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command bitfield_commands[] = {
    {"bitfield", -2, CMD_WRITE | CMD_DENYOOM, "bitmap", {1, 1, 1}, cmd_bitfield, "3.2.0",
     "Reads, sets and adds to integers of any width inside a string.",
     .grammar = "key@0 [operation(GET=get-block{encoding offset:int}|"
                "write{[OVERFLOW=overflow-block(WRAP|SAT|FAIL)] "
                "write-operation(SET=set-block{encoding offset:int value:int}|"
                "INCRBY=incrby-block{encoding offset:int increment:int})})+]",
     .key_specs = "RW access update variable_flags (This command allows both access and "
                  "modification of the key)"},
    {"bitfield_ro", -2, CMD_READONLY | CMD_FAST, "bitmap", {1, 1, 1}, cmd_bitfield_ro, "6.0.0",
     "Reads integers of any width inside a string.",
     .grammar = "key@0 [GET=get-block{encoding offset:int}++]"},
    {0},
};
/* clang-format on */
