/* SPDX-License-Identifier: BSD-3-Clause */
#include "persistence/aof_rewrite_types.h"
#include "storage/base/num.h"
#include "storage/hash.h"

static void put_text(struct rewrite_batch *r, struct lp_value v) {
    char text[NUM_I64_MAX];

    rewrite_arg(r, lp_value_text(v, text));
}

static void put_field(const struct hash_item *item, void *arg) {
    struct rewrite_batch *r = arg;

    put_text(r, item->field);
    put_text(r, item->value);
    rewrite_item_end(r);
}

static void put_time(const struct hash_item *item, void *arg) {
    struct rewrite_batch *r = arg;

    if (item->expire_ms == 0) return;
    rewrite_arg_int(r, item->expire_ms);
    rewrite_arg(r, SLICE("FIELDS"));
    rewrite_arg(r, SLICE("1"));
    put_text(r, item->field);
    r->nitems = REWRITE_ITEMS; /* a command for each field, because each has another time */
    rewrite_item_end(r);
}

/* Writes fields that are due, too: only an HDEL in the AOF removes a field when it is read back. */
void rewrite_hash(struct bytes *b, const struct entry *e) {
    struct rewrite_batch values = {.out = b, .head = {SLICE("HSET"), entry_key(e)}, .nhead = 2};
    struct rewrite_batch times = {
        .out = b, .head = {SLICE("HPEXPIREAT"), entry_key(e)}, .nhead = 2};

    hash_each(e, PARTS_ALL, put_field, &values);
    rewrite_batch_end(&values);
    if (hash_next_due(e) != ENTRY_NO_EXPIRE) hash_each(e, PARTS_ALL, put_time, &times);
    rewrite_batch_end(&times);
    rewrite_expire(b, e);
}
