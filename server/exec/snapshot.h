/* SPDX-License-Identifier: BSD-3-Clause
 *
 * snapshot - between the engine and persistence/rdb: the parameters for writing and reading RDB
 * files, and a data set that is put aside while another one is loaded.
 */
#ifndef STET_EXEC_SNAPSHOT_H
#define STET_EXEC_SNAPSHOT_H

#include "persistence/rdb.h"
#include "server/exec/engine.h"

/* Empties the data set without notifying clients. */
void snapshot_forget(struct engine *e);

/* The code of the libraries of functions, in one allocation: see args_copy. */
struct snapshot_code {
    struct slice *v;
    int n;
};

struct snapshot_code snapshot_take_code(const struct engine *e);

/* Compiles all of it: libraries that were there before, so that none is refused. */
void snapshot_compile(struct engine *e, const struct snapshot_code *code);

/* A data set that is put aside while another one is loaded in its place, so that it can be restored
 * if the load fails. Libraries of functions are kept as their code. */
struct snapshot_aside {
    struct keyspace ks; /* `libraries` is not used */
    struct snapshot_code code;
};

/* Empties the data set and keeps it in `a`. WATCH, blocked clients and tracking see every key as
 * changed. */
void snapshot_set_aside(struct engine *e, struct snapshot_aside *a);

/* Ends it: frees the loaded data set and restores the old one, or (`keep_loaded`) frees the old one
 * on another thread. */
void snapshot_end_aside(struct engine *e, struct snapshot_aside *a, bool keep_loaded);

struct rdb_rules snapshot_rules(const struct conf_values *v);

/* The options for writing, but for aof_base and progress. */
struct rdb_save snapshot_save(const struct engine *e);

/* The options for loading, but for progress; `drop_due`: keys whose time is over are not loaded. */
struct rdb_load snapshot_load(struct engine *e, bool drop_due);

#endif
