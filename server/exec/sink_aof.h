/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sink_aof - gives the units of propagate.h to the append-only file. Nothing else appends to it.
 */
#ifndef STET_EXEC_SINK_AOF_H
#define STET_EXEC_SINK_AOF_H

#include "persistence/aof.h"
#include "server/exec/propagate.h"

struct sink sink_aof(struct aof *a);

#endif
