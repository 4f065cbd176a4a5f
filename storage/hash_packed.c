/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_packed - small hashes: one listpack of pairs, or of triples with a time.
 */
#include "storage/base/mem.h"
#include "storage/hash_forms.h"

static inline unsigned skip_of(const struct entry *e) {
    return hash_is_timed(e) ? 2 : 1;
}

uint32_t packed_find(const struct entry *e, struct slice field) {
    const struct listpack *lp = entry_object(e);
    struct lp_key key = lp_key_of(field);
    uint32_t first = lp_first(lp);

    return first ? lp_find(lp, first, &key, skip_of(e)) : 0;
}

struct hash_item packed_read(const struct entry *e, uint32_t at) {
    const struct listpack *lp = entry_object(e);
    struct hash_item item = {.field = lp_get(lp, at)};

    at = lp_next(lp, at);
    item.value = lp_get(lp, at);
    if (hash_is_timed(e)) item.expire_ms = lp_get(lp, lp_next(lp, at)).v;
    return item;
}

uint32_t packed_next(const struct entry *e, uint32_t at) {
    const struct listpack *lp = entry_object(e);

    for (unsigned i = 0; i <= skip_of(e); i++) at = lp_next(lp, at);
    return at;
}

size_t packed_len(const struct entry *e) {
    return lp_count(entry_object(e)) / (skip_of(e) + 1);
}

static int64_t expire_at(const struct entry *e, uint32_t at) {
    const struct listpack *lp = entry_object(e);

    return lp_get(lp, lp_next(lp, lp_next(lp, at))).v;
}

bool packed_set(struct entry *e, struct slice field, struct slice value, bool keep_time,
                int64_t now_ms) {
    struct listpack **lp = hash_listpack(e);
    uint32_t at = packed_find(e, field);
    bool is_new = at == 0;

    if (at) {
        int64_t when = hash_is_timed(e) ? expire_at(e, at) : 0;

        is_new = hash_is_due(when, now_ms);
        if (when == 0 || (keep_time && !is_new)) {
            lp_replace(lp, lp_next(*lp, at), value);
            return false;
        }
        lp_delete(lp, at, 3);
    }
    lp_append(lp, field);
    lp_append(lp, value);
    if (hash_is_timed(e)) lp_insert_int(lp, 0, 0);
    return is_new;
}

void packed_delete(struct entry *e, uint32_t at) {
    lp_delete(hash_listpack(e), at, skip_of(e) + 1);
}

/* Where an item due at `when_ms` has its place; 0: at the end. */
static uint32_t place_for(const struct entry *e, int64_t when_ms) {
    uint32_t at;

    if (when_ms == 0) return 0;
    for (at = lp_first(entry_object(e)); at; at = packed_next(e, at)) {
        int64_t when = expire_at(e, at);

        if (when == 0 || when >= when_ms) break;
    }
    return at;
}

/* The text in memory of its own, behind what stands in `b`. */
static struct slice keep_text(struct bytes *b, struct lp_value v) {
    char text[NUM_I64_MAX];
    struct slice s = lp_value_text(v, text);

    bytes_append(b, s.p, s.n);
    return slice_of(b->p + b->n - s.n, s.n);
}

/* Takes the triple out and puts it in where it belongs now. */
void packed_set_expire(struct entry *e, uint32_t at, int64_t when_ms) {
    struct listpack **lp = hash_listpack(e);
    struct hash_item item = packed_read(e, at);
    struct bytes kept = {0};
    struct slice field, value;

    bytes_room(&kept, item.field.n + item.value.n + 2 * (size_t)NUM_I64_MAX);
    field = keep_text(&kept, item.field);
    value = keep_text(&kept, item.value);
    lp_delete(lp, at, 3);
    at = place_for(e, when_ms);
    if (at) {
        at = lp_insert_int(lp, at, when_ms);
        at = lp_insert(lp, at, value);
        lp_insert(lp, at, field);
    } else {
        lp_append(lp, field);
        lp_append(lp, value);
        lp_insert_int(lp, 0, when_ms);
    }
    bytes_release(&kept);
}

void packed_add_times(struct entry *e) {
    struct listpack *from = entry_object(e), *to = lp_new();
    char text[NUM_I64_MAX];

    for (uint32_t at = lp_first(from); at; at = packed_next(e, at)) {
        struct hash_item item = packed_read(e, at);

        lp_append(&to, lp_value_text(item.field, text));
        lp_append(&to, lp_value_text(item.value, text));
        lp_insert_int(&to, 0, 0);
    }
    lp_free(from);
    entry_set_object(e, to, HASH_PACKED_TIMED);
}
