/* SPDX-License-Identifier: BSD-3-Clause
 *
 * role - what exec has to know of replication: whether this server is a replica, and whether its
 * clients may read and write. server/replication keeps the values; exec only reads them.
 *
 * All-zero: a master without conditions. Main thread only.
 */
#ifndef STET_EXEC_ROLE_H
#define STET_EXEC_ROLE_H

#include <stdbool.h>

struct role {
    bool is_replica;
    bool link_up;            /* of a replica: its master's stream is being applied */
    bool saving_for_replica; /* a child writes the data set for a full sync */
    bool few_replicas;       /* of a master: fewer good ones than min-replicas-to-write */
};

#endif
