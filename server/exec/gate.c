/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/gate.h"

#include "storage/base/mem.h"

enum { SET_MIN = 64, SET_KEEP = 1 << 14 };

static inline uint32_t fingerprint(uint64_t hash) {
    uint32_t f = (uint32_t)(hash >> 32);

    return f ? f : 1;
}

/* A slot's place follows from the fingerprint alone, so that a set can grow without the hashes. */
static inline uint32_t place(uint32_t f, uint32_t mask) {
    return (f * 0x9e3779b1u >> 7) & mask;
}

static bool holds(const struct gate_set *s, uint64_t hash) {
    uint32_t f = fingerprint(hash);

    if (s->all) return true;
    if (s->n == 0) return false;
    for (uint32_t i = place(f, s->mask); s->v[i]; i = (i + 1) & s->mask)
        if (s->v[i] == f) return true;
    return false;
}

static void set_put(struct gate_set *s, uint32_t f) {
    uint32_t i = place(f, s->mask);

    for (; s->v[i]; i = (i + 1) & s->mask)
        if (s->v[i] == f) return;
    s->v[i] = f;
    s->n++;
}

static void set_grow(struct gate_set *s) {
    struct gate_set bigger = {.mask = s->v ? s->mask * 2 + 1 : SET_MIN - 1, .all = s->all};

    bigger.v = mem_calloc((bigger.mask + 1) * sizeof *bigger.v);
    for (uint32_t i = 0; s->v && i <= s->mask; i++)
        if (s->v[i]) set_put(&bigger, s->v[i]);
    mem_free(s->v);
    *s = bigger;
}

static bool is_empty(const struct gate_set *s) {
    return s->n == 0 && !s->all;
}

static void forget(struct gate_set *s) {
    s->all = false;
    if (s->mask >= SET_KEEP) {
        mem_free(s->v);
        *s = (struct gate_set){0};
    } else if (s->n) {
        memset(s->v, 0, (s->mask + 1) * sizeof *s->v);
        s->n = 0;
    }
}

void gate_init(struct gate *g, struct aof *aof) {
    *g = (struct gate){.aof = aof, .level = AOF_LEVEL_NONE, .acked = UINT64_MAX};
}

void gate_release(struct gate *g) {
    mem_free(g->older.v);
    mem_free(g->newer.v);
    *g = (struct gate){0};
}

void gate_add(struct gate *g, uint64_t hash) {
    if (!g->newer.v || g->newer.n * 2 > g->newer.mask) set_grow(&g->newer);
    set_put(&g->newer, fingerprint(hash));
    g->active = true;
}

void gate_all_changed(struct gate *g) {
    if (!gate_is_on(g)) return;
    g->newer.all = true;
    g->active = true;
}

uint64_t gate_look(const struct gate *g, uint64_t hash) {
    if (holds(&g->newer, hash)) return gate_end(g);
    return holds(&g->older, hash) ? g->older_end : 0;
}

/* What was appended so far was not acknowledged: it counts as changed. */
void gate_take_acked(struct gate *g, const uint64_t *offset, uint64_t acked) {
    bool began = offset && !g->offset;

    g->offset = offset;
    g->acked = acked;
    g->by_offset = offset && g->level == AOF_LEVEL_NONE;
    g->on = g->level != AOF_LEVEL_NONE || offset;
    if (began) gate_all_changed(g);
}

bool gate_changes_units(struct gate *g) {
    bool by_offset = g->offset && g->level == AOF_LEVEL_NONE;

    if (by_offset == g->by_offset) return false;
    g->by_offset = by_offset;
    g->older_end = gate_end(g);
    return true;
}

void gate_take_level(struct gate *g) {
    enum aof_level before = g->level;

    g->level = aof_current_level(g->aof);
    g->on = g->level != AOF_LEVEL_NONE || g->offset;
    if (g->level <= before || gate_is_safe(g, gate_end(g))) return;
    gate_all_changed(g);
    if (g->level == AOF_LEVEL_SYNCED) aof_want_sync(g->aof);
}

void gate_refresh(struct gate *g) {
    uint64_t safe;

    gate_take_level(g);
    if (!g->active) return;
    safe = gate_safe(g, g->level);
    if (safe >= gate_end(g)) forget(&g->newer);
    if (!is_empty(&g->older) && safe >= g->older_end) forget(&g->older);
    if (is_empty(&g->older) && !is_empty(&g->newer)) {
        struct gate_set t = g->older;

        g->older = g->newer;
        g->newer = t;
        g->older_end = gate_end(g);
    }
    g->active = !is_empty(&g->older) || !is_empty(&g->newer);
}
