/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset_sim - VSIM: the elements of a vector set that are most similar to a vector.
 *
 * The search changes nothing and breathes. THREAD and NOTHREAD mean nothing here.
 */
#include "server/commands/commands.h"
#include "server/commands/vset.h"
#include "server/commands/vset_filter.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#include <limits.h>

enum { COUNT_DEFAULT = 10, EF_DEFAULT = 100, EFFORT_PER_RESULT = 100, STEPS_A_PACE = 8 };

struct asking {
    struct call *x;
    const struct vset *s;
    struct vset_point to; /* its data is the caller's to free */
    int64_t count, ef, effort;
    double epsilon;
    bool scores, attributes, exact;
    struct vset_filter *filter;
    size_t cost; /* of a run of the filter, in steps of a pace */
};

/* ---------------------------------------------------------------- arguments */

static int bad_filter(struct call *x, struct slice text, size_t at) {
    struct bytes b = {0};

    bytes_append_str(&b, "ERR syntax error in FILTER expression near: ");
    bytes_append(&b, text.p + at, text.n - at < 1024 ? text.n - at : 1024);
    reply_err(x, bytes_cstr(&b));
    bytes_release(&b);
    return -1;
}

static int take_filter(struct asking *a, struct slice text) {
    size_t bad;

    vset_filter_free(a->filter);
    a->filter = vset_filter_compile(text, &bad);
    if (!a->filter) return bad_filter(a->x, text, bad);
    a->cost = 1 + vset_filter_cost(a->filter) / STEPS_A_PACE;
    return 0;
}

static bool positive(const struct call *x, int i, int64_t *out) {
    return num_parse_i64(x->argv[i].p, x->argv[i].n, out) && *out > 0;
}

/* An option with a value at i. 1: it is none. */
static int take_option(struct asking *a, int i) {
    struct call *x = a->x;

    if (arg_is(x, i, "COUNT"))
        return positive(x, i + 1, &a->count) ? 0 : reply_err(x, "ERR invalid COUNT");
    if (arg_is(x, i, "EF")) return positive(x, i + 1, &a->ef) ? 0 : reply_err(x, "ERR invalid EF");
    if (arg_is(x, i, "FILTER-EF"))
        return positive(x, i + 1, &a->effort) ? 0 : reply_err(x, "ERR invalid FILTER-EF");
    if (arg_is(x, i, "EPSILON")) {
        struct slice s = x->argv[i + 1];

        if (num_parse_double(s.p, s.n, &a->epsilon) && a->epsilon > 0) return 0;
        return reply_err(x, "ERR invalid EPSILON");
    }
    return arg_is(x, i, "FILTER") ? take_filter(a, x->argv[i + 1]) : 1;
}

static bool take_flag(struct asking *a, int i) {
    if (arg_is(a->x, i, "WITHSCORES"))
        a->scores = true;
    else if (arg_is(a->x, i, "WITHATTRIBS"))
        a->attributes = true;
    else if (arg_is(a->x, i, "TRUTH"))
        a->exact = true;
    else
        return arg_is(a->x, i, "NOTHREAD");
    return true;
}

static int take_options(struct asking *a, int i) {
    while (i < a->x->argc) {
        int rc;

        if (take_flag(a, i)) {
            i++;
            continue;
        }
        rc = i + 1 < a->x->argc ? take_option(a, i) : 1;
        if (rc > 0) return reply_err(a->x, "ERR syntax error in VSIM command");
        if (rc < 0) return -1;
        i += 2;
    }
    return 0;
}

/* What the given element is kept as is not what its vector, given back, would be kept as. */
static bool take_element(struct asking *a, const struct vset_element *e) {
    float *v;

    if (!e) return reply_err(a->x, "ERR element not found in set") == 0;
    v = mem_alloc(a->s->dim * sizeof *v);
    vset_restore_vector(a->s, &e->point, v);
    vset_quantise_own(a->s, v, &a->to);
    mem_free(v);
    return true;
}

static bool take_vector(struct asking *a, const struct vector_arg *arg) {
    const struct vset *s = a->s;

    if (arg->dim == s->dim && arg->dim != s->input_dim) {
        vset_quantise_own(s, arg->v, &a->to);
        return true;
    }
    if (s->input_dim && arg->dim != s->input_dim)
        return reply_errf(a->x,
                          "ERR Input dimension mismatch for projection - got %u but projection "
                          "expects %u",
                          arg->dim, s->input_dim) == 0;
    if (!s->input_dim)
        return reply_errf(a->x, "ERR Vector dimension mismatch - got %u but set has %u", arg->dim,
                          s->dim) == 0;
    vset_quantise(s, arg->v, &a->to);
    return true;
}

/* What is looked for. 0: an error; otherwise the argument after it. */
static int take_target(struct asking *a) {
    struct vector_arg arg;
    bool good;

    if (arg_is(a->x, 2, "ELE")) return take_element(a, vset_find(a->s, a->x->argv[3])) ? 4 : 0;
    if (!arg_vector(a->x, 2, &arg)) return 0;
    good = take_vector(a, &arg);
    mem_free(arg.v);
    return good ? arg.next : 0;
}

/* ---------------------------------------------------------------- the search */

/* An element without an attribute matches no expression, not even "1". */
static bool passes(const struct vset_element *e, void *arg) {
    struct asking *a = arg;
    struct pace pace = call_pace(a->x);

    if (!e->attr) return false;
    call_breathe_by(a->x, a->cost);
    return vset_filter_matches(a->filter, vset_attr(e), &pace);
}

static void reply_attribute_of(struct call *x, const struct vset_element *e) {
    if (e->attr)
        reply_bulk(&x->r, e->attr, e->attr_n);
    else
        reply_null(&x->r);
}

static void reply_near(struct asking *a, const struct vset_near *v) {
    struct slice name = vset_name(a->s, v->e);
    struct reply *r = &a->x->r;

    reply_bulk(r, name.p, name.n);
    if (r->resp == 3 && a->scores && a->attributes) reply_array(r, 2);
    if (a->scores) reply_double(r, vset_score(v->distance));
    if (a->attributes) reply_attribute_of(a->x, v->e);
}

static void reply_found(struct asking *a, const struct vset_near *found, size_t n) {
    size_t each = 1 + a->scores + a->attributes;

    if (n > (size_t)a->count) n = (size_t)a->count;
    while (n > 0 && a->epsilon > 0 && 1 - vset_score(found[n - 1].distance) > a->epsilon) n--;
    if (a->x->r.resp == 3 && each > 1)
        reply_map(&a->x->r, n);
    else
        reply_array(&a->x->r, n * each);
    for (size_t i = 0; i < n; i++) reply_near(a, &found[i]);
}

static void search(struct asking *a) {
    struct pace pace = call_pace(a->x);
    int64_t n = (int64_t)a->s->n, count = a->count < n ? a->count : n;
    int64_t ef = a->exact ? count : a->ef > count ? a->ef : count;
    struct vset_search q = {.to = &a->to, .ef = (size_t)(ef < n ? ef : n), .pace = &pace};
    struct vset_near *found = mem_alloc(q.ef * sizeof *found);
    size_t nfound;

    q.effort = a->effort ? (size_t)a->effort : (size_t)count * EFFORT_PER_RESULT;
    if (a->filter) {
        q.accept = passes;
        q.arg = a;
    }
    nfound = a->exact ? vset_scan(a->s, &q, found) : vset_search(a->s, &q, found);
    reply_found(a, found, nfound);
    mem_free(found);
}

static int cmd_vsim(struct call *x) {
    struct asking a = {.x = x, .count = COUNT_DEFAULT, .ef = EF_DEFAULT};
    struct vset *s;
    struct ref r;
    int next, rc = -1;

    if (!vset_args(x, 4, INT_MAX) || !find_vset(x, false, &r, &s)) return -1;
    if (!s) {
        reply_array(&x->r, 0);
        return 0;
    }
    a.s = s;
    next = take_target(&a);
    if (next && take_options(&a, next) == 0) {
        search(&a);
        rc = 0;
    }
    mem_free(a.to.data);
    vset_filter_free(a.filter);
    return rc;
}

/* clang-format off */
const struct command vset_sim_commands[] = {
    {"vsim", -1, CMD_READONLY, "module", {1, 1, 1}, cmd_vsim, "8.0.0",
     "Finds the elements of a vector set that are most similar to a vector or an element.",
     .grammar = "key@0 vector(ELE=element|FP32=blob|VALUES=values{count:int value:double+}) [WITHSCORES] "
                "[WITHATTRIBS] [COUNT=count:int] [EPSILON=distance:double] [EF=effort:int] "
                "[FILTER=expression] [FILTER-EF=filter-effort:int] [TRUTH] [NOTHREAD]",
     .tips = "nondeterministic_output"},
    {0},
};
/* clang-format on */
