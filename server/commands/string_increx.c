/* SPDX-License-Identifier: BSD-3-Clause
 *
 * string_increx - INCREX: a string as a number that stays within bounds, and its time to live. The
 * form is that of Redis 8.8.
 *
 * A sum beyond a bound changes nothing, neither the number nor the time, unless SATURATE is given.
 * What is logged is the result.
 */
#include "server/commands/commands.h"
#include "server/commands/string_options.h"
#include "storage/base/num.h"

#include <math.h>

struct result {
    char text[NUM_LDOUBLE_MAX], applied[NUM_LDOUBLE_MAX];
    struct slice sum;
    int64_t by; /* of integers: what was really added */
    bool within;
};

static struct slice present(const struct ref *r) {
    return r->e ? entry_string(r->e) : SLICE("0");
}

/* ---------------------------------------------------------------- integers */

struct int_bounds {
    int64_t by, lower, upper;
};

static bool parse_ints(struct call *x, const struct string_options *o, struct int_bounds *b) {
    *b = (struct int_bounds){1, INT64_MIN, INT64_MAX};
    if (o->by_arg && !arg_int(x, o->by_arg, &b->by)) return false;
    if (o->lower_arg && !arg_int(x, o->lower_arg, &b->lower)) return false;
    if (o->upper_arg && !arg_int(x, o->upper_arg, &b->upper)) return false;
    if (b->lower <= b->upper) return true;
    reply_err(x, "ERR LBOUND is greater than UBOUND");
    return false;
}

/* The sum, or the bound in whose direction it lies beyond. False: it is beyond. */
static bool sum_of_ints(const struct int_bounds *b, int64_t v, int64_t *sum) {
    if (__builtin_add_overflow(v, b->by, sum))
        *sum = b->by > 0 ? b->upper : b->lower;
    else if (*sum > b->upper)
        *sum = b->upper;
    else if (*sum < b->lower)
        *sum = b->lower;
    else
        return true;
    return false;
}

static bool add_ints(struct call *x, const struct string_options *o, const struct ref *r,
                     struct result *out) {
    struct slice s = present(r);
    struct int_bounds b;
    int64_t v, sum;

    if (!parse_ints(x, o, &b)) return false;
    if (!num_parse_i64(s.p, s.n, &v)) {
        reply_err(x, ERR_NOT_INT);
        return false;
    }
    out->within = sum_of_ints(&b, v, &sum) || o->set & OPT_SATURATE;
    if (!out->within) sum = v;
    if (__builtin_sub_overflow(sum, v, &out->by)) {
        reply_err(x, "ERR increment or decrement would overflow");
        return false;
    }
    out->sum = slice_of(out->text, (size_t)num_format_i64(out->text, sum));
    return true;
}

/* ---------------------------------------------------------------- floats */

static bool parse_float(struct call *x, int arg, long double *v) {
    if (!arg) return true;
    if (num_parse_ldouble(x->argv[arg].p, x->argv[arg].n, v) && !isnan(*v)) return true;
    reply_err(x, ERR_NOT_FLOAT);
    return false;
}

static bool add_floats(struct call *x, const struct string_options *o, const struct ref *r,
                       struct result *out) {
    long double by = 0, lower = -INFINITY, upper = INFINITY, v, sum;
    struct slice s = present(r);

    if (!parse_float(x, o->by_arg, &by) || !parse_float(x, o->lower_arg, &lower) ||
        !parse_float(x, o->upper_arg, &upper))
        return false;
    if (lower > upper) {
        reply_err(x, "ERR LBOUND is greater than UBOUND");
        return false;
    }
    if (!num_parse_ldouble(s.p, s.n, &v)) {
        reply_err(x, ERR_NOT_FLOAT);
        return false;
    }
    sum = v + by;
    out->within = (sum >= lower && sum <= upper) || o->set & OPT_SATURATE;
    if (!out->within)
        sum = v;
    else
        sum = sum < lower ? lower : sum > upper ? upper : sum;
    if (isnan(sum) || isinf(sum)) {
        reply_err(x, "ERR increment would produce NaN or Infinity");
        return false;
    }
    out->sum = slice_of(out->text, (size_t)num_format_ldouble(out->text, sum));
    num_format_ldouble(out->applied, sum - v);
    return true;
}

/* ---------------------------------------------------------------- the command */

static void reply_result(struct call *x, const struct string_options *o, const struct result *got) {
    int64_t sum;

    reply_array(&x->r, 2);
    if (o->set & OPT_BYFLOAT) {
        reply_bulk(&x->r, got->sum.p, got->sum.n);
        reply_bulk_str(&x->r, got->applied);
    } else {
        num_parse_i64(got->sum.p, got->sum.n, &sum);
        reply_int(&x->r, sum);
        reply_int(&x->r, got->by);
    }
}

static void store_result(struct call *x, const struct string_options *o, struct ref *r,
                         struct slice sum, int64_t when_ms) {
    bool timed = r->e && r->e->flags & ENTRY_EXPIRES;
    bool sets_time = o->set & OPT_TIME && !(o->set & OPT_ENX && timed);
    unsigned form = o->set & OPT_BYFLOAT ? ENTRY_NOT_INT : 0;
    char text[NUM_I64_MAX];

    if (sets_time) {
        store_string(x, r, sum, when_ms, form);
        key_changed(x, r, EVENT_STRING, o->set & OPT_BYFLOAT ? "incrbyfloat" : "incrby");
        key_event(x, r, EVENT_GENERIC, "expire");
        EFFECT(x, SLICE("SET"), r->key, sum, SLICE("PXAT"),
               slice_of(text, (size_t)num_format_i64(text, when_ms)));
        return;
    }
    store_string(x, r, sum, o->set & OPT_PERSIST ? ENTRY_NO_EXPIRE : DB_KEEP_EXPIRE, form);
    key_changed(x, r, EVENT_STRING, o->set & OPT_BYFLOAT ? "incrbyfloat" : "incrby");
    if (o->set & OPT_PERSIST) {
        if (timed) key_event(x, r, EVENT_GENERIC, "persist");
        EFFECT(x, SLICE("SET"), r->key, sum);
    } else {
        EFFECT(x, SLICE("SET"), r->key, sum, SLICE("KEEPTTL"));
    }
}

static int cmd_increx(struct call *x) {
    int64_t when_ms = ENTRY_NO_EXPIRE;
    struct result got = {.within = false};
    struct string_options o;
    struct ref r;

    if (!string_options(x, 2, OPT_OF_INCREX, &o)) return -1;
    if (o.set & OPT_ENX && !(o.set & OPT_TIME)) return reply_err(x, ERR_SYNTAX);
    if (!string_options_time(x, &o, &when_ms)) return -1;
    r = lookup_write(x, 1);
    if (!check_type(x, &r, TYPE_STRING)) return -1;
    if (!(o.set & OPT_BYFLOAT ? add_floats : add_ints)(x, &o, &r, &got)) return -1;
    if (got.within) store_result(x, &o, &r, got.sum, when_ms);
    reply_result(x, &o, &got);
    return 0;
}

/* ---------------------------------------------------------------- rows */

/* clang-format off */
const struct command string_increx_commands[] = {
    {"increx", -2, CMD_WRITE | CMD_DENYOOM | CMD_FAST, "string", {1, 1, 1}, cmd_increx, "8.8.0",
     "Adds to a number within bounds, and sets or removes its time to live.",
     .grammar = "key@0 [increment(BYINT=integer:int|BYFLOAT=float:double)] [LBOUND=lower:double] "
                "[UBOUND=upper:double] [SATURATE] [expiration(EX=seconds:int|PX=milliseconds:int|"
                "EXAT=unix-time-seconds:time|PXAT=unix-time-milliseconds:time|PERSIST)] [ENX]",
     .key_specs = "RW access update"},
    {0},
};
/* clang-format on */
