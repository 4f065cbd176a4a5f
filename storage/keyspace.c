/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/keyspace.h"

#include "storage/base/check.h"
#include "storage/base/mem.h"
#include "storage/lazyfree.h"

static struct slice key_of(const void *entry) {
    return entry_key(entry);
}

static bool key_matches(const void *entry, struct slice key) {
    const struct entry *e = entry;

    return entry_key_len(e) == key.n && bytes_same(entry_key_at(e), key.p, key.n);
}

static const struct table_ops key_ops = {key_of, key_matches};

static int64_t key_due(const void *entry) {
    return entry_expire(entry);
}

/* When the first part of a value is due that has a time of its own, as a field of a hash. */
static int64_t parts_due(const void *entry) {
    const struct entry *e = entry;
    const struct type_ops *ops = type_ops_of(e->type);

    return ops->next_due ? ops->next_due(e) : ENTRY_NO_EXPIRE;
}

static void db_init(struct db *db, int id) {
    db->id = id;
    table_init(&db->keys, &key_ops);
    expiry_init(&db->expires, key_due);
    expiry_init(&db->parts, parts_due);
}

void keyspace_init(struct keyspace *ks, int ndbs) {
    ks->ndbs = ndbs;
    ks->dbs = mem_calloc((size_t)ndbs * sizeof *ks->dbs);
    for (int i = 0; i < ndbs; i++) db_init(&ks->dbs[i], i);
}

void keyspace_release(struct keyspace *ks) {
    for (int i = 0; i < ks->ndbs; i++) db_clear(&ks->dbs[i], false);
    mem_free(ks->dbs);
    *ks = (struct keyspace){0};
}

size_t keyspace_count(const struct keyspace *ks) {
    size_t n = 0;

    for (int i = 0; i < ks->ndbs; i++) n += ks->dbs[i].keys.count;
    return n;
}

void keyspace_swap(struct keyspace *ks, int a, int b) {
    struct db t = ks->dbs[a];

    ks->dbs[a] = ks->dbs[b];
    ks->dbs[b] = t;
    ks->dbs[a].id = a;
    ks->dbs[b].id = b;
}

void keyspace_exchange(struct keyspace *a, struct keyspace *b) {
    CHECK(a->ndbs == b->ndbs);
    for (int i = 0; i < a->ndbs; i++) {
        struct db t = a->dbs[i];

        a->dbs[i] = b->dbs[i];
        b->dbs[i] = t;
    }
}

static void free_visited(void *entry, void *arg) {
    (void)arg;
    entry_free(entry);
}

static void db_free_contents(void *arg) {
    struct db *db = arg;

    expiry_release(&db->expires);
    expiry_release(&db->parts);
    table_release(&db->keys, free_visited, NULL);
}

static void db_free_detached(void *arg) {
    db_free_contents(arg);
    mem_free(arg);
}

static void add_effort(void *entry, void *arg) {
    *(size_t *)arg += entry_effort(entry);
}

/* Whether the lazy-free thread is to free the contents. The keys are few if each is looked at. */
static bool is_thread_work(const struct db *db, bool lazy) {
    size_t limit = entry_lazy_effort(lazy), effort = 0;

    if (db->keys.count > limit) return true;
    table_each(&db->keys, add_effort, &effort);
    return effort > limit;
}

size_t db_clear(struct db *db, bool lazy) {
    size_t n = db->keys.count;

    if (is_thread_work(db, lazy)) {
        struct db *old = mem_dup(db, sizeof *db);

        lazyfree_submit(db_free_detached, old, n);
    } else {
        db_free_contents(db);
    }
    db_init(db, db->id);
    return n;
}

/* Out of, or into, the index of those with due parts. */
static void forget_parts(struct db *db, struct entry *e) {
    int64_t when = db->parts.count ? parts_due(e) : ENTRY_NO_EXPIRE;

    if (when != ENTRY_NO_EXPIRE) expiry_remove_at(&db->parts, e, when);
}

static void note_parts(struct db *db, struct entry *e) {
    if (parts_due(e) != ENTRY_NO_EXPIRE) expiry_add(&db->parts, e);
}

void db_parts_changed(struct db *db, struct entry *e, int64_t before_ms) {
    if (parts_due(e) == before_ms) return;
    if (before_ms != ENTRY_NO_EXPIRE) expiry_remove_at(&db->parts, e, before_ms);
    note_parts(db, e);
}

/* `to` takes the place of `from`, index and all; `from` is not freed. */
static void put_instead(struct db *db, struct entry *from, struct entry *to, uint64_t hash) {
    if (from->flags & ENTRY_EXPIRES) expiry_remove(&db->expires, from);
    table_replace(&db->keys, from, to, hash);
    if (to->flags & ENTRY_EXPIRES) expiry_add(&db->expires, to);
}

void db_add(struct db *db, struct entry *e, uint64_t hash) {
    table_insert(&db->keys, e, hash);
    if (e->flags & ENTRY_EXPIRES) expiry_add(&db->expires, e);
    note_parts(db, e);
}

static int64_t new_expire(const struct entry *old, int64_t expire_ms) {
    if (expire_ms != DB_KEEP_EXPIRE) return expire_ms;
    return old ? entry_expire(old) : ENTRY_NO_EXPIRE;
}

static struct entry *replace_string(struct db *db, uint64_t hash, struct entry *old,
                                    struct entry *e) {
    entry_take_access(e, old);
    forget_parts(db, old);
    put_instead(db, old, e, hash);
    entry_discard(old, false);
    return e;
}

struct entry *db_set_string(struct db *db, struct slice key, uint64_t hash, struct entry *old,
                            struct slice value, int64_t expire_ms, unsigned flags) {
    struct entry *e;

    expire_ms = new_expire(old, expire_ms);
    if (!old) {
        e = entry_new_string(key, value, expire_ms, flags);
        db_add(db, e, hash);
        return e;
    }
    if (entry_expire(old) == expire_ms && entry_overwrite(old, value, flags)) return old;
    return replace_string(db, hash, old, entry_new_string(key, value, expire_ms, flags));
}

struct entry *db_set_blob(struct db *db, struct slice key, uint64_t hash, struct entry *old,
                          struct blob *value, int64_t expire_ms, unsigned flags) {
    struct entry *e = entry_new_object(key, TYPE_STRING, value, new_expire(old, expire_ms), flags);

    if (old) return replace_string(db, hash, old, e);
    db_add(db, e, hash);
    return e;
}

struct entry *db_resize_string(struct db *db, struct entry *e, uint64_t hash, size_t n,
                               char **data) {
    struct entry *to = e;
    struct blob *b;
    size_t had = entry_string(e).n;

    if (e->flags & ENTRY_EMBEDDED) {
        size_t fixed = (size_t)(entry_key_at(e) - (char *)e) + entry_key_len(e);

        if (n <= ENTRY_EMBED_MAX && mem_good_size(fixed + n) == mem_good_size(fixed + had)) {
            if (n > had) memset((char *)e + fixed + had, 0, n - had);
            e->val_len = (uint16_t)n;
            e->flags |= ENTRY_RAW;
            *data = (char *)e + fixed;
            return e;
        }
        b = blob_new(NULL, had);
        memcpy(b->data, entry_string(e).p, had);
        b = blob_resize(b, n);
        to = entry_new_object(entry_key(e), TYPE_STRING, b, entry_expire(e), e->flags);
        entry_take_access(to, e);
        put_instead(db, e, to, hash);
        mem_free(e);
    } else {
        b = blob_resize(entry_blob(e), n);
        *entry_word(e) = b;
    }
    to->flags |= ENTRY_RAW;
    *data = b->data;
    return to;
}

struct entry *db_set_expire(struct db *db, struct entry *e, uint64_t hash, int64_t when_ms) {
    struct entry *to;

    if (entry_expire(e) == when_ms) return e;
    if (e->flags & ENTRY_EXPIRES) expiry_remove(&db->expires, e);
    if ((e->flags & ENTRY_EXPIRES) && when_ms != ENTRY_NO_EXPIRE) {
        entry_put_expire(e, when_ms);
        to = e;
    } else {
        to = entry_rekey(e, entry_key(e), when_ms);
        forget_parts(db, e);
        table_replace(&db->keys, e, to, hash);
        note_parts(db, to);
        mem_free(e);
    }
    if (to->flags & ENTRY_EXPIRES) expiry_add(&db->expires, to);
    return to;
}

void db_detach(struct db *db, struct entry *e, uint64_t hash) {
    if (e->flags & ENTRY_EXPIRES) expiry_remove(&db->expires, e);
    forget_parts(db, e);
    table_remove(&db->keys, e, hash);
}

void db_delete(struct db *db, struct entry *e, uint64_t hash, bool lazy) {
    if (e->flags & ENTRY_EXPIRES) expiry_remove(&db->expires, e);
    db_delete_due(db, e, hash, lazy);
}

void db_delete_due(struct db *db, struct entry *e, uint64_t hash, bool lazy) {
    forget_parts(db, e);
    table_remove(&db->keys, e, hash);
    entry_discard(e, lazy);
}

size_t db_overhead(const struct db *db) {
    return db->keys.mem_bytes + db->expires.mem_bytes + db->parts.mem_bytes;
}
