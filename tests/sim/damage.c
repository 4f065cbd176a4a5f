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
        struct content bytes;
    } base[BASES]; /* of generations that were, the oldest first */
    int n;
} seen;

static struct names *directory(void) {
    const struct name *e = names_find(&disk->inode[1].names, "adir");

    return e ? &disk->inode[e->inode].names : NULL;
}

static bool is_called(const struct name *e, const char *part) {
    const char *at = strstr(e->text, part);

    return at && strncmp(e->text, "log.", 4) == 0 && strcmp(at + strlen(part), "aof") == 0;
}

void damage_reset(void) {
    for (int i = 0; i < seen.n; i++) free(seen.base[i].bytes.p);
    seen.n = 0;
}

void damage_watch(void) {
    const struct names *d = directory();

    for (size_t i = 0; d && i < d->n && seen.n < BASES; i++) {
        if (!is_called(&d->e[i], ".base.")) continue;
        if (seen.n && seen.base[seen.n - 1].inode == d->e[i].inode) continue;
        seen.base[seen.n].inode = d->e[i].inode;
        seen.base[seen.n].bytes = (struct content){0};
        content_copy(&seen.base[seen.n++].bytes, &disk->inode[d->e[i].inode].cache);
    }
}

/* Both what is cached and what is durable. */
static void replace(int inode, const struct content *bytes) {
    content_copy(&disk->inode[inode].cache, bytes);
    content_copy(&disk->inode[inode].durable, bytes);
}

static bool swap_base(bool trace) {
    const struct names *d = directory();

    for (size_t i = 0; d && i < d->n; i++) {
        int inode = d->e[i].inode;

        if (!is_called(&d->e[i], ".base.") || seen.n == 0 || seen.base[0].inode == inode) continue;
        if (trace) printf("DAMAGE: %s is an older base\n", d->e[i].text);
        replace(inode, &seen.base[0].bytes);
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
    return names_find(d, text);
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
