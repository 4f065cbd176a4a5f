/* SPDX-License-Identifier: BSD-3-Clause
 *
 * snapshot - what an engine's configuration says of RDB files: how they are written, and in which
 * form what is read is kept.
 */
#ifndef STET_EXEC_SNAPSHOT_H
#define STET_EXEC_SNAPSHOT_H

#include "persistence/rdb.h"
#include "server/exec/engine.h"

/* Everything that the data set holds goes away, nobody is told. */
void snapshot_forget(struct engine *e);

struct rdb_rules snapshot_rules(const struct conf_values *v);

/* Everything but aof_base and progress. */
struct rdb_save snapshot_save(const struct engine *e);

/* Everything but progress; `drop_due`: keys whose time is over are not loaded. */
struct rdb_load snapshot_load(struct engine *e, bool drop_due);

#endif
