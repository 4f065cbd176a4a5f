/* SPDX-License-Identifier: BSD-3-Clause
 *
 * migration - the migrations of slots that have been: what CLUSTER GETSLOTMIGRATIONS lists.
 *
 * Nodes of one process share the data, so a migration is over at once, and each has succeeded. The
 * log keeps up to cluster-slot-migration-log-max-len of them, and not more than MIGRATIONS_BYTES.
 */
#ifndef STET_CLUSTER_MIGRATION_H
#define STET_CLUSTER_MIGRATION_H

#include "server/cluster/state.h"

enum { MIGRATIONS_BYTES = 1 << 20 };

struct migration {
    struct list link;
    char name[NODE_ID_CHARS + 1];
    unsigned from, to;
    int64_t at_s;
    size_t n;
    char ranges[]; /* "1-2 5", n bytes */
};

void migration_note(struct cluster *c, unsigned from, unsigned to, struct slice ranges);
void migrations_clear(struct cluster *c);

#endif
