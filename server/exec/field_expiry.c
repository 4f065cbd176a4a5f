/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/field_expiry.h"

#include "protocol/encode.h"
#include "server/exec/call.h"
#include "storage/hash.h"

enum {
    HASHES = 16, /* taken out of the index at a time */
    FIELDS = 64, /* of one HDEL */
};

static void encode_field(const struct hash_item *item, void *args) {
    char text[NUM_I64_MAX];

    encode_arg(args, lp_value_text(item->field, text));
}

static void log_deleted(struct engine *e, const struct db *db, const struct entry *hash, size_t n,
                        const struct bytes *args) {
    if (!aof_logs(aof_phase(e->aof))) return;
    struct bytes *b = effects_begin(e, db->id);

    encode_head(b, n + 2);
    encode_arg(b, SLICE("HDEL"));
    encode_arg(b, entry_key(hash));
    bytes_append(b, args->p, args->n);
    effects_flush(e);
}

static void tell(struct engine *e, const struct db *db, const struct entry *hash,
                 enum event_class cls, const char *event) {
    if (e->hooks.event) e->hooks.event(e->hooks.arg, cls, event, entry_key(hash), db->id);
}

/* Puts a hash back into the index it was taken from, or deletes it if it is empty. */
static void settle(struct engine *e, struct db *db, struct entry *hash) {
    struct slice key = entry_key(hash);

    if (hash_len(hash) > 0) {
        db_parts_changed(db, hash, ENTRY_NO_EXPIRE);
        return;
    }
    tell(e, db, hash, EVENT_GENERIC, "del");
    db_delete(db, hash, hash_bytes(key.p, key.n), false);
}

/* True if the time is up. */
static bool expire_in(struct engine *e, struct db *db, struct entry *hash, uint64_t end_ns) {
    struct bytes args = {0};
    uint64_t total = 0;
    bool late = false;
    size_t n;

    do {
        bytes_clear(&args);
        n = hash_take_due(hash, clock_cached_ms(), FIELDS, encode_field, &args);
        if (n) log_deleted(e, db, hash, n, &args);
        total += n;
        late = clock_real_ns() >= end_ns;
    } while (n == FIELDS && !late);
    bytes_release(&args);
    e->stats.expired_fields += total;
    if (total) tell(e, db, hash, EVENT_HASH, "hexpired");
    settle(e, db, hash);
    return late;
}

bool expire_fields(struct engine *e, struct db *db, uint64_t end_ns) {
    void *due[HASHES];
    size_t n;

    while ((n = expiry_take_due(&db->parts, clock_cached_ms(), due, HASHES)) > 0) {
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
