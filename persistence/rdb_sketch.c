/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sketches (Bloom filters and their like), as values of modules. The ids are those of Redis'
 * modules with an encoding version of our own, which these refuse:
 *
 *   module id | head | body, in texts of up to PART_BYTES | end
 */
#include "persistence/rdb_parts.h"
#include "persistence/rdb_types.h"
#include "storage/sketch.h"

enum {
    PART_BYTES = 1 << 20,
    PACKED_MOST = 96, /* bytes that a compressed one can stand for: LZF has 264 for 3 */
};

static const uint64_t ids[TYPE_COUNT] = {
    [TYPE_BLOOM] = RDB_BLOOM_MODULE,       [TYPE_CUCKOO] = RDB_CUCKOO_MODULE,
    [TYPE_COUNTMIN] = RDB_COUNTMIN_MODULE, [TYPE_TOPK] = RDB_TOPK_MODULE,
    [TYPE_TDIGEST] = RDB_TDIGEST_MODULE,
};

enum rdb_type rdb_sketch_type(const struct entry *e) {
    (void)e;
    return RDB_MODULE_2;
}

void rdb_put_sketch(struct rdb_out *o, const struct entry *e) {
    const struct sketch_ops *ops = sketch_ops_of(e->type);
    const void *s = entry_object(e);
    uint64_t n = ops->body(s);
    struct bytes head = {0};

    ops->head(s, &head);
    rdb_out_len(o, ids[e->type]);
    rdb_put_text(o, bytes_slice(&head));
    bytes_release(&head);
    for (uint64_t at = 0; at < n;) {
        struct slice piece = ops->at(s, at);

        if (piece.n > PART_BYTES) piece.n = PART_BYTES;
        rdb_put_text(o, piece);
        pace_step(&o->pace, 1 + piece.n / PACE_BYTES);
        at += piece.n;
    }
    rdb_put_end(o);
}

static bool take_body(struct rdb_in *in, enum type_id type, void *s) {
    uint64_t n = sketch_ops_of(type)->body(s), at = 0;
    struct slice part;

    while (at < n) {
        if (!rdb_take_text(in, &part)) return false;
        if (part.n == 0 || part.n > n - at)
            return rdb_in_fail(in, "a filter or sketch with a part of %zu bytes", part.n);
        sketch_write(type, s, at, part);
        pace_step(&in->pace, 1 + part.n / PACE_BYTES);
        at += part.n;
    }
    return rdb_take_end(in);
}

static enum type_id type_of(uint64_t id) {
    int type = 0;

    while (type < TYPE_COUNT && (ids[type] == 0 || ids[type] != id)) type++;
    return (enum type_id)type;
}

bool rdb_is_sketch(uint64_t id) {
    return type_of(id) != TYPE_COUNT;
}

struct entry *rdb_take_sketch(struct rdb_in *in, uint64_t id, const struct rdb_want *w) {
    enum type_id type = type_of(id);
    const struct sketch_ops *ops = sketch_ops_of(type);
    struct slice head;
    void *s;

    if (!rdb_take_text(in, &head)) return NULL;
    s = ops->make(head, rdb_in_left(in) * PACKED_MOST);
    if (!s) {
        rdb_in_fail(in, "a filter or sketch of an unknown form");
        return NULL;
    }
    if (take_body(in, type, s)) return entry_new_object(w->key, type, s, ENTRY_NO_EXPIRE, 0);
    ops->drop(s);
    return NULL;
}
