/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Strings and lists; and the two tables.
 */
#include "persistence/rdb_types.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/listval.h"

/* A listpack with one element that Redis would not have packed. */
static const size_t PLAIN_BYTES = (size_t)1 << 30;

struct entry *rdb_in_empty(struct rdb_in *in) {
    if (in->failed) return NULL;
    in->empty = true;
    rdb_in_fail(in, "a value without elements");
    return NULL;
}

void rdb_put_pack(struct rdb_out *o, const struct pack *p) {
    struct bytes lp = {0};

    pack_append_listpack(p, &lp);
    rdb_out_string(o, bytes_slice(&lp));
    bytes_release(&lp);
}

/* The elements of a listpack, written as we write them. */
static struct listpack *written_anew(struct listpack *lp) {
    struct listpack *to = lp_new();

    for (uint32_t at = lp_first(lp); at; at = lp_next(lp, at)) {
        char text[NUM_I64_MAX];

        lp_append(&to, lp_text(lp, at, text));
    }
    lp_free(lp);
    return to;
}

struct listpack *rdb_take_listpack(struct rdb_in *in) {
    struct slice s;

    if (!rdb_in_string(in, &s)) return NULL;
    if (s.n < LP_EMPTY_BYTES || s.n >= LP_BYTES_MAX + PLAIN_BYTES || !lp_check(s.p, s.n)) {
        rdb_in_fail(in, "a listpack that is damaged");
        return NULL;
    }
    return lp_from_bytes(s.p, s.n);
}

/* ---------------------------------------------------------------- strings */

static enum rdb_type string_type(const struct entry *e) {
    (void)e;
    return RDB_STRING;
}

static void put_string(struct rdb_out *o, const struct entry *e) {
    rdb_out_string(o, entry_string(e));
}

static struct entry *take_string(struct rdb_in *in, const struct rdb_want *w) {
    struct slice s;

    if (!rdb_in_string(in, &s)) return NULL;
    return entry_new_string(w->key, s, w->expire_ms, 0);
}

/* ---------------------------------------------------------------- lists */

static enum rdb_type list_type(const struct entry *e) {
    (void)e;
    return RDB_LIST_QUICKLIST_2;
}

static void put_node(const struct listpack *lp, void *arg) {
    struct rdb_out *o = arg;
    uint32_t first = lp_first(lp);

    if (lp_bytes(lp) >= PLAIN_BYTES && lp_next(lp, first) == 0) {
        rdb_out_len(o, RDB_NODE_PLAIN);
        rdb_out_value(o, lp_get(lp, first));
        return;
    }
    rdb_out_len(o, RDB_NODE_PACKED);
    rdb_out_string(o, slice_of(lp, lp_bytes(lp)));
}

static void put_list(struct rdb_out *o, const struct entry *e) {
    rdb_out_len(o, listval_nodes(e));
    listval_each_node(e, put_node, o);
}

/* Frees the entry if something failed, and if it is empty. `settle`: it may become a listpack. */
static struct entry *list_done(struct rdb_in *in, struct entry *e, const struct rdb_want *w,
                               bool settle) {
    if (!in->failed && listval_len(e) > 0) {
        if (settle) listval_settle(e, &w->rules->list);
        return e;
    }
    entry_discard(e, false);
    return rdb_in_empty(in);
}

static void add_node(struct rdb_in *in, struct entry *e, const struct rdb_want *w,
                     struct listpack *lp) {
    if (!lp) {
        rdb_in_fail(in, "a part of a list that is damaged");
        return;
    }
    if (!lp_is_shortest_form(lp)) lp = written_anew(lp);
    if (lp_first(lp))
        listval_add_node(e, &w->rules->list, lp);
    else
        lp_free(lp);
}

/* A string each. */
static struct entry *take_list(struct rdb_in *in, const struct rdb_want *w) {
    struct entry *e = listval_new_nodes(w->key);
    struct slice s;
    uint64_t n;

    if (!rdb_in_count(in, 1, &n)) n = 0;
    for (; n > 0 && rdb_in_string(in, &s); n--) {
        if (s.n >= LP_BYTES_MAX)
            rdb_in_fail(in, "an element of %zu bytes", s.n);
        else
            listval_push(e, &w->rules->list, &s, 1, false);
    }
    return list_done(in, e, w, true);
}

static struct entry *take_list_ziplist(struct rdb_in *in, const struct rdb_want *w) {
    struct entry *e = listval_new_nodes(w->key);
    struct slice s;
    uint64_t n = 1;

    if (w->type == RDB_LIST_QUICKLIST && !rdb_in_count(in, 1, &n)) n = 0;
    for (; n > 0 && rdb_in_string(in, &s); n--) add_node(in, e, w, rdb_from_ziplist(s));
    return list_done(in, e, w,
                     w->type == RDB_LIST_QUICKLIST); /* the other stays one, as in Redis */
}

static struct listpack *take_plain(struct rdb_in *in) {
    struct listpack *lp;
    struct slice s;

    if (!rdb_in_string(in, &s)) return NULL;
    if (s.n > UINT32_MAX - LP_EMPTY_BYTES - LP_ENTRY_OVERHEAD_MAX) {
        rdb_in_fail(in, "an element of %zu bytes", s.n);
        return NULL;
    }
    lp = lp_new();
    lp_append(&lp, s);
    return lp;
}

static struct entry *take_list_nodes(struct rdb_in *in, const struct rdb_want *w) {
    struct entry *e = listval_new_nodes(w->key);
    uint64_t n, kind;
    bool plain = false;

    if (!rdb_in_count(in, 2, &n)) n = 0;
    for (; n > 0 && !in->failed && rdb_in_len(in, &kind); n--) {
        plain = plain || kind == RDB_NODE_PLAIN;
        if (kind == RDB_NODE_PLAIN)
            add_node(in, e, w, take_plain(in));
        else if (kind == RDB_NODE_PACKED)
            add_node(in, e, w, rdb_take_listpack(in));
        else
            rdb_in_fail(in, "a node of the unknown kind %llu", (unsigned long long)kind);
    }
    return list_done(in, e, w, !plain);
}

/* ---------------------------------------------------------------- the tables */

static const struct writer {
    enum rdb_type (*type)(const struct entry *e);
    void (*put)(struct rdb_out *o, const struct entry *e);
} writers[TYPE_COUNT] = {
    [TYPE_STRING] = {string_type, put_string},
    [TYPE_LIST] = {list_type, put_list},
    [TYPE_SET] = {rdb_set_type, rdb_put_set},
    [TYPE_ZSET] = {rdb_zset_type, rdb_put_zset},
    [TYPE_HASH] = {rdb_hash_type, rdb_put_hash},
    [TYPE_STREAM] = {rdb_stream_type, rdb_put_stream},
    [TYPE_VSET] = {rdb_vset_type, rdb_put_vset},
    [TYPE_BLOOM] = {rdb_sketch_type, rdb_put_sketch},
    [TYPE_CUCKOO] = {rdb_sketch_type, rdb_put_sketch},
    [TYPE_COUNTMIN] = {rdb_sketch_type, rdb_put_sketch},
    [TYPE_TOPK] = {rdb_sketch_type, rdb_put_sketch},
    [TYPE_TDIGEST] = {rdb_sketch_type, rdb_put_sketch},
    [TYPE_JSON] = {rdb_json_type, rdb_put_json},
};

TYPE_TABLE_IS_COMPLETE(writers)

/* ---------------------------------------------------------------- values of modules */

bool rdb_knows_module(uint64_t id) {
    return id == RDB_VSET_MODULE || id == RDB_JSON_MODULE || id == RDB_SET_MODULE ||
           rdb_is_sketch(id);
}

static struct entry *take_module_of(struct rdb_in *in, uint64_t id, const struct rdb_want *w) {
    if (id == RDB_VSET_MODULE) return rdb_take_vset(in, w);
    if (id == RDB_JSON_MODULE) return rdb_take_json(in, w);
    if (id == RDB_SET_MODULE) return rdb_take_set_timed(in, w);
    if (rdb_is_sketch(id)) return rdb_take_sketch(in, id, w);
    rdb_in_fail(in, "a value of a module's own type, and there are no modules here");
    return NULL;
}

static struct entry *take_module(struct rdb_in *in, const struct rdb_want *w) {
    uint64_t id;

    return rdb_in_len(in, &id) ? take_module_of(in, id, w) : NULL;
}

static struct entry *(*const readers[RDB_READ_TYPES])(struct rdb_in *in,
                                                      const struct rdb_want *w) = {
    [RDB_STRING] = take_string,
    [RDB_LIST] = take_list,
    [RDB_SET] = rdb_take_set,
    [RDB_ZSET] = rdb_take_zset,
    [RDB_HASH] = rdb_take_hash,
    [RDB_ZSET_2] = rdb_take_zset,
    [RDB_MODULE_2] = take_module,
    [RDB_HASH_ZIPMAP] = rdb_take_hash_packed,
    [RDB_LIST_ZIPLIST] = take_list_ziplist,
    [RDB_SET_INTSET] = rdb_take_intset,
    [RDB_ZSET_ZIPLIST] = rdb_take_zset_packed,
    [RDB_HASH_ZIPLIST] = rdb_take_hash_packed,
    [RDB_LIST_QUICKLIST] = take_list_ziplist,
    [RDB_STREAM] = rdb_take_stream,
    [RDB_HASH_LISTPACK] = rdb_take_hash_packed,
    [RDB_ZSET_LISTPACK] = rdb_take_zset_packed,
    [RDB_LIST_QUICKLIST_2] = take_list_nodes,
    [RDB_STREAM_2] = rdb_take_stream,
    [RDB_SET_LISTPACK] = rdb_take_set_packed,
    [RDB_STREAM_3] = rdb_take_stream,
    [RDB_HASH_TIMED_EARLY] = rdb_take_hash_timed,
    [RDB_HASH_LISTPACK_TIMED_EARLY] = rdb_take_hash_packed_timed,
    [RDB_HASH_TIMED] = rdb_take_hash_timed,
    [RDB_HASH_LISTPACK_TIMED] = rdb_take_hash_packed_timed,
    [RDB_HASH_TIMED_VALKEY] = rdb_take_hash_timed_valkey,
};

enum rdb_type rdb_type_of(const struct entry *e) {
    CHECK(writers[e->type].type);
    return writers[e->type].type(e);
}

void rdb_put_value(struct rdb_out *o, const struct entry *e) {
    writers[e->type].put(o, e);
}

/* The types that have notes. */
static const struct {
    bool (*of)(const struct entry *e, struct bytes *note);
    bool (*take)(struct entry *e, struct slice note);
} notes[TYPE_COUNT] = {
    [TYPE_STREAM] = {rdb_note_stream, rdb_take_stream_note},
};

bool rdb_note_of(const struct entry *e, struct bytes *note) {
    return notes[e->type].of && notes[e->type].of(e, note);
}

bool rdb_take_note(struct entry *e, struct slice note) {
    return notes[e->type].take && notes[e->type].take(e, note);
}

int rdb_oldest_version(const struct entry *e) {
    const struct type_ops *ops = type_ops_of(e->type);

    if (!ops->next_due || ops->next_due(e) == ENTRY_NO_EXPIRE) return RDB_PLAIN_VERSION;
    return RDB_TIMED_VERSION;
}

bool rdb_reads_type(unsigned type) {
    return type < RDB_READ_TYPES && (readers[type] || type == RDB_MODULE);
}

enum { VALKEY_HASH_TIMED = 22 };

uint8_t rdb_type_code(enum rdb_type type, bool valkey) {
    return valkey && type == RDB_HASH_TIMED ? VALKEY_HASH_TIMED : (uint8_t)type;
}

unsigned rdb_type_read(unsigned code, bool valkey) {
    if (code >= RDB_TYPES) return RDB_READ_TYPES;
    if (!valkey || code <= RDB_STREAM_3) return code;
    return code == VALKEY_HASH_TIMED ? RDB_HASH_TIMED_VALKEY : RDB_READ_TYPES;
}

/* Not every reader minds the time. */
static struct entry *with_expire(struct entry *e, struct slice key, int64_t expire_ms) {
    struct entry *shell = e;

    if (entry_expire(e) == expire_ms) return e;
    e = entry_rekey(shell, key, expire_ms);
    mem_free(shell);
    return e;
}

struct entry *rdb_take_value(struct rdb_in *in, unsigned type, struct slice key, int64_t expire_ms,
                             const struct rdb_rules *rules) {
    struct rdb_want w = {type, key, expire_ms, rules};
    struct entry *e;

    if (type >= RDB_READ_TYPES || !readers[type]) {
        if (type == RDB_MODULE)
            rdb_in_fail(in, "a value of a module's own type, and there are no modules here");
        else
            rdb_in_fail(in, "a value of the unknown type %u", type);
        return NULL;
    }
    e = readers[type](in, &w);
    return e ? with_expire(e, key, expire_ms) : NULL;
}

struct entry *rdb_take_module(struct rdb_in *in, uint64_t id, struct slice key, int64_t expire_ms,
                              const struct rdb_rules *rules) {
    struct rdb_want w = {RDB_MODULE_2, key, expire_ms, rules};
    struct entry *e = take_module_of(in, id, &w);

    return e ? with_expire(e, key, expire_ms) : NULL;
}
