/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/fieldset.h"

#include "storage/base/mem.h"

static int find(const struct fieldsets *all, struct slice name) {
    int i = 0;

    while (i < all->n && !slice_eq(all->v[i].v[0], name)) i++;
    return i;
}

const struct fieldset *fieldset_find(const struct session *s, struct slice name) {
    const struct fieldsets *all = s->fieldsets;
    int i = all ? find(all, name) : 0;

    return all && i < all->n ? &all->v[i] : NULL;
}

static size_t bytes_of(int n, const struct slice *argv) {
    size_t bytes = (size_t)n * sizeof *argv;

    for (int i = 0; i < n; i++) bytes += argv[i].n;
    return bytes;
}

static void drop(struct fieldsets *all, int i) {
    all->bytes -= all->v[i].bytes;
    mem_free(all->v[i].v);
    all->v[i] = all->v[--all->n];
}

bool fieldset_keep(struct session *s, int n, const struct slice *argv) {
    const struct fieldset *old = fieldset_find(s, argv[0]);
    size_t bytes = bytes_of(n, argv), other = s->fieldsets ? s->fieldsets->bytes : 0;
    struct fieldsets *all;

    if (old) other -= old->bytes;
    if (bytes > FIELDSETS_BYTES_MAX - other) return false;
    if (!old && s->fieldsets && s->fieldsets->n == FIELDSETS_MAX) return false;
    if (!s->fieldsets) s->fieldsets = mem_calloc(sizeof *s->fieldsets);
    all = s->fieldsets;
    if (old) drop(all, (int)(old - all->v));
    all->v[all->n++] = (struct fieldset){args_copy(n, argv), n, bytes};
    all->bytes += bytes;
    return true;
}

bool fieldset_drop(struct session *s, struct slice name) {
    const struct fieldset *old = fieldset_find(s, name);

    if (old) drop(s->fieldsets, (int)(old - s->fieldsets->v));
    return old;
}

int fieldset_drop_all(struct session *s) {
    int n = s->fieldsets ? s->fieldsets->n : 0;

    fieldsets_end(s);
    return n;
}

void fieldsets_end(struct session *s) {
    if (!s->fieldsets) return;
    while (s->fieldsets->n > 0) drop(s->fieldsets, 0);
    mem_free(s->fieldsets);
    s->fieldsets = NULL;
}

size_t fieldsets_mem(const struct session *s) {
    return s->fieldsets ? mem_good_size(sizeof *s->fieldsets) + s->fieldsets->bytes : 0;
}
