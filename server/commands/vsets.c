/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/vset.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

static bool take_blob(struct call *x, int i, struct vector_arg *out) {
    struct slice blob = x->argv[i];

    out->dim = (uint32_t)(blob.n / sizeof(float));
    out->v = mem_dup(blob.p, blob.n);
    out->next = i + 1;
    return true;
}

static bool take_values(struct call *x, int i, int64_t n, struct vector_arg *out) {
    out->v = mem_alloc((size_t)n * sizeof *out->v);
    out->dim = (uint32_t)n;
    out->next = i + (int)n;
    for (int64_t k = 0; k < n; k++) {
        struct slice s = x->argv[i + k];
        double d;

        if (num_parse_double(s.p, s.n, &d)) {
            out->v[k] = (float)d;
            continue;
        }
        mem_free(out->v);
        out->v = NULL;
        reply_err(x, ERR_VECTOR);
        return false;
    }
    return true;
}

bool arg_vector(struct call *x, int i, struct vector_arg *out) {
    int64_t n;

    *out = (struct vector_arg){0};
    if (i + 1 < x->argc && arg_is(x, i, "FP32")) {
        size_t bytes = x->argv[i + 1].n;

        if (bytes > 0 && bytes % sizeof(float) == 0 && bytes / sizeof(float) <= VSET_DIM_MAX)
            return take_blob(x, i + 1, out);
    } else if (i + 1 < x->argc && arg_is(x, i, "VALUES")) {
        struct slice s = x->argv[i + 1];

        if (num_parse_i64(s.p, s.n, &n) && n > 0 && n <= VSET_DIM_MAX && n <= x->argc - i - 2)
            return take_values(x, i + 2, n, out);
    }
    reply_err(x, ERR_VECTOR);
    return false;
}

/* The name in the error is the documented one, whatever the client wrote. */
bool vset_args(struct call *x, int min, int max) {
    char name[32];
    size_t n = 0;

    if (x->argc >= min && x->argc <= max) return true;
    for (const char *p = x->cmd->row->name; *p && n + 1 < sizeof name; p++)
        name[n++] = (char)(*p & ~0x20);
    name[n] = '\0';
    reply_errf(x, "ERR wrong number of arguments for '%s' command", name);
    return false;
}

bool find_vset(struct call *x, bool for_write, struct ref *r, struct vset **s) {
    *r = for_write ? lookup_write(x, 1) : lookup_read(x, 1);
    *s = NULL;
    if (!check_type(x, r, TYPE_VSET)) return false;
    if (r->e) *s = vset_of(r->e);
    return true;
}

bool find_vset_element(struct call *x, struct ref *r, struct vset **s, struct vset_element **e) {
    *e = NULL;
    if (!find_vset(x, x->cmd->row->flags & CMD_WRITE, r, s)) return false;
    if (*s) *e = vset_find(*s, x->argv[2]);
    return true;
}

const char *vset_quant_name(const struct vset *s) {
    static const char *const names[VSET_QUANTS] = {"f32", "int8", "bin"};

    return names[s->quant];
}
