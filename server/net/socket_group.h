/* SPDX-License-Identifier: BSD-3-Clause
 *
 * socket_group - the group of the unix socket (unixsocketgroup): a name, or a number.
 */
#ifndef STET_NET_SOCKET_GROUP_H
#define STET_NET_SOCKET_GROUP_H

#include "storage/base/err.h"

/* Before the sandbox, which may hide the list of groups. */
int socket_give_to_group(const char *path, const char *group, struct err *e);

#endif
