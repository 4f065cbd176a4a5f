/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/http/sample.h"

#include "server/exec/engine.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "storage/entry.h"

enum {
    SAMPLE_STEP_NS = 300 * 1000,
    PARTS = 5,
    TABLE_SLOT_BYTES = 10, /* as MEMORY USAGE counts them */
    KEYS_A_LOOK = 16,      /* between looks at the clock */
};
static const uint64_t REST_NS = UINT64_C(10) * 1000 * 1000 * 1000;

static void note_large(struct sample *s, const struct entry *e, size_t bytes) {
    struct sample_pass *p = &s->now;
    struct slice key = entry_key(e);
    unsigned i = p->ntop;

    if (i == SAMPLE_TOP && p->top[i - 1].bytes >= bytes) return;
    if (i < SAMPLE_TOP)
        p->ntop++;
    else
        i--;
    for (; i > 0 && p->top[i - 1].bytes < bytes; i--) p->top[i] = p->top[i - 1];
    p->top[i] = (struct sample_key){.key_len = key.n, .bytes = bytes, .db = s->db, .type = e->type};
    memcpy(p->top[i].key, key.p, key.n < SAMPLE_KEY_MAX ? key.n : SAMPLE_KEY_MAX);
}

static void visit(void *entry, void *arg) {
    struct sample *s = arg;
    const struct entry *e = entry;
    const struct type_ops *ops = type_ops_of(e->type);
    size_t bytes =
        mem_usable(e) + TABLE_SLOT_BYTES + (ops->mem ? ops->mem(e, PARTS, PACE_NONE) : 0);

    s->now.keys++;
    s->now.type[e->type].keys++;
    s->now.type[e->type].bytes += bytes;
    note_large(s, e, bytes);
}

static void end_pass(struct sample *s) {
    s->last = s->now;
    s->complete = true;
    s->now = (struct sample_pass){0};
    s->db = 0;
    s->rest_until_ns = clock_real_ns() + REST_NS;
}

void sample_step(struct sample *s, const struct engine *e) {
    uint64_t began_ns = clock_real_ns();

    if (began_ns < s->rest_until_ns) return;
    while (s->db < e->ks.ndbs) {
        uint64_t before = s->now.keys;

        do {
            s->cursor = table_scan(&e->ks.dbs[s->db].keys, s->cursor, visit, s);
        } while (s->cursor && s->now.keys - before < KEYS_A_LOOK);
        if (s->cursor == 0) s->db++;
        if (clock_real_ns() - began_ns > SAMPLE_STEP_NS) return;
    }
    end_pass(s);
}
