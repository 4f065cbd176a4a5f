/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/expire.h"

#include "conf/conf.h"
#include "protocol/encode.h"
#include "server/exec/latency.h"
#include "server/exec/push.h"
#include "storage/hash.h"
#include "storage/set.h"

/* ---------------------------------------------------------------- a key that is looked up */

/* An entry past its time is gone. */
static void key_expired(struct engine *e, const struct ref *r) {
    key_vanishes(e, r, EVENT_EXPIRED, "expired", e->v->lazyfree_lazy_expire);
    e->stats.expired++;
}

void expire_now(struct engine *e, struct ref *r) {
    key_expired(e, r);
    if (r->key.p == entry_key_at(r->e)) { /* the key must outlive its entry */
        bytes_clear(&e->gone_key);
        bytes_append(&e->gone_key, r->key.p, r->key.n);
        r->key = bytes_slice(&e->gone_key);
    }
    db_delete(r->db, r->e, r->hash, e->v->lazyfree_lazy_expire);
    r->e = NULL;
}

/* ---------------------------------------------------------------- fields and members */

enum {
    OWNERS = 16, /* keys taken out of the index at a time */
    PARTS = 64,  /* of one HDEL or SREM */
};

static void encode_field(const struct hash_item *item, void *args) {
    char text[NUM_I64_MAX];

    encode_arg(args, lp_value_text(item->field, text));
}

static size_t take_fields(struct entry *hash, int64_t now_ms, struct bytes *args) {
    return hash_take_due(hash, now_ms, PARTS, encode_field, args);
}

static void encode_member(struct lp_value member, void *args) {
    char text[NUM_I64_MAX];

    encode_arg(args, lp_value_text(member, text));
}

static size_t take_members(struct entry *set, int64_t now_ms, struct bytes *args) {
    return set_take_due(set, now_ms, PARTS, encode_member, args);
}

/* The types whose parts have times. */
static const struct owner {
    /* Removes up to PARTS parts that are due, and appends them as arguments. */
    size_t (*take)(struct entry *e, int64_t now_ms, struct bytes *args);
    size_t (*len)(const struct entry *e);
    struct slice remove; /* the command */
    enum event_class cls;
    const char *event;
} owners[TYPE_COUNT] = {
    [TYPE_HASH] = {take_fields, hash_len, SLICE("HDEL"), EVENT_HASH, "hexpired"},
    [TYPE_SET] = {take_members, set_len, SLICE("SREM"), EVENT_SET, "sexpired"},
};

static void propagate_removed(struct engine *e, const struct db *db, const struct entry *owner,
                              size_t n, const struct bytes *args) {
    struct bytes *b;

    if (!propagate_wanted(&e->propagation)) return;
    b = propagate_begin(&e->propagation, db->id);
    encode_head(b, n + 2);
    encode_arg(b, owners[owner->type].remove);
    encode_arg(b, entry_key(owner));
    bytes_append(b, args->p, args->n);
    propagate_flush(&e->propagation);
}

static void emit(struct engine *e, const struct db *db, const struct entry *owner,
                 enum event_class cls, const char *event) {
    notify_event(e, cls, event, entry_key(owner), db->id);
}

/* Puts a key back into the index it was taken from, or deletes it if nothing is left in it. */
static void settle(struct engine *e, struct db *db, struct entry *owner) {
    struct slice key = entry_key(owner);

    if (owners[owner->type].len(owner) > 0) {
        db_parts_changed(db, owner, ENTRY_NO_EXPIRE);
        return;
    }
    emit(e, db, owner, EVENT_GENERIC, "del");
    db_delete(db, owner, hash_bytes(key.p, key.n), false);
}

/* True if the time is up. */
static bool expire_in(struct engine *e, struct db *db, struct entry *owner, uint64_t end_ns) {
    const struct owner *o = &owners[owner->type];
    struct bytes args = {0};
    uint64_t total = 0;
    bool late = false;
    size_t n;

    do {
        bytes_clear(&args);
        n = o->take(owner, clock_cached_ms(), &args);
        if (n) propagate_removed(e, db, owner, n, &args);
        total += n;
        late = clock_real_ns() >= end_ns;
    } while (n == PARTS && !late);
    bytes_release(&args);
    e->stats.expired_fields += total;
    if (total) emit(e, db, owner, o->cls, o->event);
    settle(e, db, owner);
    return late;
}

static bool expire_parts(struct engine *e, struct db *db, uint64_t end_ns) {
    void *due[OWNERS];
    size_t n;

    while ((n = expiry_take_due(&db->parts, clock_cached_ms(), due, OWNERS)) > 0) {
        bool late = false;

        for (size_t i = 0; i < n; i++) {
            if (late)
                settle(e, db, due[i]);
            else
                late = expire_in(e, db, due[i], end_ns);
        }
        if (late) return true;
    }
    return false;
}

/* ---------------------------------------------------------------- keys that no command looks up */

enum { EXPIRE_BATCH = 256 }; /* a leaf of the index */

static void expire_batch(struct engine *e, struct db *db, void **due, size_t n) {
    uint64_t hashes[EXPIRE_BATCH];

    for (size_t i = 0; i < n; i++) {
        struct slice key = entry_key(due[i]);

        hashes[i] = hash_bytes(key.p, key.n);
        table_prefetch_bucket(&db->keys, hashes[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct ref r = {entry_key(due[i]), hashes[i], due[i], db};

        key_expired(e, &r);
        propagate_flush(&e->propagation);
        db_delete_due(db, due[i], hashes[i], e->v->lazyfree_lazy_expire);
    }
}

bool expire_some(struct engine *e, uint64_t budget_us) {
    void *due[EXPIRE_BATCH];
    uint64_t began = clock_real_ns(), end = began + budget_us * 1000, took_us;
    bool more = false;

    if (!e->active_expire || e->loading || !expire_removes(e)) return false;
    for (int i = 0; i < e->ks.ndbs && !more; i++) {
        struct db *db = &e->ks.dbs[i];
        size_t n;

        while ((n = expiry_take_due(&db->expires, clock_cached_ms(), due, EXPIRE_BATCH)) > 0) {
            expire_batch(e, db, due, n);
            more = clock_real_ns() >= end;
            if (more) break;
        }
        if (!more) more = expire_parts(e, db, end);
    }
    push_settle(e, 0); /* an expiry is no change that a reader has to wait for */
    e->stats.expired_time_cap += more;
    took_us = (clock_real_ns() - began) / 1000;
    e->stats.expire_cycle_us += took_us;
    latency_note(e, "expire-cycle", took_us);
    return more;
}
