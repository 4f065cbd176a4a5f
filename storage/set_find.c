/* SPDX-License-Identifier: BSD-3-Clause
 *
 * set_find - looking for one member in several sets, and for many in one.
 */
#include "storage/base/mem.h"
#include "storage/set_forms.h"

enum {
    HASH_KNOWN = 64,     /* known_bits of a whole hash */
    INDEX_BITS_MAX = 16, /* an index goes by the lowest bits of a hash, which are always known */
    INDEX_WORTH = 256,   /* comparisons without an index */
};

void set_probe_init(struct set_probe *p, struct lp_value v) {
    p->s = slice_of(v.p, v.n);
    p->v = v.v;
    p->kind = v.p ? PROBE_UNKNOWN : PROBE_INT;
    p->known_bits = -1;
}

void set_probe_next(struct set_probe *p, const struct set_batch *b, size_t i) {
    set_probe_init(p, b->v[i]);
    p->known_bits = b->depth;
    p->hash = b->hash[i];
}

static bool is_int(struct set_probe *p) {
    if (p->kind == PROBE_UNKNOWN)
        p->kind = num_parse_i64(p->s.p, p->s.n, &p->v) ? PROBE_INT : PROBE_TEXT;
    return p->kind == PROBE_INT;
}

static void write_out(struct set_probe *p) {
    if (!p->s.p) p->s = slice_of(p->text, (size_t)num_format_i64(p->text, p->v));
}

/* Makes sure that the highest `bits` of the hash are known, and the lowest 16. */
static void know_hash(struct set_probe *p, int bits) {
    if (p->known_bits >= bits) return;
    write_out(p);
    p->hash = set_hash(p->s);
    p->known_bits = HASH_KNOWN;
}

bool set_find(const struct entry *e, struct set_probe *p, int64_t now_ms) {
    void *item;

    if (entry_form(e) == SET_INTSET) return is_int(p) && intset_has(entry_object(e), p->v);
    if (entry_form(e) == SET_PACK) {
        struct lp_code code = is_int(p) ? lp_code_int(p->v) : lp_code_text(p->s);

        return pack_find(entry_object(e), &code, 0) != 0;
    }
    know_hash(p, (int)((struct table *)entry_object(e))->depth);
    write_out(p);
    item = table_find(entry_object(e), p->s, p->hash);
    return item && !set_item_is_due(item, now_ms);
}

bool set_has(const struct entry *e, struct slice member, int64_t now_ms) {
    struct set_probe p;

    set_probe_init(&p, (struct lp_value){.p = member.p, .n = member.n});
    return set_find(e, &p, now_ms);
}

/* ---------------------------------------------------------------- many questions */

void set_finder_init(struct set_finder *f, const struct entry *e, size_t questions,
                     int64_t now_ms) {
    const struct pack *pack = entry_object(e);
    size_t n;

    *f = (struct set_finder){.e = e, .now_ms = now_ms, .asked = INT64_MIN};
    if (entry_form(e) != SET_PACK) return;
    n = pack_count(pack);
    if (questions < 4 || n * questions < INDEX_WORTH) return;
    for (f->bits = 2; (size_t)1 << f->bits < 2 * n; f->bits++) {
    }
    f->places = mem_calloc(sizeof *f->places << f->bits);
    for (uint32_t at = pack_first(pack); at; at = pack_next(pack, at)) {
        char text[NUM_I64_MAX];
        size_t i = set_hash(lp_value_text(pack_get(pack, at), text)) & UINT16_MAX;

        for (;; i++) {
            uint32_t *place = &f->places[i & (((size_t)1 << f->bits) - 1)];

            if (*place) continue;
            *place = at;
            break;
        }
    }
}

void set_finder_release(struct set_finder *f) {
    mem_free(f->places);
}

static bool is_at(const struct pack *pack, uint32_t at, struct set_probe *p) {
    struct lp_value v = pack_get(pack, at);

    if (!v.p) return is_int(p) && v.v == p->v;
    return p->s.p && v.n == p->s.n && bytes_same(v.p, p->s.p, v.n);
}

static bool has_int(struct set_finder *f, int64_t v) {
    const struct intset *s = entry_object(f->e);

    f->rank = intset_rank(s, v, v >= f->asked ? f->rank : 0);
    f->asked = v;
    return f->rank < intset_len(s) && intset_get(s, f->rank) == v;
}

bool set_finder_has(struct set_finder *f, struct set_probe *p) {
    size_t mask = ((size_t)1 << f->bits) - 1;

    if (entry_form(f->e) == SET_INTSET) return is_int(p) && has_int(f, p->v);
    if (!f->places) return set_find(f->e, p, f->now_ms);
    know_hash(p, 0);
    for (size_t i = p->hash & UINT16_MAX;; i++) {
        uint32_t at = f->places[i & mask];

        if (!at) return false;
        if (is_at(entry_object(f->e), at, p)) return true;
    }
}
