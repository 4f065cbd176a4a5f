/* SPDX-License-Identifier: BSD-3-Clause
 *
 * link - a replica's connection to its master: from the name of a host to the stream.
 *
 *   OFF -> RESOLVE -> CONNECT -> HANDSHAKE -> RECEIVE -> LOAD -> STREAM
 *            ^                      |                              ^
 *           WAIT <-- all of them    +------------ +CONTINUE -------+
 *
 * Main thread only.
 */
#ifndef STET_REPLICATION_LINK_H
#define STET_REPLICATION_LINK_H

#include "storage/base/bytes.h"

#include <stdint.h>

struct replication;

enum link_state {
    LINK_OFF,
    LINK_WAIT,
    LINK_RESOLVE,
    LINK_CONNECT,
    LINK_HANDSHAKE,
    LINK_RECEIVE,
    LINK_LOAD,
    LINK_STREAM,
    LINK_STATES
};

struct master_link {
    enum link_state state;
};

/* Follows this master from now on; NULL: none, the link is OFF. */
void link_follow(struct replication *r, const char *host, int port);

void link_cron(struct replication *r);
void link_release(struct replication *r);

/* The lines of INFO replication about the master, of a replica. */
void link_info(const struct replication *r, struct bytes *out);

#endif
