/* SPDX-License-Identifier: BSD-3-Clause
 *
 * debug_data - DEBUG POPULATE, OBJECT, LISTPACK, HTSTATS, HTSTATS-KEY.
 */
#include "conf/conf.h"
#include "server/admin/debug.h"
#include "server/exec/keys.h"

#include "storage/base/log.h"
#include "storage/base/mem.h"
#include "storage/base/num.h"

#define ERR_POSITIVE "ERR value is out of range, must be positive"

/* ---------------------------------------------------------------- POPULATE */

enum { FLUSH_EVERY = 512 };

/* Adds one key unless it is there; logged as a SET, so that it lives as long as any other. */
static void add_one(struct call *x, struct slice key, struct slice value) {
    struct ref ref = lookup(x, x->db, key, false);

    if (ref.e) return;
    ref.e = db_set_string(x->db, key, ref.hash, NULL, value, ENTRY_NO_EXPIRE, 0);
    key_added(x, &ref);
    x->e->dirty++;
    gate_changed(&x->e->gate, ref.hash);
    EFFECT(x, SLICE("SET"), key, value);
    if (x->e->propagation.ncommands >= FLUSH_EVERY) propagate_flush(&x->e->propagation);
}

static void add_keys(struct call *x, int64_t count, struct slice prefix, size_t size) {
    struct bytes key = {0}, value = {0};

    effect_none(x);
    for (int64_t i = 0; i < count; i++) {
        bytes_clear(&key);
        bytes_append(&key, prefix.p, prefix.n);
        bytes_printf(&key, ":%lld", (long long)i);
        bytes_clear(&value);
        bytes_printf(&value, "value:%lld", (long long)i);
        if (size) {
            if (size > value.n) memset(bytes_room(&value, size - value.n), 0, size - value.n);
            value.n = size;
        }
        add_one(x, bytes_slice(&key), bytes_slice(&value));
    }
    bytes_release(&key);
    bytes_release(&value);
}

/* <count> [<prefix>] [<size>] */
int debug_populate(struct call *x) {
    struct slice prefix = x->argc > 3 ? x->argv[3] : SLICE("key");
    int64_t count, size = 0;

    if (x->e->loading) return reply_err(x, ERR_LOADING);
    if (!arg_int_range(x, 2, 0, INT64_MAX, &count, ERR_POSITIVE)) return -1;
    if (x->argc > 4 &&
        !arg_int_range(x, 4, 0, (int64_t)x->e->v->proto_max_bulk_len, &size, ERR_POSITIVE))
        return -1;
    add_keys(x, count, prefix, (size_t)size);
    reply_ok(&x->r);
    return 0;
}

/* ---------------------------------------------------------------- OBJECT */

/* Bytes of a string in an RDB file, uncompressed: small integers are kept in binary. */
static size_t saved_length(struct slice s) {
    int64_t v;

    if (s.n <= 11 && num_parse_i64(s.p, s.n, &v)) {
        if (v >= INT8_MIN && v <= INT8_MAX) return 2;
        if (v >= INT16_MIN && v <= INT16_MAX) return 3;
        if (v >= INT32_MIN && v <= INT32_MAX) return 5;
    }
    return s.n + (s.n < 64 ? 1 : s.n < 16384 ? 2 : 5);
}

int debug_object(struct call *x) {
    struct ref ref = lookup_quiet(x, 2);
    const struct type_ops *ops;
    uint32_t lru;
    char text[256];

    if (!ref.e) return reply_err(x, ERR_NO_KEY);
    ops = type_ops_of(ref.e->type);
    lru = ref.e->access[0] | (uint32_t)ref.e->access[1] << 8 | (uint32_t)ref.e->access[2] << 16;
    snprintf(text, sizeof text,
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u lru_seconds_idle:%u",
             (void *)ref.e, ops->encoding(ref.e),
             ref.e->type == TYPE_STRING ? saved_length(entry_string(ref.e))
                                        : ops->mem(ref.e, 0, PACE_NONE),
             lru, (x->e->lru_clock - lru) & 0xffffff);
    reply_simple(&x->r, text);
    return 0;
}

/* Its size is all there is to tell: what it holds the type's own commands show. */
int debug_listpack(struct call *x) {
    struct ref ref = lookup_quiet(x, 2);
    const struct type_ops *ops;

    if (!ref.e) return reply_err(x, ERR_NO_KEY);
    ops = type_ops_of(ref.e->type);
    if (strncmp(ops->encoding(ref.e), "listpack", 8) != 0)
        return reply_err(x, "ERR Not a listpack encoded object.");
    log_notice("listpack: a %s of %zu bytes", ops->name, ops->mem(ref.e, 0, PACE_NONE));
    reply_simple(&x->r, "Listpack structure printed on stdout");
    return 0;
}

/* ---------------------------------------------------------------- HTSTATS */

static void append_table(struct bytes *out, const char *title, const struct table *t) {
    size_t segments = 0, buckets = 0, passed = 0;

    for (size_t i = 0; t->dir && i < (size_t)1 << t->depth; i++) {
        const struct table_segment *s = t->dir[i];

        if (i > 0 && t->dir[i - 1] == s) continue; /* equal neighbours share a segment */
        segments++;
        buckets += s->nbuckets;
        for (unsigned k = 0; k < s->nbuckets; k++) passed += s->buckets[k].overflow > 0;
    }
    bytes_printf(out,
                 "[%s]\n entries: %zu\n directory: %zu\n segments: %zu\n buckets: %zu\n"
                 " slots used: %.1f%%\n buckets passed by: %zu\n bytes: %zu\n",
                 title, t->count, t->dir ? (size_t)1 << t->depth : 0, segments, buckets,
                 buckets ? 100.0 * (double)t->count / (double)(buckets * TABLE_SLOTS) : 0, passed,
                 t->mem_bytes);
}

/* <dbid> [full] */
int debug_htstats(struct call *x) {
    struct bytes out = {0};
    const struct db *db;
    int64_t id;

    if (!arg_int(x, 2, &id)) return -1;
    if (id < 0 || id >= x->e->ks.ndbs) return reply_err(x, "ERR Out of range database");
    db = &x->e->ks.dbs[id];
    append_table(&out, "Keys", &db->keys);
    bytes_printf(&out, "[Expires]\n entries: %zu\n bytes: %zu\n", db->expires.count,
                 db->expires.mem_bytes);
    reply_verbatim(&x->r, "txt", out.p, out.n);
    bytes_release(&out);
    return 0;
}

int debug_htstats_key(struct call *x) {
    struct ref ref = lookup_quiet(x, 2);

    if (!ref.e) return reply_err(x, ERR_NO_KEY);
    return reply_err(x, "ERR The value stored at the specified key is not represented using an "
                        "hash table");
}
