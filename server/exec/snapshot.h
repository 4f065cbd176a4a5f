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

/* A data set that stands aside while another one is loaded in its place, so that it can come back
 * if that fails. Libraries of functions are kept as their code. */
struct snapshot_aside {
    struct keyspace ks; /* `libraries` is not used */
    struct slice *code; /* in one allocation, see args_copy */
    int ncode;
};

/* The data set is empty then. WATCH, blocked clients and tracking see every key as changed. */
void snapshot_set_aside(struct engine *e, struct snapshot_aside *a);

/* Ends it: the loaded data set goes and the old one is back, or (`keep_loaded`) the old one is
 * freed on another thread. */
void snapshot_end_aside(struct engine *e, struct snapshot_aside *a, bool keep_loaded);

struct rdb_rules snapshot_rules(const struct conf_values *v);

/* Everything but aof_base and progress. */
struct rdb_save snapshot_save(const struct engine *e);

/* Everything but progress; `drop_due`: keys whose time is over are not loaded. */
struct rdb_load snapshot_load(struct engine *e, bool drop_due);

#endif
