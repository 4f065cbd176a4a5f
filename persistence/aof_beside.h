/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_beside - warns of logs in the directory that a start does not load: an operator who wrote
 * `appendonly no`, or another `appendfilename`, may believe that the data is gone.
 */
#ifndef STET_PERSISTENCE_AOF_BESIDE_H
#define STET_PERSISTENCE_AOF_BESIDE_H

#include "persistence/aof_load.h"

/* The AOF is off: every log of the directory, if there is one, and an old single file. */
void aof_warn_while_off(const struct aof_names *n);

/* The log `n->filename` starts empty: every other log of the directory. */
void aof_warn_of_others(int dirfd, const struct aof_names *n);

#endif
