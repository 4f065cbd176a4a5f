/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash_table - large hashes: a table of items, one allocation each.
 *
 *   | field length * 4 + flags, varint | time 8, if TIMED | field | value |
 *   value: | length, varint | bytes |, or the address of a blob if it is a long one (BLOB)
 *
 * Most items have one-byte lengths: two bytes beyond field and value, and no word for a time that
 * they do not have.
 */
#include "storage/base/check.h"
#include "storage/base/hash.h"
#include "storage/base/mem.h"
#include "storage/base/varint.h"
#include "storage/hash_forms.h"

enum {
    TIMED = 1,
    BLOB = 2,
    FLAG_BITS = 2,
    EMBED_MAX = 1024, /* longer values are blobs */
};

/* An item taken apart. */
struct parts {
    unsigned flags;
    struct slice field;
    const char *tail; /* the value: its length, or the blob's address */
};

static inline struct parts parts_of(const void *item) {
    struct parts p;
    uint64_t head;

    p.field.p = varint_get(item, &head);
    p.flags = (unsigned)head & (TIMED | BLOB);
    if (p.flags & TIMED) p.field.p += sizeof(int64_t);
    p.field.n = head >> FLAG_BITS;
    p.tail = p.field.p + p.field.n;
    return p;
}

static struct blob *blob_of(const struct parts *p) {
    struct blob *b;

    memcpy(&b, p->tail, sizeof b);
    return b;
}

static inline struct slice value_of(const struct parts *p) {
    struct slice s;
    uint64_t n;

    if (p->flags & BLOB) return slice_of(blob_of(p)->data, blob_of(p)->n);
    s.p = varint_get(p->tail, &n);
    s.n = n;
    return s;
}

int64_t htable_expire_of(const void *item) {
    int64_t when = 0;
    uint64_t head;
    const char *p = varint_get(item, &head);

    if (head & TIMED) memcpy(&when, p, sizeof when);
    return when;
}

/* Bytes of the allocation of an item with such a value. */
static size_t bytes_for(size_t field_n, size_t value_n, int64_t expire_ms) {
    size_t n = varint_size(field_n << FLAG_BITS) + field_n;

    if (expire_ms) n += sizeof expire_ms;
    n += value_n > EMBED_MAX ? sizeof(struct blob *) : varint_size(value_n) + value_n;
    return mem_good_size(n);
}

static void put_tail(char *p, struct slice value, struct blob *b) {
    if (b) {
        memcpy(p, &b, sizeof b);
        return;
    }
    p = varint_put(p, value.n);
    memmove(p, value.p, value.n);
}

/* An item of `bytes` without its value, which goes to *tail. */
static void *item_begin(size_t bytes, struct slice field, bool blob, int64_t expire_ms,
                        char **tail) {
    char *item = mem_alloc(bytes), *p;

    p = varint_put(item, field.n << FLAG_BITS | (blob ? BLOB : 0u) | (expire_ms ? TIMED : 0u));
    if (expire_ms) {
        memcpy(p, &expire_ms, sizeof expire_ms);
        p += sizeof expire_ms;
    }
    memcpy(p, field.p, field.n);
    *tail = p + field.n;
    return item;
}

static void *item_new(struct slice field, struct slice value, int64_t expire_ms) {
    struct blob *b = value.n > EMBED_MAX ? blob_new(value.p, value.n) : NULL;
    char *tail;
    void *item = item_begin(bytes_for(field.n, value.n, expire_ms), field, b, expire_ms, &tail);

    put_tail(tail, value, b);
    return item;
}

static void item_free(void *item, void *arg) {
    struct parts p = parts_of(item);

    (void)arg;
    if (p.flags & BLOB) blob_unref(blob_of(&p));
    mem_free(item);
}

/* ---------------------------------------------------------------- the table */

static struct slice item_key(const void *item) {
    return parts_of(item).field;
}

static bool item_matches(const void *item, struct slice key) {
    struct slice field = parts_of(item).field;

    return field.n == key.n && bytes_same(field.p, key.p, key.n);
}

static const struct table_ops item_ops = {item_key, item_matches};

struct hash_table *htable_new(size_t expected) {
    struct hash_table *h = mem_alloc(sizeof *h);

    h->due = NULL;
    table_init(&h->t, &item_ops);
    if (expected) table_reserve(&h->t, expected);
    return h;
}

void htable_free(struct hash_table *h) {
    if (h->due) expiry_release(h->due);
    mem_free(h->due);
    table_release(&h->t, item_free, NULL);
    mem_free(h);
}

static void note_due(struct hash_table *h, void *item) {
    if (!h->due) {
        h->due = mem_alloc(sizeof *h->due);
        expiry_init(h->due, htable_expire_of);
    }
    expiry_add(h->due, item);
}

struct copying {
    struct hash_table *to;
    const struct pace *pace;
};

static void copy_visited(void *item, void *arg) {
    struct hash_item i = htable_read(item);
    struct slice field = slice_of(i.field.p, i.field.n);
    const struct copying *c = arg;

    htable_add(c->to, field, hash_bytes(field.p, field.n), slice_of(i.value.p, i.value.n),
               i.expire_ms);
    pace_step(c->pace, 1);
}

struct hash_table *htable_copy(const struct hash_table *h, const struct pace *pace) {
    struct copying c = {htable_new(h->t.count), pace};

    table_each(&h->t, copy_visited, &c);
    return c.to;
}

/* ---------------------------------------------------------------- items */

void *htable_find(const struct hash_table *h, struct slice field, uint64_t hash) {
    return table_find(&h->t, field, hash);
}

struct hash_item htable_read(const void *item) {
    struct parts p = parts_of(item);
    struct slice value = value_of(&p);

    return (struct hash_item){.field = {.p = p.field.p, .n = p.field.n},
                              .value = {.p = value.p, .n = value.n},
                              .expire_ms = p.flags & TIMED ? htable_expire_of(item) : 0};
}

void htable_add(struct hash_table *h, struct slice field, uint64_t hash, struct slice value,
                int64_t expire_ms) {
    void *item = item_new(field, value, expire_ms);

    table_insert(&h->t, item, hash);
    if (expire_ms) note_due(h, item);
}

/* Writes the value over the old one if that takes neither another allocation nor a blob. */
static bool overwrite(void *item, const struct parts *p, struct slice value, int64_t expire_ms) {
    size_t had;

    if (p->flags & BLOB || value.n > EMBED_MAX || !(p->flags & TIMED) != !expire_ms) return false;
    had = value_of(p).n;
    if (bytes_for(p->field.n, had, expire_ms) != bytes_for(p->field.n, value.n, expire_ms))
        return false;
    put_tail((char *)item + (p->tail - (char *)item), value, NULL);
    if (expire_ms) memcpy((char *)p->field.p - sizeof expire_ms, &expire_ms, sizeof expire_ms);
    return true;
}

void htable_change(struct hash_table *h, void *item, uint64_t hash, struct slice value,
                   int64_t expire_ms) {
    struct parts p = parts_of(item);
    void *to;

    if (p.flags & TIMED) expiry_remove(h->due, item);
    if (!overwrite(item, &p, value, expire_ms)) {
        to = item_new(p.field, value, expire_ms);
        table_replace(&h->t, item, to, hash);
        item_free(item, NULL);
        item = to;
    }
    if (expire_ms) note_due(h, item);
}

void htable_set_expire(struct hash_table *h, void *item, uint64_t hash, int64_t expire_ms) {
    struct parts p = parts_of(item);
    size_t value_n = value_of(&p).n;
    char *tail;
    void *to;

    if (p.flags & TIMED) expiry_remove(h->due, item);
    if (p.flags & TIMED && expire_ms) {
        memcpy((char *)p.field.p - sizeof expire_ms, &expire_ms, sizeof expire_ms);
        note_due(h, item);
        return;
    }
    to = item_begin(bytes_for(p.field.n, value_n, expire_ms), p.field, p.flags & BLOB, expire_ms,
                    &tail);
    memcpy(tail, p.tail, p.flags & BLOB ? sizeof(struct blob *) : varint_size(value_n) + value_n);
    table_replace(&h->t, item, to, hash);
    mem_free(item);
    if (expire_ms) note_due(h, to);
}

void htable_delete(struct hash_table *h, void *item, uint64_t hash) {
    if (htable_expire_of(item)) expiry_remove(h->due, item);
    htable_delete_due(h, item, hash);
}

void htable_delete_due(struct hash_table *h, void *item, uint64_t hash) {
    table_remove(&h->t, item, hash);
    item_free(item, NULL);
}

/* ---------------------------------------------------------------- memory */

struct measure {
    size_t seen, bytes;
};

static void measure_visited(void *item, void *arg) {
    struct measure *m = arg;
    struct parts p = parts_of(item);
    struct slice value = value_of(&p);

    m->seen++;
    m->bytes += bytes_for(p.field.n, value.n, p.flags & TIMED ? 1 : 0);
    if (p.flags & BLOB) m->bytes += sizeof(struct blob) + blob_of(&p)->cap;
}

size_t htable_mem(const struct hash_table *h, size_t samples, const struct pace *pace) {
    struct measure m = {0};
    uint64_t cursor = 0;

    do {
        cursor = table_scan(&h->t, cursor, measure_visited, &m);
        pace_step(pace, 1);
    } while (cursor && (samples == 0 || m.seen < samples));
    if (m.seen) m.bytes = (size_t)((double)m.bytes / (double)m.seen * (double)h->t.count);
    m.bytes += sizeof *h + h->t.mem_bytes;
    if (h->due) m.bytes += sizeof *h->due + h->due->mem_bytes;
    return m.bytes;
}
