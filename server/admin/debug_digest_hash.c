/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/admin/debug_digest.h"
#include "storage/hash.h"

static void visit(const struct hash_item *item, void *sum) {
    struct {
        struct digest field, value;
        int64_t expire_ms;
    } rec;

    memset(&rec, 0, sizeof rec); /* padding is hashed too */
    rec.field = digest_of_value(item->field);
    rec.value = digest_of_value(item->value);
    rec.expire_ms = item->expire_ms;
    digest_xor(sum, digest_of(&rec, sizeof rec));
}

struct digest digest_hash(const struct entry *e) {
    struct digest sum = {{0}};

    hash_each(e, PARTS_ALL, visit, &sum);
    return sum;
}
