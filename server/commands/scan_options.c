/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/scan_options.h"

#include "protocol/encode.h"
#include "server/exec/breathe.h"
#include "server/exec/keys.h"
#include "server/exec/slots.h"

static bool bad_cursor(struct call *x) {
    reply_err(x, "ERR invalid cursor");
    return false;
}

/* A cursor is what strtoul() takes for a number, but for leading blanks: an optional sign, digits.
 * Nothing at all is 0. */
bool scan_parse_cursor(struct call *x, int i, uint64_t *cursor) {
    const char *p = x->argv[i].p, *end = p + x->argv[i].n;
    bool negative = false;
    uint64_t v = 0;

    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p++ == '-';
        if (p == end) return bad_cursor(x);
    }
    for (; p < end && *p; p++) {
        unsigned digit = (unsigned)(*p - '0');

        if (digit > 9 || v > (UINT64_MAX - digit) / 10) return bad_cursor(x);
        v = v * 10 + digit;
    }
    *cursor = negative ? 0 - v : v;
    return true;
}

static bool bad_option(struct call *x) {
    reply_err(x, ERR_SYNTAX);
    return false;
}

static bool parse_slot(struct call *x, int i, struct scan_options *o) {
    if (o->slot >= 0) {
        reply_err(x, "ERR SLOT option can only be specified once");
        return false;
    }
    return arg_int_range(x, i, 0, SLOTS - 1, &o->slot, "ERR Invalid or out of range slot");
}

bool scan_parse_options(struct call *x, int i, unsigned allowed, struct scan_options *o) {
    *o = (struct scan_options){.cursor = o->cursor, .count = 10, .slot = -1};
    for (; i < x->argc; i++) {
        if ((allowed & SCAN_NOVALUES && arg_is(x, i, "novalues")) ||
            (allowed & SCAN_NOSCORES && arg_is(x, i, "noscores"))) {
            o->novalues = true;
        } else if (i + 1 == x->argc) {
            return bad_option(x);
        } else if (arg_is(x, i, "count")) {
            if (!arg_int(x, ++i, &o->count)) return false;
            if (o->count < 1) return bad_option(x);
        } else if (arg_is(x, i, "match")) {
            o->pattern = x->argv[++i];
        } else if (allowed & SCAN_TYPE && arg_is(x, i, "type")) {
            o->type = x->argv[++i];
        } else if (allowed & SCAN_SLOT && arg_is(x, i, "slot")) {
            if (!parse_slot(x, ++i, o)) return false;
        } else {
            return bad_option(x);
        }
    }
    if (o->pattern.p && slice_eq(o->pattern, SLICE("*"))) o->pattern.p = NULL;
    return true;
}

void scan_reply(struct call *x, uint64_t cursor, size_t n) {
    reply_array(&x->r, 2);
    reply_bulk_int(&x->r, (int64_t)cursor);
    reply_array(&x->r, n);
}

/* ---------------------------------------------------------------- values */

bool scan_item(struct scan_walk *w, struct slice name) {
    w->seen++;
    call_breathe(w->x);
    return scan_matches(&w->o, name);
}

void scan_found(struct scan_walk *w, struct slice element) {
    encode_arg(&w->found, element);
    w->n++;
}

int scan_value(struct call *x, enum type_id type, unsigned allowed, scan_step_fn step) {
    struct scan_walk w = {.x = x};
    uint64_t cursor, steps;
    struct ref r;

    if (!scan_parse_cursor(x, 2, &w.o.cursor)) return -1;
    r = lookup_read(x, 1);
    if (!check_type(x, &r, type)) return -1;
    if (!r.e) {
        scan_reply(x, 0, 0);
        return 0;
    }
    if (!scan_parse_options(x, 3, allowed, &w.o)) return -1;
    cursor = w.o.cursor;
    steps = scan_steps(&w.o);
    do {
        cursor = step(r.e, cursor, &w);
    } while (cursor && steps-- > 0 && w.seen < (uint64_t)w.o.count);
    scan_reply(x, cursor, w.n);
    reply_raw(&x->r, w.found.p, w.found.n);
    bytes_release(&w.found);
    return 0;
}
