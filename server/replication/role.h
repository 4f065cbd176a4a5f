/* SPDX-License-Identifier: BSD-3-Clause
 *
 * role - the changes between master and replica. Main thread only.
 */
#ifndef STET_REPLICATION_ROLE_H
#define STET_REPLICATION_ROLE_H

struct replication;

/* At the start, as the configuration says. */
void role_start(struct replication *r);

/* Follows this master from now on. Its own history is kept, so that a former master can go on with
 * a partial sync; clients that are blocked are disconnected. */
void role_become_replica(struct replication *r, const char *host, int port);

/* A master from now on, if it was none: the history goes on under a new id. */
void role_become_master(struct replication *r);

#endif
