/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rdb_parts - the data of a value that Redis keeps in a module: numbers and texts, the kind before
 * each, and an end.
 */
#ifndef STET_PERSISTENCE_RDB_PARTS_H
#define STET_PERSISTENCE_RDB_PARTS_H

#include "persistence/rdb_format.h"
#include "persistence/rdb_in.h"
#include "persistence/rdb_out.h"

void rdb_put_number(struct rdb_out *o, uint64_t v);
void rdb_put_text(struct rdb_out *o, struct slice s);
void rdb_put_end(struct rdb_out *o);

bool rdb_take_number(struct rdb_in *in, uint64_t *v);
bool rdb_take_text(struct rdb_in *in, struct slice *s);
bool rdb_take_end(struct rdb_in *in);

#endif
