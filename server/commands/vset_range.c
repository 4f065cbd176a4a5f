/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset_range - VRANGE: the names of a vector set, in order, between two bounds.
 *
 * The names stand in no order, so a call looks at all of them. It keeps at most twice as many as
 * are asked for: when there are more, they are sorted, and the last of those that stay becomes the
 * upper bound of the rest.
 * Not here: an index of names. A client that reads a large set in small ranges looks at it anew
 * each time.
 */
#include "server/commands/commands.h"
#include "server/commands/vset.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"

#include <stdlib.h>

#define ERR_BOUND "ERR min or max not valid string range item"

struct bound {
    enum { BOUND_LOWEST, BOUND_AT, BOUND_HIGHEST } kind;
    bool open; /* the name itself is outside */
    struct slice name;
};

struct picked {
    struct call *x;
    const struct vset *s;
    struct bound from, to;
    size_t want, n, cap;
    struct slice *names;
};

static bool parse_bound(struct slice text, struct bound *b) {
    char c = text.n ? text.p[0] : '\0';

    *b = (struct bound){.kind = BOUND_AT, .open = c == '('};
    if (c == '-' || c == '+') {
        b->kind = c == '-' ? BOUND_LOWEST : BOUND_HIGHEST;
        return text.n == 1;
    }
    if (text.n) b->name = slice_of(text.p + 1, text.n - 1);
    return c == '(' || c == '[';
}

/* Below 0: the name comes before the bound. An open bound is never met. */
static int compare(struct slice name, const struct bound *b) {
    if (b->kind != BOUND_AT) return b->kind == BOUND_LOWEST ? 1 : -1;
    return slice_cmp(name, b->name);
}

static bool is_within(struct slice name, const struct picked *p) {
    int low = compare(name, &p->from), high = compare(name, &p->to);

    return (p->from.open ? low > 0 : low >= 0) && (p->to.open ? high < 0 : high <= 0);
}

/* For qsort_r(). */
static int by_name(const void *a, const void *b, void *call) {
    call_breathe(call);
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorts what was picked, and leaves as many as are wanted. */
static void settle(struct picked *p) {
    qsort_r(p->names, p->n, sizeof *p->names, by_name, p->x);
    if (p->n <= p->want) return;
    p->n = p->want;
    p->to = (struct bound){.kind = BOUND_AT, .open = true, .name = p->names[p->n - 1]};
}

static void pick(struct picked *p) {
    for (size_t i = 0; i < p->s->n; i++) {
        struct slice name = vset_name(p->s, p->s->all[i]);

        call_breathe(p->x);
        if (!is_within(name, p)) continue;
        if (p->n == p->cap) settle(p);
        if (is_within(name, p)) p->names[p->n++] = name;
    }
    settle(p);
}

static void reply_picked(struct picked *p) {
    reply_array(&p->x->r, p->n);
    for (size_t i = 0; i < p->n; i++) reply_bulk(&p->x->r, p->names[i].p, p->names[i].n);
}

/* COUNT below 0, or none: all of them. */
static int cmd_vrange(struct call *x) {
    struct picked p = {.x = x};
    int64_t count = -1;
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 4, 5)) return -1;
    if (!parse_bound(x->argv[2], &p.from) || !parse_bound(x->argv[3], &p.to))
        return reply_err(x, ERR_BOUND);
    if (x->argc == 5 && !arg_int(x, 4, &count)) return -1;
    if (!find_vset(x, false, &r, &s)) return -1;
    if (!s || count == 0) {
        reply_array(&x->r, 0);
        return 0;
    }
    p.s = s;
    p.want = count < 0 || (uint64_t)count > s->n ? s->n : (size_t)count;
    p.cap = p.want > s->n / 2 ? s->n : p.want * 2;
    p.names = mem_alloc(p.cap * sizeof *p.names);
    pick(&p);
    reply_picked(&p);
    mem_free(p.names);
    return 0;
}

/* clang-format off */
const struct command vset_range_commands[] = {
    {"vrange", -1, CMD_READONLY, "module", {1, 1, 1}, cmd_vrange, "8.4.0",
     "Gives the elements of a vector set between two names, in order.",
     .grammar = "key@0 start end [count:int]"},
    {0},
};
/* clang-format on */
