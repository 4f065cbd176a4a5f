/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- what is pending */

static struct change *change_new(enum change_kind kind, int inode) {
    struct change *c = calloc(1, sizeof *c);

    if (disk->changes == disk->changes_cap) {
        disk->changes_cap = disk->changes_cap ? disk->changes_cap * 2 : 64;
        disk->change = realloc(disk->change, disk->changes_cap * sizeof *disk->change);
    }
    c->kind = kind;
    c->inode = inode;
    disk->change[disk->changes++] = c;
    return c;
}

void change_note_data(int inode, size_t at, size_t n, bool grew) {
    const struct content *cache = &disk->inode[inode].cache;
    struct change *c = change_new(CHANGE_DATA, inode);
    size_t end = (at + n + SECTOR - 1) / SECTOR * SECTOR, have;

    c->at = at / SECTOR * SECTOR;
    c->n = end - c->at;
    c->data = calloc(1, c->n);
    have = cache->n - c->at < c->n ? cache->n - c->at : c->n;
    memcpy(c->data, cache->p + c->at, have);
    c->size = grew ? cache->n : 0;
}

void change_note_size(int inode, size_t size) {
    change_new(CHANGE_SIZE, inode)->size = size;
}

static void add_set(struct change *c, int dir, const char *text, int inode) {
    c->set[c->sets].dir = dir;
    c->set[c->sets].inode = inode;
    memcpy(c->set[c->sets].text, text, strlen(text) + 1);
    c->sets++;
}

void change_note_names(int dir, const char *text, int inode, int dir2, const char *text2,
                       int inode2) {
    struct change *c = change_new(CHANGE_NAMES, dir);

    add_set(c, dir, text, inode);
    if (text2) add_set(c, dir2, text2, inode2);
    if (disk_options.easy & EASY_NAMES) disk_make_durable(dir);
}

static void change_free(struct change *c) {
    free(c->data);
    free(c);
}

/* ---------------------------------------------------------------- becoming durable */

/* Room for the sectors, whatever the file's size: what stands past the size shows if it grows. */
static void write_sector(struct content *c, size_t at, const char *data) {
    size_t n = c->n;

    if (at + SECTOR > c->cap) {
        content_resize(c, at + SECTOR);
        c->n = n; /* keeps what was put there */
    }
    memcpy(c->p + at, data, SECTOR);
}

static void set_size(struct content *c, size_t size) {
    size_t had = c->n;

    if (size > c->cap) {
        content_resize(c, size);
    } else if (size < had) {
        memset(c->p + size, 0, c->cap - size);
    }
    c->n = size;
}

static void apply_names(const struct change *c) {
    for (int i = 0; i < c->sets; i++)
        names_set(&disk->inode[c->set[i].dir].durable_names, c->set[i].text, c->set[i].inode);
}

static void grow(struct content *c, size_t size) {
    if (size > c->n) set_size(c, size);
}

static void apply(const struct change *c) {
    struct content *d = &disk->inode[c->inode].durable;

    switch (c->kind) {
    case CHANGE_NAMES: apply_names(c); break;
    case CHANGE_SIZE: set_size(d, c->size); break;
    case CHANGE_DATA:
        for (size_t i = 0; i < c->n; i += SECTOR) write_sector(d, c->at + i, c->data + i);
        grow(d, c->size);
        break;
    }
}

static bool concerns(const struct change *c, int inode) {
    if (c->kind != CHANGE_NAMES) return c->inode == inode;
    for (int i = 0; i < c->sets; i++)
        if (c->set[i].dir == inode) return true;
    return false;
}

void disk_make_durable(int inode) {
    size_t kept = 0;

    for (size_t i = 0; i < disk->changes; i++) {
        struct change *c = disk->change[i];

        if (!concerns(c, inode)) {
            disk->change[kept++] = c;
            continue;
        }
        apply(c);
        change_free(c);
    }
    disk->changes = kept;
}

/* Some sectors get through. The size stays pending: a later sync writes it. */
void disk_lose_pages(int inode) {
    unsigned percent = (unsigned)dice_below(&disk->loss, 3) * 50;

    if (disk_options.easy & EASY_SYNCS) return;
    for (size_t i = 0; i < disk->changes; i++) {
        struct change *c = disk->change[i];
        struct content *d = &disk->inode[inode].durable;

        if (c->kind != CHANGE_DATA || c->inode != inode) continue;
        for (size_t k = 0; k < c->n; k += SECTOR)
            if (dice_percent(&disk->loss, percent)) write_sector(d, c->at + k, c->data + k);
        c->n = 0; /* only its size is left */
    }
}

/* ---------------------------------------------------------------- the cut */

/* A sector half written: a byte that does not change is not harmed. */
static void tear(struct content *d, size_t at, const char *data) {
    char out[SECTOR];
    size_t from = dice_below(&disk->loss, SECTOR);
    unsigned how = (unsigned)dice_below(&disk->loss, 3);

    memcpy(out, data, SECTOR);
    for (size_t i = from; i < SECTOR; i++) {
        char old = at + i < d->cap ? d->p[at + i] : 0;

        if (old == data[i]) continue;
        out[i] = how == 0 ? old : how == 1 ? 0 : (char)dice_u64(&disk->loss);
    }
    write_sector(d, at, out);
}

static void cut_data(const struct change *c, const struct disk_cut *cut) {
    struct content *d = &disk->inode[c->inode].durable;

    for (size_t i = 0; i < c->n; i += SECTOR) {
        if (!dice_percent(&disk->loss, cut->data)) continue;
        if (dice_percent(&disk->loss, cut->torn) && !(disk_options.easy & EASY_TEARS))
            tear(d, c->at + i, c->data + i);
        else
            write_sector(d, c->at + i, c->data + i);
    }
    if (dice_percent(&disk->loss, cut->size)) grow(d, c->size);
}

static void cut_any(const struct disk_cut *cut) {
    for (size_t i = 0; i < disk->changes; i++) {
        const struct change *c = disk->change[i];

        if (c->kind == CHANGE_DATA)
            cut_data(c, cut);
        else if (dice_percent(&disk->loss, c->kind == CHANGE_SIZE ? cut->size : cut->names))
            apply(c);
    }
}

/* Everything up to some change, and some of its sectors. */
static void cut_in_order(const struct disk_cut *cut) {
    size_t upto = dice_below(&disk->loss, disk->changes + 1);
    const struct change *last = upto < disk->changes ? disk->change[upto] : NULL;

    for (size_t i = 0; i < upto; i++) apply(disk->change[i]);
    if (last && last->kind == CHANGE_DATA) cut_data(last, cut);
}

static void forget_changes(void) {
    for (size_t i = 0; i < disk->changes; i++) change_free(disk->change[i]);
    disk->changes = 0;
}

static void show_durable(struct inode *in) {
    content_copy(&in->cache, &in->durable);
    if (in->durable.cap > in->durable.n) /* nothing is left past the end */
        memset(in->durable.p + in->durable.n, 0, in->durable.cap - in->durable.n);
    in->names.n = 0;
    for (size_t i = 0; i < in->durable_names.n; i++)
        names_set(&in->names, in->durable_names.e[i].text, in->durable_names.e[i].inode);
    in->failed_syncs = 0;
}

void disk_power_cut(const struct disk_cut *cut) {
    if (cut->ordered || disk_options.easy & EASY_ORDER)
        cut_in_order(cut);
    else
        cut_any(cut);
    forget_changes();
    for (int i = 1; i < disk->inodes; i++) show_durable(&disk->inode[i]);
}

/* The cache becomes what is durable and what is pending. */
void disk_evict(void) {
    struct content kept[INODES];

    for (int i = 1; i < disk->inodes; i++) {
        struct inode *in = &disk->inode[i];

        if (in->is_dir) continue;
        kept[i] = in->durable;
        in->durable = (struct content){0};
        content_resize(&in->durable, kept[i].cap); /* with what stands past the size */
        if (kept[i].cap) memcpy(in->durable.p, kept[i].p, kept[i].cap);
        in->durable.n = kept[i].n;
    }
    for (size_t i = 0; i < disk->changes; i++)
        if (disk->change[i]->kind != CHANGE_NAMES) apply(disk->change[i]);
    for (int i = 1; i < disk->inodes; i++) {
        struct inode *in = &disk->inode[i];

        if (in->is_dir) continue;
        content_copy(&in->cache, &in->durable);
        free(in->durable.p);
        in->durable = kept[i];
    }
}

/* ---------------------------------------------------------------- copies */

static void names_copy(struct names *to, const struct names *from) {
    *to = (struct names){.n = from->n, .cap = from->n};
    if (!from->n) return;
    to->e = malloc(from->n * sizeof *to->e);
    memcpy(to->e, from->e, from->n * sizeof *to->e);
}

static void raw_copy(struct content *to, const struct content *from) {
    *to = *from;
    if (!from->cap) return;
    to->p = malloc(from->cap);
    memcpy(to->p, from->p, from->cap);
}

struct disk *disk_save(void) {
    struct disk *d = malloc(sizeof *d);

    memcpy(d, disk, sizeof *d);
    for (int i = 1; i < d->inodes; i++) {
        raw_copy(&d->inode[i].cache, &disk->inode[i].cache);
        raw_copy(&d->inode[i].durable, &disk->inode[i].durable);
        names_copy(&d->inode[i].names, &disk->inode[i].names);
        names_copy(&d->inode[i].durable_names, &disk->inode[i].durable_names);
    }
    d->change = malloc((d->changes + 1) * sizeof *d->change);
    d->changes_cap = d->changes + 1;
    for (size_t i = 0; i < d->changes; i++) {
        d->change[i] = malloc(sizeof *d->change[i]);
        *d->change[i] = *disk->change[i];
        if (!d->change[i]->data) continue;
        d->change[i]->data = malloc(d->change[i]->n + 1);
        memcpy(d->change[i]->data, disk->change[i]->data, d->change[i]->n);
    }
    return d;
}

void disk_free(struct disk *d) {
    for (int i = 1; i < d->inodes; i++) {
        free(d->inode[i].cache.p);
        free(d->inode[i].durable.p);
        free(d->inode[i].names.e);
        free(d->inode[i].durable_names.e);
    }
    for (size_t i = 0; i < d->changes; i++) change_free(d->change[i]);
    free(d->change);
    free(d);
}

void disk_restore(struct disk *saved) {
    struct disk *now = disk;

    disk = saved;
    disk_free(now);
}
