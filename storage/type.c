/* SPDX-License-Identifier: BSD-3-Clause */
#include "storage/type.h"

#include "storage/base/check.h"
#include "storage/base/log.h"
#include "storage/entry.h"
#include "storage/hash.h"
#include "storage/json.h"
#include "storage/listval.h"
#include "storage/set.h"
#include "storage/sketch.h"
#include "storage/stream.h"
#include "storage/vset.h"
#include "storage/zset.h"

static const struct type_ops *const types[TYPE_COUNT] = {
    [TYPE_STRING] = &string_type_ops, [TYPE_LIST] = &list_type_ops,
    [TYPE_SET] = &set_type_ops,       [TYPE_ZSET] = &zset_type_ops,
    [TYPE_HASH] = &hash_type_ops,     [TYPE_STREAM] = &stream_type_ops,
    [TYPE_VSET] = &vset_type_ops,     [TYPE_BLOOM] = &bloom_type_ops,
    [TYPE_CUCKOO] = &cuckoo_type_ops, [TYPE_COUNTMIN] = &countmin_type_ops,
    [TYPE_TOPK] = &topk_type_ops,     [TYPE_TDIGEST] = &tdigest_type_ops,
    [TYPE_JSON] = &json_type_ops,
};

const struct type_ops *type_ops_of(enum type_id id) {
    return types[id];
}

void type_table_check(const char *name, const void *table, size_t row_bytes) {
    for (int id = 0; id < TYPE_COUNT; id++) {
        void *first;

        memcpy(&first, (const char *)table + (size_t)id * row_bytes, sizeof first);
        if (!types[id] || first) continue;
        log_warning("The table '%s' has no row for the type '%s'.", name, types[id]->name);
        CHECK(first);
    }
}

enum type_id type_by_name(struct slice name) {
    unsigned id = 0;

    while (id < TYPE_COUNT && !(types[id] && slice_is(name, types[id]->name))) id++;
    return (enum type_id)id;
}
