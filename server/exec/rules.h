/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rules - when a collection changes its form, as the configuration says now.
 */
#ifndef STET_EXEC_RULES_H
#define STET_EXEC_RULES_H

#include "storage/hash.h"
#include "storage/listval.h"
#include "storage/set.h"
#include "storage/zset.h"

struct conf_values;

/* `now_ms`: by when parts are due; PARTS_ALL: none is. */
struct hash_rules rules_of_hash(const struct conf_values *v, int64_t now_ms);
struct set_rules rules_of_set(const struct conf_values *v, int64_t now_ms);
struct zset_rules rules_of_zset(const struct conf_values *v);
struct ql_limits rules_of_list(const struct conf_values *v);

#endif
