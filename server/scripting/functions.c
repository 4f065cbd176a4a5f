/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/scripting/functions.h"

#include <ctype.h>
#include <strings.h>

void function_set_init(struct function_set *s, struct library **libraries) {
    *s = (struct function_set){.libraries = libraries};
}

/* ---------------------------------------------------------------- finding */

static unsigned bucket_of(struct slice name) {
    unsigned h = 0x811c9dc5u;

    for (size_t i = 0; i < name.n; i++) h = (h ^ ((unsigned char)name.p[i] | 0x20u)) * 0x01000193u;
    return (h ^ h >> 15) % FUNCTION_BUCKETS;
}

struct function *function_find(const struct function_set *s, struct slice name) {
    struct function *f = s->buckets[bucket_of(name)];

    while (f && (f->n != name.n || strncasecmp(f->name, name.p, name.n) != 0)) f = f->next;
    return f;
}

static struct function_library *library_of(struct library *l) {
    return (struct function_library *)l;
}

struct function_library *function_find_library(const struct function_set *s, struct slice name) {
    for (struct library *l = *s->libraries; l; l = l->next)
        if (slice_eq(library_of(l)->name, name)) return library_of(l);
    return NULL;
}

static bool is_spared(const struct function_set *spared, const struct function_library *l) {
    return spared && function_find_library(spared, l->name);
}

const struct function *function_clash(const struct function_set *s,
                                      const struct function_library *l,
                                      const struct function_set *spared) {
    for (const struct function *f = l->functions; f; f = f->sibling) {
        const struct function *other = function_find(s, slice_of(f->name, f->n));

        if (other && !slice_eq(other->library->name, l->name) && !is_spared(spared, other->library))
            return f;
    }
    return NULL;
}

/* ---------------------------------------------------------------- coming, going */

void function_set_add(struct function_set *s, struct function_library *l) {
    struct library **at = s->libraries;

    while (*at && slice_cmp(library_of(*at)->name, l->name) < 0) at = &(*at)->next;
    l->base.next = *at;
    *at = &l->base;
    for (struct function *f = l->functions; f; f = f->sibling) {
        struct function **bucket = &s->buckets[bucket_of(slice_of(f->name, f->n))];

        f->next = *bucket;
        *bucket = f;
    }
    s->nlibraries++;
    s->nfunctions += l->n;
    s->bytes += l->bytes;
}

void function_set_remove(struct function_set *s, struct function_library *l) {
    struct library **at = s->libraries;

    while (*at != &l->base) at = &(*at)->next;
    *at = l->base.next;
    for (struct function *f = l->functions; f; f = f->sibling) {
        struct function **bucket = &s->buckets[bucket_of(slice_of(f->name, f->n))];

        while (*bucket != f) bucket = &(*bucket)->next;
        *bucket = f->next;
    }
    s->nlibraries--;
    s->nfunctions -= l->n;
    s->bytes -= l->bytes;
}

void function_set_clear(struct scripting *sc, struct function_set *s) {
    while (*s->libraries) {
        struct function_library *l = library_of(*s->libraries);

        function_set_remove(s, l);
        library_free(sc, l);
    }
}
