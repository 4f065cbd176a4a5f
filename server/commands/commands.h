/* SPDX-License-Identifier: BSD-3-Clause
 *
 * commands - the data commands, one table a family.
 */
#ifndef STET_COMMANDS_COMMANDS_H
#define STET_COMMANDS_COMMANDS_H

#include "server/exec/command.h"

extern const struct command string_commands[];
extern const struct command list_commands[];
extern const struct command list_pop_commands[];
extern const struct command list_move_commands[];
extern const struct command string_edit_commands[];
extern const struct command string_increx_commands[];
extern const struct command stream_remove_commands[];
extern const struct command lcs_commands[];
extern const struct command bit_commands[];
extern const struct command bitfield_commands[];
extern const struct command generic_commands[];
extern const struct command object_commands[];
extern const struct command dump_commands[];
extern const struct command migrate_commands[];
extern const struct command scan_commands[];
extern const struct command cluster_scan_commands[];
extern const struct command sort_commands[];
extern const struct command expire_commands[];
extern const struct command keyspace_commands[];
extern const struct command hyperloglog_commands[];
extern const struct command stream_commands[];
extern const struct command stream_read_commands[];
extern const struct command stream_group_commands[];
extern const struct command stream_claim_commands[];
extern const struct command stream_info_commands[];
extern const struct command stream_nack_commands[];
extern const struct command stream_idempotent_commands[];
extern const struct command hash_commands[];
extern const struct command hash_walk_commands[];
extern const struct command hash_expire_commands[];
extern const struct command set_expire_commands[];
extern const struct command hash_fields_commands[];
extern const struct command hash_import_commands[];
extern const struct command set_commands[];
extern const struct command set_random_commands[];
extern const struct command set_algebra_commands[];
extern const struct command geo_commands[];
extern const struct command geo_search_commands[];
extern const struct command zset_commands[];
extern const struct command zset_pop_commands[];
extern const struct command zset_move_commands[];
extern const struct command zset_range_commands[];
extern const struct command zset_store_commands[];
extern const struct command zset_walk_commands[];
extern const struct command json_commands[];
extern const struct command json_edit_commands[];
extern const struct command json_array_commands[];
extern const struct command json_show_commands[];
extern const struct command pubsub_commands[];
extern const struct command bloom_commands[];
extern const struct command cuckoo_commands[];
extern const struct command countmin_commands[];
extern const struct command topk_commands[];
extern const struct command tdigest_commands[];
extern const struct command vset_commands[];
extern const struct command vset_range_commands[];
extern const struct command vset_sim_commands[];

/* Adds every table above. */
void commands_register(struct command_registry *r);

#endif
