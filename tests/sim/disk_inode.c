/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- contents and names */

void content_resize(struct content *c, size_t n) {
    if (n > c->cap) {
        size_t cap = c->cap ? c->cap : 1024;

        while (cap < n) cap *= 2;
        c->p = realloc(c->p, cap);
        memset(c->p + c->cap, 0, cap - c->cap);
        c->cap = cap;
    }
    if (n < c->n) memset(c->p + n, 0, c->n - n);
    c->n = n;
}

void content_copy(struct content *to, const struct content *from) {
    content_resize(to, 0);
    content_resize(to, from->n);
    if (from->n) memcpy(to->p, from->p, from->n);
}

struct name *names_find(const struct names *d, const char *text) {
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->e[i].text, text) == 0) return &d->e[i];
    return NULL;
}

void names_set(struct names *d, const char *text, int inode) {
    struct name *e = names_find(d, text);

    if (!inode) {
        if (!e) return;
        memmove(e, e + 1, (size_t)(d->e + d->n - (e + 1)) * sizeof *e);
        d->n--;
        return;
    }
    if (!e) {
        if (d->n == d->cap) {
            d->cap = d->cap ? d->cap * 2 : 8;
            d->e = realloc(d->e, d->cap * sizeof *d->e);
        }
        e = &d->e[d->n++];
        snprintf(e->text, sizeof e->text, "%s", text);
    }
    e->inode = inode;
}

int links_of(int inode) {
    int n = 0;

    for (int i = ROOT; i < disk->inodes; i++) {
        if (!disk->inode[i].is_dir) continue;
        for (size_t k = 0; k < disk->inode[i].names.n; k++)
            n += disk->inode[i].names.e[k].inode == inode;
    }
    return n;
}

static bool is_in(const struct names *d, int inode) {
    for (size_t i = 0; i < d->n; i++)
        if (d->e[i].inode == inode) return true;
    return false;
}

/* Whether nothing can lead to the file any more. */
static bool is_gone(int inode) {
    for (int i = 1; i < FILES; i++)
        if (disk->file[i].refs && disk->file[i].inode == inode) return false;
    for (int i = ROOT; i < disk->inodes; i++)
        if (is_in(&disk->inode[i].names, inode) || is_in(&disk->inode[i].durable_names, inode))
            return false;
    for (size_t i = 0; i < disk->changes; i++) {
        const struct change *c = disk->change[i];

        if (c->inode == inode) return false;
        for (int k = 0; k < c->sets; k++)
            if (c->set[k].inode == inode || c->set[k].dir == inode) return false;
    }
    return true;
}

static int inode_again(void) {
    for (int i = ROOT + 1; i < disk->inodes; i++) {
        struct inode *in = &disk->inode[i];

        if (!is_gone(i)) continue;
        free(in->cache.p);
        free(in->durable.p);
        free(in->names.e);
        free(in->durable_names.e);
        return i;
    }
    fprintf(stderr, "sim: too many files\n");
    abort();
}

int inode_new(bool is_dir) {
    int i = disk->inodes < INODES ? disk->inodes++ : inode_again();

    disk->inode[i] = (struct inode){.used = true, .is_dir = is_dir};
    return i;
}
