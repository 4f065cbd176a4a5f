/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_packed - small hashes: one pack of pairs, or of triples with a time.
 */
#include "storage/base/mem.h"
#include "storage/hash_forms.h"

static inline unsigned skip_of(const struct entry *e) {
    return hash_is_timed(e) ? 2 : 1;
}

static void append(struct pack **p, struct lp_value v) {
    struct lp_code code = v.p ? lp_code_of(slice_of(v.p, v.n)) : lp_code_int(v.v);

    pack_insert(p, 0, &code);
}

uint32_t packed_find(const struct entry *e, struct slice field) {
    struct lp_code key = lp_code_of(field);

    return pack_find(entry_object(e), &key, skip_of(e));
}

struct hash_item packed_read(const struct entry *e, uint32_t at) {
    const struct pack *p = entry_object(e);
    struct hash_item item = {.field = pack_get(p, at)};

    at = pack_next(p, at);
    item.value = pack_get(p, at);
    if (hash_is_timed(e)) item.expire_ms = pack_get(p, pack_next(p, at)).v;
    return item;
}

uint32_t packed_next(const struct entry *e, uint32_t at) {
    const struct pack *p = entry_object(e);

    for (unsigned i = 0; i <= skip_of(e); i++) at = pack_next(p, at);
    return at;
}

size_t packed_len(const struct entry *e) {
    return pack_count(entry_object(e)) / (skip_of(e) + 1);
}

static int64_t expire_at(const struct entry *e, uint32_t at) {
    const struct pack *p = entry_object(e);

    return pack_get(p, pack_next(p, pack_next(p, at))).v;
}

bool packed_set(struct entry *e, struct slice field, struct slice value, bool keep_time,
                int64_t now_ms) {
    struct lp_code key = lp_code_of(field), text = lp_code_of(value);
    struct pack **p = hash_pack_of(e);
    uint32_t at = pack_find(*p, &key, skip_of(e));
    bool is_new = at == 0;

    if (at) {
        int64_t when = hash_is_timed(e) ? expire_at(e, at) : 0;

        is_new = part_is_due(when, now_ms);
        if (when == 0 || (keep_time && !is_new)) {
            pack_replace(p, pack_next(*p, at), &text);
            return false;
        }
        pack_delete(p, at, 3);
    }
    pack_insert(p, 0, &key);
    pack_insert(p, 0, &text);
    if (hash_is_timed(e)) pack_append_int(p, 0);
    return is_new;
}

void packed_delete(struct entry *e, uint32_t at) {
    pack_delete(hash_pack_of(e), at, skip_of(e) + 1);
}

/* Where an item due at `when_ms` has its place; 0: at the end. */
static uint32_t place_for(const struct entry *e, int64_t when_ms) {
    uint32_t at;

    if (when_ms == 0) return 0;
    for (at = pack_first(entry_object(e)); at; at = packed_next(e, at)) {
        int64_t when = expire_at(e, at);

        if (when == 0 || when >= when_ms) break;
    }
    return at;
}

/* The element in memory of its own, after what stands in `b`, where there is room for it. */
static struct lp_code keep(struct bytes *b, struct lp_value v) {
    if (!v.p) return lp_code_int(v.v);
    bytes_append(b, v.p, v.n);
    return lp_code_of(slice_of(b->p + b->n - v.n, v.n));
}

/* Takes the triple out and puts it in where it belongs now. */
void packed_set_expire(struct entry *e, uint32_t at, int64_t when_ms) {
    struct lp_code field, value, when = lp_code_int(when_ms);
    struct hash_item item = packed_read(e, at);
    struct pack **p = hash_pack_of(e);
    struct bytes kept = {0};

    bytes_room(&kept, item.field.n + item.value.n + 1);
    field = keep(&kept, item.field);
    value = keep(&kept, item.value);
    pack_delete(p, at, 3);
    at = place_for(e, when_ms);
    if (at == 0) at = (uint32_t)pack_bytes(*p);
    at = pack_insert(p, at, &when);
    at = pack_insert(p, at, &value);
    pack_insert(p, at, &field);
    bytes_release(&kept);
}

void packed_add_times(struct entry *e) {
    struct pack *from = entry_object(e), *to = pack_new();

    for (uint32_t at = pack_first(from); at; at = packed_next(e, at)) {
        struct hash_item item = packed_read(e, at);

        append(&to, item.field);
        append(&to, item.value);
        pack_append_int(&to, 0);
    }
    pack_free(from);
    entry_set_object(e, to, HASH_PACKED_TIMED);
}
