/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rows - what the files of this folder share: the command tables.
 */
#ifndef STET_REPLICATION_ROWS_H
#define STET_REPLICATION_ROWS_H

#include "server/exec/call.h"
#include "server/replication/replication.h"

extern const struct command psync_commands[];
extern const struct command wait_commands[];
extern const struct command role_commands[];
extern const struct command failover_commands[];

#endif
