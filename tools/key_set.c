/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/key_set.h"

#include "storage/base/hash.h"
#include "storage/base/mem.h"

static void put(uint64_t *seen, size_t cap, uint64_t hash) {
    size_t i = hash & (cap - 1);

    while (seen[i]) i = (i + 1) & (cap - 1);
    seen[i] = hash;
}

static void grow(struct key_set *s) {
    size_t cap = s->cap ? s->cap * 2 : 1024;
    uint64_t *seen = mem_calloc(cap * sizeof *seen);

    for (size_t i = 0; i < s->cap; i++)
        if (s->seen[i]) put(seen, cap, s->seen[i]);
    mem_free(s->seen);
    s->seen = seen;
    s->cap = cap;
}

bool key_set_has(struct key_set *s, int db, struct slice key) {
    uint64_t hash = hash_bytes(key.p, key.n) + (uint64_t)db * UINT64_C(0x9e3779b97f4a7c15);
    size_t i;

    if (hash == 0) hash = 1;
    if (s->n * 2 >= s->cap) grow(s);
    for (i = hash & (s->cap - 1); s->seen[i]; i = (i + 1) & (s->cap - 1))
        if (s->seen[i] == hash) return true;
    s->seen[i] = hash;
    s->n++;
    return false;
}

void key_set_release(struct key_set *s) {
    mem_free(s->seen);
    *s = (struct key_set){0};
}
