/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/exec/rules.h"

#include "conf/conf.h"

struct hash_rules rules_of_hash(const struct conf_values *v, int64_t now_ms) {
    return (struct hash_rules){v->hash_max_listpack_entries, v->hash_max_listpack_value, now_ms};
}

struct set_rules rules_of_set(const struct conf_values *v, int64_t now_ms) {
    return (struct set_rules){v->set_max_intset_entries, v->set_max_listpack_entries,
                              v->set_max_listpack_value, now_ms};
}

struct zset_rules rules_of_zset(const struct conf_values *v) {
    return (struct zset_rules){v->zset_max_listpack_entries, v->zset_max_listpack_value};
}

struct ql_limits rules_of_list(const struct conf_values *v) {
    return (struct ql_limits){v->list_max_listpack_size, v->list_compress_depth};
}
