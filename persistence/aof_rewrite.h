/* SPDX-License-Identifier: BSD-3-Clause
 *
 * aof_rewrite - writes a data set as a base file: as an RDB, or the fewest commands that bring it
 * back.
 *
 * A new type adds one row to the table of rewriters in aof_rewrite.c. Runs in the child; the data
 * set does not change meanwhile.
 */
#ifndef STET_PERSISTENCE_AOF_REWRITE_H
#define STET_PERSISTENCE_AOF_REWRITE_H

#include "persistence/child.h"
#include "persistence/rdb.h"
#include "storage/keyspace.h"

struct aof_rewrite {
    const struct keyspace *ks;
    int dirfd;
    const char *file; /* temporary name; created, and synced at the end */
    bool checksum;
    bool incremental_fsync;
    uint64_t position;          /* of the AOF, where this base was made */
    const struct rdb_save *rdb; /* how to write it as an RDB; NULL: as commands */
    int64_t
        key_delay_us; /* pause after each key (rdb-key-save-delay); below 0: 1 us after so many */
};

/* The file is never empty, so that a base of 0 bytes always means that something was lost. 0, or -1
 * and the file is removed. `report_fd` -1: no reports. */
int aof_rewrite_write(const struct aof_rewrite *rw, int report_fd, struct err *e);

#endif
