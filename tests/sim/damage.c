/* SPDX-License-Identifier: BSD-3-Clause */
#include "damage.h"

#include "disk_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BASES = 8, SHORT = 60 };

static struct {
    struct {
        int inode;
        char suffix[4];
        struct content bytes;
    } base[BASES]; /* of generations that were, the oldest first */
    int n;
} seen;

static struct names *directory(void) {
    const struct name *e = names_find(&disk->inode[1].names, "adir");

    return e ? &disk->inode[e->inode].names : NULL;
}

/* "aof" or "rdb"; NULL: it is no base. */
static const char *base_suffix(const struct name *e) {
    const char *at = strstr(e->text, ".base.");

    if (!at || strncmp(e->text, "log.", 4) != 0 || strlen(at) != strlen(".base.aof")) return NULL;
    return at + strlen(".base.");
}

/* Only a file that the manifest names is part of the log. */
static bool is_named(const struct names *d, const char *text) {
    const struct name *e = names_find(d, "log.manifest");
    const struct content *c = e ? &disk->inode[e->inode].cache : NULL;
    char line[NAME_BYTES + 16];

    snprintf(line, sizeof line, "file %s seq", text);
    return c && c->n && memmem(c->p, c->n, line, strlen(line));
}

void damage_reset(void) {
    for (int i = 0; i < seen.n; i++) free(seen.base[i].bytes.p);
    seen.n = 0;
}

void damage_watch(void) {
    const struct names *d = directory();

    for (size_t i = 0; d && i < d->n && seen.n < BASES; i++) {
        const char *suffix = base_suffix(&d->e[i]);

        if (!suffix) continue;
        if (seen.n && seen.base[seen.n - 1].inode == d->e[i].inode) continue;
        seen.base[seen.n].inode = d->e[i].inode;
        memcpy(seen.base[seen.n].suffix, suffix, sizeof seen.base[0].suffix);
        seen.base[seen.n].bytes = (struct content){0};
        content_copy(&seen.base[seen.n++].bytes, &disk->inode[d->e[i].inode].cache);
    }
}

/* Both what is cached and what is durable. */
static void replace(int inode, const struct content *bytes) {
    content_copy(&disk->inode[inode].cache, bytes);
    content_copy(&disk->inode[inode].durable, bytes);
}

static bool is_older(int i, const struct name *e) {
    const char *suffix = base_suffix(e);

    return suffix && i < seen.n && strcmp(suffix, seen.base[i].suffix) == 0 &&
           seen.base[i].inode != e->inode;
}

static bool swap_base(bool trace) {
    const struct names *d = directory();

    for (size_t i = 0; d && i < d->n; i++) {
        if (!is_older(0, &d->e[i]) || !is_named(d, d->e[i].text)) continue;
        if (trace) printf("DAMAGE: %s is an older base\n", d->e[i].text);
        replace(d->e[i].inode, &seen.base[0].bytes);
        return true;
    }
    return false;
}

/* Where the last batch begins; 0: there is none. */
static size_t last_batch(const struct content *c) {
    for (size_t at = c->n; at > 1; at--)
        if (c->p[at - 1] == '{' && c->p[at - 2] == '#' && (at == 2 || c->p[at - 3] == '\n'))
            return at - 2;
    return 0;
}

static const struct name *numbered(const struct names *d, int seq) {
    char text[NAME_BYTES];

    snprintf(text, sizeof text, "log.%d.incr.aof", seq);
    return is_named(d, text) ? names_find(d, text) : NULL;
}

static bool drop_batches(struct dice *dice, bool trace) {
    const struct names *d = directory();

    for (int seq = 1; d && seq < 200; seq++) {
        const struct name *a = numbered(d, seq), *b = numbered(d, seq + 1);
        struct content cut = {0};
        size_t at;

        if (!a || !b || !last_batch(&disk->inode[b->inode].cache)) continue;
        content_copy(&cut, &disk->inode[a->inode].cache);
        for (size_t n = dice_small(dice, 4); n > 0 && (at = last_batch(&cut)); n--)
            content_resize(&cut, at);
        at = disk->inode[a->inode].cache.n - cut.n;
        if (trace) printf("DAMAGE: %zu bytes of batches are cut off %s\n", at, a->text);
        replace(a->inode, &cut);
        free(cut.p);
        return at > SHORT;
    }
    return false;
}

bool damage_generations(struct dice *d, bool trace) {
    if (dice_one_in(d, 2) && swap_base(trace)) return true;
    return drop_batches(d, trace);
}

void damage_remove_lock(void) {
    const struct name *e = names_find(&disk->inode[1].names, "adir");
    int dir = e ? e->inode : 0;

    if (!dir) return;
    names_set(&disk->inode[dir].names, ".lock", 0);
    names_set(&disk->inode[dir].durable_names, ".lock", 0);
}
