/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/net/socket_group.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int socket_give_to_group(const char *path, const char *group, struct err *e) {
    char *end;
    unsigned long gid = strtoul(group, &end, 10);
    const struct group *g = *end ? getgrnam(group) : NULL;

    if (*end && !g) return err_set(e, ENOENT, "unixsocketgroup: there is no group '%s'", group);
    if (chown(path, (uid_t)-1, g ? g->gr_gid : (gid_t)gid) == 0) return 0;
    return err_set(e, errno, "unixsocketgroup '%s': %s", group, strerror(errno));
}
