/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/commands/commands.h"

#include "server/exec/multi.h"

void commands_register(struct command_registry *r) {
    static const struct command *const tables[] = {
        string_commands,        string_edit_commands,
        lcs_commands,           bit_commands,
        bitfield_commands,      generic_commands,
        object_commands,        scan_commands,
        list_commands,          list_pop_commands,
        sort_commands,          multi_commands,
        expire_commands,        keyspace_commands,
        hash_commands,          hash_walk_commands,
        stream_commands,        stream_read_commands,
        stream_group_commands,  stream_claim_commands,
        stream_info_commands,   hyperloglog_commands,
        geo_commands,           geo_search_commands,
        zset_commands,          zset_pop_commands,
        zset_range_commands,    zset_store_commands,
        zset_walk_commands,     set_commands,
        set_random_commands,    set_expire_commands,
        set_algebra_commands,   hash_expire_commands,
        hash_fields_commands,   pubsub_commands,
        dump_commands,          migrate_commands,
        string_increx_commands, stream_remove_commands,
        vset_commands,          vset_sim_commands,
        bloom_commands,         cuckoo_commands,
        countmin_commands,      topk_commands,
        tdigest_commands,       cluster_scan_commands,
        list_move_commands,     zset_move_commands,
        stream_nack_commands,   stream_idempotent_commands,
        hash_import_commands,   json_commands,
        json_edit_commands,     json_array_commands,
        json_show_commands,     vset_range_commands,
    };

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) command_registry_add(r, tables[i]);
}
