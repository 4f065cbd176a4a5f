/* SPDX-License-Identifier: BSD-3-Clause
 *
 * file - cluster-config-file: the id, the epochs and the slots of a cluster of one node, in Redis'
 * format, so that they survive a restart.
 *
 *   id ip:port@bus-port,hostname,tls-port=n,shard-id=id myself,master - 0 0 epoch connected 0-16383
 *   vars currentEpoch n lastVoteEpoch 0
 */
#ifndef STET_CLUSTER_FILE_H
#define STET_CLUSTER_FILE_H

#include "server/cluster/state.h"

/* What the file says becomes the state. A file that is not there changes nothing; one that cannot
 * be read, or that names other nodes, is refused. */
int file_load(struct cluster *c, struct err *e);
int file_parse(struct cluster *c, struct slice text, struct err *e);

/* The contents. */
void file_write(const struct cluster *c, struct bytes *out);

/* Waits for the disk: before the loop runs. */
int file_save_now(const struct cluster *c, struct err *e);

/* The state has changed: the file is written soon, by engine.files. What fails is logged. */
void file_save(struct cluster *c);

/* CLUSTER SAVECONFIG: the client waits for it. */
int file_cmd_save(struct call *x);

#endif
