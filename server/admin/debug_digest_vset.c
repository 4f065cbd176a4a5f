/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/vset.h"

/* Names, vectors as they are kept, and attributes. The graph and the numbers of elements depend on
 * the order of insertion and on chance, so they do not count. */
struct digest digest_vset(const struct entry *e) {
    const struct vset *s = vset_of(e);
    struct digest sum = {{0}};

    for (size_t i = 0; i < s->n; i++) {
        const struct vset_element *x = s->all[i];
        struct slice name = vset_name(s, x);
        struct {
            struct digest name, vector, attr;
            float l2, range;
            uint32_t dim, quant;
        } rec;

        memset(&rec, 0, sizeof rec); /* padding is hashed too */
        rec.name = digest_of(name.p, name.n);
        rec.vector = digest_of(x->point.data, vset_vector_bytes(s));
        rec.attr = digest_of(x->attr, x->attr_n);
        rec.l2 = x->point.l2;
        rec.range = x->point.range;
        rec.dim = s->dim;
        rec.quant = s->quant;
        digest_xor(&sum, digest_of(&rec, sizeof rec));
    }
    return sum;
}
