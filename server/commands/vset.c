/* SPDX-License-Identifier: BSD-3-Clause
 *
 * vset - changing vector sets, and what is known of their elements: all but VSIM.
 *
 * Every change goes into the AOF as received: levels of the graph are drawn anew where it is read
 * back; elements, vectors and attributes are the same. As in Redis there are no keyspace events.
 */
#include "server/commands/vset.h"

#include "server/commands/commands.h"
#include "server/exec/breathe.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"
#include "storage/base/rng.h"

#include <limits.h>

static const enum event_class no_event = 0;

static void changed(struct call *x, const struct ref *r) {
    key_changed(x, r, no_event, "");
}

/* ---------------------------------------------------------------- VADD */

struct adding {
    struct vector_arg vector;
    int64_t reduce; /* 0: not asked for */
    struct slice name, attr;
    bool has_attr;
    enum vset_quant quant;
    int64_t ef, m;
};

static bool number_in(const struct call *x, int i, int64_t min, int64_t max, int64_t *out) {
    return num_parse_i64(x->argv[i].p, x->argv[i].n, out) && *out >= min && *out <= max;
}

static bool parse_options(struct call *x, int i, struct adding *a) {
    for (; i < x->argc; i++) {
        bool more = i + 1 < x->argc;

        if (arg_is(x, i, "CAS")) {
            continue; /* a hint that changes nothing here: see README */
        } else if (arg_is(x, i, "NOQUANT")) {
            a->quant = VSET_F32;
        } else if (arg_is(x, i, "Q8")) {
            a->quant = VSET_Q8;
        } else if (arg_is(x, i, "BIN")) {
            a->quant = VSET_BIN;
        } else if (arg_is(x, i, "EF") && more) {
            if (!number_in(x, ++i, 1, VSET_EF_MAX, &a->ef))
                return reply_err(x, "ERR invalid EF") > 0;
        } else if (arg_is(x, i, "M") && more) {
            if (!number_in(x, ++i, VSET_M_MIN, VSET_M_MAX, &a->m))
                return reply_err(x, "ERR invalid M") > 0;
        } else if (arg_is(x, i, "SETATTR") && more) {
            a->attr = x->argv[++i];
            a->has_attr = true;
        } else {
            reply_err(x, "ERR invalid option after element");
            return false;
        }
    }
    return true;
}

/* The caller frees a->vector whatever the result is. */
static bool parse_adding(struct call *x, struct adding *a) {
    int i = 2;

    *a = (struct adding){.quant = VSET_Q8, .ef = VSET_EF_ADD, .m = VSET_M};
    if (arg_is(x, i, "REDUCE")) {
        if (!number_in(x, i + 1, 1, VSET_DIM_MAX, &a->reduce)) {
            reply_err(x, ERR_VECTOR);
            return false;
        }
        i += 2;
    }
    if (!arg_vector(x, i, &a->vector)) return false;
    if (!vset_args(x, a->vector.next + 1, INT_MAX)) return false;
    if (a->reduce && a->reduce * a->vector.dim > VSET_PROJECTION_MAX) {
        reply_err(x, ERR_VECTOR);
        return false;
    }
    a->name = x->argv[a->vector.next];
    return check_element(x, a->name) && parse_options(x, a->vector.next + 1, a) &&
           check_element(x, a->attr);
}

static const char *mismatch(const struct vset *s, const struct adding *a) {
    if (s->quant != a->quant) return "ERR asked quantization mismatch with existing vector set";
    if (s->m != a->m) return "ERR asked M value mismatch with existing vector set";
    if (a->reduce && !s->input_dim)
        return "ERR cannot add projection to existing set without projection";
    return NULL;
}

/* Whether such a vector can be added to the set. */
static bool fits(struct call *x, const struct vset *s, const struct adding *a) {
    const char *bad = mismatch(s, a);
    uint32_t wanted = a->reduce ? (uint32_t)a->reduce : a->vector.dim;

    if (bad) return reply_err(x, bad) == 0;
    if (wanted != s->dim || !a->reduce != !s->input_dim)
        return reply_errf(x, "ERR Vector dimension mismatch - got %u but set has %u", a->vector.dim,
                          s->dim) == 0;
    if (a->reduce && a->vector.dim != s->input_dim)
        return reply_errf(x,
                          "ERR Input dimension mismatch for projection - got %u but projection "
                          "expects %u",
                          a->vector.dim, s->input_dim) == 0;
    return true;
}

static struct vset *make_vset(struct call *x, struct ref *r, const struct adding *a) {
    struct vset_shape shape = {.dim = a->vector.dim, .m = (uint32_t)a->m, .quant = a->quant};
    struct vset *s;

    if (a->reduce) {
        shape.input_dim = a->vector.dim;
        shape.dim = (uint32_t)a->reduce;
    }
    s = vset_new(&shape);
    r->e = entry_new_object(r->key, TYPE_VSET, s, ENTRY_NO_EXPIRE, 0);
    db_add(r->db, r->e, r->hash);
    key_added(x, r);
    return s;
}

/* An element that gets another vector keeps its attribute. True if it is new. */
static bool put_element(struct vset *s, const struct adding *a) {
    struct vset_element *old = vset_find(s, a->name), *e;
    struct slice attr = old ? vset_attr(old) : SLICE("");
    struct vset_point point;
    char *kept = NULL;

    vset_quantise(s, a->vector.v, &point);
    if (a->has_attr)
        attr = a->attr;
    else if (attr.n)
        attr.p = kept = mem_dup(attr.p, attr.n);
    if (old) vset_remove(s, old);
    e = vset_add(s, a->name, &point, (size_t)a->ef);
    vset_set_attr(s, e, attr);
    mem_free(point.data);
    mem_free(kept);
    return !old;
}

static int add(struct call *x, const struct adding *a) {
    struct vset *s;
    struct ref r;

    if (!find_vset(x, true, &r, &s) || (s && !fits(x, s, a))) return -1;
    if (!s) s = make_vset(x, &r, a);
    reply_bool(&x->r, put_element(s, a));
    changed(x, &r);
    return 0;
}

static int cmd_vadd(struct call *x) {
    struct adding a;
    int rc = -1;

    if (!vset_args(x, 5, INT_MAX)) return -1;
    if (parse_adding(x, &a)) rc = add(x, &a);
    mem_free(a.vector.v);
    return rc;
}

/* ---------------------------------------------------------------- other changes */

static int cmd_vrem(struct call *x) {
    struct vset_element *e;
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 3, 3) || !find_vset_element(x, &r, &s, &e)) return -1;
    reply_bool(&x->r, e != NULL);
    if (!e) return 0;
    vset_remove(s, e);
    if (s->n == 0) key_delete(x, &r, false);
    changed(x, &r);
    return 0;
}

static int cmd_vsetattr(struct call *x) {
    struct vset_element *e;
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 4, 4) || !check_element(x, x->argv[3]) || !find_vset_element(x, &r, &s, &e))
        return -1;
    reply_bool(&x->r, e != NULL);
    if (!e) return 0;
    vset_set_attr(s, e, x->argv[3]);
    changed(x, &r);
    return 0;
}

/* ---------------------------------------------------------------- the set */

static int cmd_vcard(struct call *x) {
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 2, 2) || !find_vset(x, false, &r, &s)) return -1;
    reply_int(&x->r, s ? (int64_t)s->n : 0);
    return 0;
}

static int cmd_vdim(struct call *x) {
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 2, 2) || !find_vset(x, false, &r, &s)) return -1;
    if (!s) return reply_err(x, "ERR key does not exist");
    reply_int(&x->r, s->dim);
    return 0;
}

static void info_int(struct call *x, const char *name, uint64_t v) {
    reply_simple(&x->r, name);
    reply_int(&x->r, (int64_t)v);
}

static int cmd_vinfo(struct call *x) {
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 2, 2) || !find_vset(x, false, &r, &s)) return -1;
    if (!s) {
        reply_null_array(&x->r);
        return 0;
    }
    if (!s->uid) s->uid = ++x->e->vset_uids;
    reply_map(&x->r, 9);
    reply_simple(&x->r, "quant-type");
    reply_simple(&x->r, vset_quant_name(s));
    info_int(x, "hnsw-m", s->m);
    info_int(x, "vector-dim", s->dim);
    info_int(x, "projection-input-dim", s->input_dim);
    info_int(x, "size", s->n);
    info_int(x, "max-level", s->entry->level);
    info_int(x, "attributes-count", s->attrs);
    info_int(x, "vset-uid", s->uid);
    info_int(x, "hnsw-max-node-uid", s->last_id);
    return 0;
}

/* ---------------------------------------------------------------- elements */

static int cmd_vismember(struct call *x) {
    struct vset_element *e;
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 3, 3) || !find_vset_element(x, &r, &s, &e)) return -1;
    reply_bool(&x->r, e != NULL);
    return 0;
}

static int cmd_vgetattr(struct call *x) {
    struct vset_element *e;
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 3, 3) || !find_vset_element(x, &r, &s, &e)) return -1;
    if (e && e->attr)
        reply_bulk(&x->r, e->attr, e->attr_n);
    else
        reply_null(&x->r);
    return 0;
}

static void reply_stored(struct call *x, const struct vset *s, const struct vset_element *e) {
    reply_array(&x->r, s->quant == VSET_Q8 ? 4 : 3);
    reply_simple(&x->r, vset_quant_name(s));
    reply_bulk(&x->r, e->point.data, vset_vector_bytes(s));
    reply_double(&x->r, e->point.l2);
    if (s->quant == VSET_Q8) reply_double(&x->r, e->point.range);
}

static void reply_vector(struct call *x, const struct vset *s, const struct vset_element *e) {
    float *v = mem_alloc(s->dim * sizeof *v);

    vset_restore_vector(s, &e->point, v);
    reply_array(&x->r, s->dim);
    for (uint32_t i = 0; i < s->dim; i++) reply_double(&x->r, v[i]);
    mem_free(v);
}

static int cmd_vemb(struct call *x) {
    struct vset_element *e;
    struct vset *s;
    struct ref r;

    if (!vset_args(x, 3, INT_MAX)) return -1;
    for (int i = 3; i < x->argc; i++)
        if (!arg_is(x, i, "RAW")) return reply_err(x, "ERR invalid option");
    if (!find_vset_element(x, &r, &s, &e)) return -1;
    if (!e)
        reply_null(&x->r);
    else if (x->argc > 3)
        reply_stored(x, s, e);
    else
        reply_vector(x, s, e);
    return 0;
}

static void reply_links(struct call *x, const struct vset *s, const struct vset_element *e,
                        unsigned level, bool scores) {
    const struct vset_links *l = e->links[level];
    uint32_t n = l ? l->n : 0;

    if (scores)
        reply_map(&x->r, n);
    else
        reply_array(&x->r, n);
    for (uint32_t i = 0; i < n; i++) {
        struct slice name = vset_name(s, l->to[i]);

        reply_bulk(&x->r, name.p, name.n);
        if (scores) reply_double(&x->r, 1 - vset_distance(s, &e->point, &l->to[i]->point) / 2);
    }
}

static int cmd_vlinks(struct call *x) {
    struct vset_element *e;
    struct vset *s;
    struct ref r;

    if (x->argc == 4 && !arg_is(x, 3, "WITHSCORES")) return vset_args(x, 5, 5) ? 0 : -1;
    if (!vset_args(x, 3, 4) || !find_vset_element(x, &r, &s, &e)) return -1;
    if (!e) {
        reply_null(&x->r);
        return 0;
    }
    reply_array(&x->r, (size_t)e->level + 1);
    for (unsigned level = e->level + 1; level-- > 0;) reply_links(x, s, e, level, x->argc == 4);
    return 0;
}

/* ---------------------------------------------------------------- VRANDMEMBER */

struct picking {
    struct reply *to;
    const struct vset *s;
};

static void pick_members(size_t n, void *arg) {
    const struct picking *p = arg;

    for (; n > 0; n--) {
        struct slice name = vset_name(p->s, vset_random(p->s));

        reply_bulk(p->to, name.p, name.n);
    }
}

static void reply_name(struct call *x, const struct vset *s, size_t at) {
    struct slice name = vset_name(s, s->all[at]);

    reply_bulk(&x->r, name.p, name.n);
    call_breathe(x);
}

/* A few different elements: places are drawn until n different ones came. */
static void reply_few(struct call *x, const struct vset *s, size_t n) {
    uint64_t *seen = mem_calloc((s->n + 63) / 64 * sizeof *seen);

    while (n > 0) {
        uint64_t at = rng_below(s->n), bit = UINT64_C(1) << at % 64;

        if (seen[at / 64] & bit) continue;
        seen[at / 64] |= bit;
        reply_name(x, s, at);
        n--;
    }
    mem_free(seen);
}

/* n different elements: a partial shuffle of places. */
static void reply_sample(struct call *x, const struct vset *s, size_t n) {
    uint32_t *at = mem_alloc(s->n * sizeof *at);

    for (size_t i = 0; i < s->n; i++) at[i] = (uint32_t)i;
    for (size_t i = 0; i < n; i++) {
        size_t k = i + rng_below(s->n - i);
        uint32_t taken = at[k];

        at[k] = at[i];
        reply_name(x, s, taken);
    }
    mem_free(at);
}

static int random_members(struct call *x, const struct vset *s, int64_t count) {
    uint64_t from = x->r.out->end;
    uint64_t n = count < 0 ? -(uint64_t)count : (uint64_t)count;

    if (!s || (count > 0 && n > s->n)) n = s ? s->n : 0;
    reply_array(&x->r, n);
    if (n == 0) return 0;
    if (count < 0) return reply_picks(x, from, n, pick_members, &(struct picking){&x->r, s});
    if (n < s->n / 2)
        reply_few(x, s, n);
    else
        reply_sample(x, s, n);
    return 0;
}

static int cmd_vrandmember(struct call *x) {
    struct vset *s;
    int64_t count;
    struct ref r;

    if (!vset_args(x, 2, 3)) return -1;
    if (x->argc == 3 &&
        !arg_int_range(x, 2, INT64_MIN, INT64_MAX, &count, "ERR COUNT value is not an integer"))
        return -1;
    if (x->argc == 3 && count == 0) { /* whatever the key is */
        reply_array(&x->r, 0);
        return 0;
    }
    if (!find_vset(x, false, &r, &s)) return -1;
    if (x->argc == 3) return random_members(x, s, count);
    if (s)
        pick_members(1, &(struct picking){&x->r, s});
    else
        reply_null(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- rows */

#define W CMD_WRITE
#define R CMD_READONLY
#define F CMD_FAST

/* The arity of each is -1 in Redis, so the handlers count. */
/* clang-format off */
const struct command vset_commands[] = {
    {"vadd", -1, W | CMD_DENYOOM, "module", {1, 1, 1}, cmd_vadd, "8.0.0",
     "Adds an element with its vector to a vector set, or gives an element another vector.",
     .grammar = "key@0 [REDUCE=dim:int] vector(FP32=blob|VALUES=values{count:int value:double+}) element "
                "[CAS] [quantization(NOQUANT|Q8|BIN)] [EF=effort:int] [SETATTR=attributes] "
                "[M=links:int]",
     .key_specs = "RW insert update"},
    {"vcard", -1, R | F, "module", {1, 1, 1}, cmd_vcard, "8.0.0",
     "Counts the elements of a vector set.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"vdim", -1, R | F, "module", {1, 1, 1}, cmd_vdim, "8.0.0",
     "Tells the dimension of the vectors of a vector set.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"vemb", -1, R | F, "module", {1, 1, 1}, cmd_vemb, "8.0.0",
     "Gives the vector of an element as it is kept.",
     .grammar = "key@0 element [RAW]"},
    {"vgetattr", -1, R | F, "module", {1, 1, 1}, cmd_vgetattr, "8.0.0",
     "Gives the attribute of an element.",
     .grammar = "key@0 element"},
    {"vinfo", -1, R | F, "module", {1, 1, 1}, cmd_vinfo, "8.0.0",
     "Tells how a vector set is kept.",
     .grammar = "key@0",
     .key_specs = "RO"},
    {"vismember", -1, R, "module", {1, 1, 1}, cmd_vismember, "8.0.0",
     "Tells whether a vector set has an element.",
     .grammar = "key@0 element",
     .key_specs = "RO"},
    {"vlinks", -1, R | F, "module", {1, 1, 1}, cmd_vlinks, "8.0.0",
     "Gives the neighbours of an element in each level of the graph.",
     .grammar = "key@0 element [WITHSCORES]"},
    {"vrandmember", -1, R, "module", {1, 1, 1}, cmd_vrandmember, "8.0.0",
     "Gives any elements of a vector set.",
     .grammar = "key@0 [count:int]",
     .tips = "nondeterministic_output"},
    {"vrem", -1, W, "module", {1, 1, 1}, cmd_vrem, "8.0.0",
     "Removes an element of a vector set, and the set with its last one.",
     .grammar = "key@0 element",
     .key_specs = "RW delete"},
    {"vsetattr", -1, W | F, "module", {1, 1, 1}, cmd_vsetattr, "8.0.0",
     "Gives an element another attribute; an empty one removes it.",
     .grammar = "key@0 element attributes",
     .key_specs = "RW update"},
    {0},
};
/* clang-format on */
